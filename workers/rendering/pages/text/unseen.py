"""Words of the text layer that nobody sees on the page: without ink, in the paper's colour, under an opaque box, outside the clip,
too small.

The pixels decide: the middle band of a word's place must show more than one colour. Where they cannot (a box that leaves the rim of
that place free, another text on the box), the order of drawing does. Text without ink over a picture is an OCR's reading of a scan,
and stays.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import accumulate
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from schemas.page import DOWN, INVISIBLE, MAX_CHARS, MAX_WORDS, OVER, UP, Box, Word
from workers.rendering.pages.mupdf import pymupdf
from workers.rendering.pages.text.characters import clean_layer_text, is_unmapped
from workers.rendering.pages.text.pdf_text import PdfText
from workers.rendering.pages.turned_pages import display_matrix

MAX_RANGE = 4
"""Of 255: grey levels that differ by no more are one colour to an eye."""
MIN_HEIGHT_PX = 4.0
"""Of a word's box: smaller ones may be lost in drawing, and are taken as seen."""
TINY_PT, TINY_SHARE = 1.2, 0.15
"""Text below this size, and below this share of the page's usual size, can be read by machines alone."""
MIN_PICTURE = 0.25
"""Share of the page under pictures from which a layer that is mostly without ink is an OCR's of a scan."""
MAX_SUSPECTS = 2_000
_BAND = 0.3, 0.75
"""Share of a word's height, from above, in which small letters have ink."""
_COVERED = 0.9
_SAMPLES = 24
_CELL_PT = 8.0

Pixels = npt.NDArray[np.uint8]
Boxes = npt.NDArray[np.float64]
"""left, top, right, bottom, a row each."""


class Drawn(NamedTuple):
    """What a page draws, in its order: a line of text, or (text None) an opaque rectangle."""

    box: Box
    text: str | None


def without_unseen(
    text: PdfText, pixels: Pixels, x: float, y: float, pictures: Sequence[Box], drawing_order: Callable[[], Sequence[Drawn]]
) -> PdfText:
    """The text with its unseen words apart. `pixels`: the page as drawn, `x` and `y` of them per point; `pictures` in points.

    `drawing_order` is asked for where pixels leave a doubt.
    """
    words = text.words
    if not words:
        return text
    boxes = np.array([_reach(word) for word in words], dtype=float)
    bands = _bands(words, boxes)
    is_flat = _flat(pixels, bands * (x, y, x, y))
    is_inkless = np.array([bool(word.style & INVISIBLE) for word in words])
    stacked = _stacked(words)
    sizes = np.array([word.size_px for word in words])
    thickness = np.minimum(boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1])  # a font's own scale may be odd
    is_unseen = (np.maximum(sizes, thickness / 1.5) < TINY_PT) & (sizes < TINY_SHARE * np.median(sizes))
    doubtful = set(stacked)
    for index in np.flatnonzero(is_flat & ~is_inkless).tolist():
        left, top, right, bottom = (boxes[index] * (x, y, x, y)).tolist()
        if bottom - top < MIN_HEIGHT_PX:
            continue
        if _is_flat(pixels, left, top, right, bottom):
            is_unseen[index] = True
        elif any(map(str.isalnum, words[index].text)):
            doubtful.add(index)
    if is_inkless.any() and not _is_scan(words, is_inkless, pictures, pixels, x, y):
        beside_ink = {index for index in stacked if is_inkless[index] and any(not is_inkless[other] for other in stacked[index])}
        is_unseen |= is_inkless & is_flat
        is_unseen[list(beside_ink)] = True
    doubtful = {index for index in doubtful if not is_unseen[index] and not is_inkless[index]}
    if doubtful:
        chosen = sorted(doubtful)[:MAX_SUSPECTS]
        for index, is_covered in zip(chosen, _covered([words[i] for i in chosen], bands[chosen], drawing_order()), strict=True):
            is_unseen[index] |= is_covered
    return _parted(text, is_unseen) if is_unseen.any() else text


def with_clipped(text: PdfText, page: pymupdf.Page, shown: pymupdf.TextPage, page_pt: Box) -> PdfText:
    """The text with the words that a clip keeps off the page among the unseen ones, as many as a page may have."""
    unseen = [*text.unseen, *_clipped_words(page, shown, page_pt)]
    room = MAX_CHARS - sum(len(word.text) for word in text.words)
    lengths = accumulate(len(word.text) for word in unseen[: MAX_WORDS - len(text.words)])
    return replace(text, unseen=unseen[: sum(length <= room for length in lengths)])


def _clipped_words(page: pymupdf.Page, shown: pymupdf.TextPage, page_pt: Box) -> list[Word]:
    """Words of the page's content that a clip keeps off it altogether. `shown` comes from MuPDF's display list, which lacks them.

    In points of the page as shown. Reading the content once more costs 0.7 ms a page, a fortieth of what rendering it does.
    """
    content = page.get_textpage(flags=0)
    num_clipped = _num_chars(content) - _num_chars(shown)
    if num_clipped <= 0:
        return []
    left = Counter(word[4] for word in content.extractWORDS())
    left.subtract(word[4] for word in shown.extractWORDS())
    matrix = display_matrix(page)
    found = []
    for *corners, text, block, line, _ in content.extractWORDS():
        box = Box(*(pymupdf.Rect(corners) * matrix))
        if left[text] > 0 and any(map(str.isalnum, text)) and box.intersection(page_pt).area > 0:
            left[text] -= 1
            spelled = clean_layer_text(text)
            found.append(Word(spelled, *box.intersection(page_pt), block, line, max(box.height, 0.0)))
    return found[:MAX_SUSPECTS]


def _num_chars(text: pymupdf.TextPage) -> int:
    return sum(map(len, text.extractText().split()))


def drawing_order(shown: pymupdf.DisplayList) -> list[Drawn]:
    """Lines of text and opaque rectangles, first drawn first."""
    order = []
    for block in pymupdf.TextPage(shown.get_textpage(pymupdf.TEXT_COLLECT_VECTORS)).extractDICT()["blocks"]:
        order += [Drawn(Box(*line["bbox"]), "".join(span["text"] for span in line["spans"])) for line in block.get("lines", ())]
        if block["type"] == _VECTOR and block["isrect"] and not block["stroked"] and block["alpha"] == 255:
            order.append(Drawn(Box(*block["bbox"]), None))
    return order


_VECTOR = 3


def _parted(text: PdfText, is_unseen: npt.NDArray[np.bool_]) -> PdfText:
    """Counts of characters are those of the words that stay. What is no word (blanks that a font gives no meaning) is dropped."""
    kept = [word for word, is_left_out in zip(text.words, is_unseen, strict=True) if not is_left_out]
    unseen = [word for word, is_left_out in zip(text.words, is_unseen, strict=True) if is_left_out]
    num_chars = sum(len(word.text) for word in unseen)
    num_unmapped = sum(map(is_unmapped, "".join(word.text for word in unseen)))
    num_inkless = sum(len(word.text) for word in unseen if word.style & INVISIBLE)
    return replace(
        text,
        words=kept,
        unseen=[word for word in unseen if any(map(str.isalnum, word.text))],
        num_chars=max(text.num_chars - num_chars, 0),
        num_unmapped=max(text.num_unmapped - num_unmapped, 0),
        num_hidden=max(text.num_hidden - num_inkless, 0),
    )


def _is_scan(
    words: Sequence[Word], is_inkless: npt.NDArray[np.bool_], pictures: Sequence[Box], pixels: Pixels, x: float, y: float
) -> bool:
    """Most of the text is without ink, and pictures cover a good part of the page."""
    lengths = np.array([len(word.text) for word in words])
    page_area = pixels.shape[0] * pixels.shape[1] / (x * y)
    return bool(
        2 * lengths[is_inkless].sum() > lengths.sum() and sum(picture.area for picture in pictures) > MIN_PICTURE * page_area
    )


def _reach(word: Word) -> Sequence[float]:
    """Where ink may be: a sign of a line that runs down stands beside its place if its font has it for lines across alone."""
    by = word.size_px if word.style & OVER == DOWN and not any(map(str.isalnum, word.text)) else 0.0
    return (word.left - by, word.top - by, word.right + by, word.bottom + by) if by else word[1:5]


def _bands(words: Sequence[Word], boxes: Boxes) -> Boxes:
    """The middle of each word's box, across its reading direction; of punctuation, which may stand high or low, all of it."""
    bands = boxes.copy()
    is_turned = np.array([word.style & OVER in (DOWN, UP) for word in words])
    is_letters = np.array([any(map(str.isalnum, word.text)) for word in words])
    height, width = boxes[:, 3] - boxes[:, 1], boxes[:, 2] - boxes[:, 0]
    across = is_letters & ~is_turned
    bands[across, 1] += _BAND[0] * height[across]
    bands[across, 3] -= (1 - _BAND[1]) * height[across]
    margin = np.minimum(0.1 * height, 0.1 * width)[across]
    bands[across, 0] += margin
    bands[across, 2] -= margin
    turned = is_letters & is_turned
    bands[turned, 0] += 0.25 * width[turned]
    bands[turned, 2] -= 0.25 * width[turned]
    return bands


def _flat(pixels: Pixels, bands_px: Boxes) -> npt.NDArray[np.bool_]:
    """Bands of one colour. Sampled first: most have ink at one of a hundred points."""
    height, width = pixels.shape[:2]
    shares = (np.arange(_SAMPLES) + 0.5) / _SAMPLES
    left, top, right, bottom = bands_px.T[:, None, :]
    columns = np.clip(left + (right - left) * shares[:, None], 0, width - 1).astype(np.int64)
    lines = np.clip(top + (bottom - top) * shares[::6, None], 0, height - 1).astype(np.int64)
    is_flat = np.zeros(len(bands_px), dtype=bool)
    for start in range(0, len(bands_px), 4096):  # a chunk takes a megabyte
        part = slice(start, start + 4096)
        seen = pixels[lines[:, None, part], columns[None, :, part]].reshape(_SAMPLES * len(lines), -1)
        ranges = seen.max(axis=0) - seen.min(axis=0)
        is_flat[part] = ranges.reshape(-1, 3).max(axis=1) <= MAX_RANGE
    for index in np.flatnonzero(is_flat).tolist():
        is_flat[index] = _is_flat(pixels, *bands_px[index].tolist())
    return is_flat


def _is_flat(pixels: Pixels, left: float, top: float, right: float, bottom: float) -> bool:
    """One colour. The box's outermost pixels may be a neighbour's."""
    inside = pixels[
        max(int(top + 1), 0) : max(int(bottom), int(top + 1) + 1, 1), max(int(left + 1), 0) : max(int(right), int(left + 1) + 1, 1)
    ].reshape(-1, 3)
    return bool(not len(inside) or int((inside.max(axis=0).astype(np.int16) - inside.min(axis=0)).max()) <= MAX_RANGE)


def _stacked(words: Sequence[Word]) -> dict[int, set[int]]:
    """Words that share part of their place with others of another text: index -> the others' indices. Near-linear: words are
    compared with the next in their strip of the page alone."""
    strips: dict[int, list[int]] = defaultdict(list)
    for index, word in enumerate(words):
        number = int((word.top + word.bottom) / 2 / _CELL_PT)
        strips[number].append(index)
        strips[number + 1].append(index)
    stacked: dict[int, set[int]] = defaultdict(set)
    for strip in strips.values():
        strip.sort(key=lambda index: words[index].left)
        for place, index in enumerate(strip):
            for other in strip[place + 1 : place + 5]:
                if words[other].left >= words[index].right:
                    break
                if _share_place(words[index], words[other]):
                    stacked[index].add(other)
                    stacked[other].add(index)
    return stacked


def _share_place(word: Word, other: Word) -> bool:
    text, left, top, right, bottom, *_ = word
    other_text, other_left, other_top, other_right, other_bottom, *_ = other
    height, width = min(bottom - top, other_bottom - other_top), min(right - left, other_right - other_left)
    return (
        min(bottom, other_bottom) - max(top, other_top) > 0.5 * height
        and min(right, other_right) - max(left, other_left) > 0.1 * width
        and text != other_text
    )


def _covered(words: Sequence[Word], bands: Boxes, order: Sequence[Drawn]) -> list[bool]:
    """Words over most of whose band an opaque rectangle was drawn after them."""
    rects = [(place, drawn.box) for place, drawn in enumerate(order) if drawn.text is None]
    if not rects:
        return [False] * len(words)
    places = np.array([place for place, _ in rects])
    covers = np.array([box for _, box in rects], dtype=float)
    lines = [(place, drawn) for place, drawn in enumerate(order) if drawn.text is not None]
    line_boxes = np.array([drawn.box for _, drawn in lines], dtype=float).reshape(-1, 4)
    return [
        (drawn_at := _drawn_at(word, lines, line_boxes)) is not None and _is_under(band, covers[places > drawn_at])
        for word, band in zip(words, bands, strict=True)
    ]


def _drawn_at(word: Word, lines: Sequence[tuple[int, Drawn]], line_boxes: Boxes) -> int | None:
    """When the line of the word was drawn: the last that has it there."""
    middle_x, middle_y = (word.left + word.right) / 2, (word.top + word.bottom) / 2
    left, top, right, bottom = line_boxes.T
    there = np.flatnonzero((left <= middle_x) & (middle_x <= right) & (top <= middle_y) & (middle_y <= bottom))
    found = [lines[index][0] for index in there.tolist() if word.text in (lines[index][1].text or "")]
    return max(found, default=None)


def _is_under(band: npt.NDArray[np.float64], covers: Boxes) -> bool:
    left, top, right, bottom = np.clip(covers, [band[0], band[1], band[0], band[1]], [band[2], band[3], band[2], band[3]]).T
    shared = np.clip(right - left, 0, None) * np.clip(bottom - top, 0, None)
    area = (band[2] - band[0]) * (band[3] - band[1])
    return bool(len(shared) and area > 0 and shared.max() >= _COVERED * area)
