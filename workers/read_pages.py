"""Read a chunk: ask for each page's text and each region's chart, check the answers, and make the rows of all tables.

Whatever happens to a page, it has one row in `pages` when its text was asked for, and every chart asked for has one in `charts`.
"""

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime
from typing import Any, get_args

from schemas.answers import ChartAnswer, OcrAnswer, answer_schema
from schemas.failure import KINDS, Failure, Task, storable_text
from schemas.page import Box, Chunk, PageImage, Region, RenderedChunk, RenderedPage
from schemas.plan import Recipe
from schemas.records import (
    BlockRecord,
    ChartPointRecord,
    ChartRecord,
    ChunkRecords,
    FailureRecord,
    Lineage,
    PageRecord,
    Reading,
)
from schemas.settings import ReadSettings, RegionSettings, Transport
from workers.asking import Outcome, ask, max_output_tokens
from workers.crops import crop_regions, region_text_layer
from workers.engines.busy import Busy
from workers.engines.engine import Completion, Engine, EngineInfo, OnDevice, Request
from workers.prompts import prompt_for
from workers.validate import ChartContent, OcrContent, chart_content, ocr_content

PROMPT_ECHO_CHARS = 60
"""A line of the prompt this long in an answer comes from the prompt, not from the page."""


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
        self._readings = {task: _reading(recipe) for task, recipe in recipes.items()}
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
        of_document = ChunkRecords(failures=[reader.failure_record(failure) for failure in chunk.failures])
        return ChunkRecords.joined([of_document, *parts])

    async def _read(self, request: Request) -> Completion:
        async with self._slots:
            start = time.monotonic()
            with self._busy:
                completion = await self._engine.read(request)
            return replace(completion, engine_s=time.monotonic() - start)


@dataclass(frozen=True)
class _Page:
    """A page's text: its row's content, or why there is none."""

    outcome: Outcome
    content: OcrContent | None


class _ChunkReader:
    def __init__(self, reader: PageReader, chunk: Chunk) -> None:
        self._reader = reader
        self._chunk = chunk
        self._lineage = _lineage(chunk, reader._run_id)
        self._tasks = [task for task in chunk.tasks if task in reader._readings]

    async def read_page(self, page: RenderedPage) -> ChunkRecords:
        if page.image is None or page.failure is not None:
            return self._unrendered(page)
        if page.is_blank:
            return self._blank(page)
        standing = [region for region in page.regions if self._wants(page, region)]
        text, places, charts = await asyncio.gather(
            self._ask_text(page, self._reader._transport) if "ocr" in self._tasks else _nothing(),
            self._ask_text(page, "json") if self._must_find_charts(page) else _nothing(),
            self._read_charts(page, standing),
        )
        found, of_crops = await self._read_crops(page, places or text, charts)
        of_text = self._text_records(page, text, num_candidates=len(page.regions) + len(found))
        return ChunkRecords.joined([of_text, self._places_records(page, places), *charts, *of_crops])

    def failure_record(self, failure: Failure) -> FailureRecord:
        reading = self._reader._readings.get(failure.task) if failure.task else None
        return FailureRecord(
            lineage=self._lineage,
            page_index=failure.page_index,
            region_index=failure.region_index,
            recipe_id=reading.recipe_id if reading else None,
            engine=reading.engine if reading else None,
            model=reading.model if reading else None,
            stage=failure.stage,
            task=failure.task,
            kind=failure.kind,
            message=failure.message,
            is_transient=KINDS[failure.kind].is_transient,
            raw_text=failure.raw_text and storable_text(failure.raw_text),
            failed_at=self._reader._clock(),
        )

    def _wants(self, page: RenderedPage, region: Region) -> bool:
        chosen = self._chunk.regions
        return "chart" in self._tasks and (chosen is None or (page.page_index, region.region_index) in chosen)

    # --- text

    def _unrendered(self, page: RenderedPage) -> ChunkRecords:
        """One failure for the page as a whole; in a chunk that asks for charts alone it is about these, for the text may stand."""
        failure = page.failure and page.failure.model_copy(
            update={"page_index": page.page_index, "task": page.failure.task or self._only_charts()}
        )
        return ChunkRecords(
            pages=[self._page_record(page, "failed")] if "ocr" in self._tasks else [],
            failures=[self.failure_record(failure)] if failure else [],
        )

    def _only_charts(self) -> Task | None:
        return "chart" if self._tasks == ["chart"] else None

    def _blank(self, page: RenderedPage) -> ChunkRecords:
        if "ocr" not in self._tasks:
            return ChunkRecords()
        return ChunkRecords(pages=[self._page_record(page, "blank", text_markdown="", text_plain="")])

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

    def _text_records(self, page: RenderedPage, text: _Page | None, num_candidates: int) -> ChunkRecords:
        if text is None:
            return ChunkRecords()
        failures = self._failures(text.outcome, page, task="ocr")
        outcome, content = text.outcome, text.content
        if content is None:
            record = self._page_record(page, "failed", outcome, num_chart_candidates=num_candidates)
            return ChunkRecords(pages=[record], failures=failures)
        record = self._page_record(
            page,
            "partial" if outcome.failure else "ok",
            outcome,
            flags=_flags(page.flags, content.flags, _answer_flags(outcome)),
            text_markdown=content.text_markdown,
            text_plain=content.text_plain,
            languages=list(content.languages),
            text_origin=outcome.completion.text_origin,
            num_blocks=len(content.blocks),
            num_chars=content.num_chars,
            num_chart_candidates=num_candidates,
            text_layer_agreement=content.text_layer_agreement,
            confidence=outcome.completion.confidence,
        )
        reading = self._reader._readings["ocr"]
        blocks = [
            BlockRecord(lineage=self._lineage, page_index=page.page_index, reading=reading, block_index=index, **vars(block))
            for index, block in enumerate(content.blocks)
        ]
        return ChunkRecords(pages=[record], blocks=blocks, failures=failures)

    def _places_records(self, page: RenderedPage, places: _Page | None) -> ChunkRecords:
        """Of an answer that was only to say where the charts are."""
        if places is None or places.content is not None:
            return ChunkRecords()
        return ChunkRecords(failures=self._failures(places.outcome, page, task="chart"))

    def _page_record(self, page: RenderedPage, status: Any, outcome: Outcome | None = None, **content: Any) -> PageRecord:
        columns: dict[str, Any] = {
            "lineage": self._lineage,
            "page_index": page.page_index,
            "reading": self._reader._readings["ocr"],
            "status": status,
            "width_px": page.image and page.image.width_px,
            "height_px": page.image and page.image.height_px,
            "width_pt": page.width_pt,
            "height_pt": page.height_pt,
            "dpi": page.dpi,
            "rotation": page.rotation,
            "is_scan": page.is_scan,
            "is_blank": page.is_blank,
            "num_chart_candidates": len(page.regions),
            "num_text_layer_chars": page.text_layer and page.text_layer.num_chars,
            "flags": _flags(page.flags, _answer_flags(outcome)),
            "render_s": page.render_s,
        }
        return PageRecord(**columns | self._asked(outcome) | content)

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
        failures = self._failures(outcome, page, task="chart", region=region)
        if outcome.parsed is None:
            record = self._chart_record(page, region, image, "failed", outcome, flags=_flags(flags, _answer_flags(outcome)))
            return ChunkRecords(charts=[record], failures=failures)
        assert isinstance(outcome.parsed.answer, ChartAnswer)
        content = await asyncio.to_thread(chart_content, outcome.parsed.answer, region, page)
        return ChunkRecords(
            charts=[self._chart_record_of(page, region, image, outcome, content, flags)],
            chart_points=[
                ChartPointRecord(
                    lineage=self._lineage,
                    page_index=page.page_index,
                    region_index=region.region_index,
                    reading=self._reader._readings["chart"],
                    **vars(point),
                )
                for point in content.points
            ],
            failures=failures,
        )

    def _chart_record_of(
        self,
        page: RenderedPage,
        region: Region,
        image: PageImage,
        outcome: Outcome,
        content: ChartContent,
        flags: tuple[str, ...],
    ) -> ChartRecord:
        columns = {item.name: getattr(content, item.name) for item in fields(content) if item.name not in _NOT_COLUMNS}
        columns["flags"] = _flags(flags, content.flags, _answer_flags(outcome))
        columns["num_points"] = len(content.points)
        return self._chart_record(page, region, image, "partial" if outcome.failure else content.status, outcome, **columns)

    def _chart_record(
        self, page: RenderedPage, region: Region, image: PageImage, status: Any, outcome: Outcome, **content: Any
    ) -> ChartRecord:
        columns: dict[str, Any] = {
            "lineage": self._lineage,
            "page_index": page.page_index,
            "region_index": region.region_index,
            "reading": self._reader._readings["chart"],
            "status": status,
            "bbox_px": Box(*region.bbox_px),
            "region_origin": region.origin,
            "width_px": image.width_px,
            "height_px": image.height_px,
            "dpi": region.dpi,
        }
        return ChartRecord(**columns | self._asked(outcome) | content)

    # --- both

    async def _ask(self, request: Request) -> Outcome:
        return await ask(self._reader._read, request, self._reader._settings, takes_prefix=self._reader._info.takes_prefix)

    def _asked(self, outcome: Outcome | None) -> dict[str, Any]:
        """The columns about asking; nothing where nothing was asked."""
        if outcome is None:
            return {}
        completion = outcome.completion
        return {
            "mean_logprob": completion.mean_logprob,
            "min_logprob": completion.min_logprob,
            "grammar_overrides": completion.grammar_overrides,
            "stop_reason": completion.stop_reason,
            "num_asks": outcome.num_asks,
            "num_prompt_tokens": outcome.num_prompt_tokens,
            "num_output_tokens": outcome.num_output_tokens,
            "read_s": outcome.engine_s,
            "read_at": self._reader._clock(),
        }

    def _failures(self, outcome: Outcome, page: RenderedPage, *, task: Task, region: Region | None = None) -> list[FailureRecord]:
        if outcome.failure is None:
            return []
        place = {"task": task, "page_index": page.page_index, "region_index": region and region.region_index}
        return [self.failure_record(outcome.failure.model_copy(update=place))]


async def _nothing() -> None:
    return None


_NOT_COLUMNS = ("status", "flags", "points", "num_points")


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


def _flags(*parts: Any) -> list[str]:
    return list(dict.fromkeys(flag for part in parts for flag in part))


def _answer_flags(outcome: Outcome | None) -> list[str]:
    if outcome is None:
        return []
    echo = ["prompt_echo"] if _echoes_prompt(outcome) else []
    return [*(outcome.parsed.repairs if outcome.parsed else ()), *outcome.completion.flags, *echo]


def _echoes_prompt(outcome: Outcome) -> bool:
    """A model that repeats its instructions has not read the page."""
    if outcome.completion.text_origin != "model" or outcome.parsed is None:
        return False
    task: Task = "ocr" if isinstance(outcome.parsed.answer, OcrAnswer) else "chart"
    asked = "\n".join(prompt_for(task, transport).text for transport in get_args(Transport))
    lines = [line for line in asked.splitlines() if len(line) >= PROMPT_ECHO_CHARS and '"' not in line]
    return any(line in outcome.completion.text for line in lines)


def _reading(recipe: Recipe) -> Reading:
    return Reading(
        recipe_id=recipe.recipe_id,
        engine=recipe.engine,
        model=recipe.model,
        model_revision=recipe.model_revision,
        prompt_version=recipe.prompt_version,
    )


def _lineage(chunk: Chunk, run_id: str) -> Lineage:
    return Lineage(
        uri=chunk.source.uri,
        source_id=chunk.source.source_id,
        source_version=chunk.source.etag,
        version_id=chunk.document.version_id,
        document_id=chunk.document.document_id,
        plan_id=chunk.plan_id,
        run_id=run_id,
        attempt=chunk.attempt,
    )
