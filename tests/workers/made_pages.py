"""Pages and chunks made by hand, and an engine that says what it is told, for tests of reading."""

import asyncio
import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

from schemas.failure import Failure, FailureKind, Task
from schemas.page import Box, Chunk, PageImage, Region, RenderedChunk, RenderedPage, TextLayer, Word
from schemas.plan import Recipe
from schemas.records import ChunkRecords
from schemas.settings import Images, ReadSettings, RegionSettings
from schemas.source import Document, Source
from workers.engines.engine import Completion, EngineInfo, Request
from workers.reading.read_pages import PageReader

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
OCR = json.dumps({"languages": ["en"], "blocks": [{"title": "Annual report"}, {"paragraph": "Sales rose by **4 %**."}]})
CHART = json.dumps(
    {"chart": "bar", "title": "Sales", "printed": "all", "series": ["2025"], "rows": [["North", "12"], ["South", "30"]]}
)
NO_CHART = json.dumps({"chart": "none"})


def image(width_px: int = 640, height_px: int = 448) -> PageImage:
    return PageImage.from_rgb(width_px, height_px, bytes([255, 250, 240]) * (width_px * height_px))


def layer(*texts: str) -> TextLayer:
    words = [
        Word(text, 20 + 60 * (place % 8), 20 + 20 * (place // 8), 70 + 60 * (place % 8), 36 + 20 * (place // 8), 0, place // 8, 12)
        for place, text in enumerate(texts)
    ]
    return TextLayer(words=words, num_chars=sum(map(len, texts)))


def page(page_index: int = 0, **changes: Any) -> RenderedPage:
    return RenderedPage(**{"page_index": page_index, "image": image(), "dpi": 72.0} | changes)


def region(region_index: int = 0, **changes: Any) -> Region:
    defaults: dict[str, Any] = {"bbox_px": Box(100, 100, 420, 324), "origin": "drawing", "image": image(), "dpi": 144.0}
    return Region(region_index=region_index, **defaults | changes)


def rendered(*pages: RenderedPage, tasks: Sequence[Task] = ("ocr", "chart"), **changes: Any) -> RenderedChunk:
    defaults: dict[str, Any] = {
        "plan_id": "000001",
        "shard_index": 0,
        "source_index": 0,
        "source": Source(uri="s3://drop/a.pdf", etag="1", size_bytes=10, last_modified=NOON),
        "document": Document(document_id="d" * 64, version_id="v1", media_type="application/pdf", num_pages=len(pages)),
        "attempt": 1,
        "tasks": list(tasks),
        "pages": [item.page_index for item in pages],
        "num_selected": len(pages),
    }
    return RenderedChunk(chunk=Chunk(**defaults | changes), pages=list(pages))


def failed(kind: FailureKind) -> Completion:
    return Completion(stop_reason="error", failure=Failure(stage="read", kind=kind, message="as told"))


Said = Completion | str


class TellingEngine:
    """Says `ocr` and `chart` in turn, by task and ask (the last one again and again); remembers what it was asked."""

    def __init__(self, ocr: Sequence[Said] = (OCR,), chart: Sequence[Said] = (CHART,), *, delay_s: float = 0.0) -> None:
        self.says: dict[Task, Sequence[Said]] = {"ocr": ocr, "chart": chart}
        self.requests: list[Request] = []
        self.delay_s = delay_s
        self.in_flight = self.max_in_flight = 0

    async def start(self) -> None: ...

    async def close(self) -> None: ...

    async def read(self, request: Request) -> Completion:
        self.requests.append(request)
        self.in_flight += 1
        self.max_in_flight = max(self.max_in_flight, self.in_flight)
        await asyncio.sleep(self.delay_s)
        self.in_flight -= 1
        says = self.says[request.task]
        said = says[min(request.ask, len(says) - 1)]
        return said if isinstance(said, Completion) else Completion(text=said, num_prompt_tokens=100, num_output_tokens=7)


def recipe(task: Task) -> Recipe:
    return Recipe(task=task, engine="telling", model="m", model_revision="r", prompt_version=f"{task}-1", schema_version=1)


async def read(
    engine: TellingEngine,
    chunk: RenderedChunk,
    *,
    settings: ReadSettings | None = None,
    tasks: Sequence[Task] = ("ocr", "chart"),
    max_requests: int = 8,
    regions: RegionSettings | None = None,
    clock: Callable[[], datetime] = lambda: NOON,
    images: Images = "none",
    words: bool = False,
    **info: Any,
) -> ChunkRecords:
    reader = PageReader(
        engine,
        EngineInfo(name="telling", **info),
        {task: recipe(task) for task in tasks},
        settings or ReadSettings(),
        max_requests,
        "run-1",
        clock,
        regions=regions,
        images=images,
        words=words,
    )
    return await reader.read_chunk(chunk)
