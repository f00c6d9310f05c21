"""Which recognised lines can be what is written there. PP-OCR never says that it does not know an alphabet: it omits or guesses.

Its dictionary (18,708 entries) has Latin with all European and Vietnamese letters, Chinese, kana, and Greek without accents;
no Cyrillic, Arabic, Hebrew, Hangul, Thai, Georgian, Armenian, no script of India. Measured on rendered pages of the Universal
Declaration and on scans, receipts and photographs:

- share of the text's area in lines with a score of 0.75 and 0.5 characters per line height: at least 0.88 where the script is
  known (but one page of scrawled notes), at most 0.3 where it is not. Ukrainian alone scores 0.89: its letters are left out, so
  that a whole line becomes "," with 0.07 characters per line height. Korean signs with some Latin reach 0.46.
- Greek scores 0.81, for accented letters are left out; lines that come out mostly Greek count as not read.
"""

from collections.abc import Sequence
from typing import NamedTuple

from workers.engines.classic.ppocr import OcrLine
from workers.trust import script_of

READ_SCORE = 0.75
READ_DENSITY = 0.5
"""Characters per line height; Latin has 2 and more, Chinese 1.1, wide-spaced capitals 0.6."""
MIN_READ_SHARE = 0.4
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


def legible(lines: Sequence[OcrLine], image_area: float, min_confidence: float) -> Legible:
    """The lines to keep, and what the others say about the page."""
    area = sum(line.upright.area for line in lines)
    read_area = sum(line.upright.area for line in lines if line.confidence >= READ_SCORE and not _is_foreign(line))
    share = read_area / area if area else 1.0
    foreign = [line for line in lines if _is_foreign(line)]
    kept = [line for line in lines if line.confidence >= min_confidence and not _is_foreign(line)]
    is_foreign = share < MIN_READ_SHARE and area > MIN_TEXT_AREA * image_area
    return Legible(kept, len(lines) - len(kept) - len(foreign), len(foreign), is_foreign, share)


def _is_foreign(line: OcrLine) -> bool:
    width, height = max(line.upright.width, 1), max(line.upright.height, 1)
    num_chars = len(line.text.replace(" ", ""))
    is_thin = num_chars / max(width / height, height / width) < READ_DENSITY and max(width, height) > 3 * min(width, height)
    num_greek = sum(script_of(char) == "GREEK" for char in line.text)
    return is_thin or num_greek > max(4, 0.5 * num_chars)
