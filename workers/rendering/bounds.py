"""What a render process may say of a page.

The process may have been taken over by the document that it draws, so what it says is an attacker's. Its frames are bounded before
they are read, its JSON before it is parsed, its figures before anything is allocated by them. What is out of bounds is no page.
The figures' own bounds (finite, within 31 bits, a number of degrees) stand in `schemas.page`; here are those of the settings.
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
from schemas.settings import RegionSettings, RenderSettings
from schemas.source import Document
from workers.rendering.frames import PAGE, Frame, Most
from workers.rendering.full_image import FULL_IMAGE_BYTES, announced_size
from workers.rendering.pages.resolution import MAX_ASPECT

_PAGE_JSON_BYTES = 16 << 20
"""MAX_WORDS words take some 8 MB, MAX_CHARS characters at most 4."""
_OTHER_JSON_BYTES = 64 << 10
"""A document, or why it is none."""
_OBJECTS, _LISTS, _FIELDS = 8, 8 + NEARBY_PAGES * (1 + 3 * EDGE_LINES), 200 + 6 * NEARBY_PAGES * EDGE_LINES
"""In the JSON of a page and its regions: objects and arrays beside those of regions and words, and fields of objects."""
_REGION_FIELDS = 20
_WORD_FIELDS = len(Word._fields)
_ASPECT_MAX = 4 * MAX_ASPECT
"""`workers.rendering.pages.resolution.fit` goes beyond MAX_ASPECT where there is hardly room between min_pixels and max_pixels."""
_REGION_SIDE_PX = 0.01
"""To which a region's box is rounded; its words are scaled by it."""
_METADATA_CHARS = 500
_MAX_PAGES = 1 << 31

SAID_OF_PAGES = frozenset({FailureKind.unreadable, FailureKind.too_large, FailureKind.render_out_of_memory})
"""The kinds of failure that a render process may name; others are for its parent to find."""
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


_OF_FAILURE = [b""]
"""The buffers of a failed page. What a render process calls a page has two and more."""


class OutOfBounds(ValueError):
    """It makes no sense, or is more than a page can be."""


@dataclass(frozen=True)
class Bounds:
    """Made of a run's settings, the same for all of its processes."""

    page_pixels: int
    region_pixels: int
    num_regions: int
    cell_px: int

    @classmethod
    def of(cls, render: RenderSettings, regions: RegionSettings) -> "Bounds":
        """See `workers.rendering.pages.resolution.fit`: an image has one cell at least, however few pixels it may have."""
        cell = render.cell_px**2
        return cls(max(render.max_pixels, cell), max(regions.max_pixels, cell), regions.max_per_page, render.cell_px)

    # --- frames, as they come

    @property
    def short_frame(self) -> Most:
        """A document, a failure, a sign of life."""
        return Most(_OTHER_JSON_BYTES, 0, 0)

    @property
    def page_frame(self) -> Most:
        """The full image and the page's own; or why there is no page, see `failure_said`."""
        return Most(_PAGE_JSON_BYTES, 2, max(FULL_IMAGE_BYTES, _zstd_bytes(self.page_pixels)))

    @property
    def regions_frame(self) -> Most:
        """An empty full image and the regions' own images."""
        return Most(_PAGE_JSON_BYTES, 1 + self.num_regions, _zstd_bytes(self.region_pixels))

    def packed(self, frame: Frame, num_pixels: int) -> Packed:
        """A page or its regions, with images of up to `num_pixels`; the JSON is still unread. The images are unpacked once, here:
        who reads them later finds what they announce.

        Raises OutOfBounds.
        """
        _require(frame.kind != PAGE or len(frame.buffers) == 2, "a page without its pixels")
        try:
            for pixels in frame.buffers[1:]:
                check_pixels(pixels, 3 * num_pixels)
        except ValueError as error:
            raise OutOfBounds(str(error)) from None
        return Packed(frame.body.decode(errors="replace"), list(frame.buffers))

    # --- what they say

    def page(self, packed: Packed, page_index: int) -> RenderedPage:
        """The page, or the failure that the render process's parent found. Raises OutOfBounds."""
        self._check_json(packed.body)
        try:
            (page,) = unpack(packed)
        except ValueError:  # its text would tell of every error, however many
            raise OutOfBounds("no page") from None
        _require(page.page_index == page_index, "another page than was asked for")
        if page.failure is not None:
            _require(packed.buffers == _OF_FAILURE, "a failure that no parent found")
            return page
        self._check(page)
        return page

    def _check_json(self, body: str) -> None:
        """Counts what parsing would allocate: an empty array takes two bytes to write and some hundreds to hold."""
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
            try:
                announced_size(page.full_image)
            except ValueError as error:
                raise OutOfBounds(str(error)) from None
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
            _require(_is_on(region.bbox_px, image), "a region off the page")
            _require(region.core_px is None or _is_on(region.core_px, image), "a picture off the page")
            _require((region.image is None) == (region.origin == "standalone"), "a region without an image")
            if region.image is not None:
                self._check_image(region.image, self.region_pixels)
        _check_words([word for region in regions for word in region.words], image)

    def _check_image(self, image: PageImage, num_pixels: int) -> None:
        """What `workers.rendering.pages.resolution.fit` gives, and as many pixels as it says."""
        short, long = sorted((image.width_px, image.height_px))
        _require(image.width_px * image.height_px <= num_pixels, f"an image of {image.width_px} x {image.height_px} pixels")
        _require(short % self.cell_px == 0 == long % self.cell_px and long <= _ASPECT_MAX * short, "an image of another shape")
        try:
            num_bytes = announced_bytes(image.pixels)
        except ValueError as error:
            raise OutOfBounds(str(error)) from None
        _require(num_bytes == image.width_px * image.height_px * 3, "more or fewer pixels than it says")


def document_said(body: bytes) -> Document:
    """What the file is. Raises OutOfBounds."""
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
    """Why a file could not be opened, or a page not be drawn. Raises OutOfBounds."""
    _require(len(body) <= _OTHER_JSON_BYTES, "a long reason")
    try:
        kind, message = _REASON.validate_json(body)
    except ValueError:
        raise OutOfBounds("no reason") from None
    _require(kind in kinds, f"the kind {kind}")
    return PageError(kind, message)


_REASON = TypeAdapter(tuple[FailureKind, str])


def _check_words(words: Sequence[Word], image: PageImage) -> None:
    """On the page but for rounding: the renderer clips them to it."""
    width_px, height_px = image.width_px + 1, image.height_px + 1
    _require(len(words) <= MAX_WORDS, f"{len(words)} words")
    _require(sum(len(word.text) for word in words) <= MAX_CHARS, "more text than a page has")
    on_page = (-1 <= left <= right <= width_px and -1 <= top <= bottom <= height_px for _, left, top, right, bottom, *_ in words)
    _require(all(on_page), "words off the page")
    _require(_CONTROL.search(" ".join([word.text for word in words])) is None, "control characters")


_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f]")


def _is_on(box: Box, image: PageImage) -> bool:
    """Not empty, and on the page but for rounding."""
    if min(box.width, box.height) < _REGION_SIDE_PX:
        return False
    return min(box.left, box.top) >= -1 and box.right <= image.width_px + 1 and box.bottom <= image.height_px + 1


def _zstd_bytes(num_pixels: int) -> int:
    """Most that RGB pixels take where nothing can be saved. Source: zstd.h, ZSTD_COMPRESSBOUND."""
    num_bytes = 3 * num_pixels
    return num_bytes + num_bytes // 256 + 1024


def _require(holds: bool, otherwise: str) -> None:
    if not holds:
        raise OutOfBounds(otherwise)
