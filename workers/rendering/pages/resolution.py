"""How many pixels a page or a region gets: native resolution first, then what the model takes as it is."""

import math
from collections.abc import Iterable, Mapping, Sequence
from itertools import accumulate
from typing import NamedTuple

from schemas.page import Box
from schemas.settings import RenderSettings

MAX_ASPECT = 200
"""Ovis2.5's smart_resize squashes what is longer than 200 times its width."""
SCAN_COVER = 0.85
"""Share of a page that images cover together before it is one scan (a scan is often cut into strips)."""
FINEST_COVER = 0.5
"""Share of a scan that images of one resolution and finer cover together, so that a small sharp logo does not decide."""
SCAN_VISIBLE_CHARS = 100
"""A scan may carry a stamped line ("Downloaded from …"), not a text of its own."""
UNKNOWN_TEXT_PT = 8.0
"""Assumed where a page has no text to measure: outlined text and drawings are rarely labelled in less."""
LARGE_IMAGE_COVER = 0.25
"""An image this large, on a page with text of its own, keeps its own resolution: it may be a scanned table."""


class Size(NamedTuple):
    width_px: int
    height_px: int


class PlacedImage(NamedTuple):
    """An image as the page shows it: where, in points, and how many pixels per inch it has there (the finer direction)."""

    box_pt: Box
    dpi: float
    is_gray: bool
    is_speck: bool = False
    """A pixel or a line of pixels: a colour laid over an area, no picture."""
    is_shade: bool = False
    """A gradient, which MuPDF hands over as an image of one pixel a point: drawn like a vector, sharp at any resolution."""


class Native(NamedTuple):
    dpi: float
    is_scan: bool


def fit(width_px: float, height_px: float, *, cell_px: int, min_pixels: int, max_pixels: int) -> Size:
    """The size nearest to (width_px, height_px): whole cells, an area in min_pixels..max_pixels, an aspect up to 200.

    Such a size is a fixed point of Ovis2.5's smart_resize: the model's own resize changes nothing. Where no such size exists
    (min_pixels close to max_pixels), max_pixels wins.
    """
    width_px, height_px = max(width_px, 1.0), max(height_px, 1.0)
    width_px, height_px = min(width_px, MAX_ASPECT * height_px), min(height_px, MAX_ASPECT * width_px)
    area = width_px * height_px
    scale = math.sqrt(min(max(area, min_pixels), max_pixels) / area)
    columns, rows = width_px * scale / cell_px, height_px * scale / cell_px
    most, least = max(1, max_pixels // cell_px**2), math.ceil(min_pixels / cell_px**2)

    def distance(cells: tuple[int, int]) -> float:
        return abs(math.log(cells[0] / columns)) + abs(math.log(cells[1] / rows))

    near = [_within_aspect(across, down) for across in _neighbours(columns) for down in _neighbours(rows)]
    fitting = [cells for cells in near if least <= cells[0] * cells[1] <= most] or [
        (min(across, most), min(down, max(1, most // min(across, most)))) for across, down in near
    ]
    across, down = min(fitting, key=distance)
    return Size(across * cell_px, down * cell_px)


def _neighbours(cells: float) -> set[int]:
    return {max(1, math.floor(cells)), max(1, math.ceil(cells))}


def _within_aspect(across: int, down: int) -> tuple[int, int]:
    return min(across, MAX_ASPECT * down), min(down, MAX_ASPECT * across)


def native_resolution(
    page_pt: Box, images: Sequence[PlacedImage], size_chars: Mapping[float, int], settings: RenderSettings
) -> Native:
    """The resolution a page has of itself, before any limit on its area.

    `size_chars`: font size in points -> visible characters. A scan: the resolution of its images, whatever it is. Else the DPI
    that gives the smallest common font `glyph_px` pixels, not below that of a large image on the page, in dpi_min..dpi_max.
    """
    pictures = [image for image in images if not (image.is_speck or image.is_shade)]
    covers = [(image.dpi, image.box_pt.intersection(page_pt).area / page_pt.area) for image in pictures]
    if sum(size_chars.values()) <= SCAN_VISIBLE_CHARS and sum(cover for _, cover in covers) >= SCAN_COVER:
        return Native(_dpi_of_scan(covers), True)
    dpi = 72 * settings.glyph_px / smallest_common_size_pt(size_chars)
    dpi = max([dpi, *(image_dpi for image_dpi, cover in covers if cover >= LARGE_IMAGE_COVER)])
    return Native(min(max(dpi, settings.dpi_min), settings.dpi_max), False)


def _dpi_of_scan(covers: Iterable[tuple[float, float]]) -> float:
    """The finest resolution at which, with all finer ones, images cover half of the page.

    `covers`: (dpi, share of the page) of each image. Strips of one scan count together. A scan in layers has a coarse one of its
    paper and a fine one of its letters, and both cover the page: the letters decide.
    """
    finest_first = sorted(covers, reverse=True)
    covered = accumulate(cover for _, cover in finest_first)
    return next(dpi for (dpi, _), so_far in zip(finest_first, covered, strict=True) if so_far >= FINEST_COVER)


def smallest_common_size_pt(size_chars: Mapping[float, int]) -> float:
    """Font size, points, that nine tenths of the characters reach: the smallest *common* one, not that of one footnote mark."""
    sizes = {size: chars for size, chars in size_chars.items() if size > 0 and chars > 0}
    return weighted_percentile(sizes, 0.1) if sizes else UNKNOWN_TEXT_PT


def weighted_percentile(weights: Mapping[float, float], share: float) -> float:
    """Smallest value at which the weights so far reach `share` of all. `weights` must not be empty."""
    reached, total = 0.0, sum(weights.values())
    for value in sorted(weights):
        reached += weights[value]
        if reached >= share * total:
            return value
    return max(weights)
