"""The unit that flows: some pages of one document."""

from typing import Literal

from schemas.failure import Failure
from schemas.frozen import Frozen
from schemas.page.box import Box
from schemas.page.page import RenderedPage
from schemas.source import Document, Source


class Chunk(Frozen):
    """Up to K pages of one document, the unit that flows. Positions count the document's *selected* pages from 0. Without a page
    range and in a first attempt, position and page_index are the same."""

    plan_id: str
    shard_index: int
    source_index: int
    """Position of the source in its shard."""
    source: Source
    document: Document
    attempt: int = 0
    tasks: list[Literal["ocr", "chart"]]
    first: int = 0
    """Position of the chunk's first page."""
    pages: list[int] = []
    """page_index of each page; empty for a duplicate, and if the document failed before it had pages."""
    num_selected: int = 0
    """Number of positions that the document has in this plan. All its chunks agree on it."""
    planned_pages: list[int] | None = None
    """The planned pages of the document (a retry); None for all that the plan's page range selects."""
    regions: list[tuple[int, int]] | None = None
    """The (page_index, region_index) that are asked for charts (a retry); None for all."""
    places: dict[int, list[Box]] = {}
    """Planned places of charts on these pages, for scans whose text is not asked."""
    place_sizes: dict[int, tuple[int, int]] = {}
    """(width_px, height_px) of the page images on which these places were found; of those now drawn where a page is missing."""
    failures: list[Failure] = []
    """Failures of the document as a whole. The chunk with position 0 carries them."""
    blocked: Failure | None = None
    """Why none of these pages can be rendered: the source went away after other chunks of it were staged."""
    duplicate_of: str | None = None
    """source_id of the source whose answers also hold for this one. The chunk has no pages then."""

    @property
    def name(self) -> str:
        """The staged object's name. A listing of these names shows what is done."""
        last = self.first + max(len(self.pages), 1) - 1
        return f"{self.source_index:05d}.{self.first:05d}-{last:05d}.of-{self.num_selected:05d}"


class RenderedChunk(Frozen):
    """A chunk with its pages' pixels."""

    chunk: Chunk
    pages: list[RenderedPage] = []
