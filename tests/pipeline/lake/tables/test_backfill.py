"""A lake of an older version gets its tables and cells: the bytes that a commit would have written."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.lake.commit import write_manifest
from pipeline.lake.compaction import Shard, compact
from pipeline.lake.paths import staged_path
from pipeline.lake.shard_progress import ShardProgress, list_staged
from pipeline.lake.staging import encode_chunk
from pipeline.lake.tables.backfill import backfill
from pipeline.object_store.local_store import LocalStore
from pipeline.object_store.store import Damaged
from schemas.records import BlockRecord, ChunkRecords
from schemas.settings import OutputSettings
from tests.pipeline.dying_store import Killed
from tests.pipeline.made import make_chunk, make_plan, planned, records_of

HTML = "<table><tr><th>Year</th><th>n</th></tr><tr><td>2020</td><td>5</td></tr></table>"


@pytest.fixture(params=[2, 50_000], ids=["small groups", "one group"])
def settings(request: pytest.FixtureRequest) -> OutputSettings:
    return OutputSettings(row_group_rows=request.param)


@pytest.fixture
def lake(tmp_path: Path, settings: OutputSettings) -> LocalStore:
    """One shard of two documents, with tables on each page; the second goes on over its pages."""
    store = LocalStore(str(tmp_path / "lake"))
    items = [planned("a.pdf"), planned("b.pdf")]
    plan = make_plan([items])
    for index, item in enumerate(items):
        chunk = make_chunk(item, index, 0, [0, 1], 2)
        records = records_of(chunk)
        page = records.pages[0]

        def block(page_index: int, block_index: int, kind: str, page=page) -> BlockRecord:
            return BlockRecord(
                lineage=page.lineage,
                page_index=page_index,
                reading=page.reading,
                block_index=block_index,
                kind=kind,  # type: ignore[arg-type]
                text="text",
                html=HTML if kind == "table" else None,
            )

        blocks = [
            block(page_index, place, kind) for page_index in (0, 1) for place, kind in enumerate(["table", "footer", "table"])
        ]
        store.create(
            staged_path(plan.plan_id, 0, chunk.name),
            encode_chunk(chunk, ChunkRecords(pages=records.pages, blocks=blocks), "r1"),
        )
    compacted = compact(store, Shard.of(plan, 0), ShardProgress(plan, 0, list_staged(store, plan, 0)).chunks(), settings)
    assert compacted
    write_manifest(store, plan, 0, "r1", compacted, lambda: None)
    return store


def without_tables(store: LocalStore) -> dict[str, bytes]:
    """The files that a commit wrote, taken away."""
    taken = {stored.path: store.get(stored.path) for table in ("tables", "table_cells") for stored in store.list(f"{table}/")}
    store.delete(taken)
    return taken


@pytest.mark.slow
def test_it_writes_what_the_commit_would_have(lake, settings):
    written = without_tables(lake)
    assert len(written) == 2

    (*_, done) = backfill(lake, settings)

    assert {path: lake.get(path) for path in written} == written
    assert (done.num_shards, done.num_filled, done.num_tables, done.num_cells) == (1, 1, 8, 32)


@pytest.mark.slow
def test_what_is_there_is_left_alone(lake, settings):
    before = {stored.path: stored.last_modified for stored in lake.list("")}

    (*_, done) = backfill(lake, settings)

    assert done.num_filled == 0
    assert {stored.path: stored.last_modified for stored in lake.list("")} == before


@pytest.mark.slow
def test_killed_between_two_writes_it_goes_on(lake, settings):
    written = without_tables(lake)
    put = lake.put

    def dies_at_second(path: str, body: bytes, *, seen=[]) -> None:  # noqa: B006
        seen.append(path)
        if len(seen) == 2:
            raise Killed
        put(path, body)

    lake.put = dies_at_second  # type: ignore[method-assign]
    with pytest.raises(Killed):
        list(backfill(lake, settings))
    lake.put = put  # type: ignore[method-assign]

    list(backfill(lake, settings))

    assert {path: lake.get(path) for path in written} == written


@pytest.mark.slow
def test_blocks_of_an_older_version_lack_columns(lake, settings):
    written = without_tables(lake)
    (blocks,) = [stored.path for stored in lake.list("blocks/")]
    older = pq.read_table(pa.BufferReader(lake.get(blocks))).drop_columns(["confidence", "box_origin"])
    sink = pa.BufferOutputStream()
    pq.write_table(older, sink)
    lake.put(blocks, sink.getvalue().to_pybytes())

    (*_, done) = backfill(lake, settings)

    assert done.num_cells == 32
    assert {stored.path for table in ("tables", "table_cells") for stored in lake.list(f"{table}/")} == set(written)


@pytest.mark.slow
def test_a_damaged_file_is_one_sentence(lake, settings):
    without_tables(lake)
    (blocks,) = [stored.path for stored in lake.list("blocks/")]
    lake.put(blocks, b"no parquet")

    with pytest.raises(Damaged, match="is damaged and no longer a table file"):
        list(backfill(lake, settings))


def test_what_no_manifest_commits_is_not_filled(lake, settings):
    without_tables(lake)
    lake.delete([stored.path for stored in lake.list("_pagefold/manifests/")])

    assert list(backfill(lake, settings)) == []
    assert not list(lake.list("tables/"))
