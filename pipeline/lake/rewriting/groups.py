"""Chooses which files are joined: neighbours of one date, until they come to the size that is aimed at."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date

from pipeline.lake.ledger import list_manifests
from pipeline.lake.paths import committed_name, file_name
from pipeline.lake.rewriting.state import LiveFiles
from pipeline.object_store.store import Store
from schemas.tables import TABLES

_FULL = 0.5
"""A rewritten file of this share of the target is left as it is."""
_LARGE = 0.25
"""A file as a run wrote it that has this share is sorted even if it has no neighbour."""


@dataclass(frozen=True)
class Unit:
    """Files that are rewritten together: those of a commit, or of an earlier rewrite."""

    ingest_date: date
    names: tuple[str, ...]
    size_bytes: int
    """In the largest of the tables."""
    is_rewritten: bool


class TableFiles:
    """The listing of all tables that commits write: sizes of the files that count."""

    def __init__(self, store: Store, live: LiveFiles) -> None:
        self.sizes: dict[str, dict[str, int]] = defaultdict(dict)
        """By table, size in bytes by path."""
        self._by_name: dict[str, dict[str, int]] = defaultdict(dict)
        for table in TABLES:
            for stored in store.list(f"{table}/"):
                if stored.path.endswith(".parquet") and stored.path in live:
                    self.sizes[table][stored.path] = stored.size_bytes
                    self._by_name[file_name(stored.path)][table] = stored.size_bytes

    def has(self, name: str) -> bool:
        """False where the date was deleted."""
        return "documents" in self._by_name.get(name, {})

    def size_of(self, names: Iterable[str]) -> int:
        """Of the largest table."""
        tables: dict[str, int] = defaultdict(int)
        for name in names:
            for table, size in self._by_name.get(name, {}).items():
                tables[table] += size
        return max(tables.values(), default=0)


def find_units(store: Store, live: LiveFiles, files: TableFiles) -> list[Unit]:
    """All committed files that count, in the order of rewrites and then of commits."""
    found = []
    for rewrite in live.state.rewrites:
        names = tuple(dict.fromkeys(file_name(file.path) for file in rewrite.files if files.has(file_name(file.path))))
        if names:
            found.append(Unit(rewrite.ingest_date, names, files.size_of(names), True))
    replaced = live.state.replaced
    for manifest, _ in list_manifests(store):
        if manifest.shard_index is None or manifest.shard_index < 0:
            continue
        name = committed_name(manifest)
        if name not in replaced and files.has(name):
            found.append(Unit(date.fromisoformat(manifest.ingest_date), (name,), files.size_of([name]), False))
    return found


def choose_groups(units: Iterable[Unit], target_bytes: float) -> Iterator[list[Unit]]:
    """Groups that are worth rewriting, each of one date and of at least one unit."""
    dates: dict[date, list[Unit]] = defaultdict(list)
    for unit in units:
        if not (unit.is_rewritten and unit.size_bytes >= _FULL * target_bytes):
            dates[unit.ingest_date].append(unit)
    for _, neighbours in sorted(dates.items()):
        group: list[Unit] = []
        for unit in neighbours:
            if group and sum(each.size_bytes for each in group) + unit.size_bytes > target_bytes:
                yield from [group] if _is_worth_it(group, target_bytes) else []
                group = []
            group.append(unit)
        yield from [group] if _is_worth_it(group, target_bytes) else []


def _is_worth_it(group: list[Unit], target_bytes: float) -> bool:
    return len(group) > 1 or any(not unit.is_rewritten and unit.size_bytes >= _LARGE * target_bytes for unit in group)
