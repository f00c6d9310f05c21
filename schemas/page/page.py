"""A page after rendering, its regions, and what stands at the edges of the pages around it."""

from collections.abc import Sequence
from typing import Annotated, Literal, NamedTuple

from pydantic import FailFast, Field

from schemas.failure import Failure
from schemas.frozen import Frozen
from schemas.page.bounds import MAX_DRAWN_CHARS, Count, Dpi, PageDpi, PagePoints, Seconds
from schemas.page.box import Box
from schemas.page.image import PageImage
from schemas.page.words import TextLayer, Words


class Region(Frozen):
    """A part of a page that may hold a chart."""

    region_index: Count
    bbox_px: Box
    """On the page image."""
    core_px: Box | None = None
    """The pictures or drawings themselves, without labels, title, caption and margin; None where it is the whole box."""
    origin: Literal["image", "drawing", "standalone", "answer"]
    """A placed image, a cluster of drawings, a standalone image as a whole, or a box in the OCR answer of a scan."""
    image: PageImage | None = None
    """Rendered on its own. None: the page's image is the region's image (standalone), or nobody is asked about it."""
    dpi: Dpi | None = None
    words: Words = []
    """Words of the text layer inside the region, in pixels of the *page* image."""
    drawn_answer: Annotated[str, Field(max_length=MAX_DRAWN_CHARS)] = ""
    """The chart as its drawing says it: JSON of a `ChartAnswer`. Empty where it was not read from there."""
    picture: Annotated[bytes, Field(exclude=True, repr=False)] = b""
    """A JPEG for the table `images`, encoded by the sandbox; empty where none is kept."""
    drawn_refusal: Annotated[str, Field(max_length=32)] = ""
    """Why the drawing was not read, of a closed list. Empty where it was, and where there is none: a picture, a scan."""


NEARBY_PAGES = 4
"""Two before and two after: left and right pages have heads of their own."""
EDGE_SHARE = 0.16
"""Of a page's height, above and below, in which its running heads and feet stand; half of it on its left and right."""
EDGE_LINES, EDGE_CHARS = 12, 100
"""Most lines of each edge, and of a line most characters, that one page shows another."""


class EdgeLine(NamedTuple):
    """A line at the edge of a page."""

    text: str
    y: Annotated[float, Field(ge=0, le=1)]
    """Its middle, as a share of the page's height."""


class PageEdges(NamedTuple):
    """What a page is compared with, to find what runs over all of them."""

    nearby: Sequence[Sequence[EdgeLine]] = ()
    """The lines of each page around it that has any."""
    is_first: bool = False
    """The document's first page: what it says at its head is said for the first time."""


NO_EDGES = PageEdges()


class RenderedPage(Frozen):
    """One page after rendering. `image` is None if the page failed; `failure` says why."""

    page_index: Count
    image: PageImage | None = None
    text_layer: TextLayer | None = None
    """None for images and for pages without words."""
    regions: Annotated[list[Region], FailFast()] = []
    width_pt: PagePoints | None = None
    height_pt: PagePoints | None = None
    dpi: PageDpi | None = None
    """Pixels per inch along the page's width after all limits; None for a standalone image."""
    rotation: Annotated[int, Field(ge=0, lt=360)] = 0
    """Degrees by which the page was turned clockwise (page rotation or EXIF)."""
    is_scan: bool = False
    """True if one image covers the page, also for a standalone image."""
    is_blank: bool = False
    is_reduced: bool = False
    """True if the page was rendered below its native resolution to fit the limits."""
    nearby: Annotated[list[list[EdgeLine]], Field(max_length=NEARBY_PAGES)] = []
    """Lines at the edges of the document's pages around this one, in whatever chunk, a list for each page that has any.
    Text that repeats there does not belong to the page."""
    full_image: Annotated[bytes, Field(exclude=True, repr=False)] = b""
    """A JPEG at the scan's own resolution, encoded by the sandbox, if `is_reduced` and `is_scan`; else empty."""
    picture: Annotated[bytes, Field(exclude=True, repr=False)] = b""
    """The whole page as a JPEG for the table `images`, encoded by the sandbox; empty where none is kept."""
    flags: Annotated[list[str], Field(max_length=32), FailFast()] = []
    failure: Failure | None = None
    render_s: Seconds = 0.0
