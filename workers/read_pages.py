"""Read a chunk: ask for each page's text and each region's chart, check the answers, and make the rows of all tables.

Whatever happens to a page, it has one row in `pages` when its text was asked for, and every chart asked for has one in `charts`.
"""

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from schemas.answers import ChartAnswer, OcrAnswer, answer_schema
from schemas.failure import Task
from schemas.page import Box, Chunk, Region, RenderedChunk, RenderedPage
from schemas.plan import Recipe
from schemas.records import ChunkRecords
from schemas.settings import ReadSettings, RegionSettings, Transport
from workers.asking import Outcome, ask, max_output_tokens
from workers.crops import crop_regions, region_text_layer
from workers.engines.busy import Busy
from workers.engines.engine import Completion, Engine, EngineInfo, OnDevice, Request
from workers.prompts import prompt_for
from workers.rows import ChunkRows
from workers.validate import OcrContent, chart_content, ocr_content


def _now() -> datetime:
    return datetime.now(UTC)


class PageReader:
    """Reads any number of chunks at once on one event loop; at most `max_requests` requests are at the engine."""

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
        regions: RegionSettings | None = None,
        cell_px: int = 32,
    ) -> None:
        """`recipes` holds the tasks to ask; a chunk's other tasks are left out. `regions` and `cell_px` shape crops of scans."""
        self._engine = engine
        self._info = info
        self._recipes = recipes
        self._settings = settings
        self._transport: Transport = settings.transport if info.takes_prompts else "json"
        self._slots = asyncio.Semaphore(max_requests)
        self._run_id = run_id
        self._clock = clock
        self._regions = regions or RegionSettings()
        self._cell_px = cell_px
        self._busy = Busy()

    @property
    def busy_s(self) -> float:
        """Seconds that the engine's device worked; of an engine without one, that a request was at it."""
        return self._engine.device_s if isinstance(self._engine, OnDevice) else self._busy.seconds

    async def read_chunk(self, rendered: RenderedChunk) -> ChunkRecords:
        """All rows of the chunk, in page order. Never raises for what data or engine do; bugs fly."""
        chunk = rendered.chunk
        reader = _ChunkReader(self, chunk)
        parts = await asyncio.gather(*(reader.read_page(page) for page in rendered.pages))
        of_document = ChunkRecords(failures=[reader.rows.of_failure(failure) for failure in chunk.failures])
        return ChunkRecords.joined([of_document, *parts])

    async def _read(self, request: Request) -> Completion:
        async with self._slots:
            start = time.monotonic()
            with self._busy:
                completion = await self._engine.read(request)
            return completion if completion.engine_s is not None else replace(completion, engine_s=time.monotonic() - start)


@dataclass(frozen=True)
class _Page:
    """A page's text: its row's content, or why there is none."""

    outcome: Outcome
    content: OcrContent | None


class _ChunkReader:
    def __init__(self, reader: PageReader, chunk: Chunk) -> None:
        self._reader = reader
        self._chunk = chunk
        self._tasks = [task for task in chunk.tasks if task in reader._recipes]
        self.rows = ChunkRows(chunk, reader._run_id, reader._recipes, reader._clock)

    async def read_page(self, page: RenderedPage) -> ChunkRecords:
        if page.image is None or page.failure is not None:
            return self._undrawn(page)
        if page.is_blank:
            return ChunkRecords(pages=[self.rows.of_blank(page)] if "ocr" in self._tasks else [])
        standing = [region for region in page.regions if self._wants(page, region)]
        text, places, charts = await asyncio.gather(
            self._ask_text(page, self._reader._transport) if "ocr" in self._tasks else _nothing(),
            self._ask_text(page, "json") if self._must_find_charts(page) else _nothing(),
            self._read_charts(page, standing),
        )
        found, of_crops = await self._read_crops(page, places or text, charts)
        parts = [*charts, *of_crops]
        if places is not None and places.content is None:
            parts.insert(0, ChunkRecords(failures=self.rows.of_outcome(places.outcome, page, task="chart")))
        if text is not None:
            num_candidates = len(page.regions) + len(found)
            parts.insert(0, self.rows.of_text(page, text.outcome, text.content, num_candidates))
        return ChunkRecords.joined(parts)

    def _wants(self, page: RenderedPage, region: Region) -> bool:
        chosen = self._chunk.regions
        return "chart" in self._tasks and (chosen is None or (page.page_index, region.region_index) in chosen)

    # --- text

    def _undrawn(self, page: RenderedPage) -> ChunkRecords:
        """One failure for the page as a whole; in a chunk that asks for charts alone it is about these, for the text may stand."""
        pages = [self.rows.of_undrawn(page)] if "ocr" in self._tasks else []
        if page.failure is None:
            return ChunkRecords(pages=pages)
        task = page.failure.task or ("chart" if self._tasks == ["chart"] else None)
        failure = page.failure.model_copy(update={"page_index": page.page_index, "task": task})
        return ChunkRecords(pages=pages, failures=[self.rows.of_failure(failure)])

    async def _ask_text(self, page: RenderedPage, transport: Transport) -> _Page:
        assert page.image is not None
        request = Request(
            label=f"{self._chunk.source.uri}#page={page.page_index}",
            task="ocr",
            image=page.image,
            prompt=prompt_for("ocr", transport),
            answer_schema=answer_schema("ocr") if transport == "json" else None,
            max_output_tokens=max_output_tokens(page.text_layer, page.image.width_px, page.image.height_px, self._reader._settings),
            temperature=self._reader._settings.temperature,
            text_layer=page.text_layer,
            is_blank=page.is_blank,
        )
        outcome = await self._ask(request)
        if outcome.parsed is None:
            return _Page(outcome, None)
        assert isinstance(outcome.parsed.answer, OcrAnswer)
        return _Page(outcome, await asyncio.to_thread(ocr_content, outcome.parsed.answer, page))

    def _must_find_charts(self, page: RenderedPage) -> bool:
        """A scan whose text is not asked for, or as Markdown: only the text's answer in JSON says where its charts are."""
        return (
            "chart" in self._tasks
            and ("ocr" not in self._tasks or self._reader._transport == "markdown")
            and self._chunk.regions is None
            and page.page_index not in self._chunk.places
            and _may_hide_charts(page)
            and "ocr" in self._reader._info.tasks
            and self._reader._regions.enabled
        )

    # --- charts

    async def _read_charts(self, page: RenderedPage, regions: list[Region], flags: tuple[str, ...] = ()) -> list[ChunkRecords]:
        return list(await asyncio.gather(*(self._read_chart(page, region, flags) for region in regions)))

    async def _read_crops(
        self, page: RenderedPage, places: _Page | None, charts: list[ChunkRecords]
    ) -> tuple[list[Region], list[ChunkRecords]]:
        """Charts that only the text's answer knows of: those of a scan.

        A standalone image is a candidate as a whole. If that was read as a chart, a single box in the answer is the same chart
        again and is left out; several boxes are charts beside each other, and each is read.
        """
        if "chart" not in self._tasks or not self._reader._regions.enabled:
            return [], []
        if not _may_hide_charts(page) or self._chunk.regions is not None:
            return [], []
        boxes = self._chunk.places.get(page.page_index) or _chart_boxes(places)
        is_read_whole = any(chart.status in ("ok", "partial") for records in charts for chart in records.charts)
        if not boxes or (is_read_whole and len(boxes) == 1):
            return [], []
        found = await asyncio.to_thread(crop_regions, page, boxes, self._reader._regions, self._reader._cell_px)
        flags = ("places_asked_again",) if self._must_find_charts(page) else ()
        return found, await self._read_charts(page, found, flags)

    async def _read_chart(self, page: RenderedPage, region: Region, flags: tuple[str, ...]) -> ChunkRecords:
        image = region.image or page.image
        assert image is not None
        settings = self._reader._settings
        request = Request(
            label=f"{self._chunk.source.uri}#page={page.page_index}&region={region.region_index}",
            task="chart",
            image=image,
            prompt=prompt_for("chart"),
            answer_schema=answer_schema("chart"),
            max_output_tokens=settings.max_output_tokens,
            temperature=settings.temperature,
            text_layer=region_text_layer(region, image),
        )
        outcome = await self._ask(request)
        if outcome.parsed is None:
            return self.rows.of_chart(page, region, image, outcome, None, flags)
        assert isinstance(outcome.parsed.answer, ChartAnswer)
        content = await asyncio.to_thread(chart_content, outcome.parsed.answer, region, page)
        return self.rows.of_chart(page, region, image, outcome, content, flags)

    async def _ask(self, request: Request) -> Outcome:
        return await ask(self._reader._read, request, self._reader._settings, takes_prefix=self._reader._info.takes_prefix)


async def _nothing() -> None:
    return None


def _chart_boxes(text: _Page | None) -> list[Box]:
    """Where the text's answer has a chart."""
    blocks = text.content.blocks if text and text.content else ()
    return [
        block.bbox_px
        for block in blocks
        if block.kind in ("chart", "figure") and block.bbox_px is not None and block.box_origin == "engine"
    ]


def _may_hide_charts(page: RenderedPage) -> bool:
    """A scan has no structure to find charts in; what its rendering offers is at most the image as a whole."""
    return page.is_scan and all(region.origin == "standalone" for region in page.regions)
