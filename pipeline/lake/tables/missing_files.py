"""Table files that manifests name and that are missing or have another size are reported; nothing is done about them.

Deleting old partitions is a way to keep a lake small, so a date without any file left is reported in one line. What a manifest
commits stays done: nothing is read again because its file is gone.
"""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import groupby

from pipeline.lake.paths import MANIFESTS, file_name, is_rewritten
from pipeline.object_store.store import Store

_AT_ONCE = 8
"""Tables listed at once. Most have fewer than a thousand files, which is one request."""


@dataclass(frozen=True)
class MissingFiles:
    dates: tuple[str, ...] = ()
    """Dates of which no file is left, sorted."""
    paths: tuple[str, ...] = ()
    """Missing files of all other dates, sorted."""

    def __bool__(self) -> bool:
        return bool(self.dates or self.paths)

    @property
    def sentences(self) -> list[str]:
        """What is missing and what to do, in up to two sentences, each without capital and full stop."""
        found = []
        if self.dates:
            first, last, many = self.dates[0], self.dates[-1], len(self.dates) > 1
            dates = f"{len(self.dates)} dates ({first} to {last})" if many else first
            found.append(f"all table files of {dates} are gone, as after old partitions were deleted: they are not read again")
        if self.paths:
            first, many = self.paths[0], len(self.paths) > 1
            files = f"{len(self.paths)} table files that manifests name are" if many else "a table file that a manifest names is"
            which = "the first is " if many else ""
            found.append(
                f"{files} missing or of another size, {which}{first}: restore {'them' if many else 'it'}{_or_again(first)}"
            )
        return found


def find_missing(store: Store, named: Mapping[str, int]) -> MissingFiles:
    """Compares the tables with `named`, the size in bytes by path from manifests. It costs one listing of each table.

    Read the manifests before this call: a file is written before its manifest, so none of theirs can be missing for that reason.
    """
    by_table = {table: set(paths) for table, paths in groupby(sorted(named), key=lambda path: path.partition("/")[0])}

    def left_of(table: str) -> set[str]:
        left = by_table[table]
        for stored in store.list(f"{table}/"):
            if named.get(stored.path) == stored.size_bytes:
                left.discard(stored.path)
        return left

    if not by_table:
        return MissingFiles()
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        missing = {path for left in pool.map(left_of, by_table) for path in left}
    if not missing:
        return MissingFiles()
    standing = {_date(path) for path in named.keys() - missing}
    dates = {_date(path) for path in missing} - standing
    return MissingFiles(tuple(sorted(dates)), tuple(sorted(path for path in missing if _date(path) not in dates)))


def _date(path: str) -> str:
    """`2026-01-01` of `pages/ingest_date=2026-01-01/000001-00000.parquet`."""
    return path.split("/")[1].partition("=")[2]


def _or_again(path: str) -> str:
    """What else can be done; nothing for a file of a rewrite, which stands for many manifests."""
    name = file_name(path)
    if is_rewritten(name):
        return ""
    return f", or remove its manifest {MANIFESTS}{_date(path)}/{name}.json to have its sources read again"
