"""Which recognised lines can be what is written there. PP-OCR never says that it does not know an alphabet: it omits or guesses.

Its dictionary (18,708 entries) has Latin with all European and Vietnamese letters, Chinese, kana, and Greek without accents;
no Cyrillic, Arabic, Hebrew, Hangul, Thai, Georgian, Armenian, no script of India. Measured on rendered pages of the Universal
Declaration and on scans, receipts and photographs:

- What counts is the share of the text's area in lines with a score of 0.75 and 0.5 characters per line height. It is at least 0.88
  where the script is known, but for one page of scrawled notes, and at most 0.3 where it is not. Ukrainian alone scores 0.89: its
  letters are left out, so that a whole line becomes "," with 0.07 characters per line height. Korean signs with some Latin reach
  0.46.
- Of Cyrillic, Georgian and Devanagari nothing may come out but the blanks between words, with a score of 0.5 to 0.9.
- Arabic is not even found by the detector: a page of it yields one line or none. So bands of ink are counted, rows of dark pixels
  parted by white ones, and a page of many bands of which hardly any was read is refused, too.
- Greek scores 0.81, for accented letters are left out; lines that come out mostly Greek count as not read.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from schemas.page import Word
from workers.engines.classic.leveling import sharpness
from workers.engines.classic.ppocr import READ_DENSITY, READ_SCORE, OcrLine, Pixels
from workers.text.trust import gibberish, script_of, uncovered_ink

MIN_READ_SHARE = 0.4
MIN_UNREAD = 0.3
"""Share of the text's area: where more than this is not read, the numbers that were read count for nothing."""
SURE_SCORE = 0.85
"""Mean score from which letters of no language are believed: a list of part numbers, and not Hebrew read as Latin (0.73)."""
MIN_BANDS = 6
MIN_READ_BANDS = 0.3
MIN_TEXT_ASPECT = 2.5
"""The detector frames faces, logos and bars too, in boxes of any shape; what is not read and not longer is no line of text.
Of 35 images of the shared data that were taken for an unknown script, 30 were pictures whose boxes have 0.5 to 2.3."""
MIN_LINES_INK = 0.6
"""Share of the page's ink within the detector's boxes from which they are lines of any shape: a poster of single words. Of a
picture they frame little."""
MIN_TEXT_AREA = 0.003
"""Share of the image: specks that look like a letter are no text in an unknown script."""


class Legible(NamedTuple):
    lines: list[OcrLine]
    num_faint: int
    """Lines left out for their score."""
    num_foreign: int
    """Lines left out for a script the model does not know."""
    is_foreign: bool
    """So much of the text is not read that the page is in a script the model does not know (or is illegible to it)."""
    read_share: float


def legible(lines: Sequence[OcrLine], pixels: Pixels, min_confidence: float) -> Legible:
    """The lines to keep, and what the others (and the image the lines were read from) say about the page."""
    read_area = sum(line.upright.area for line in lines if _is_read(line))
    unread_area = sum(line.upright.area for line in lines if not _is_read(line) and _is_long(line))
    area = read_area + unread_area
    if unread_area > MIN_UNREAD * area:  # digits can be read on a page in any script
        read_area = sum(line.upright.area for line in lines if _is_read(line) and any(map(str.isalpha, line.text)))
    share = read_area / (read_area + unread_area) if area else 1.0
    foreign = [line for line in lines if _is_foreign(line)]
    with_text = [line for line in lines if line.text and not _is_foreign(line)]
    kept = [line for line in with_text if line.confidence >= min_confidence]
    is_foreign = share < MIN_READ_SHARE and area > MIN_TEXT_AREA * pixels.shape[0] * pixels.shape[1]
    if not is_foreign and _mean_score(kept) < SURE_SCORE:
        is_foreign = bool(gibberish(word for line in kept for word in line.text.split()))
    if not is_foreign and _are_words_unread(lines, pixels):
        is_foreign, share = True, read_area / sum(line.upright.area for line in lines)
    if not is_foreign and len(kept) < MIN_BANDS:
        bands, slope = _bands(pixels)
        levels = [(line.box.top + shift, line.box.bottom + shift) for line in kept for shift in [slope * line.box.left]]
        num_read = sum(any(top < below and bottom > above for top, bottom in levels) for above, below in bands)
        if len(bands) >= MIN_BANDS and num_read < MIN_READ_BANDS * len(bands):
            is_foreign, share = True, num_read / len(bands)
    return Legible(kept, len(with_text) - len(kept), len(foreign), is_foreign, share)


def _are_words_unread(lines: Sequence[OcrLine], pixels: Pixels) -> bool:
    """Most lines are no longer than a word of large type, their scores are low, and they are the page's ink."""
    area = sum(line.upright.area for line in lines)
    is_short = sum(line.upright.area for line in lines if _is_long(line)) < 0.5 * area
    if len(lines) < 2 or not is_short or sum(line.confidence * line.upright.area for line in lines) >= READ_SCORE * area:
        return False
    boxes = [Word(line.text, *line.box, block=index, line=0, size_px=line.box.height) for index, line in enumerate(lines)]
    return uncovered_ink(pixels, boxes) < (1 - MIN_LINES_INK) * uncovered_ink(pixels, [])


def _mean_score(lines: Sequence[OcrLine]) -> float:
    num_chars = sum(len(line.text) for line in lines)
    return sum(line.confidence * len(line.text) for line in lines) / num_chars if num_chars else 1.0


def _bands(pixels: Pixels) -> tuple[list[tuple[int, int]], float]:
    """(top, bottom) of each band that looks like a line of text, and the slope of the bands: how far a column is lowered, a pixel
    to the right, before they are level.

    A band is 6 to 80 rows with dark pixels in between white rows, and bands of one page are of like heights. A photograph has no
    white rows, a drawing few: neither has bands.
    """
    grey = pixels[:, :, 1].astype(np.int16)
    paper = int(np.bincount(grey.ravel(), minlength=256).argmax())
    dark = np.abs(grey - paper) > 64
    slope = _slope(dark)
    if slope:
        rows = np.arange(dark.shape[0])[:, None] - np.rint(slope * np.arange(dark.shape[1])).astype(np.int64)
        dark = np.take_along_axis(dark, np.clip(rows, 0, dark.shape[0] - 1), axis=0)
    has_ink = np.concatenate([[False], dark.mean(axis=1) > 0.004, [False]])
    edges = np.flatnonzero(np.diff(has_ink.astype(np.int8)))
    runs = [(int(top), int(bottom)) for top, bottom in edges.reshape(-1, 2) if 6 <= bottom - top <= 80]
    if not runs:
        return [], slope
    usual = float(np.median([bottom - top for top, bottom in runs]))
    wide = [(t, b) for t, b in runs if 0.5 * usual <= b - t <= 2 * usual and _fills(dark[t:b])]
    return (wide if len(wide) >= 0.6 * len(runs) else []), slope


def _slope(dark: npt.NDArray[np.bool_]) -> float:
    """Of those up to 2 degrees the one that parts ink and white rows most; 0 where none does so clearly better."""
    y, x = np.nonzero(dark[::3, ::3])
    if not len(y):
        return 0.0
    slopes = np.tan(np.radians(np.linspace(-2, 2, 17)))
    found = [sharpness(y, x, -slope) for slope in slopes]
    best = int(np.argmax(found))
    return float(slopes[best]) if found[best] > 1.05 * found[len(slopes) // 2] else 0.0


def _fills(band: npt.NDArray[np.bool_]) -> bool:
    """Ink in a quarter of the columns between its ends, and along a fifth of the page: text, not the ticks of an axis."""
    columns = np.flatnonzero(band.any(axis=0))
    width = columns[-1] - columns[0] + 1
    return bool(len(columns) > 0.25 * width and width > 0.2 * band.shape[1] and width > 3 * band.shape[0])


def _is_read(line: OcrLine) -> bool:
    return line.confidence >= READ_SCORE and not _is_foreign(line)


def _is_long(line: OcrLine) -> bool:
    width, height = max(line.upright.width, 1), max(line.upright.height, 1)
    return max(width / height, height / width) >= MIN_TEXT_ASPECT


def _is_foreign(line: OcrLine) -> bool:
    width, height = max(line.upright.width, 1), max(line.upright.height, 1)
    num_chars = len(line.text.replace(" ", ""))
    is_thin = num_chars / max(width / height, height / width) < READ_DENSITY and max(width, height) > 3 * min(width, height)
    num_greek = sum(script_of(char) == "GREEK" for char in line.text)
    return is_thin or num_greek > max(4, 0.5 * num_chars)
