"""A document that costs too much: what its renderers do, what lands, and what a retry reads."""

import asyncio
import sys
from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from pipeline.lake.commit import write_manifest
from pipeline.lake.compaction import Shard, compact
from pipeline.lake.ledger import load_ledger
from pipeline.lake.paths import staged_path
from pipeline.lake.shard_progress import ShardProgress, list_staged
from pipeline.lake.staging import decode, encode_chunk
from pipeline.lake.tables.unread_pages import counted_once
from pipeline.object_store.local_store import LocalStore
from pipeline.planning.carry_over import _answered
from pipeline.planning.choosing import Counts, plan_retries
from pipeline.reporting.receipts import make_receipt
from pipeline.stages.documents import RenderPages
from pipeline.stages.rows import unpacked
from pipeline.stages.setups import RenderSetup
from schemas.failure import Failure, FailureKind
from schemas.page import Chunk, Packed, RenderedPage, pack
from schemas.planned import PlannedSource
from schemas.receipt import Receipt
from schemas.records import ChunkRecords
from schemas.settings import FetchSettings, OutputSettings, RegionSettings, RenderSettings, Settings
from schemas.source import Document
from tests.pipeline.made import RECIPES, make_chunk, make_plan, planned
from tests.pipeline.made_input import make_pdf
from tests.workers.faults.nested_forms import make_nested_forms
from tests.workers.made_pages import TellingEngine, page, read
from workers.rendering.bounds import Bounds
from workers.rendering.renderer import understood
from workers.sources.listing import list_sources

OVER = FailureKind.over_budget
BOUNDS = Bounds.of(RenderSettings(), RegionSettings())


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    return LocalStore(str(tmp_path / "out"))


def unread(page_index: int) -> RenderedPage:
    failure = Failure(stage="render", kind=OVER, message="2 of its pages crashed", page_index=page_index)
    return RenderedPage(page_index=page_index, failure=failure)


def recorded(chunk: Chunk, pages: list[Packed]) -> ChunkRecords:
    """What the reader makes of them."""
    rendered = unpacked(BOUNDS, chunk.model_dump_json(), [each.body for each in pages], [each.buffers for each in pages])
    return asyncio.run(read(TellingEngine(), rendered, tasks=chunk.tasks))


def commit(store: LocalStore, items: list[PlannedSource], chunks: list[tuple[Chunk, ChunkRecords]]) -> None:
    plan = make_plan([items])
    for chunk, records in chunks:
        store.create(staged_path(chunk.plan_id, chunk.shard_index, chunk.name), encode_chunk(chunk, records, "r1"))
    names = ShardProgress(plan, 0, list_staged(store, plan, 0)).chunks()
    compacted = compact(store, Shard.of(plan, 0), names, OutputSettings())
    assert compacted
    assert write_manifest(store, plan, 0, "r1", compacted, check=lambda: None)


def rows(store: LocalStore, table: str, *columns: str) -> list[tuple[object, ...]]:
    (path,) = [stored.path for stored in store.list(f"{table}/")]
    return [tuple(row[column] for column in columns) for row in pq.read_table(store.uri(path), partitioning=None).to_pylist()]


@pytest.fixture
def cut(store: LocalStore) -> list[tuple[Chunk, ChunkRecords]]:
    """a: eight pages in four chunks, of which another process had drawn the third already; b: all well."""
    a, b = planned("a.pdf"), planned("b.pdf")
    of_a = [[page(0), page(1)], [page(2), unread(3)], [page(4), page(5)], [unread(6), unread(7)]]
    chunks = [(make_chunk(a, 0, pages[0].page_index, [each.page_index for each in pages], 8), pages) for pages in of_a]
    chunks.append((make_chunk(b, 1, 0, [0], 1).model_copy(update={"document": Document(document_id="e" * 64)}), [page(0)]))
    made = [(chunk, recorded(chunk, list(map(pack, pages)))) for chunk, pages in chunks]
    commit(store, [a, b], made)
    return made


@pytest.mark.slow
def test_pages_left_unread_are_one_failure_and_as_many_failed_pages(store: LocalStore, cut: object) -> None:
    assert rows(store, "failures", "kind", "page_index", "stage") == [(OVER, 3, "render")]
    assert [key for *key, status in rows(store, "pages", "uri", "page_index", "status") if status == "failed"] == [
        ["s3://drop/a.pdf", page_index] for page_index in (3, 6, 7)
    ]
    columns = ("status", "num_pages_ok", "num_pages_failed", "num_failures", "is_whole")
    assert rows(store, "documents", *columns) == [("partial", 5, 3, 1, False), ("ok", 1, 0, 0, True)]


@pytest.mark.slow
def test_a_retry_reads_the_pages_that_were_left_unread_and_no_others(store: LocalStore, cut: object) -> None:
    (again,) = plan_retries(load_ledger(store), RECIPES, [OVER], Counts())

    assert (again.source.uri, again.pages) == ("s3://drop/a.pdf", [3, 6, 7])


def test_what_other_pages_failed_of_is_kept_beside(store: LocalStore) -> None:
    item = planned("a.pdf")
    crashed = Failure(stage="render", kind=FailureKind.render_crashed, message="it died", page_index=0)
    pages = [RenderedPage(page_index=0, failure=crashed), unread(1), unread(2)]
    chunk = make_chunk(item, 0, 0, [0, 1, 2], 3)
    commit(store, [item], [(chunk, recorded(chunk, list(map(pack, pages))))])

    assert rows(store, "failures", "kind", "page_index") == [("render_crashed", 0), ("over_budget", 1)]
    (again,) = plan_retries(load_ledger(store), RECIPES, None, Counts())
    assert again.pages == [0, 1, 2]


def test_charts_alone_are_left_unread_like_pages(store: LocalStore) -> None:
    item = planned("a.pdf", tasks=["chart"])
    chunk = make_chunk(item, 0, 0, [0, 1, 2], 3)
    commit(store, [item], [(chunk, recorded(chunk, [pack(page(0)), pack(unread(1)), pack(unread(2))]))])

    assert rows(store, "failures", "kind", "task", "page_index") == [(OVER, "chart", 1)]
    (again,) = plan_retries(load_ledger(store), RECIPES, None, Counts())
    assert (again.tasks, again.pages, again.regions) == (["chart"], [1, 2], None)


def test_a_chunk_that_was_read_page_by_page_says_it_once(store: LocalStore) -> None:
    item = planned("a.pdf")
    chunk = make_chunk(item, 0, 0, [0, 1], 2)
    parts = [recorded(make_chunk(item, 0, number, [number], 2), [pack(unread(number))]) for number in (0, 1)]
    commit(store, [item], [(chunk, ChunkRecords.joined(parts))])

    assert rows(store, "failures", "kind", "page_index") == [(OVER, 0)]


@pytest.mark.parametrize("tasks", [["ocr", "chart"], ["chart"]])
def test_pages_left_unread_are_no_answers_that_a_later_plan_takes_over(tasks: list[str]) -> None:
    chunk = make_chunk(planned("a.pdf", tasks=tasks), 0, 0, [0, 1, 2], 3)
    staged = decode(encode_chunk(chunk, recorded(chunk, [pack(page(0)), pack(unread(1)), pack(unread(2))]), "r1"))

    assert _answered(staged, is_retry=False) == {0}


@pytest.mark.slow
def test_a_run_counts_it_once_too(cut: list[tuple[Chunk, ChunkRecords]]) -> None:
    told: set[tuple[str, str]] = set()
    receipts: list[Receipt] = [counted_once(make_receipt(*each), told) for each in cut]

    assert [receipt.failures for receipt in receipts] == [{}, {OVER: 1}, {}, {}, {}]
    assert [[trouble.page_index for trouble in receipt.troubles] for receipt in receipts] == [[], [3], [], [], []]
    assert [receipt.num_failed for receipt in receipts] == [0, 1, 0, 2, 0]


# Drawn by a real render process


@pytest.fixture
def rendering(tmp_path: Path) -> Iterator[RenderPages]:
    limits = RenderSettings(cpu_s=1, max_document_faults=2)
    stage = RenderPages(RenderSetup.of(Settings(fetch=FetchSettings(cache_dir=tmp_path / "cache"), render=limits), RECIPES, "r1"))
    yield stage
    stage.renderer.close()


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="the CPU limit is Linux's")
def test_a_small_file_of_nested_forms_costs_two_pages_and_its_neighbour_is_drawn(rendering: RenderPages, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    make_nested_forms(tmp_path / "in/a.pdf", 200)
    make_pdf(tmp_path / "in/b.pdf", 2)
    nested, other = (PlannedSource(source=source, tasks=["ocr"]) for source in list_sources(str(tmp_path / "in")))
    chunks = [make_chunk(nested, 0, first, list(range(first, first + 8)), 200) for first in range(0, 200, 8)]
    chunks.append(make_chunk(other, 1, 0, [0, 1], 2))
    digest = {}
    for item in (nested, other):
        with rendering.fetcher.open(item.source) as fetched:
            digest[item.source.uri] = {"document_id": fetched.document_id, "file": fetched.file}

    kinds = []
    for chunk in chunks:
        chunk = chunk.model_copy(update={"document": chunk.document.model_copy(update=digest[chunk.source.uri])})
        pages = [understood(*each, BOUNDS) for each in zip(rendering.render(chunk), chunk.pages, strict=True)]
        kinds += [page.failure and page.failure.kind for page in pages]

    assert kinds == [FailureKind.render_timeout] * 2 + [OVER] * 198 + [None] * 2
