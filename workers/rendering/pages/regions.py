"""Where on a page a chart may be, from the PDF's own structure: placed images, and clusters of drawings with numbers near them.

A candidate that is no chart costs one model call; a chart that is missed is lost data: in doubt it is a candidate. What is
left out, and measured in tests/bench/regions.py: backgrounds, scans of the whole page, photographs, icons, ruled tables, boxes
around text, underlines, frames.
"""

import math
import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import cached_property
from typing import Any, Literal, NamedTuple

import numpy as np

from schemas.page import Box, Word
from schemas.settings import RegionSettings
from workers.rendering.pages.drawings import Mark, clusters, evidence, page_marks
from workers.rendering.pages.mupdf import pymupdf
from workers.rendering.pages.resolution import PlacedImage

SWATCH_PT = 24.0
"""Colour samples of a legend are no larger."""
LEGEND_PT = 60.0
"""A legend stands no farther from its chart."""
GLYPH_PX = 20.0
"""Height the smallest text of a drawn chart shall get. As `RenderSettings.glyph_px`: tick labels are what a chart is read by."""
DPI_MIN, DPI_MAX = 96.0, 300.0
IMAGE_DPI_MAX = 600.0
"""Beyond, pixels are a scanner's boast; the renderer caps the area anyway."""
NEAR_EM = 2.5
"""Title, labels, legend and caption stand within this many of their own heights of what they name."""
PAGE_SHARE = 0.85
"""An image or cluster of more than this share of the page is its background, or its scan."""
TEXT_SHARE = 0.3
"""A cluster whose words cover more than this is a table or a box of text; charts of the bench have 0.02 to 0.2."""
RULED_TEXT_SHARE = 0.22
"""The same where most marks are rules: a bar chart of the bench has 0.18, its ruled tables 0.25 and more."""
FIGURE_WORDS = 150
"""A page with fewer words that drawings fill may be one large chart."""
SHOT_DPI = 72
"""At which photographs are told from charts."""
FLAT_SHARE = 0.12
"""Charts have a plain ground: the commonest of 4,096 colours covers this much of them and more; photographs have less."""

NUMBER = re.compile(
    r"[-–−+±~<>≤≥(]*[$€£¥₹]?\d[\d.,'’:/–٫٬\u202f ]*(?:[eE×x^][-−+\d]+)?\s?[%‰°٪]?(?:[kKmMbB]|bn|Mio|Mrd|兆|億|亿|万|%)?\)?"
)
CAPTION = re.compile(
    r"(fig|chart|graph|diagram|abb|grafik|gráf|gráfico|figur|schaubild|plate|图|圖|図|рис|диаграм|شكل|चित्र|आकृति)", re.IGNORECASE
)


class FoundRegion(NamedTuple):
    rect_pt: Box
    """On the page as displayed (rotation applied), margin included, inside the page."""
    core_pt: Box
    """Its pictures and drawings alone: no labels, title, caption or margin."""
    origin: Literal["image", "drawing"]
    dpi: float
    """Native resolution: an image's pixel density, or what makes a drawing's smallest text legible."""


class Line(NamedTuple):
    """Words that stand together on one line of the page."""

    box: Box
    text: str
    num_words: int
    num_numbers: int
    block: int

    @property
    def is_prose(self) -> bool:
        return self.num_words > 4 and self.num_numbers * 2 < self.num_words


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
    text = _Text(view.words)
    images = _image_candidates(view, page_box, settings)
    drawings, others = _drawing_candidates(view.page, page_box, text, settings)
    cores = _merged([*images, *drawings])
    if not cores:
        return []
    free = [line for line in text.lines if not any(_contains_centre(other, line.box) for other in others)]
    captions = _captions(free, [core.box for core in cores])
    widened = [core._replace(box=_with_labels(core.box, free, captions, page_box)) for core in cores]
    merged = [candidate for candidate in _merged(widened) if min(candidate.box.width, candidate.box.height) >= settings.min_side_pt]
    largest = sorted(merged, key=lambda candidate: -candidate.box.area)[: settings.max_per_page]
    found = [
        FoundRegion(
            _with_margin(candidate.box, settings.margin, page_box),
            _around([core.box for core in cores if _contains_centre(candidate.box, core.box)] or [candidate.box]),
            candidate.origin,
            _dpi(candidate, view.words),
        )
        for candidate in largest
    ]
    return sorted(found, key=lambda region: (round(region.rect_pt.top), region.rect_pt.left))


class _Text:
    """The words of a page, and what is asked of them again and again; most pages ask for little."""

    def __init__(self, words: Sequence[Word]) -> None:
        self.words = words

    @cached_property
    def lines(self) -> list[Line]:
        return label_lines(self.words)

    @cached_property
    def _boxes(self) -> np.ndarray[Any, Any]:
        """left, top, right, bottom, one row each."""
        return np.array([word[1:5] for word in self.words], dtype=float).reshape(-1, 4).T

    @cached_property
    def _centres(self) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
        left, top, right, bottom = self._boxes
        return (left + right) / 2, (top + bottom) / 2

    def num_words_in(self, box: Box) -> int:
        """By their centres."""
        x, y = self._centres
        return int(((x >= box.left) & (x <= box.right) & (y >= box.top) & (y <= box.bottom)).sum())

    def share_of(self, box: Box) -> float:
        """Share of the box that words cover."""
        left, top, right, bottom = self._boxes
        widths = np.minimum(right, box.right) - np.maximum(left, box.left)
        heights = np.minimum(bottom, box.bottom) - np.maximum(top, box.top)
        return float((widths.clip(0) * heights.clip(0)).sum()) / max(box.area, 1.0)


def label_lines(words: Iterable[Word]) -> list[Line]:
    """Words by MuPDF's lines, cut where the gap is wider than two heights: tick labels of two charts may share a line."""
    groups: list[list[Word]] = []
    for word in words:
        last = groups[-1][-1] if groups else None
        reach = 2 * min(word.bottom - word.top, word.right - word.left + 8)
        if last is not None and (last.block, last.line) == (word.block, word.line) and _gap(last.box, word.box) <= max(reach, 6):
            groups[-1].append(word)
        else:
            groups.append([word])
    return [
        Line(
            _around([word.box for word in group]),
            " ".join(word.text for word in group),
            len(group),
            sum(is_number(word.text) for word in group),
            group[0].block,
        )
        for group in groups
    ]


def is_number(text: str) -> bool:
    """Digits of any script with the signs, separators and units that tick and value labels carry."""
    return NUMBER.fullmatch(text) is not None


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


def _drawing_candidates(
    page: pymupdf.Page, page_box: Box, text: _Text, settings: RegionSettings
) -> tuple[list[Candidate], list[Box]]:
    """Clusters of drawings that may be charts, legends included; and the boxes of the other clusters with text in them."""
    unrotated = Box(*(page.rect * page.derotation_matrix).normalize())
    marks = _displayed(page_marks(page, unrotated).kept, page)
    if not marks:
        return [], []
    charts: list[Box] = []
    tables: list[Box] = []
    swatches: list[Box] = []
    for box, group in clusters(marks, page_box):
        if max(max(mark.box.width, mark.box.height) for mark in group) <= SWATCH_PT and min(box.width, box.height) <= SWATCH_PT:
            swatches.append(box)
        elif _is_chart(box, group, page_box, text, settings.min_side_pt):
            charts.append(box)
        elif text.num_words_in(box) >= 6 and box.area <= PAGE_SHARE * page_box.area:
            tables.append(box)
    if not charts and len(text.words) <= FIGURE_WORDS:  # a page that is one figure, its axes taken for the page's frame
        whole = _around([mark.box for mark in marks])
        if _is_chart(whole, marks, page_box, text, settings.min_side_pt):
            charts.append(whole)
    return [Candidate(_with_legend(box, swatches, charts), "drawing", None) for box in charts], tables


def _is_chart(box: Box, marks: Sequence[Mark], page_box: Box, text: _Text, min_side_pt: float) -> bool:
    if max(box.width, box.height) < 0.7 * min_side_pt or min(box.width, box.height) < 0.3 * min_side_pt:
        return False
    if box.area > PAGE_SHARE * page_box.area and len(text.words) > FIGURE_WORDS:
        return False
    num_rules = sum(mark.shape == "rule" for mark in marks)
    if text.share_of(box) > (RULED_TEXT_SHARE if 2 * num_rules > len(marks) else TEXT_SHARE):
        return False
    seen = evidence(box, marks, text.num_words_in)
    if not seen.any:
        return False
    near = Box(box.left - 30, box.top - 20, box.right + 30, box.bottom + 30)
    labels = [line for line in text.lines if not line.is_prose and _contains_centre(near, line.box)]
    num_numbers = sum(line.num_numbers for line in labels)
    if not text.words:  # text drawn as outlines: nothing to find numbers in
        return seen.has_bars or seen.has_pie or len(marks) >= 10
    return num_numbers >= 3 or (seen.has_pie and (num_numbers >= 1 or len(labels) >= 2))


def _with_legend(box: Box, swatches: Sequence[Box], charts: Sequence[Box]) -> Box:
    """The box with the colour samples beside it, which no other chart holds."""
    whole = box
    for swatch in swatches:
        if _gap(box, swatch) <= LEGEND_PT and not any(_gap(other, swatch) < _gap(box, swatch) for other in charts):
            whole = whole.union(swatch)
    return whole


def _captions(lines: Sequence[Line], cores: Sequence[Box]) -> dict[int, tuple[Box, Box]]:
    """Blocks that begin as captions do: their box, and the core each belongs to, the nearest; of two, the one above."""
    boxes: dict[int, Box] = {}
    for line in lines:
        if CAPTION.match(line.text) or line.block in boxes:
            boxes[line.block] = boxes.get(line.block, line.box).union(line.box)
    owners = {}
    for block, box in boxes.items():
        near = [core for core in cores if box.left < core.right and box.right > core.left]
        if near:
            owners[block] = box, min(near, key=lambda core: _gap(core, box) + (20 if core.top > box.top else 0))
    return owners


def _with_labels(box: Box, lines: Sequence[Line], captions: Mapping[int, tuple[Box, Box]], page_box: Box) -> Box:
    """The box with the lines around it that belong to it: labels, legend, title, and a caption as a whole; no running text."""
    core = box
    num_in_block = Counter(line.block for line in lines)
    prose = {line.block for line in lines if line.is_prose and num_in_block[line.block] > 1}
    limit = Box(box.left - 90, box.top - 80, box.right + 110, box.bottom + 110).intersection(page_box)
    for caption, _ in captions.values():  # nothing beyond a caption belongs to the chart
        if caption.right < box.left or caption.left > box.right:
            continue
        if caption.top >= box.bottom - 2:
            limit = limit._replace(bottom=min(limit.bottom, caption.bottom + 1))
        elif caption.bottom <= box.top + 2:
            limit = limit._replace(top=max(limit.top, caption.top - 1))
    rest = [line for line in lines if (captions[line.block][1] == core if line.block in captions else _is_label(line, core, prose))]
    for _ in range(4):
        near = [
            line for line in rest if _gap(box, line.box) <= NEAR_EM * min(_height(line), 14) and _contains_centre(limit, line.box)
        ]
        wider = box
        for line in near:
            wider = wider.union(line.box)
        if wider == box:
            break
        box = wider
    return box.intersection(page_box)


def _is_label(line: Line, core: Box, prose: Collection[int]) -> bool:
    """No line of a paragraph; a sentence of its own only where it is shorter than the chart, as titles are."""
    if line.block in prose:
        return False
    length, side = (line.box.height, core.height) if line.box.height > line.box.width else (line.box.width, core.width)
    return not line.is_prose or length <= 0.9 * side


def _height(line: Line) -> float:
    """Of its letters; a line written upwards is higher than it is wide."""
    return min(line.box.width, line.box.height) if line.num_words > 1 or line.box.height > 2 * line.box.width else line.box.height


def _merged(candidates: Sequence[Candidate]) -> list[Candidate]:
    """Candidates that overlap by a tenth of the smaller are one; an image stays an image, whatever is drawn upon it."""
    done: list[Candidate] = []
    for candidate in sorted(candidates, key=lambda candidate: -candidate.box.area):
        whole = candidate
        while other := next((other for other in done if _overlaps(whole.box, other.box)), None):
            done.remove(other)
            origin: Literal["image", "drawing"] = "image" if "image" in (whole.origin, other.origin) else "drawing"
            dpi = max(whole.dpi or 0.0, other.dpi or 0.0) or None
            whole = Candidate(whole.box.union(other.box), origin, dpi)
        done.append(whole)
    return done


def _overlaps(one: Box, other: Box) -> bool:
    return one.intersection(other).area > 0.1 * min(one.area, other.area)


def _with_margin(box: Box, margin: float, page_box: Box) -> Box:
    across, down = margin * box.width, margin * box.height
    return Box(box.left - across, box.top - down, box.right + across, box.bottom + down).intersection(page_box)


def _dpi(candidate: Candidate, words: Sequence[Word]) -> float:
    if candidate.dpi is not None:
        return min(max(candidate.dpi, DPI_MIN), IMAGE_DPI_MAX)
    sizes = sorted(word.size_px or 0.8 * (word.bottom - word.top) for word in words if _contains_centre(candidate.box, word.box))
    if not sizes:
        return 200.0
    smallest = sizes[len(sizes) // 20]  # the 5th percentile: one tiny exponent does not decide
    return min(max(GLYPH_PX * 72 / max(smallest, 1.0), DPI_MIN), DPI_MAX)


def _displayed(marks: Sequence[Mark], page: pymupdf.Page) -> Sequence[Mark]:
    """From MuPDF's unrotated page to the page as displayed: drawings come unrotated (checked in MuPDF 1.28)."""
    if page.rotation == 0:
        return marks
    matrix = page.rotation_matrix
    return [mark._replace(box=Box(*(pymupdf.Rect(*mark.box) * matrix).normalize())) for mark in marks]


def _contains_centre(box: Box, other: Box) -> bool:
    return box.left <= (other.left + other.right) / 2 <= box.right and box.top <= (other.top + other.bottom) / 2 <= box.bottom


def _gap(one: Box, other: Box) -> float:
    """Distance between two boxes, 0 where they meet."""
    across = max(other.left - one.right, one.left - other.right, 0.0)
    down = max(other.top - one.bottom, one.top - other.bottom, 0.0)
    return max(across, down)


def _around(boxes: Sequence[Box]) -> Box:
    whole = boxes[0]
    for box in boxes[1:]:
        whole = whole.union(box)
    return whole
