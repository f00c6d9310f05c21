"""Compaction: the rows of staged chunks that exactly cover documents become one Parquet file per table. The commit itself is the
manifest, see `commit`.

A paused run may wake at any step, when another run has taken its place and more chunks are staged. Both must write the same bytes.
So a run reads the rows of the chunks, and then creates the cover, the list of the chunks that count. If a cover exists already, the
run reads its chunks instead. It writes files only if there is no manifest yet. Staged chunks are deleted only once the manifest
exists.
"""

import contextlib
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import NamedTuple

from pipeline.lake.paths import (
    ChunkName,
    cover_path,
    manifest_path,
    staged_path,
    staging_prefix,
    table_path,
)
from pipeline.lake.shard_progress import ShardProgress
from pipeline.lake.staging import CHUNK_TABLES, StagedChunk, decode
from pipeline.lake.tables.document_rows import DocumentCounts, total
from pipeline.lake.tables.table_rows import TableRows
from pipeline.lake.tables.table_writer import TableWriter
from pipeline.object_store.reading_ahead import read_ahead
from pipeline.object_store.store import Damaged, Exists, Store
from pipeline.object_store.stored_objects import read_model, read_object
from schemas.plan import CommittedCounts, CommittedFile, CommittedSource, Cover, Plan
from schemas.planned import PlannedSource
from schemas.settings import OutputSettings
from schemas.tables import TABLES, to_table


@dataclass(frozen=True)
class Shard:
    """The part of a plan that compaction needs. It is small enough to be sent to a Ray task."""

    plan_id: str
    shard_index: int
    ingest_date: date
    recipe_ids: dict[str, str]
    planned: list[PlannedSource]
    """The shard's sources, by source_index."""
    reads_by: str | None = None
    """That of the plan's recipe of text."""
    number: int = 0
    """Number of the part that is to be committed."""
    is_last: bool = True
    """True if the whole shard is committed with this part."""

    @classmethod
    def of(cls, plan: Plan, shard_index: int, number: int = 0, *, is_last: bool = True) -> "Shard":
        return cls(
            plan.plan_id,
            shard_index,
            plan.ingest_date,
            {task: recipe.recipe_id for task, recipe in plan.recipes.items()},
            plan.shards[shard_index],
            plan.recipes["ocr"].reads_by if "ocr" in plan.recipes else None,
            number,
            is_last,
        )

    @classmethod
    def whole_of(cls, plan: Plan, progress: ShardProgress) -> "Shard":
        """The next part of a shard: its documents that are completely staged now."""
        return cls.of(plan, progress.shard_index, progress.next_part, is_last=progress.is_complete)


class Compacted(NamedTuple):
    """What a manifest lists."""

    files: list[CommittedFile]
    sources: list[CommittedSource]
    source_indexes: tuple[int, ...] = ()
    """Indexes of the sources in their shard."""
    part: int | None = None
    """Number of the part; None for the shard's last."""
    chunks: tuple[str, ...] = ()
    """Names of the staged chunks that the files are made of."""
    counts: CommittedCounts | None = None


class Strangers(Exception):
    """Staged chunks that do not belong to the plan: their source, version, attempt or recipe is another, or the chunks of one
    source are of different bytes."""

    def __init__(self, names: list[ChunkName]) -> None:
        super().__init__(names)
        self.names = names


def compact(store: Store, shard: Shard, names: Sequence[ChunkName], settings: OutputSettings) -> Compacted | None:
    """Writes the files of the documents that `names` cover, or that the cover of this part names if it exists; `documents` last.

    Gives None if the part is committed already, its plan is abandoned, or the lake was removed meanwhile.
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
    sources = [counts.committed(planned[index], shard.reads_by) for index, counts in rows.documents]
    indexes = tuple(index for index, _ in rows.documents)
    return Compacted(files, sources, indexes, part, tuple(standing.chunks), total([counts for _, counts in rows.documents]))


class _Rows(NamedTuple):
    writers: dict[str, TableWriter]
    documents: list[tuple[int, DocumentCounts]]
    """(source_index, counts), sorted."""


def _rows(store: Store, shard: Shard, cover: Cover) -> _Rows | None:
    """All rows of the cover's chunks; None if one of the chunks is gone."""
    writers = {table: TableWriter(table, cover) for table in TABLES}
    tables = TableRows()
    documents: dict[int, DocumentCounts] = defaultdict(DocumentCounts)
    strangers = []
    bytes_of: dict[int, set[str]] = defaultdict(set)
    names = list(map(ChunkName.parse, cover.chunks))
    paths = [staged_path(shard.plan_id, shard.shard_index, name) for name in cover.chunks]
    for name, path, body in zip(names, paths, read_ahead(lambda path: _get_or_none(store, path), paths), strict=True):
        if body is None:
            return None
        try:
            staged = read_staged(store, path, body)
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
    # A local file may get other bytes and its old time between two runs; pages of both must not make one document.
    mixed = {index for index, ids in bytes_of.items() if len(ids) > 1}
    strangers += [name for name in names if name.source_index in mixed and name not in strangers]
    if strangers:
        raise Strangers(strangers)
    writers["tables"].add(tables.finish())
    found = sorted(documents.items())
    records = [counts.record(shard.recipe_ids) for _, counts in found]
    writers["documents"].add(to_table("documents", [record.row() for record in records]))
    return _Rows(writers, found)


def read_staged(store: Store, path: str, body: bytes | None = None) -> StagedChunk:
    """`body`: the chunk's bytes, if they have been fetched already. Raises FileNotFoundError, StoreError."""
    return read_object(store, path, decode, "a staged chunk", "remove it, and its pages are read again", body=body)


def _get_or_none(store: Store, path: str) -> bytes | None:
    with contextlib.suppress(FileNotFoundError):
        return store.get(path)
    return None


def _is_ours(staged: StagedChunk, shard: Shard, name: ChunkName) -> bool:
    """True if source, version, attempt, tasks and recipes of the chunk are the plan's. Its name alone does not show that."""
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
    """Creates the part's cover and gives it, or gives the one that exists already: the first cover counts."""
    path = cover_path(shard.plan_id, shard.shard_index, shard.number)
    try:
        store.create(path, cover.model_dump_json().encode())
    except Exists:
        with contextlib.suppress(FileNotFoundError):  # deleted since: the part is committed, as `_is_closed` finds next
            folder = store.uri(staging_prefix(shard.plan_id, shard.shard_index))
            return read_model(store, path, Cover, "a cover", f"remove all of {folder}, and its documents are read again")
    return cover


def _stands(store: Store, shard: Shard) -> bool:
    """True while the part's cover exists. Without it the part was committed, or the lake was removed, while a worker of a dead run
    compacted the rows. The worker must not write its files then."""
    try:
        store.get(cover_path(shard.plan_id, shard.shard_index, shard.number))
    except FileNotFoundError:
        return False
    return True


def _is_closed(store: Store, shard: Shard) -> bool:
    """True if the part or its whole shard is committed, or its plan is abandoned."""
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
