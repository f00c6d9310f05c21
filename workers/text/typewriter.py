"""Which fonts of a page have one width for all characters: a typewriter's, in which code is set."""

import statistics
from collections import defaultdict
from collections.abc import Sequence

from schemas.page import ACROSS, INVISIBLE, MONO, Word

MIN_SAMPLES = 5
MIN_WIDTH, MAX_WIDTH = 0.4, 0.75
"""Of a typewriter's characters, in font sizes."""


def typewriter_fonts(words: Sequence[Word]) -> set[int]:
    """`Word.font` of those that the PDF calls fixed, and of those in which a word is as wide as its number of characters says.

    An OCR's words have no font, and the text that an OCR has laid under a scan has one width for each word.
    """
    found: set[int] = set()
    widths: dict[int, list[float]] = defaultdict(list)
    for word in words:
        if word.style & (ACROSS | INVISIBLE) != ACROSS:
            continue
        if word.style & MONO:
            found.add(word.font)
        elif (num_chars := len(word.text)) > 2 and word.text.isascii() and word.size_px and not word.text.isdecimal():
            widths[word.font].append((word.right - word.left) / (num_chars * word.size_px))
    for font, ratios in widths.items():
        if len(ratios) < MIN_SAMPLES:
            continue
        middle = statistics.median(ratios)
        if MIN_WIDTH < middle < MAX_WIDTH and sum(abs(ratio - middle) < 0.02 * middle for ratio in ratios) >= 0.9 * len(ratios):
            found.add(font)
    return found
