"""Many pages at once: the bound of requests, order, and whose time is counted."""

import asyncio
import time
from dataclasses import replace
from typing import get_args

from schemas.failure import FailureKind, Task
from schemas.settings import ReadSettings
from tests.workers.made_pages import (
    TellingEngine,
    failed,
    page,
    read,
    recipe,
    region,
    rendered,
)
from workers.engines.engine import Completion, Request


async def test_pages_are_read_at_once_within_the_bound_and_land_in_order() -> None:
    engine = TellingEngine(delay_s=0.01)
    pages = [page(index, regions=[region()]) for index in range(6)]

    records = await read(engine, rendered(*pages), max_requests=5)

    assert engine.max_in_flight == 5
    assert [row.page_index for row in records.pages] == list(range(6))
    assert [row.page_index for row in records.charts] == list(range(6))


async def test_waiting_for_a_slot_is_no_reading_time() -> None:
    engine = TellingEngine(delay_s=0.05)

    started = time.monotonic()
    records = await read(engine, rendered(*(page(index) for index in range(6))), max_requests=1)

    # one after the other they took what it took in all; with the waiting it would be three and a half times as much
    assert sum(row.read_s for row in records.pages) <= time.monotonic() - started


class OneAtATime(TellingEngine):
    """Like `classic`: takes all that comes, and works on one request after the other. It tells its own seconds."""

    def __init__(self, work_s: float) -> None:
        super().__init__()
        self._work_s, self._free = work_s, asyncio.Lock()

    async def read(self, request: Request) -> Completion:
        async with self._free:
            started = time.monotonic()
            await asyncio.sleep(self._work_s)
            return replace(await super().read(request), engine_s=time.monotonic() - started)


async def test_waiting_in_the_engine_s_own_queue_is_no_reading_time() -> None:
    started = time.monotonic()
    records = await read(OneAtATime(work_s=0.02), rendered(*(page(index) for index in range(8))), max_requests=8)

    assert 8 * 0.02 <= sum(row.read_s for row in records.pages) <= time.monotonic() - started


async def test_an_engine_s_figure_of_zero_seconds_is_believed() -> None:
    never_begun = replace(failed(FailureKind.engine_timeout), engine_s=0.0)

    records = await read(TellingEngine(ocr=[never_begun], delay_s=0.02), rendered(page(0)))

    assert [row.read_s for row in records.pages] == [0.0]


async def test_chunks_share_one_bound() -> None:
    from workers.engines.engine import EngineInfo
    from workers.reading.read_pages import PageReader

    engine = TellingEngine(delay_s=0.01)
    recipes = {task: recipe(task) for task in get_args(Task)}
    reader = PageReader(engine, EngineInfo(name="telling"), recipes, ReadSettings(), 3, "run-1")

    await asyncio.gather(*(reader.read_chunk(rendered(page(index), page(index + 1))) for index in range(0, 8, 2)))

    assert (engine.max_in_flight, len(engine.requests)) == (3, 8)
