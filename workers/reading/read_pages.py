"""Reads a chunk: asks for each page's text and each region's chart, checks the answers, and makes the rows of all tables.

Whatever happens, each page whose text was asked for has one row in `pages`, and each chart that was asked for has one in `charts`.
An exception costs as little as possible: the text, a chart, or the page (`workers.contained`).
"""

import asyncio
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from schemas.failure import Failure, FailureKind, Task
from schemas.page import Box, Chunk, PageImage, Region, RenderedChunk, RenderedPage
from schemas.plan import Recipe
from schemas.receipt import LAYERS
from schemas.records import ChunkRecords
from schemas.settings import ChartsFrom, Images, ReadSettings, RegionSettings, Transport
from workers.charts.agreement import agreement
from workers.contained import page_failure, panics_raised
from workers.engines.engine import Completion, Engine, EngineInfo, OnDevice, Request
from workers.reading.asking import Outcome, ask
from workers.reading.busy import Busy
from workers.reading.checked_answers import checked_chart, checked_text
from workers.reading.crops import crop_regions
from workers.reading.drawn import drawn_content
from workers.reading.handing_on import (
    Handover,
    chart_boxes,
    gives_places,
    may_hide_charts,
    of_pages,
    planned_boxes,
    together,
    wanted_regions,
)
from workers.reading.pictures import pictures_of
from workers.reading.questions import can_answer_json, says_places, transport_of
from workers.reading.request_limit import PushesBack, Requests
from workers.reading.requests import chart_request, text_request
from workers.reading.rows import ChunkRows
from workers.reading.vector_recipe import vector_recipe
from workers.text.content import OcrContent


def _now() -> datetime:
    return datetime.now(UTC)


class PageReader:
    """Reads any number of chunks at once on one event loop, with at most `max_requests` requests at the engine, or as many as an
    endpoint can do."""

    def __init__(
        self,
        engine: Engine,
        info: EngineInfo,
        recipes: Mapping[Task, Recipe],
        settings: ReadSettings,
        max_requests: int,
        run_id: str,
        clock: Callable[[], datetime] = _now,
        *,
        tasks: Collection[Task] | None = None,
        handover: Handover | None = None,
        regions: RegionSettings | None = None,
        cell_px: int = 32,
        images: Images = "none",
        words: bool = False,
    ) -> None:
        """`recipes` has the tasks that are asked; other tasks of a chunk are left out. `tasks`: those that this reader asks, by
        default all; earlier and later readers ask the others, and `handover` says what is left to later ones. `regions` and
        `cell_px` are for crops of scans, `images` for the pictures that are kept, `words` for the words."""
        self._engine = engine
        self._info = info
        self._recipes = recipes
        self.handover = handover
        self._own_tasks: Collection[Task] = recipes if tasks is None else tasks
        self._settings = settings
        self._transport = transport_of(info, settings.transport)
        self.requests = Requests(max_requests, is_adaptive=isinstance(engine, PushesBack))
        self._run_id = run_id
        self._clock = clock
        self._regions = regions or RegionSettings()
        self._cell_px = cell_px
        self._images = images
        self._words = words
        self._busy = Busy()
        self._vector = vector_recipe(self._regions)
        self._charts_from: ChartsFrom = settings.charts_from if info.sees_charts else "vector"

    @property
    def busy_s(self) -> float:
        """Seconds that the engine's device worked, or for an engine without a device, seconds with a request at the engine."""
        return self._engine.device_s if isinstance(self._engine, OnDevice) else self._busy.seconds

    async def read_chunk(self, rendered: RenderedChunk, before: ChunkRecords | None = None) -> ChunkRecords:
        """The rows of these pages of the chunk, in page order, with those that an earlier reader has made, `before`. An exception
        becomes a failure of its page; only EndsRun is raised."""
        chunk = rendered.chunk
        reader = _ChunkReader(self, chunk, before)
        parts = await asyncio.gather(*(reader.read_page(page) for page in _with_one_reason(rendered.pages)))
        if before is not None:
            return together(before, parts)
        return ChunkRecords.joined([reader.of_document(chunk.failures), *parts])

    def failed_chunk(
        self, chunk: Chunk, failure: Failure, before: ChunkRecords | None = None, pages: Sequence[int] | None = None
    ) -> ChunkRecords:
        """The rows of a chunk whose pages all have this failure; without pages the document has it. After an earlier reader only
        `pages` have it, and only what it left open."""
        reader = _ChunkReader(self, chunk, before)
        indexes = chunk.pages if pages is None else pages
        parts = [reader.failed_page(failure.model_copy(update={"page_index": page_index})) for page_index in indexes]
        if before is not None:
            return together(before, parts)
        return ChunkRecords.joined([reader.of_document(chunk.failures if parts else [*chunk.failures, failure]), *parts])

    async def _read(self, request: Request) -> Completion:
        """The engine's completion. An exception of the engine becomes a failed completion."""
        entered = await self.requests.enter()
        start = time.monotonic()
        try:
            with self._busy, panics_raised():
                completion = await self._engine.read(request)
            return completion if completion.engine_s is not None else replace(completion, engine_s=time.monotonic() - start)
        except Exception as error:  # noqa: BLE001 - the border of a page
            failure = page_failure(error, "read", task=request.task)
        finally:
            self.requests.leave(entered, self._engine.num_pushbacks if isinstance(self._engine, PushesBack) else 0)
        return Completion(stop_reason="error", failure=failure, engine_s=time.monotonic() - start)


@dataclass(frozen=True)
class _Page:
    """A page's text: the content of its row, or the outcome that says why there is none."""

    outcome: Outcome
    content: OcrContent | None


class _ChunkReader:
    def __init__(self, reader: PageReader, chunk: Chunk, before: ChunkRecords | None) -> None:
        self._reader = reader
        self._chunk = chunk
        self._asked = [task for task in chunk.tasks if task in reader._recipes]
        self._tasks = [task for task in self._asked if task in reader._own_tasks]
        self._before = before or ChunkRecords()
        self._read_before = {row.page_index for row in self._before.pages}
        self.rows = ChunkRows(chunk, reader._run_id, reader._recipes, reader._clock, reader._vector, keeps_words=reader._words)

    def of_document(self, failures: list[Failure]) -> ChunkRecords:
        return ChunkRecords(failures=[self.rows.of_failure(failure) for failure in failures])

    async def read_page(self, page: RenderedPage) -> ChunkRecords:
        try:
            return await self._read_page(page)
        except Exception as error:  # noqa: BLE001 - the border of a page
            return self.failed_page(page_failure(error, "read", page_index=page.page_index))

    def failed_page(self, failure: Failure) -> ChunkRecords:
        """The rows of a failed page. They hold nothing else, because any value of the page may be the cause of the failure."""
        assert failure.page_index is not None
        return self._undrawn(RenderedPage(page_index=failure.page_index, failure=failure))

    async def _read_page(self, page: RenderedPage) -> ChunkRecords:
        if page.image is None or page.failure is not None:
            return self._undrawn(page)
        asks_text = self._asks_text(page.page_index)
        if page.is_blank:
            return ChunkRecords(pages=[self.rows.of_blank(page)] if asks_text else [])
        standing = wanted_regions(page, self._chunk) if "chart" in self._tasks else []
        must_find = self._must_find_charts(page)
        text, places, charts = await asyncio.gather(
            self._ask_text(page, self._reader._transport) if asks_text else _nothing(),
            self._ask_text(page, "json") if must_find else _nothing(),
            self._read_charts(page, standing),
        )
        found, of_crops = await self._read_crops(page, places or text, charts)
        parts = [*charts, *of_crops]
        if places is not None and places.content is None:
            parts.insert(0, ChunkRecords(failures=self.rows.of_outcome(places.outcome, page, task="chart")))
        if text is not None and not text.outcome.completion.is_declined:
            num_candidates = len(page.regions) + len(found) if "chart" in self._asked else 0
            parts.insert(0, self._text_rows(page, text, num_candidates=num_candidates))
        read = ChunkRecords.joined(parts)
        return ChunkRecords.joined([read, await self._pictures(page, found, read)])

    async def _pictures(self, page: RenderedPage, found: list[Region], read: ChunkRecords) -> ChunkRecords:
        """The rows of the pictures that are kept of a page, from its last reader. A retry of single regions keeps none: its page's
        are there already."""
        if self._reader._images == "none" or self._chunk.regions is not None:
            return ChunkRecords()
        try:
            read = ChunkRecords.joined([of_pages(self._before, [page.page_index]), read])
            if self._reader.handover is not None and self._reader.handover.left(self._chunk, [page], read):
                return ChunkRecords()
            pictures = await asyncio.to_thread(pictures_of, page, found, read)
            return ChunkRecords(images=self.rows.of_pictures(page.page_index, pictures))
        except Exception as error:  # noqa: BLE001 - the border of a page
            failure = page_failure(error, "read", page_index=page.page_index)
            return ChunkRecords(failures=[self.rows.of_failure(failure)])

    def _asks_text(self, page_index: int) -> bool:
        return "ocr" in self._tasks and page_index not in self._read_before

    # --- text

    def _undrawn(self, page: RenderedPage) -> ChunkRecords:
        """The rows of a page that was not drawn: one failure for all that is open of it. Where the text was read before, or is not
        asked for, it is a failure of the task `chart`."""
        is_open = "ocr" in self._asked and page.page_index not in self._read_before
        pages = [self.rows.of_undrawn(page)] if is_open else []
        if page.failure is None:
            return ChunkRecords(pages=pages)
        task = page.failure.task or (None if is_open else "chart")
        failure = page.failure.model_copy(update={"page_index": page.page_index, "task": task})
        return ChunkRecords(pages=pages, failures=[self.rows.of_failure(failure)])

    async def _ask_text(self, page: RenderedPage, transport: Transport) -> _Page:
        try:
            outcome = await self._ask(self._text_request(page, transport))
        except Exception as error:  # noqa: BLE001 - the border of a page
            outcome = Outcome.of_failure(page_failure(error, "read"))
        if self._reader._info.name == LAYERS:
            outcome = replace(outcome, num_asks=0)
        return _Page(*await checked_text(outcome, page, self._reader._settings.running_text))

    def _text_request(self, page: RenderedPage, transport: Transport) -> Request:
        assert page.image is not None
        label = f"{self._chunk.source.uri}#page={page.page_index}"
        return text_request(page, page.image, self._reader._info, self._reader._settings, transport, label=label)

    def _text_rows(self, page: RenderedPage, text: _Page, *, num_candidates: int) -> ChunkRecords:
        try:
            return self.rows.of_text(page, text.outcome, text.content, num_candidates)
        except Exception as error:  # noqa: BLE001 - the border of a page
            said = text.outcome.completion.text
            return self.failed_page(page_failure(error, "validate", task="ocr", page_index=page.page_index, said=said))

    def _must_find_charts(self, page: RenderedPage) -> bool:
        """True for a scan whose text is not asked for, or in a form that does not say where its charts are. The text must be asked
        as JSON then."""
        return (
            "chart" in self._tasks
            and self._reader._charts_from != "vector"
            and not self._text_has_places(page.page_index)
            and self._chunk.regions is None
            and page.page_index not in self._chunk.places
            and may_hide_charts(page)
            and can_answer_json(self._reader._info)
            and self._reader._regions.enabled
        )

    def _text_has_places(self, page_index: int) -> bool:
        """True if the text says where a scan's charts are, whoever reads it."""
        if self._asks_text(page_index):
            return says_places(self._reader._info, self._reader._settings.transport)
        recipe = self._reader._recipes["ocr"] if "ocr" in self._asked else None
        return recipe is not None and gives_places(recipe.engine, recipe.prompt_version)

    # --- charts

    async def _read_charts(self, page: RenderedPage, regions: list[Region], flags: tuple[str, ...] = ()) -> list[ChunkRecords]:
        return list(await asyncio.gather(*(self._read_chart(page, region, flags) for region in regions)))

    async def _read_crops(
        self, page: RenderedPage, places: _Page | None, charts: list[ChunkRecords]
    ) -> tuple[list[Region], list[ChunkRecords]]:
        try:
            found = await self._find_crops(page, places, charts)
        except Exception as error:  # noqa: BLE001 - the border of a page
            failure = page_failure(error, "read", task="chart", page_index=page.page_index)
            return [], [ChunkRecords(failures=[self.rows.of_failure(failure)])]
        flags = ("places_asked_again",) if self._must_find_charts(page) else ()
        return found, await self._read_charts(page, found, flags)

    async def _find_crops(self, page: RenderedPage, places: _Page | None, charts: list[ChunkRecords]) -> list[Region]:
        """Regions of charts on a scan, which only the answer about the text locates.

        A standalone image is a candidate as a whole. If it was read as a chart, a single box in the answer is the same chart and is
        left out; several boxes are charts beside each other, and each is read.
        """
        if "chart" not in self._tasks or not self._reader._regions.enabled or self._reader._charts_from == "vector":
            return []
        if not may_hide_charts(page) or self._chunk.regions is not None:
            return []
        boxes = planned_boxes(page, self._chunk) or self._boxes(page, places)
        is_read_whole = any(chart.status in ("ok", "partial") for records in charts for chart in records.charts)
        if not boxes or (is_read_whole and len(boxes) == 1):
            return []
        return await asyncio.to_thread(crop_regions, page, boxes, self._reader._regions, self._reader._cell_px)

    def _boxes(self, page: RenderedPage, places: _Page | None) -> list[Box]:
        """Where the answer about the text, this reader's or an earlier one's, has charts."""
        if places is not None:
            return chart_boxes(places.content.blocks if places.content else ())
        return chart_boxes(block for block in self._before.blocks if block.page_index == page.page_index)

    async def _read_chart(self, page: RenderedPage, region: Region, flags: tuple[str, ...]) -> ChunkRecords:
        try:
            image = region.image or (page.image if region.origin == "standalone" else None)
            way = self._reader._charts_from
            drawn = await asyncio.to_thread(drawn_content, region, page) if region.drawn_answer else None
            if drawn is not None and way != "model":
                return self.rows.of_drawn_chart(page, region, image, drawn)
            if way == "vector":
                return self.rows.of_unasked_chart(page, region, image)
            assert image is not None
            outcome = await self._ask(self._chart_request(page, region, image))
            outcome, content = await checked_chart(outcome, region, page, by_picture=drawn is None)
            seen = None
            if content is not None and drawn is not None:
                scales = {"is_log": drawn.y_scale == "log", "is_x_log": drawn.x_scale == "log"}
                seen = await asyncio.to_thread(agreement, content.points, drawn.points, **scales)
            said = self.rows.of_chart(page, region, image, outcome, content, flags, seen)
            return said if drawn is None else ChunkRecords.joined([said, self.rows.of_drawn_chart(page, region, image, drawn)])
        except Exception as error:  # noqa: BLE001 - the border of a page
            place = {"page_index": page.page_index, "region_index": region.region_index}
            failure = self.rows.of_failure(page_failure(error, "read", task="chart", **place))
            return ChunkRecords(charts=[self.rows.of_bare_chart(page.page_index, region)], failures=[failure])

    def _chart_request(self, page: RenderedPage, region: Region, image: PageImage) -> Request:
        label = f"{self._chunk.source.uri}#page={page.page_index}&region={region.region_index}"
        return chart_request(region, image, self._reader._info, self._reader._settings, label=label)

    async def _ask(self, request: Request) -> Outcome:
        return await ask(self._reader._read, request, self._reader._settings, takes_prefix=self._reader._info.takes_prefix)


def _with_one_reason(pages: Sequence[RenderedPage]) -> Iterator[RenderedPage]:
    """The pages. Of those left unread because their document cost too much, only the first keeps its failure."""
    has_reason = False
    for page in pages:
        is_over = page.failure is not None and page.failure.kind is FailureKind.over_budget
        yield page.model_copy(update={"failure": None}) if is_over and has_reason else page
        has_reason = has_reason or is_over


async def _nothing() -> None:
    return None
