"""Where on a page a chart may be, from the PDF's own structure: placed images, and clusters of drawings with numbers near them.

A candidate that is no chart costs one model call; a chart that is missed is lost data: in doubt it is a candidate. What is
left out, and measured by `python -m tests.bench regions`: backgrounds, scans of the whole page, photographs, icons, ruled tables,
boxes around text, underlines, frames. Which lines around a drawing are its own is decided in `region_labels`.
"""

import math
from collections import Counter
from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np

from schemas.page import Box, Word
from schemas.settings import RegionSettings
from workers.rendering.pages.finding_regions.clusters import clusters
from workers.rendering.pages.finding_regions.drawings import Mark, around_marks, page_marks
from workers.rendering.pages.finding_regions.evidence import evidence
from workers.rendering.pages.finding_regions.groups import joined_clusters, with_legends
from workers.rendering.pages.finding_regions.page_lines import Line, PageWords, around, contains_centre, gap
from workers.rendering.pages.finding_regions.panels import panels
from workers.rendering.pages.finding_regions.region_labels import captions_of, with_labels
from workers.rendering.pages.finding_regions.rulers import rulers
from workers.rendering.pages.mupdf import pymupdf
from workers.rendering.pages.resolution import PlacedImage
from workers.rendering.pages.turned_pages import display_matrix, unturned_box

SWATCH_PT = 24.0
"""Colour samples of a legend are no larger."""
GLYPH_PX = 20.0
"""Height the smallest text of a drawn chart shall get. As `RenderSettings.glyph_px`: tick labels are what a chart is read by."""
DPI_MIN, DPI_MAX = 96.0, 300.0
IMAGE_DPI_MAX = 600.0
"""More pixels show no more; the renderer limits the area as well."""
PAGE_SHARE = 0.85
"""An image or cluster of more than this share of the page is its background, or its scan."""
TEXT_SHARE = 0.3
"""A cluster whose words cover more than this is a table or a box of text; charts of the bench have 0.02 to 0.2."""
RULED_TEXT_SHARE = 0.22
"""The same where most marks are rules: a bar chart of the bench has 0.18, its ruled tables 0.25 and more."""
FIGURE_WORDS = 150
"""A page with fewer words that drawings fill may be one large chart."""
LEGEND_REACH_PT = 140.0
PANEL_PT = 48.0
"""Parts this large are panels of their own, whatever size a region needs to be kept."""
BESIDE_PT = 16.0
"""Between a plot and its tick labels, however long they are."""
LETTER_PT = 14.0
MIN_LETTERS = 10
"""So many outlined letters stand for labels where the chart has no words."""
SHOT_DPI = 72
"""At which photographs are distinguished from charts."""
SAME_CORE, SAME_REGION = 0.1, 0.5
"""Of the smaller of two boxes: drawings that share more are one; so are regions, whose labels may mingle."""
FLAT_SHARE = 0.12
"""Charts have a plain ground: the commonest of 4,096 colours covers this much of them and more; photographs have less."""


class FoundRegion(NamedTuple):
    rect_pt: Box
    """On the page as displayed (rotation applied), margin included, inside the page."""
    core_pt: Box
    """Its pictures and drawings alone: no labels, title, caption or margin."""
    origin: Literal["image", "drawing"]
    dpi: float
    """Native resolution: an image's pixel density, or what makes a drawing's smallest text legible."""


class Candidate(NamedTuple):
    box: Box
    origin: Literal["image", "drawing"]
    dpi: float | None


class PageView(NamedTuple):
    """What there is to look at, as displayed (rotation applied)."""

    page: pymupdf.Page
    words: Sequence[Word]
    """The text layer in points; `size_px` is then the font size in points."""
    images: Sequence[PlacedImage]
    pixels: np.ndarray[tuple[int, ...], np.dtype[np.uint8]]
    """The page drawn at any resolution: height x width x RGB."""


def find_regions(view: PageView, settings: RegionSettings) -> list[FoundRegion]:
    """Parts of the page that may hold a chart, top left first; at most `max_per_page`, the largest."""
    if not settings.enabled:
        return []
    page_box = Box(0, 0, view.page.rect.width, view.page.rect.height)
    text = PageWords(view.words)
    images = _image_candidates(view, page_box, settings)
    drawings, others = _drawing_candidates(view.page, page_box, text, settings)
    cores = _merged([*images, *drawings], SAME_CORE)
    if not cores:
        return []
    free = [line for line in text.lines if not any(contains_centre(other, line.box) for other in others)]
    boxes = [core.box for core in cores]
    widened = with_labels(boxes, free, captions_of(free, boxes), page_box)
    candidates = [core._replace(box=box) for core, box in zip(cores, widened, strict=True)]
    large = [each for each in _merged(candidates, SAME_REGION) if min(each.box.width, each.box.height) >= settings.min_side_pt]
    largest = sorted(large, key=lambda candidate: -candidate.box.area)[: settings.max_per_page]
    found = [
        FoundRegion(
            _with_margin(candidate.box, settings.margin, page_box, text.lines, [other.box for other in largest]),
            around([core.box for core in cores if contains_centre(candidate.box, core.box)] or [candidate.box]),
            candidate.origin,
            _dpi(candidate, view.words),
        )
        for candidate in largest
    ]
    return sorted(found, key=lambda region: (round(region.rect_pt.top), region.rect_pt.left))


def _image_candidates(view: PageView, page_box: Box, settings: RegionSettings) -> list[Candidate]:
    """Placed images that are no background, icon or photograph."""
    tiles = [
        Candidate(box, "image", image.dpi)
        for image in view.images[:2000]
        if not image.is_speck and min((box := image.box_pt.intersection(page_box)).width, box.height) > 1
    ]
    images = [image for image in _joined(tiles) if min(image.box.width, image.box.height) >= settings.min_side_pt]
    return [image for image in images if image.box.area <= PAGE_SHARE * page_box.area and _looks_drawn(view, image.box, page_box)]


def _joined(tiles: list[Candidate]) -> list[Candidate]:
    """Images cut into strips or tiles, as one."""
    done: list[Candidate] = []
    for tile in sorted(tiles, key=lambda tile: (tile.box.top, tile.box.left)):
        whole = tile
        while touching := next((other for other in done if _fit(whole.box, other.box)), None):
            done.remove(touching)
            whole = Candidate(whole.box.union(touching.box), "image", max(whole.dpi or 0, touching.dpi or 0))
        done.append(whole)
    return done


def _fit(one: Box, other: Box) -> bool:
    """The two touch along (nearly) a whole side, or one holds the other."""
    shared = one.intersection(other)
    if shared.area >= 0.9 * min(one.area, other.area):
        return True
    beside = abs(one.top - other.top) < 1.5 and abs(one.bottom - other.bottom) < 1.5 and -1.5 <= shared.width <= 1.5
    below = abs(one.left - other.left) < 1.5 and abs(one.right - other.right) < 1.5 and -1.5 <= shared.height <= 1.5
    return beside or below


def _looks_drawn(view: PageView, box_pt: Box, page_box: Box) -> bool:
    """Has a plain ground, and something upon it. Seen at about SHOT_DPI: every second, third, … pixel of the page."""
    height_px, width_px, _ = view.pixels.shape
    x, y = width_px / page_box.width, height_px / page_box.height
    box = box_pt.scaled(x, y)
    across, down = max(1, round(72 * x / SHOT_DPI)), max(1, round(72 * y / SHOT_DPI))
    part = view.pixels[math.ceil(box.top) : math.floor(box.bottom) : down, math.ceil(box.left) : math.floor(box.right) : across]
    if part.size == 0:
        return False
    colours = (part >> 4).astype(np.int32)
    counts = np.bincount((colours[..., 0] << 8 | colours[..., 1] << 4 | colours[..., 2]).ravel())
    share = float(counts.max()) / float(counts.sum())
    return FLAT_SHARE <= share < 0.995


class _Charts:
    """Which of a page's drawings may be charts."""

    def __init__(self, page_box: Box, text: PageWords, min_side_pt: float) -> None:
        self._page_box, self._text, self._min_side_pt = page_box, text, min_side_pt

    def is_chart(self, box: Box, marks: Sequence[Mark]) -> bool:
        text, page_box = self._text, self._page_box
        if max(box.width, box.height) < 0.7 * self._min_side_pt or min(box.width, box.height) < 0.3 * self._min_side_pt:
            return False
        if box.area > PAGE_SHARE * page_box.area and len(text.words) > FIGURE_WORDS:
            return False
        num_rules = sum(mark.shape == "rule" for mark in marks)
        if text.share_of(box) > (RULED_TEXT_SHARE if 2 * num_rules > len(marks) else TEXT_SHARE):
            return False
        seen = evidence(box, marks, text.num_words_in)
        if not seen.any:
            return bool(rulers(box, marks, text.words))
        near = Box(box.left - 30, box.top - 20, box.right + 30, box.bottom + 30)
        labels = [line for line in text.lines if not line.is_prose and contains_centre(near, line.box)]
        beside = [line for line in text.lines if not line.is_prose and gap(box, line.box) <= BESIDE_PT and line not in labels]
        num_numbers = sum(line.num_numbers for line in (*labels, *beside))
        if not text.words:  # text drawn as outlines: nothing to find numbers in
            return seen.has_bars or seen.has_pie or len(marks) >= 10
        if not any(near.intersection(line.box).area > 0 for line in text.lines) and _num_letters(marks) >= MIN_LETTERS:
            return True
        is_named = (seen.has_pie and (num_numbers >= 1 or len(labels) >= 2 or self._has_legend(box))) or (
            seen.has_heatmap and len(labels) >= 5
        )
        return num_numbers >= 3 or is_named

    def _has_legend(self, box: Box) -> bool:
        """At least three short lines, one below the other, beside it."""
        near = Box(box.left - LEGEND_REACH_PT, box.top, box.right + LEGEND_REACH_PT, box.bottom)
        lines = [line for line in self._text.lines if line.num_words <= 3 and contains_centre(near, line.box)]
        lefts = Counter(round(line.box.left / 2) for line in lines)
        return max(lefts.values(), default=0) >= 3

    def is_pie(self, box: Box, marks: Sequence[Mark]) -> bool:
        return evidence(box, marks, self._text.num_words_in).has_pie


def _num_letters(marks: Sequence[Mark]) -> int:
    """Small dark shapes that may be letters drawn as outlines."""
    return sum(
        mark.shape in ("curve", "slanted")
        and mark.fill is not None
        and max(mark.fill, default=1.0) < 0.5
        and max(mark.box.width, mark.box.height) <= LETTER_PT
        for mark in marks
    )


def _drawing_candidates(
    page: pymupdf.Page, page_box: Box, text: PageWords, settings: RegionSettings
) -> tuple[list[Candidate], list[Box]]:
    """Clusters of drawings that may be charts, legends included; and the boxes of the other clusters with text in them."""
    marks = _displayed(page_marks(page, unturned_box(page)).kept, page)
    if not marks:
        return [], []
    kinds = _Charts(page_box, text, settings.min_side_pt)
    parts = _Charts(page_box, text, min(settings.min_side_pt, PANEL_PT))
    charts: list[tuple[Box, Sequence[Mark]]] = []
    tables: list[Box] = []
    swatches: list[tuple[Box, Sequence[Mark]]] = []
    for box, group in joined_clusters(clusters(marks, page_box), text):
        if max(max(mark.box.width, mark.box.height) for mark in group) <= SWATCH_PT and min(box.width, box.height) <= SWATCH_PT:
            swatches.append((box, group))
        elif kinds.is_chart(box, group):
            charts.extend(panels(box, group, text.lines, parts.is_chart, parts.is_pie))
        elif text.num_words_in(box) >= 6 and box.area <= PAGE_SHARE * page_box.area:
            tables.append(box)
    if not charts and len(text.words) <= FIGURE_WORDS:  # a page that is one figure, its axes taken for the page's frame
        whole = around_marks(marks)
        if kinds.is_chart(whole, marks):
            charts.extend(panels(whole, marks, text.lines, parts.is_chart, parts.is_pie))
    return [Candidate(box, "drawing", None) for box in with_legends(charts, swatches)], tables


def _merged(candidates: Sequence[Candidate], most_shared: float) -> list[Candidate]:
    """Candidates that overlap by more than this share of the smaller are one; an image stays one, whatever is drawn upon it."""
    done: list[Candidate] = []
    for candidate in sorted(candidates, key=lambda candidate: -candidate.box.area):
        whole = candidate
        while other := next((other for other in done if _overlaps(whole.box, other.box, most_shared)), None):
            done.remove(other)
            origin: Literal["image", "drawing"] = "image" if "image" in (whole.origin, other.origin) else "drawing"
            dpi = max(whole.dpi or 0.0, other.dpi or 0.0) or None
            whole = Candidate(whole.box.union(other.box), origin, dpi)
        done.append(whole)
    return done


def _overlaps(one: Box, other: Box, most_shared: float) -> bool:
    return one.intersection(other).area > most_shared * min(one.area, other.area)


def _with_margin(box: Box, margin: float, page_box: Box, lines: Sequence[Line], others: Sequence[Box]) -> Box:
    """The box and a share of each side, less where running text or another region would come in."""
    across, down = margin * box.width, margin * box.height
    wide = Box(box.left - across, box.top - down, box.right + across, box.bottom + down)
    foreign = [line.box for line in lines if line.is_prose] + [other for other in others if other is not box]
    left, top, right, bottom = wide
    for other in foreign:
        if wide.intersection(other).area <= 0:
            continue
        if other.top >= box.bottom:
            bottom = min(bottom, other.top)
        elif other.bottom <= box.top:
            top = max(top, other.bottom)
        elif other.left >= box.right:
            right = min(right, other.left)
        elif other.right <= box.left:
            left = max(left, other.right)
    return Box(left, top, right, bottom).intersection(page_box)


def _dpi(candidate: Candidate, words: Sequence[Word]) -> float:
    if candidate.dpi is not None:
        return min(max(candidate.dpi, DPI_MIN), IMAGE_DPI_MAX)
    sizes = sorted(word.size_px or 0.8 * (word.bottom - word.top) for word in words if contains_centre(candidate.box, word.box))
    if not sizes:
        return 200.0
    smallest = sizes[len(sizes) // 20]  # the 5th percentile: one tiny exponent does not decide
    return min(max(GLYPH_PX * 72 / max(smallest, 1.0), DPI_MIN), DPI_MAX)


def _displayed(marks: Sequence[Mark], page: pymupdf.Page) -> Sequence[Mark]:
    """From MuPDF's unrotated page to the page as displayed: drawings come unrotated (checked in MuPDF 1.28)."""
    if page.rotation == 0:
        return marks
    matrix = display_matrix(page)
    return [mark._replace(box=Box(*(pymupdf.Rect(*mark.box) * matrix).normalize())) for mark in marks]
