"""Cuts regions from the pixels of scans: the boxes that the OCR answer calls charts or figures, at the best available
resolution."""

import contextlib
from collections.abc import Sequence

from PIL import Image

from schemas.page import Box, PageImage, Region, RenderedPage, TextLayer, Word
from schemas.settings import RegionSettings
from workers.rendering.full_image import decode
from workers.rendering.pages.resolution import fit

SAME_OVERLAP = 0.7
"""Intersection over union from which two boxes are the same region."""
POINTS_PER_INCH = 72


def crop_regions(page: RenderedPage, boxes_px: Sequence[Box], settings: RegionSettings, cell_px: int) -> list[Region]:
    """A region for each box, numbered after the page's own regions. `boxes_px` are in pixels of the page image.

    Left out are boxes below `min_side_pt` (in pixels if the page has no resolution), boxes that are a region already, and the
    smallest beyond `max_per_page`. Regions are cut from `full_image` if the page was reduced. A region takes some 30 ms of CPU, so
    call this function outside the event loop.
    """
    assert page.image is not None
    frame = Box(0, 0, page.image.width_px, page.image.height_px)
    min_side_px = settings.min_side_pt * (page.dpi or POINTS_PER_INCH) / POINTS_PER_INCH
    taken = [region.bbox_px for region in page.regions if region.origin != "standalone"]
    kept: list[Box] = []
    for box in sorted(boxes_px, key=lambda box: box.area, reverse=True):
        on_page = box.intersection(frame)
        if min(on_page.width, on_page.height) < min_side_px or any(_is_same(on_page, other) for other in [*taken, *kept]):
            continue
        kept.append(on_page)
    kept = sorted(kept[: settings.max_per_page], key=lambda box: (box.top, box.left))
    if not kept:
        return []
    pixels = _pixels(page)
    first = max((region.region_index for region in page.regions), default=-1) + 1
    return [_crop(page, pixels, box, frame, first + place, settings, cell_px) for place, box in enumerate(kept)]


def region_text_layer(region: Region, image: PageImage) -> TextLayer | None:
    """The region's words in pixels of the image that is asked about; None if it has none."""
    if not region.words or not region.bbox_px.area:
        return None
    x, y = image.width_px / region.bbox_px.width, image.height_px / region.bbox_px.height
    if region.image is None:
        x = y = 1.0
    left, top = (region.bbox_px.left, region.bbox_px.top) if region.image is not None else (0.0, 0.0)
    words = [_moved(word, left, top, x, y) for word in region.words]
    return TextLayer.model_construct(words=words, num_chars=sum(len(word.text) for word in words))  # they were checked on the page


def _moved(word: Word, left: float, top: float, x: float, y: float) -> Word:
    box = word.box.moved(-left, -top).scaled(x, y)
    return word._replace(left=box.left, top=box.top, right=box.right, bottom=box.bottom, size_px=word.size_px * y)


def _is_same(box: Box, other: Box) -> bool:
    shared = box.intersection(other).area
    return shared > SAME_OVERLAP * (box.area + other.area - shared)


def _pixels(page: RenderedPage) -> Image.Image:
    """The original image if the row carries one that can be decoded, else the page as rendered."""
    assert page.image is not None
    if page.full_image:
        with contextlib.suppress(OSError, SyntaxError):
            return decode(page.full_image)
    return Image.frombytes("RGB", (page.image.width_px, page.image.height_px), page.image.rgb())


def _crop(
    page: RenderedPage, pixels: Image.Image, box: Box, frame: Box, region_index: int, settings: RegionSettings, cell_px: int
) -> Region:
    x, y = settings.margin * box.width, settings.margin * box.height
    wide = Box(box.left - x, box.top - y, box.right + x, box.bottom + y).intersection(frame)
    on_pixels = wide.scaled(pixels.width / frame.width, pixels.height / frame.height)
    size = fit(on_pixels.width, on_pixels.height, cell_px=cell_px, min_pixels=settings.min_pixels, max_pixels=settings.max_pixels)
    cut = pixels.resize(size, Image.Resampling.LANCZOS, box=on_pixels)
    words = page.text_layer.words if page.text_layer else []
    return Region(
        region_index=region_index,
        bbox_px=wide,
        origin="answer",
        image=PageImage.from_rgb(*size, cut.tobytes()),
        dpi=page.dpi and page.dpi * size.width_px / wide.width,
        words=[word for word in words if _holds(wide, word)],
    )


def _holds(box: Box, word: Word) -> bool:
    x, y = (word.left + word.right) / 2, (word.top + word.bottom) / 2
    return box.left <= x <= box.right and box.top <= y <= box.bottom
