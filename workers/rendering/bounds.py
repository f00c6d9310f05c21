"""Bounds for what a render process may send about a page.

The document may have taken over the process that draws it, so its messages are treated as an attacker's. Frames are bounded before
they are read, JSON before it is parsed, and figures before anything is allocated by them. A page out of bounds is refused. Bounds
that hold for all figures (finite, within 31 bits) are in `schemas.page`; here are those that depend on the settings.
"""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from pydantic import TypeAdapter

from schemas.failure import FailureKind, PageError
from schemas.flags import FLAGS
from schemas.page import (
    EDGE_CHARS,
    EDGE_LINES,
    MAX_CHARS,
    MAX_WORDS,
    NEARBY_PAGES,
    Box,
    EdgeLine,
    Packed,
    PageImage,
    Region,
    RenderedPage,
    Word,
    announced_bytes,
    check_pixels,
    unpack,
)
from schemas.settings import Images, RegionSettings, RenderSettings
from schemas.source import Document
from workers.rendering.frames import PAGE, Frame, Most
from workers.rendering.full_image import FULL_IMAGE_BYTES, KEPT_QUALITY, QUALITY, announced_size
from workers.rendering.pages.resolution import MAX_ASPECT
from workers.rendering.pages.vector_charts.found import REASONS

_PAGE_JSON_BYTES = 16 << 20
"""Limit for the JSON of a page. MAX_WORDS words take some 8 MB, MAX_CHARS characters at most 4."""
_OTHER_JSON_BYTES = 64 << 10
"""Limit for the JSON of a document or a failure."""
_OBJECTS, _LISTS, _FIELDS = 8, 8 + NEARBY_PAGES * (1 + 3 * EDGE_LINES), 200 + 6 * NEARBY_PAGES * EDGE_LINES
"""Most objects, arrays and fields in the JSON of a page, beside those of its regions and words."""
_REGION_FIELDS = 20
_WORD_FIELDS = len(Word._fields)
_ASPECT_MAX = 4 * MAX_ASPECT
"""Longest side over shortest. `workers.rendering.pages.resolution.fit` exceeds MAX_ASPECT if min_pixels is close to max_pixels."""
_REGION_SIDE_PX = 0.01
"""Shortest side of a region's box, the unit to which boxes are rounded. Words are scaled by these sides."""
_METADATA_CHARS = 500
_MAX_PAGES = 1 << 31

SAID_OF_PAGES = frozenset({FailureKind.unreadable, FailureKind.too_large, FailureKind.render_out_of_memory})
"""The kinds of failure that a render process may report for a page. Its parent finds the others."""
SAID_OF_DOCUMENTS = SAID_OF_PAGES | {
    FailureKind.empty,
    FailureKind.unsupported_type,
    FailureKind.encrypted,
    FailureKind.corrupt,
    FailureKind.no_pages,
    FailureKind.changed,
    FailureKind.gone,
    FailureKind.access_denied,
    FailureKind.fetch_failed,
}


_OF_FAILURE = [b"", b""]
"""The buffers of a page that the parent has failed. A page from a render process has at least three."""


class OutOfBounds(ValueError):
    """A message that makes no sense, or exceeds what a page can be."""


@dataclass(frozen=True)
class Bounds:
    """The bounds that follow from a run's settings; all its processes have the same."""

    page_pixels: int
    region_pixels: int
    num_regions: int
    cell_px: int
    has_region_images: bool = True
    """False if regions are not drawn: then none has an image."""
    images: Images = "none"
    """The pictures that the lake keeps: no others may come."""

    @classmethod
    def of(
        cls, render: RenderSettings, regions: RegionSettings, *, draws_regions: bool = True, images: Images = "none"
    ) -> "Bounds":
        """The bounds for the settings. An image has at least one cell, whatever its limit: see
        `workers.rendering.pages.resolution.fit`."""
        cell = render.cell_px**2
        most = max(render.max_pixels, cell), max(regions.max_pixels, cell)
        return cls(*most, regions.max_per_page, render.cell_px, draws_regions, images)

    # --- frames, as they come

    @property
    def short_frame(self) -> Most:
        """Limits for the frame of a document, a failure, or the ready signal."""
        return Most(_OTHER_JSON_BYTES, 0, 0)

    @property
    def page_frame(self) -> Most:
        """Limits for the frame of a page with its full image, its picture and its own image, or of a failure (see
        `failure_said`)."""
        return Most(_PAGE_JSON_BYTES, 3, max(FULL_IMAGE_BYTES, _zstd_bytes(self.page_pixels)))

    @property
    def regions_frame(self) -> Most:
        """Limits for the frame of regions: no full image, no picture of the page, and of each region its picture and its own
        image."""
        most = max(FULL_IMAGE_BYTES if self.images != "none" else 0, _zstd_bytes(self.region_pixels))
        return Most(_PAGE_JSON_BYTES, 2 + 2 * self.num_regions, most)

    def packed(self, frame: Frame, num_pixels: int) -> Packed:
        """The frame of a page or its regions, with images of up to `num_pixels`. The JSON is not parsed yet. The images are
        unpacked once here, so that later readers find the size that they announce.

        Raises OutOfBounds.
        """
        _require(frame.kind != PAGE or len(frame.buffers) == 3, "a page without its pixels")
        try:
            for buffer in frame.buffers[1:]:
                if buffer and not buffer.startswith(_JPEG):  # its place is checked once the JSON is parsed
                    check_pixels(buffer, 3 * num_pixels)
        except ValueError as error:
            raise OutOfBounds(str(error)) from None
        return Packed(frame.body.decode(errors="replace"), list(frame.buffers))

    # --- what they say

    def page(self, packed: Packed, page_index: int) -> RenderedPage:
        """The page, or the failure that the parent of the render process has found. Raises OutOfBounds."""
        self._check_json(packed.body)
        try:
            (page,) = unpack(packed)
        except ValueError:  # not chained: its text would list every error, however many
            raise OutOfBounds("no page") from None
        _require(page.page_index == page_index, "another page than was asked for")
        if page.failure is not None:
            _require(packed.buffers == _OF_FAILURE, "a failure that no parent found")
            return page
        self._check(page)
        return page

    def _check_json(self, body: str) -> None:
        """Counts what parsing would allocate, because an empty array takes two bytes as JSON and some hundreds in memory."""
        plain = body.replace("\\\\", "").replace('\\"', "")
        num_fields = _FIELDS + _REGION_FIELDS * self.num_regions
        _require(plain.count('"') <= 2 * (2 * MAX_WORDS + num_fields), "too many strings")
        skeleton = "".join(plain.split('"')[::2])
        _require(skeleton.count("{") <= _OBJECTS + 2 * self.num_regions, "too many objects")
        _require(skeleton.count("[") <= _LISTS + 3 * self.num_regions + 2 * MAX_WORDS, "too many arrays")
        _require(skeleton.count(",") <= num_fields + 2 * MAX_WORDS * _WORD_FIELDS, "too many values")

    def _check(self, page: RenderedPage) -> None:
        _require(page.image is not None, "neither an image nor a failure")
        assert page.image is not None
        self._check_image(page.image, self.page_pixels)
        _require(FLAGS.keys() >= set(page.flags), "unknown flags")
        if page.full_image:
            _require(page.is_scan and page.is_reduced, "a full image of a page that is shown in full")
            _check_jpeg(page.full_image, QUALITY)
        _require(not page.picture or self.images == "pages", "a picture that nobody keeps")
        if page.picture:
            _check_jpeg(page.picture, KEPT_QUALITY)
        if page.text_layer is not None:
            _check_words([*page.text_layer.words, *page.text_layer.unseen], page.image)
        self._check_regions(page.regions, page.image)
        _require(len(page.nearby) <= NEARBY_PAGES, "more neighbours than a page has")
        for lines in page.nearby:
            _check_edges(lines)

    def _check_regions(self, regions: Sequence[Region], image: PageImage) -> None:
        _require(len(regions) <= self.num_regions, f"{len(regions)} regions")
        for place, region in enumerate(regions):
            _require(region.region_index == place, "regions out of order")
            _require(region.origin != "answer", "an answer before it was asked for")
            _require(region.drawn_refusal in ("", *REASONS), "an unknown reason")
            _require(_is_on(region.bbox_px, image), "a region off the page")
            _require(region.core_px is None or _is_on(region.core_px, image), "a picture off the page")
            has_image = self.has_region_images and region.origin != "standalone"
            _require((region.image is not None) == has_image, "a region without its image, or with one that nobody asked for")
            if region.image is not None:
                self._check_image(region.image, self.region_pixels)
            _require(not region.picture or self.images != "none", "a picture that nobody keeps")
            if region.picture:
                _check_jpeg(region.picture, KEPT_QUALITY)
        _check_words([word for region in regions for word in region.words], image)

    def _check_image(self, image: PageImage, num_pixels: int) -> None:
        """Checks that the image has a size that `workers.rendering.pages.resolution.fit` gives, and as many pixels as it
        announces."""
        short, long = sorted((image.width_px, image.height_px))
        _require(image.width_px * image.height_px <= num_pixels, f"an image of {image.width_px} x {image.height_px} pixels")
        _require(short % self.cell_px == 0 == long % self.cell_px and long <= _ASPECT_MAX * short, "an image of another shape")
        try:
            num_bytes = announced_bytes(image.pixels)
        except ValueError as error:
            raise OutOfBounds(str(error)) from None
        _require(num_bytes == image.width_px * image.height_px * 3, "more or fewer pixels than it says")


def document_said(body: bytes) -> Document:
    """The document that a render process reports. Raises OutOfBounds."""
    try:
        document = Document.model_validate_json(body)
    except ValueError:
        raise OutOfBounds("no document") from None
    _require(document.num_pages is not None and 0 < document.num_pages < _MAX_PAGES, "a number of pages that no file has")
    for text in (document.title, document.producer, document.media_type):
        _require(text is None or (len(text) <= _METADATA_CHARS and text.isprintable()), "metadata of another shape")
    return document


def edges_said(body: bytes) -> list[EdgeLine]:
    """What stands at a page's edges. Raises OutOfBounds."""
    try:
        lines = _EDGES.validate_json(body)
    except ValueError:
        raise OutOfBounds("no edges") from None
    _check_edges(lines)
    return lines


def _check_edges(lines: Sequence[EdgeLine]) -> None:
    _require(len(lines) <= 3 * EDGE_LINES, f"{len(lines)} lines")
    _require(all(len(line.text) <= EDGE_CHARS for line in lines), "a long line")
    _require(_CONTROL.search(" ".join(line.text for line in lines)) is None, "control characters")


_EDGES = TypeAdapter(list[EdgeLine])


def failure_said(body: bytes, kinds: Collection[FailureKind]) -> PageError:
    """The reason that a render process reports for a file that it cannot open or a page that it cannot draw. Raises OutOfBounds."""
    _require(len(body) <= _OTHER_JSON_BYTES, "a long reason")
    try:
        kind, message = _REASON.validate_json(body)
    except ValueError:
        raise OutOfBounds("no reason") from None
    _require(kind in kinds, f"the kind {kind}")
    return PageError(kind, message)


_REASON = TypeAdapter(tuple[FailureKind, str])


def _check_jpeg(body: bytes, quality: int) -> None:
    try:
        announced_size(body, quality)
    except ValueError as error:
        raise OutOfBounds(str(error)) from None


def _check_words(words: Sequence[Word], image: PageImage) -> None:
    """Checks that there are not too many words, and that they lie on the page up to rounding, because the renderer clips them."""
    width_px, height_px = image.width_px + 1, image.height_px + 1
    _require(len(words) <= MAX_WORDS, f"{len(words)} words")
    _require(sum(len(word.text) for word in words) <= MAX_CHARS, "more text than a page has")
    on_page = (-1 <= left <= right <= width_px and -1 <= top <= bottom <= height_px for _, left, top, right, bottom, *_ in words)
    _require(all(on_page), "words off the page")
    _require(_CONTROL.search(" ".join([word.text for word in words])) is None, "control characters")


_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f]")
_JPEG = b"\xff\xd8"


def _is_on(box: Box, image: PageImage) -> bool:
    """True if the box is not empty and lies on the page, up to rounding."""
    if min(box.width, box.height) < _REGION_SIDE_PX:
        return False
    return min(box.left, box.top) >= -1 and box.right <= image.width_px + 1 and box.bottom <= image.height_px + 1


def _zstd_bytes(num_pixels: int) -> int:
    """The largest zstd size of so many RGB pixels, if they cannot be compressed. Source: zstd.h, ZSTD_COMPRESSBOUND."""
    num_bytes = 3 * num_pixels
    return num_bytes + num_bytes // 256 + 1024


def _require(holds: bool, otherwise: str) -> None:
    if not holds:
        raise OutOfBounds(otherwise)
