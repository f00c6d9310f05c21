"""How a shard becomes final: staged chunks that exactly cover its documents, compacted into one Parquet file a table, then a
manifest created with If-None-Match.

A run that was paused may wake at any step, long after another has gone on in its place, and more may be staged by then. So the
order is: the cover, create-only, says which chunks count; their rows are read; only where no manifest stands yet are files
written. What is staged is deleted after the manifest alone, so rows that were read before it was seen to be missing are those of
the cover that anybody commits: writing the files twice is writing them once.
"""

import contextlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.chunks import Coverage
from pipeline.document_rows import DocumentCounts
from pipeline.layout import (
    DELETIONS,
    ChunkName,
    begins_prefix,
    chunk_name,
    cover_path,
    manifest_path,
    staged_path,
    staging_prefix,
    table_path,
)
from pipeline.ledger import list_manifests
from pipeline.plan import list_plan_ids, read_plan
from pipeline.staging import CHUNK_TABLES, decode
from pipeline.store import Exists, Store
from schemas.plan import CommittedFile, CommittedSource, Cover, Manifest, Plan
from schemas.records import DeletionRecord
from schemas.settings import OutputSettings
from schemas.source import source_id
from schemas.tables import TABLES, arrow_schema, to_table


class ShardProgress:
    """What of one shard is staged."""

    def __init__(self, plan: Plan, shard_index: int, staged: Iterable[ChunkName] = ()) -> None:
        self.shard_index = shard_index
        self.sources = [Coverage() for _ in plan.shards[shard_index]]
        self._incomplete = set(range(len(self.sources)))
        for name in staged:
            self.add(name)

    def add(self, name: ChunkName) -> bool:
        """True when it completes its source."""
        self.sources[name.source_index].add(name)
        if name.source_index in self._incomplete and self.sources[name.source_index].complete() is not None:
            self._incomplete.discard(name.source_index)
            return True
        return False

    @property
    def is_complete(self) -> bool:
        return not self._incomplete

    @property
    def num_complete(self) -> int:
        return len(self.sources) - len(self._incomplete)

    def is_source_complete(self, source_index: int) -> bool:
        return source_index not in self._incomplete

    def chunks(self) -> list[ChunkName]:
        """In the order of their rows: by source, then page. Only of a complete shard."""
        return [name for coverage in self.sources for name in coverage.complete() or []]


class PlanProgress(NamedTuple):
    """How far the newest plan is; for `pagefold status`."""

    plan_id: str
    created_at: datetime
    num_sources: int
    num_sources_committed: int
    num_shards: int
    num_shards_committed: int
    num_chunks_staged: int
    """Of shards that are not committed yet."""
    is_abandoned: bool


def progress(store: Store) -> PlanProgress | None:
    """None where nothing was ever planned."""
    plan_ids = list_plan_ids(store)
    if not plan_ids:
        return None
    plan = read_plan(store, plan_ids[-1])
    committed = {name.shard_index for name, _ in list_manifests(store) if name.plan_id == plan.plan_id}
    pending = [index for index in range(len(plan.shards)) if index not in committed]
    num_sources = [len(shard) for shard in plan.shards]
    return PlanProgress(
        plan_id=plan.plan_id,
        created_at=plan.created_at,
        num_sources=sum(num_sources),
        num_sources_committed=sum(num_sources) - sum(num_sources[index] for index in pending),
        num_shards=len(plan.shards),
        num_shards_committed=len(plan.shards) - len(pending),
        num_chunks_staged=sum(len(list_staged(store, plan, index)) for index in pending),
        is_abandoned=None in committed,
    )


def list_staged(store: Store, plan: Plan, shard_index: int) -> list[ChunkName]:
    listed = store.list(staging_prefix(plan.plan_id, shard_index))
    return [name for stored in listed if (name := chunk_name(stored.path))]


@dataclass(frozen=True)
class Shard:
    """What compaction needs of a plan; small enough to send along."""

    plan_id: str
    shard_index: int
    ingest_date: date
    recipe_ids: dict[str, str]
    planned: list[tuple[list[int] | None, list[tuple[int, int]] | None]]
    """(pages, regions) as planned, by source_index."""

    @classmethod
    def of(cls, plan: Plan, shard_index: int) -> "Shard":
        return cls(
            plan.plan_id,
            shard_index,
            plan.ingest_date,
            {task: recipe.recipe_id for task, recipe in plan.recipes.items()},
            [(planned.pages, planned.regions) for planned in plan.shards[shard_index]],
        )


class Compacted(NamedTuple):
    """What a manifest lists."""

    files: list[CommittedFile]
    sources: list[CommittedSource]


def compact(store: Store, shard: Shard, names: Sequence[ChunkName], settings: OutputSettings) -> Compacted | None:
    """Write the shard's files from its staged chunks (`names`, or those of the cover that stands already), `documents` last.

    None: the shard is committed, or its plan abandoned, and nothing was written.
    """
    cover = _cover(store, shard, names, settings)
    writers = {table: _Writer(table, cover) for table in TABLES}
    documents: dict[int, DocumentCounts] = defaultdict(DocumentCounts)
    try:
        for name in map(ChunkName.parse, cover.chunks):
            staged = decode(store.get(staged_path(shard.plan_id, shard.shard_index, str(name))))
            staged = documents[name.source_index].add(staged)
            for table in CHUNK_TABLES:
                writers[table].add(staged.tables[table])
    except FileNotFoundError:
        if _is_closed(store, shard):
            return None
        raise
    if _is_closed(store, shard):
        return None
    records = [counts.record(shard.recipe_ids) for _, counts in sorted(documents.items())]
    writers["documents"].add(to_table("documents", [record.row() for record in records]))

    files = []
    for table in sorted(TABLES, key=lambda table: table == "documents"):
        if (body := writers[table].finish()) is not None:
            path = table_path(table, shard.ingest_date, shard.plan_id, shard.shard_index)
            store.put(path, body)
            files.append(CommittedFile(path=path, size_bytes=len(body), rows=writers[table].num_rows))
    return Compacted(files, [counts.committed(*shard.planned[index]) for index, counts in sorted(documents.items())])


def _cover(store: Store, shard: Shard, names: Sequence[ChunkName], settings: OutputSettings) -> Cover:
    """The first one made is the shard's."""
    cover = Cover(
        chunks=[str(name) for name in names],
        compression_level=settings.compression_level,
        row_group_rows=settings.row_group_rows,
    )
    path = cover_path(shard.plan_id, shard.shard_index)
    try:
        store.create(path, cover.model_dump_json().encode())
    except Exists:
        with contextlib.suppress(FileNotFoundError):  # deleted since: then the shard is committed, which is looked at next
            return Cover.model_validate_json(store.get(path))
    return cover


def _is_closed(store: Store, shard: Shard) -> bool:
    """Is it committed, or its plan abandoned?"""
    for shard_index in (shard.shard_index, None):
        with contextlib.suppress(FileNotFoundError):
            store.get(manifest_path(shard.ingest_date, shard.plan_id, shard_index))
            return True
    return False


_MAX_PENDING = 100
"""Chunks' tables that wait for their row group; more are joined, for each takes some 50 kB whatever its rows."""


class _Writer:
    """A Parquet file in memory, flushed row group by row group."""

    def __init__(self, table: str, cover: Cover) -> None:
        self._schema, self._cover = arrow_schema(table), cover
        self._sink = pa.BufferOutputStream()
        self._writer: pq.ParquetWriter | None = None
        self._joined: list[pa.Table] = []
        self._pending: list[pa.Table] = []
        self._num_pending = 0
        """Rows of both."""
        self.num_rows = 0

    def add(self, rows: pa.Table) -> None:
        if not rows.num_rows:
            return
        self.num_rows += rows.num_rows
        self._num_pending += rows.num_rows
        self._pending.append(rows)
        if self._num_pending >= self._cover.row_group_rows:
            self._flush()
        elif len(self._pending) >= _MAX_PENDING:
            self._joined.append(pa.concat_tables(self._pending).combine_chunks())
            self._pending = []

    def finish(self) -> bytes | None:
        """The file's bytes; None where there is no row."""
        if not self.num_rows:
            return None
        self._flush()
        assert self._writer is not None
        self._writer.close()
        return self._sink.getvalue().to_pybytes()

    def _flush(self) -> None:
        if not self._num_pending:
            return
        if self._writer is None:
            self._writer = pq.ParquetWriter(
                self._sink,
                self._schema,
                compression="zstd",
                compression_level=self._cover.compression_level,
                write_statistics=True,
                store_schema=True,
            )
        rows = pa.concat_tables(self._joined + self._pending)
        self._writer.write_table(rows, row_group_size=self._cover.row_group_rows)
        self._joined, self._pending, self._num_pending = [], [], 0


def write_manifest(
    store: Store, plan: Plan, shard_index: int, run_id: str, compacted: Compacted, check: Callable[[], None]
) -> bool:
    """The commit. `check` raises if the lease is gone. False: another run committed the shard first, with the same files."""
    manifest = Manifest(
        plan_id=plan.plan_id,
        shard_index=shard_index,
        run_id=run_id,
        committed_at=datetime.now(UTC),
        recipe_ids={task: recipe.recipe_id for task, recipe in plan.recipes.items()},
        page_range=plan.page_range,
        num_shards=len(plan.shards),
        files=compacted.files,
        sources=compacted.sources,
    )
    body = manifest.model_dump_json().encode()
    check()
    try:
        store.create(manifest_path(plan.ingest_date, plan.plan_id, shard_index), body)
    except Exists:
        return False
    return True


def commit_complete(
    store: Store, plan: Plan, pending: Iterable[int], run_id: str, settings: OutputSettings, check: Callable[[], None]
) -> int:
    """Commit the shards that only wait for it; gives how many documents they hold.

    For a plan that is about to be closed. Only such shards can have files in the tables already, and rows that no manifest commits
    would be there twice once their sources are planned anew.
    """
    num_documents = 0
    for index in pending:
        shard = ShardProgress(plan, index, list_staged(store, plan, index))
        if shard.is_complete:
            check()
            if compacted := compact(store, Shard.of(plan, index), shard.chunks(), settings):
                write_manifest(store, plan, index, run_id, compacted, check)
                num_documents += len(compacted.sources)
            if not settings.keep_staging:
                delete_staging(store, plan, index)
    return num_documents


def commit_disappearances(store: Store, plan: Plan, run_id: str, check: Callable[[], None]) -> None:
    """What the plan found to be gone, as rows and a manifest. Of the plan alone, so that doing it twice is doing it once."""
    records = [
        DeletionRecord(
            uri=change.uri,
            source_id=source_id(change.uri, change.etag),
            source_version=change.etag,
            document_id=change.document_id,
            plan_id=plan.plan_id,
            is_deleted=change.is_deleted,
            noticed_at=plan.created_at,
            input=plan.input,
        )
        for change in plan.disappearances
    ]
    writer = _Writer("deletions", Cover(chunks=[], compression_level=3, row_group_rows=50_000))
    writer.add(to_table("deletions", [record.row() for record in records]))
    body = writer.finish()
    assert body is not None
    path = table_path("deletions", plan.ingest_date, plan.plan_id, DELETIONS)
    check()
    store.put(path, body)
    manifest = Manifest(
        plan_id=plan.plan_id,
        shard_index=DELETIONS,
        run_id=run_id,
        committed_at=datetime.now(UTC),
        recipe_ids={},
        num_shards=len(plan.shards),
        files=[CommittedFile(path=path, size_bytes=len(body), rows=len(records))],
        disappearances=plan.disappearances,
    )
    check()
    with contextlib.suppress(Exists):
        store.create(manifest_path(plan.ingest_date, plan.plan_id, DELETIONS), manifest.model_dump_json().encode())


def delete_staging(store: Store, plan: Plan, shard_index: int) -> None:
    """After the commit. What a zombie stages later is never read, and `pagefold gc` removes it."""
    for prefix in (staging_prefix(plan.plan_id, shard_index), begins_prefix(plan.plan_id, shard_index)):
        store.delete([stored.path for stored in store.list(prefix)])
