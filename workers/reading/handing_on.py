"""What one reader leaves to the next: pages whose text or charts another engine reads, and no more pixels than that takes."""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import fields, replace
from typing import Protocol

from schemas.failure import Task
from schemas.page import Box, Chunk, PageImage, Region, RenderedPage
from schemas.records import (
    BlockRecord,
    ChartPointRecord,
    ChartRecord,
    ChunkRecords,
    FailureRecord,
    ImageRecord,
    PageRecord,
    WordRecord,
)
from schemas.settings import RegionSettings


class _Block(Protocol):
    @property
    def kind(self) -> str: ...
    @property
    def bbox_px(self) -> Box | None: ...
    @property
    def box_origin(self) -> str | None: ...


def chart_boxes(blocks: Iterable[_Block]) -> list[Box]:
    """Boxes of the charts and figures in an answer about the text."""
    return [
        block.bbox_px
        for block in blocks
        if block.kind in ("chart", "figure") and block.bbox_px is not None and block.box_origin == "engine"
    ]


def may_hide_charts(page: RenderedPage) -> bool:
    """True for a scan, whose charts rendering cannot find. Its only region is the image as a whole."""
    return page.is_scan and all(region.origin == "standalone" for region in page.regions)


def gives_places(engine: str, prompt_version: str | None) -> bool:
    """True if text that is read by this engine and prompt comes with the boxes of figures and charts on scans. Free Markdown has
    none, and `classic` finds none in pixels."""
    return engine != "classic" and "-markdown-" not in (prompt_version or "")


def planned_boxes(page: RenderedPage, chunk: Chunk) -> list[Box]:
    """The planned places of charts, in pixels of this page's image, which another recipe may have drawn at another size."""
    assert page.image is not None
    width_px, height_px = chunk.place_sizes.get(page.page_index, (page.image.width_px, page.image.height_px))
    x, y = page.image.width_px / width_px, page.image.height_px / height_px
    return [Box(*box).scaled(x, y) for box in chunk.places.get(page.page_index, [])]


def wanted_regions(page: RenderedPage, chunk: Chunk) -> list[Region]:
    """The page's regions whose charts the chunk asks for."""
    chosen = chunk.regions
    return [region for region in page.regions if chosen is None or (page.page_index, region.region_index) in chosen]


class Handover:
    """Chooses what is left for later readers, who read `tasks`, of a chunk's pages."""

    def __init__(
        self, tasks: Collection[Task], regions: RegionSettings, *, reads_drawings: bool, knows_places: bool, keeps_pictures: bool
    ) -> None:
        """`reads_drawings`: charts are taken from their drawing where it was read, so nobody looks at their pixels.
        `knows_places`: the text that was read says where a scan's charts are. `keeps_pictures`: pictures land in
        the lake."""
        self._tasks = tasks
        self._crops = regions.enabled
        self._reads_drawings, self._knows_places = reads_drawings, knows_places
        self._keeps_pictures = keeps_pictures

    def left(self, chunk: Chunk, pages: Sequence[RenderedPage], records: ChunkRecords) -> list[RenderedPage]:
        """The pages that later readers need. `records`: what was read of them so far."""
        over = {row.page_index for row in records.failures if row.task is None}
        over |= {row.page_index for row in records.pages if row.status == "blank"}
        read = {row.page_index for row in records.pages}
        places = {block.page_index for block in records.blocks if chart_boxes([block])}
        return [
            left
            for page in pages
            if page.image is not None and page.failure is None and page.page_index not in over
            for left in self._of_page(chunk, page, is_read=page.page_index in read, has_places=page.page_index in places)
        ]

    def _of_page(self, chunk: Chunk, page: RenderedPage, *, is_read: bool, has_places: bool) -> Iterator[RenderedPage]:
        needs_text = "ocr" in self._tasks and "ocr" in chunk.tasks and not is_read
        wants_charts = "chart" in self._tasks and "chart" in chunk.tasks and not page.is_blank
        wanted = wanted_regions(page, chunk) if wants_charts else []
        may_crop = wants_charts and self._crops and chunk.regions is None and may_hide_charts(page)
        may_crop = may_crop and chunk.places.get(page.page_index) != []
        crops = may_crop and (has_places or needs_text or not (is_read and self._knows_places))
        if needs_text or ((wanted or crops) and self._keeps_pictures):
            yield page
        elif wanted or crops:
            is_seen = crops or any(region.image is None and self._is_asked(region) for region in wanted)
            regions = [region if self._is_asked(region) else _without_pixels(region) for region in page.regions]
            change = {"regions": regions} if is_seen else {"regions": regions, "image": _empty(page.image), "full_image": b""}
            yield page.model_copy(update=change)

    def _is_asked(self, region: Region) -> bool:
        return not (self._reads_drawings and region.drawn_answer)


def _without_pixels(region: Region) -> Region:
    return region.model_copy(update={"image": _empty(region.image)})


def _empty(image: PageImage | None) -> PageImage | None:
    """The size of an image that nobody looks at."""
    return image and image.model_copy(update={"pixels": b""})


def together(before: ChunkRecords, parts: Sequence[ChunkRecords]) -> ChunkRecords:
    """All rows in page order. A page whose text was read before counts the charts that were found in it since."""
    found = Counter(chart.page_index for part in parts for chart in part.charts if chart.region_origin == "answer")
    pages = [replace(row, num_chart_candidates=row.num_chart_candidates + found[row.page_index]) for row in before.pages]
    return in_page_order(ChunkRecords.joined([replace(before, pages=pages), *parts]))


def in_page_order(records: ChunkRecords) -> ChunkRecords:
    return ChunkRecords(**{item.name: sorted(getattr(records, item.name), key=_page_index) for item in fields(records)})


def of_pages(records: ChunkRecords, indexes: Collection[int], *, others: bool = False) -> ChunkRecords:
    """The rows of these pages, or all others, those of the document included."""
    return ChunkRecords(
        **{
            item.name: [row for row in getattr(records, item.name) if (row.page_index in indexes) != others]
            for item in fields(records)
        }
    )


def _page_index(row: PageRecord | BlockRecord | ChartRecord | ChartPointRecord | FailureRecord | ImageRecord | WordRecord) -> int:
    """Failures of the document come first."""
    return -1 if row.page_index is None else row.page_index
