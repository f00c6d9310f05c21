"""The progress of a shard: its staged chunks, its whole documents (all their chunks are staged), and its committed documents."""

import time
from collections.abc import Iterable

from pipeline.lake.ledger import read_manifest
from pipeline.lake.paths import (
    STAGING,
    ChunkName,
    chunk_name,
    manifest_name,
    plan_manifests_prefix,
    shard_manifests_prefix,
    staged_shard,
    staging_prefix,
)
from pipeline.object_store.store import Store
from schemas.plan import Plan


class Coverage:
    """Which chunks of one source are staged, and whether they cover it."""

    def __init__(self) -> None:
        self._names: dict[int, set[ChunkName]] = {}

    def add(self, name: ChunkName) -> None:
        self._names.setdefault(name.num_selected, set()).add(name)

    def remove(self, name: ChunkName) -> None:
        self._names.get(name.num_selected, set()).discard(name)

    def complete(self) -> list[ChunkName] | None:
        """The chunks that cover the source exactly, in page order; None while some are missing.

        A source that went away between two runs may be staged under two page counts, one by a run that was taken for dead. The
        largest count that is covered wins, because pages are worth more than the failure to fetch them.
        """
        for num_selected, names in sorted(self._names.items(), reverse=True):
            if num_selected == 0 and names:
                return sorted(names)
            if (tiling := _tiling(names, num_selected)) is not None:
                return tiling
        return None

    def staged(self) -> list[ChunkName]:
        """The chunks that a resumed run need not read again: those of the page count that has the most chunks."""
        groups = sorted(filter(None, self._names.values()), key=lambda names: (-len(names), min(names)))
        return sorted(groups[0]) if groups else []


def _tiling(names: Iterable[ChunkName], num_selected: int) -> list[ChunkName] | None:
    """Names that follow each other from the first position to the last; of names that begin at one position, the longest. None if
    a position is missing."""
    tiling: list[ChunkName] = []
    longest = {name.first: name for name in sorted(names)}
    while num_selected and (position := tiling[-1].last + 1 if tiling else 0) < num_selected:
        if position not in longest:
            return None
        tiling.append(longest[position])
    return tiling or None


class ShardProgress:
    def __init__(self, plan: Plan, shard_index: int, staged: Iterable[ChunkName] = ()) -> None:
        self.shard_index = shard_index
        self.num_sources = plan.shards.num_sources_of(shard_index)
        self._coverages: dict[int, Coverage] = {}
        """By source_index, of sources that have staged chunks."""
        self.next_part = 0
        """Number of the next part. Parts are committed one after the other, so all parts before it show which documents are
        left."""
        self.is_committed = False
        """True if the whole shard is committed."""
        self._incomplete = set(range(self.num_sources))
        self._committed: set[int] = set()
        self._whole_since: dict[int, float] = {}
        """Since when each document is whole and not committed, in `time.monotonic` seconds by source_index."""
        for name in staged:
            self.add(name)

    def add(self, name: ChunkName) -> bool:
        """Notes a staged chunk. True if it completes its source."""
        coverage = self.coverage(name.source_index)
        coverage.add(name)
        if name.source_index in self._incomplete and coverage.complete() is not None:
            self._incomplete.discard(name.source_index)
            self._whole_since[name.source_index] = time.monotonic()
            return True
        return False

    def remove(self, names: Iterable[ChunkName]) -> None:
        """Makes chunks count as not staged, because they are not what their names promise."""
        for name in names:
            coverage = self.coverage(name.source_index)
            coverage.remove(name)
            if name.source_index not in self._committed and coverage.complete() is None:
                self._incomplete.add(name.source_index)
                self._whole_since.pop(name.source_index, None)

    def commit(self, source_indexes: Iterable[int], part: int | None) -> None:
        """Notes what a part (None: the last) has committed."""
        for index in source_indexes:
            self._committed.add(index)
            self._incomplete.discard(index)
            self._whole_since.pop(index, None)
        self.is_committed = self.is_committed or part is None
        self.next_part = self.next_part if part is None else max(self.next_part, part + 1)

    def coverage(self, source_index: int) -> Coverage:
        """The staged chunks of a source. Raises IndexError if the shard has no such source."""
        if source_index >= self.num_sources:
            raise IndexError(source_index)
        return self._coverages.setdefault(source_index, Coverage())

    def has_any(self, source_indexes: range) -> bool:
        """True if something of these sources is staged or committed."""
        if not self._coverages and not self._committed:
            return False
        return any(index in self._coverages or index in self._committed for index in source_indexes)

    def staged(self, source_indexes: Iterable[int]) -> dict[int, list[ChunkName]]:
        """The staged chunks of these sources that a resumed run need not read again, where there are any."""
        found = {index: self._coverages[index].staged() for index in source_indexes if index in self._coverages}
        return {index: names for index, names in found.items() if names}

    def all_staged(self) -> set[ChunkName]:
        return {name for coverage in self._coverages.values() for name in coverage.staged()}

    def forget(self) -> None:
        """Drops the names of staged chunks, once the whole shard is committed and they are deleted."""
        self._coverages.clear()

    @property
    def is_complete(self) -> bool:
        """True if every document is whole."""
        return not self._incomplete

    @property
    def num_complete(self) -> int:
        return self.num_sources - len(self._incomplete)

    @property
    def num_committed(self) -> int:
        return len(self._committed)

    @property
    def num_waiting(self) -> int:
        """Number of documents that are whole and not committed."""
        return len(self._whole_since)

    @property
    def num_pages_waiting(self) -> int:
        """Number of pages that are staged and not committed."""
        open_sources = (coverage for index, coverage in self._coverages.items() if index not in self._committed)
        return sum(name.num_pages for coverage in open_sources for name in coverage.staged())

    @property
    def waiting_s(self) -> float:
        """Seconds for which the first waiting document has been whole; 0 if none waits."""
        return time.monotonic() - min(self._whole_since.values()) if self._whole_since else 0.0

    def committed_chunks(self) -> list[ChunkName]:
        """Staged chunks of committed documents, which are no longer needed."""
        return [name for index in sorted(self._committed) for name in self.coverage(index).staged()]

    def is_source_complete(self, source_index: int) -> bool:
        return source_index not in self._incomplete

    def chunks(self) -> list[ChunkName]:
        """Chunks of the documents that are whole and not committed, in the order of their rows: by source, then page."""
        whole = (coverage for index, coverage in sorted(self._coverages.items()) if index not in self._committed)
        return [name for coverage in whole for name in coverage.complete() or []]


def list_staged(store: Store, plan: Plan, shard_index: int) -> list[ChunkName]:
    listed = store.list(staging_prefix(plan.plan_id, shard_index))
    return [name for stored in listed if (name := chunk_name(stored.path))]


def read_progress(store: Store, plan: Plan, pending: Iterable[int]) -> dict[int, ShardProgress]:
    """The progress of each shard by its index, from the staged chunks and manifests in the output. One listing serves all
    shards."""
    progress = {index: ShardProgress(plan, index) for index in pending}
    for stored in store.list(f"{STAGING}{plan.plan_id}/"):
        shard, name = staged_shard(stored.path), chunk_name(stored.path)
        if shard is not None and name is not None and shard[1] in progress:
            progress[shard[1]].add(name)
    for stored in store.list(plan_manifests_prefix(plan.ingest_date, plan.plan_id)):
        manifest = manifest_name(stored.path)
        if manifest is not None and manifest.shard_index in progress:
            _note(store, plan, stored.path, progress[manifest.shard_index])
    return progress


def note_commits(store: Store, plan: Plan, progress: ShardProgress) -> None:
    """Notes what the shard's manifests commit, whichever run wrote them."""
    for stored in store.list(shard_manifests_prefix(plan.ingest_date, plan.plan_id, progress.shard_index)):
        _note(store, plan, stored.path, progress)


def _note(store: Store, plan: Plan, path: str, progress: ShardProgress) -> None:
    manifest = read_manifest(store, path)
    uris = {(source.uri, source.etag) for source in manifest.sources}
    shard = plan.shards[progress.shard_index]
    progress.commit([i for i, item in enumerate(shard) if (item.source.uri, item.source.etag) in uris], manifest.part)
