"""What the stages make of the rows they get."""

import asyncio
from pathlib import Path

import pytest

from pipeline.lake.begin_markers import Begins
from pipeline.object_store.local_store import LocalStore
from pipeline.planning.engines import describe_engines
from pipeline.planning.recipes import make_recipes
from pipeline.stages.reading import ReadPages
from pipeline.stages.rows import unpacked
from pipeline.stages.setups import read_setups
from schemas.failure import FailureKind
from schemas.page import Packed, PageImage, RenderedChunk, RenderedPage, pack
from schemas.settings import EnginesSettings, RegionSettings, RenderSettings, Settings
from tests.pipeline.made import make_chunk, planned
from workers.rendering.bounds import Bounds

BOUNDS = Bounds.of(RenderSettings(), RegionSettings())
CHUNK = make_chunk(planned("a.pdf"), 0, 0, [0, 1], 2)


def page(page_index: int) -> RenderedPage:
    return RenderedPage(page_index=page_index, image=PageImage.from_rgb(32, 32, bytes(3 * 32 * 32)))


def unpack(*pages: Packed) -> RenderedChunk:
    return unpacked(BOUNDS, CHUNK.model_dump_json(), [page.body for page in pages], [page.buffers for page in pages])


def test_a_chunk_has_the_pages_it_asked_for() -> None:
    rendered = unpack(pack(page(0)), pack(page(1)))

    assert rendered.chunk == CHUNK
    assert [each.failure for each in rendered.pages] == [None, None]


@pytest.mark.parametrize(
    "answer",
    [pack(page(2)), pack(page(1), page(2)), pack(RenderedPage(page_index=1)), Packed("{}", []), Packed("", [])],
    ids=["another page", "one more", "without pixels", "no page", "nothing"],
)
def test_a_render_process_that_answers_something_else_costs_that_page(answer: Packed) -> None:
    rendered = unpack(pack(page(0)), answer)

    assert [(each.page_index, each.failure and each.failure.kind) for each in rendered.pages] == [
        (0, None),
        (1, FailureKind.render_crashed),
    ]


def test_a_page_read_alone_is_given_up_after_two_deaths_and_not_after_one(tmp_path: Path) -> None:
    store = LocalStore(str(tmp_path))
    settings = Settings(engine=EnginesSettings(name="scripted"))
    recipes = make_recipes(settings, describe_engines(settings.engine, settings.read.tasks), settings.read.tasks)
    reader = ReadPages(read_setups(settings, recipes, "run", store)[0])
    rendered = RenderedChunk(chunk=CHUNK, pages=[page(0), page(1)])
    begins = Begins(store, "run")

    def die(name: str, times: int) -> None:
        for _ in range(times):
            begins.begin(CHUNK.plan_id, CHUNK.shard_index, name)

    die(CHUNK.name, 2)
    die(f"{CHUNK.name}.page-0", 1)
    die(f"{CHUNK.name}.page-1", 2)

    records = asyncio.run_coroutine_threadsafe(reader.read(rendered), reader._loop).result(timeout=60)

    assert [(each.page_index, each.status) for each in records.pages] == [(0, "ok"), (1, "failed")]
    assert [(each.kind, each.page_index) for each in records.failures] == [(FailureKind.crashed_worker, 1)]
