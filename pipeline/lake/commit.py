"""How documents become final: staged chunks that exactly cover them, compacted into one Parquet file a table, then a manifest
created with If-None-Match.

A shard is committed as a whole, or in parts while its last documents are still read: part after part, each of documents that no
part before it holds.

A run that was paused may wake at any step, long after another has gone on in its place, and more may be staged by then. So the
order is: rows of the chunks are read; the cover, create-only, says which chunks count, and where another stands already its chunks
are read instead; only where no manifest stands yet are files written. Staged chunks are deleted only once the manifest exists, so
whoever writes the files, and however late, writes the same bytes.
"""

import contextlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import NamedTuple

from pipeline.lake.document_rows import DocumentCounts, total
from pipeline.lake.paths import (
    DELETIONS,
    ChunkName,
    begins_prefix,
    cover_path,
    manifest_path,
    staged_path,
    staging_prefix,
    table_path,
)
from pipeline.lake.shard_progress import ShardProgress, note_commits, read_progress
from pipeline.lake.staging import CHUNK_TABLES, StagedChunk, decode
from pipeline.lake.table_rows import TableRows
from pipeline.lake.table_writer import TableWriter
from pipeline.object_store.store import Damaged, Exists, Store
from pipeline.object_store.stored_objects import read_model, read_object
from schemas.plan import CommittedCounts, CommittedFile, CommittedSource, Cover, Manifest, Plan, PlannedSource
from schemas.records import DeletionRecord
from schemas.settings import OutputSettings
from schemas.source import source_id
from schemas.tables import TABLES, to_table


@dataclass(frozen=True)
class Shard:
    """What compaction needs of a plan; small enough to send along."""

    plan_id: str
    shard_index: int
    ingest_date: date
    recipe_ids: dict[str, str]
    planned: list[PlannedSource]
    """By source_index."""
    number: int = 0
    """Of the part that is to be committed."""
    is_last: bool = True
    """With this part all of the shard is committed."""

    @classmethod
    def of(cls, plan: Plan, shard_index: int, number: int = 0, *, is_last: bool = True) -> "Shard":
        return cls(
            plan.plan_id,
            shard_index,
            plan.ingest_date,
            {task: recipe.recipe_id for task, recipe in plan.recipes.items()},
            plan.shards[shard_index],
            number,
            is_last,
        )

    @classmethod
    def whole_of(cls, plan: Plan, progress: ShardProgress) -> "Shard":
        """Of the documents that are whole now."""
        return cls.of(plan, progress.shard_index, progress.next_part, is_last=progress.is_complete)


class Compacted(NamedTuple):
    """What a manifest lists."""

    files: list[CommittedFile]
    sources: list[CommittedSource]
    source_indexes: tuple[int, ...] = ()
    """In their shard."""
    part: int | None = None
    """None: the shard's last."""
    chunks: tuple[str, ...] = ()
    """Names of the staged chunks that it is made of."""
    counts: CommittedCounts | None = None


class Strangers(Exception):
    """Staged chunks that are not of the plan (another source, version, attempt or recipe than it has in their place), or not of one
    document with the others of their source."""

    def __init__(self, names: list[ChunkName]) -> None:
        super().__init__(names)
        self.names = names


def compact(store: Store, shard: Shard, names: Sequence[ChunkName], settings: OutputSettings) -> Compacted | None:
    """Write the files of the documents that `names` cover (or of those of the cover that stands already), `documents` last.

    None: the part is committed, or its plan abandoned, and nothing was written; or the lake was removed meanwhile.
    Raises Strangers, Damaged, StoreError.
    """
    cover = Cover(
        is_last=shard.is_last,
        chunks=[str(name) for name in names],
        compression_level=settings.compression_level,
        row_group_rows=settings.row_group_rows,
    )
    rows = _rows(store, shard, cover)
    standing = _cover(store, shard, cover)
    if standing != cover or rows is None:
        rows = _rows(store, shard, standing)
    part = None if standing.is_last else shard.number
    if _is_closed(store, shard):
        return None
    if rows is None:
        path = staging_prefix(shard.plan_id, shard.shard_index)
        raise Damaged(
            f"{store.uri(path)}: staged chunks that no manifest commits yet are gone; remove all of that folder, and its documents "
            "are read again."
        )
    files = []
    for table in sorted(TABLES, key=lambda table: table == "documents"):
        if (body := rows.writers[table].finish()) is not None:
            if not _stands(store, shard):
                return None
            path = table_path(table, shard.ingest_date, shard.plan_id, shard.shard_index, part)
            store.put(path, body)
            files.append(CommittedFile(path=path, size_bytes=len(body), rows=rows.writers[table].num_rows))
    planned = shard.planned
    sources = [counts.committed(planned[index].pages, planned[index].regions) for index, counts in rows.documents]
    indexes = tuple(index for index, _ in rows.documents)
    return Compacted(files, sources, indexes, part, tuple(standing.chunks), total([counts for _, counts in rows.documents]))


class _Rows(NamedTuple):
    writers: dict[str, TableWriter]
    documents: list[tuple[int, DocumentCounts]]
    """By source_index, in its order."""


def _rows(store: Store, shard: Shard, cover: Cover) -> _Rows | None:
    """All rows of the cover's chunks; None where one of them is gone."""
    writers = {table: TableWriter(table, cover) for table in TABLES}
    tables = TableRows()
    documents: dict[int, DocumentCounts] = defaultdict(DocumentCounts)
    strangers = []
    bytes_of: dict[int, set[str]] = defaultdict(set)
    for name in map(ChunkName.parse, cover.chunks):
        try:
            staged = read_staged(store, staged_path(shard.plan_id, shard.shard_index, str(name)))
        except FileNotFoundError:
            return None
        if not _is_ours(staged, shard, name):
            strangers.append(name)
            continue
        if staged.chunk.blocked is None and staged.chunk.document.document_id is not None:
            bytes_of[name.source_index].add(staged.chunk.document.document_id)
        staged = documents[name.source_index].add(staged)
        for table in CHUNK_TABLES:
            writers[table].add(staged.tables[table])
        known, cells = tables.add(staged.tables["blocks"])
        writers["tables"].add(known)
        writers["table_cells"].add(cells)
    # a local file that got other bytes, and its old time, between two runs: pages of both are no document
    mixed = {index for index, ids in bytes_of.items() if len(ids) > 1}
    strangers += [name for name in map(ChunkName.parse, cover.chunks) if name.source_index in mixed and name not in strangers]
    if strangers:
        raise Strangers(strangers)
    writers["tables"].add(tables.finish())
    found = sorted(documents.items())
    records = [counts.record(shard.recipe_ids) for _, counts in found]
    writers["documents"].add(to_table("documents", [record.row() for record in records]))
    return _Rows(writers, found)


def read_staged(store: Store, path: str) -> StagedChunk:
    """Raises FileNotFoundError, StoreError."""
    return read_object(store, path, decode, "a staged chunk", "remove it, and its pages are read again")


def _is_ours(staged: StagedChunk, shard: Shard, name: ChunkName) -> bool:
    """Is the chunk the plan's own: source, version, attempt, tasks and recipes? A name alone promises none of it."""
    chunk = staged.chunk
    if name.source_index >= len(shard.planned):
        return False
    planned = shard.planned[name.source_index]
    said = staged.recipe_ids
    return (
        (chunk.plan_id, chunk.shard_index, chunk.name) == (shard.plan_id, shard.shard_index, str(name))
        and (chunk.source.uri, chunk.source.etag) == (planned.source.uri, planned.source.etag)
        and (chunk.attempt, chunk.tasks) == (planned.attempt, planned.tasks)
        and (said is None or all(said.get(task) == shard.recipe_ids.get(task) for task in chunk.tasks))
    )


def _cover(store: Store, shard: Shard, cover: Cover) -> Cover:
    """The first one made is the part's."""
    path = cover_path(shard.plan_id, shard.shard_index, shard.number)
    try:
        store.create(path, cover.model_dump_json().encode())
    except Exists:
        with contextlib.suppress(FileNotFoundError):  # deleted since: then the part is committed, which is looked at next
            folder = store.uri(staging_prefix(shard.plan_id, shard.shard_index))
            return read_model(store, path, Cover, "a cover", f"remove all of {folder}, and its documents are read again")
    return cover


def _stands(store: Store, shard: Shard) -> bool:
    """False once the part's cover is gone: it was committed, or the lake was removed, and perhaps made anew, while the rows were
    compacted by a worker whose run is dead. Its files are nobody's then."""
    try:
        store.get(cover_path(shard.plan_id, shard.shard_index, shard.number))
    except FileNotFoundError:
        return False
    return True


def _is_closed(store: Store, shard: Shard) -> bool:
    """Is the part committed, or all of its shard, or its plan abandoned?"""
    paths = (
        manifest_path(shard.ingest_date, shard.plan_id, shard.shard_index, shard.number),
        manifest_path(shard.ingest_date, shard.plan_id, shard.shard_index),
        manifest_path(shard.ingest_date, shard.plan_id, None),
    )
    for path in paths:
        with contextlib.suppress(FileNotFoundError):
            store.get(path)
            return True
    return False


def write_manifest(
    store: Store, plan: Plan, shard_index: int, run_id: str, compacted: Compacted, check: Callable[[], None]
) -> bool:
    """The commit. `check` raises if the lease is gone. False: another run committed it first, with the same files."""
    manifest = Manifest(
        plan_id=plan.plan_id,
        shard_index=shard_index,
        part=compacted.part,
        run_id=run_id,
        committed_at=datetime.now(UTC),
        recipe_ids={task: recipe.recipe_id for task, recipe in plan.recipes.items()},
        page_range=plan.page_range,
        num_shards=len(plan.shards),
        files=compacted.files,
        counts=compacted.counts,
        sources=compacted.sources,
    )
    body = manifest.model_dump_json().encode()
    check()
    try:
        store.create(manifest_path(plan.ingest_date, plan.plan_id, shard_index, compacted.part), body)
    except Exists:
        return False
    return True


def commit_whole(
    store: Store, plan: Plan, pending: Iterable[int], run_id: str, settings: OutputSettings, check: Callable[[], None]
) -> CommittedCounts:
    """Commit all documents that are whole; gives what they came to.

    For a plan that is about to be closed: its other documents are planned anew, and rows that no manifest commits would then be
    there twice.
    """
    counts = CommittedCounts()
    for progress in read_progress(store, plan, pending).values():
        check()
        with contextlib.suppress(Strangers):  # then nothing is written, and its documents are planned anew
            left = progress.num_waiting + 1
            while 0 < progress.num_waiting < left:
                left = progress.num_waiting
                counts = counts.plus(_commit_part(store, plan, progress, run_id, settings, check))
        if not settings.keep_staging:  # a run may have died between a manifest and the deletion after it
            store.delete([staged_path(plan.plan_id, progress.shard_index, str(name)) for name in progress.committed_chunks()])
    return counts


def _commit_part(
    store: Store, plan: Plan, progress: ShardProgress, run_id: str, settings: OutputSettings, check: Callable[[], None]
) -> CommittedCounts:
    """One part of what waits, or what the cover of that part says it is."""
    index, names = progress.shard_index, progress.chunks()
    compacted = compact(store, Shard.whole_of(plan, progress), names, settings)
    if compacted is None:
        note_commits(store, plan, progress)
        return CommittedCounts()
    write_manifest(store, plan, index, run_id, compacted, check)
    progress.commit(compacted.source_indexes, compacted.part)
    if not settings.keep_staging:
        delete_staging(store, plan, index, compacted)
    return compacted.counts or CommittedCounts()


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
    writer = TableWriter("deletions", Cover(chunks=[], compression_level=3, row_group_rows=50_000))
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


def delete_staging(store: Store, plan: Plan, shard_index: int, compacted: Compacted | None = None) -> None:
    """After the commit: of a part its chunks and its cover, else all of the shard's. What a zombie stages later is never read, and
    `pagefold gc` removes it."""
    if compacted is not None and compacted.part is not None:
        chunks = [staged_path(plan.plan_id, shard_index, name) for name in compacted.chunks]
        store.delete([*chunks, cover_path(plan.plan_id, shard_index, compacted.part)])
        return
    for prefix in (staging_prefix(plan.plan_id, shard_index), begins_prefix(plan.plan_id, shard_index)):
        store.delete([stored.path for stored in store.list(prefix)])
