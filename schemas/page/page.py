"""The data that flow between stages: chunks of pages, their pixels, their text layers and their regions.

Boxes are (left, top, right, bottom), origin top left, in pixels of the rendered page image.
"""

from collections.abc import Iterator, Sequence
from typing import Annotated, Literal, NamedTuple

import pyarrow as pa
from pydantic import AllowInfNan, FailFast, Field, TypeAdapter

from schemas.failure import Failure
from schemas.frozen import Frozen
from schemas.source import Document, Source

MAX_WORDS = 100_000
"""Most words of a page's text layer, and of all its regions together. A newspaper's page has 15,000."""
MAX_CHARS = 1_000_000
"""Most characters of these words."""
MAX_DRAWN_CHARS = 200_000
"""Most characters of the answer that a region's drawing gives. 6,000 points of a scatter plot take 120,000."""
MAX_SIDE_PT = 1e6
FAR_PX = 1e9
"""Bound for positions and sizes of words, so that what is computed from them is finite."""

Finite = Annotated[float, AllowInfNan(False)]
Count = Annotated[int, Field(ge=0, lt=1 << 31)]
Seconds = Annotated[float, Field(ge=0, le=1e6, allow_inf_nan=False)]
Pixels = Annotated[float, Field(ge=-FAR_PX, le=FAR_PX, allow_inf_nan=False)]
Dpi = Annotated[float, Field(gt=0, allow_inf_nan=False)]
PageDpi = Annotated[float, Field(ge=1e-5, le=1e9, allow_inf_nan=False)]
PagePoints = Annotated[float, Field(gt=0, le=MAX_SIDE_PT, allow_inf_nan=False)]
SidePixels = Annotated[int, Field(gt=0, lt=1 << 24)]

_ZSTD = pa.Codec("zstd", compression_level=1)  # 16.6 ms and 1.2 MB a page, against 98 ms for PNG and 11 MB raw


class Box(NamedTuple):
    left: Finite
    top: Finite
    right: Finite
    bottom: Finite

    @property
    def width(self) -> float:
        return self.right - self.left

    @property
    def height(self) -> float:
        return self.bottom - self.top

    @property
    def area(self) -> float:
        """0 for an empty or inverted box."""
        return max(0.0, self.width) * max(0.0, self.height)

    def intersection(self, other: "Box") -> "Box":
        """The common part; an inverted box (area 0) if the boxes do not meet."""
        return Box(
            max(self.left, other.left), max(self.top, other.top), min(self.right, other.right), min(self.bottom, other.bottom)
        )

    def union(self, other: "Box") -> "Box":
        return Box(
            min(self.left, other.left), min(self.top, other.top), max(self.right, other.right), max(self.bottom, other.bottom)
        )

    def scaled(self, x: float, y: float) -> "Box":
        return Box(self.left * x, self.top * y, self.right * x, self.bottom * y)

    def moved(self, x: float, y: float) -> "Box":
        return Box(self.left + x, self.top + y, self.right + x, self.bottom + y)

    def is_at(self, other: "Box") -> bool:
        """True if the two share half of the smaller one: a figure and its chart, each with its own margin."""
        smaller = min(self.area, other.area)
        return smaller > 0 and self.intersection(other).area / smaller >= 0.5


class Word(NamedTuple):
    """A word of the PDF's text layer. It is a named tuple because a page has a thousand of them, which cross as JSON arrays."""

    text: str
    left: Pixels
    top: Pixels
    right: Pixels
    bottom: Pixels
    block: Count
    """MuPDF's block number: words of one paragraph share it."""
    line: Count
    """MuPDF's line number inside the block."""
    size_px: Pixels
    """Font size in pixels of the rendered page."""
    style: Annotated[int, Field(ge=0, lt=128)] = 0
    """Sum of BOLD, ITALIC, MONO, INVISIBLE, and one of ACROSS, DOWN, UP if the PDF says in which direction the line runs."""
    font: Count = 0
    """Number of the font; words in the same font of the page share it."""

    @property
    def box(self) -> Box:
        return Box(self.left, self.top, self.right, self.bottom)


BOLD, ITALIC, MONO = 1, 2, 4
ACROSS, DOWN, UP = 8, 16, 32
INVISIBLE = 64
"""Drawn without ink, like the text that an OCR has laid under a scan."""
Words = Annotated[list[Word], Field(max_length=MAX_WORDS), FailFast()]
"""Validation stops at the first bad word, because an error for each of a hundred thousand would take too much memory."""


class TextLayer(Frozen):
    """The text that a PDF carries for a page, in MuPDF's order, which is not the reading order."""

    words: Words = []
    num_chars: Count = 0
    """Characters without white space."""
    num_unmapped: Count = 0
    """Those of the characters that have no Unicode meaning: U+FFFD, private use, control."""
    num_hidden: Count = 0
    """Those of the characters that are drawn invisibly (render mode 3, as under an OCRed scan) or outside the page."""
    unseen: Words = []
    """Words that nobody sees on the page: without ink, in the paper's colour, covered, clipped. The counts above leave them out."""


class PageImage(Frozen):
    """An image as RGB pixels, uint8, row by row, compressed with zstd level 1."""

    width_px: SidePixels
    height_px: SidePixels
    pixels: Annotated[bytes, Field(exclude=True, repr=False)] = b""

    @classmethod
    def from_rgb(cls, width_px: int, height_px: int, rgb: bytes | memoryview) -> "PageImage":
        if len(rgb) != width_px * height_px * 3:
            raise ValueError(f"{len(rgb)} bytes are no {width_px} x {height_px} RGB image")
        return cls(width_px=width_px, height_px=height_px, pixels=_ZSTD.compress(rgb, asbytes=True))

    def rgb(self) -> bytes:
        """The pixels, width_px * height_px * 3 bytes."""
        return _ZSTD.decompress(self.pixels, decompressed_size=self.width_px * self.height_px * 3, asbytes=True)


def announced_bytes(pixels: bytes) -> int:
    """The number of bytes that zstd `pixels` unpack to, by the header of their first frame. Nothing else is read.

    Raises ValueError if they are not zstd, or the header has no size. Source: RFC 8878, section 3.1.1.1.
    """
    if not pixels.startswith(_ZSTD_MAGIC) or len(pixels) < 6:
        raise ValueError("not zstd")
    descriptor = pixels[4]
    is_single = bool(descriptor & 0x20)
    start = 5 + (not is_single) + (0, 1, 2, 4)[descriptor & 3]
    size = (int(is_single), 2, 4, 8)[descriptor >> 6]
    if not size or len(pixels) < start + size:
        raise ValueError("zstd without its size")
    return int.from_bytes(pixels[start : start + size], "little") + 256 * (size == 2)


def check_pixels(pixels: bytes, most_bytes: int) -> None:
    """Unpacks the pixels once and discards the result. Raises ValueError: not zstd, damaged, or more than `most_bytes`."""
    if (num_bytes := announced_bytes(pixels)) > most_bytes:
        raise ValueError(f"{num_bytes} bytes of pixels")
    try:
        _ZSTD.decompress(pixels, decompressed_size=num_bytes)
    except OSError as error:
        raise ValueError(str(error)) from None


_ZSTD_MAGIC = bytes.fromhex("28b52ffd")


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


class Chunk(Frozen):
    """Up to K pages of one document, the unit that flows. Positions count the document's *selected* pages from 0. Without a page
    range
    and in a first attempt, position and page_index are the same."""

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


class Packed(NamedTuple):
    """Pages on their way between processes. Only their last reader unpacks them."""

    body: str
    """The pages as JSON objects with commas between them, without the pixels."""
    buffers: list[bytes]
    """Pixels and pictures, in the order that `unpack` expects."""

    @classmethod
    def joined(cls, parts: Sequence["Packed"]) -> "Packed":
        return cls(",".join(part.body for part in parts), [buffer for part in parts for buffer in part.buffers])


def pack(*pages: RenderedPage) -> Packed:
    body = ",".join(page.model_dump_json() for page in pages)
    return Packed(body, [buffer for page in pages for buffer in _buffers(page)])


def unpack(packed: Packed) -> list[RenderedPage]:
    """The pages. A page that follows another with the same `page_index` adds its regions, neighbours, flags and seconds to it.
    Regions and neighbours come later, so that a fault in finding them does not cost the page.
    Raises ValueError if these are no pages."""
    rest = iter(packed.buffers)
    pages: list[RenderedPage] = []
    for part in _PAGES.validate_json(f"[{packed.body}]"):
        page = _attach(part, rest)
        if pages and pages[-1].page_index == page.page_index:
            page = _with_regions(pages.pop(), page)
        pages.append(page)
    if next(rest, None) is not None:
        raise ValueError("more pixels than pages")
    return pages


def _with_regions(page: RenderedPage, found: RenderedPage) -> RenderedPage:
    return page.model_copy(
        update={
            "regions": [*page.regions, *found.regions],
            "nearby": [*page.nearby, *found.nearby],
            "flags": [*page.flags, *found.flags],
            "render_s": page.render_s + found.render_s,
        }
    )


def _buffers(page: RenderedPage) -> Iterator[bytes]:
    yield page.full_image
    yield page.picture
    if page.image is not None:
        yield page.image.pixels
    for region in page.regions:
        yield region.picture
        if region.image is not None:
            yield region.image.pixels


def _attach(page: RenderedPage, rest: Iterator[bytes]) -> RenderedPage:
    pictures = {"full_image": _next(rest), "picture": _next(rest)}
    image = page.image and page.image.model_copy(update={"pixels": _next(rest)})
    regions = [_attach_region(region, rest) for region in page.regions]
    return page.model_copy(update={**pictures, "image": image, "regions": regions})


def _attach_region(region: Region, rest: Iterator[bytes]) -> Region:
    picture = _next(rest)
    image = region.image and region.image.model_copy(update={"pixels": _next(rest)})
    return region.model_copy(update={"picture": picture, "image": image})


def _next(buffers: Iterator[bytes]) -> bytes:
    buffer = next(buffers, None)
    if buffer is None:
        raise ValueError("pixels are missing")
    return buffer


_PAGES = TypeAdapter(Annotated[list[RenderedPage], FailFast()])
