"""Judges whether a PDF's own text layer can be trusted.

It fails in four ways, each seen in real files:
- no text at all;
- glyphs without a Unicode meaning;
- a layer that nobody sees: an earlier OCR under a scan, or worse;
- glyphs mapped to the wrong letters.

For text that the layer leaves out, because it is only in a picture, see `uncovered_ink`.
"""

import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from schemas.page import TextLayer, Word

MAX_UNMAPPED = 0.1
MAX_HIDDEN = 0.5
MAX_OUTSIDE = 0.3
MAX_STACKED = 0.5
MIN_WORDS = 8
"""With fewer words, their shares mean nothing."""
MAX_MIXED = 0.25
"""Share of words with letters of several scripts. Real pages reach 0.12 (Arabic beside Latin)."""
MIN_LATIN = 100
"""With fewer Latin letters, their statistics mean nothing."""
MIN_COMMON = 0.52
MIN_VOWELS = 0.25
"""Shares of `aeiounrstl` and of vowels among Latin letters. Every page of the real PDFs measured (100 letters and more; prose,
code, tables) has at least 0.63 and 0.35; Polish, Turkish and Spanish prose 0.60 and 0.43. Text whose glyphs are
mapped at random falls below in 93 of 100 draws, text shifted by 29 code points (a frequent fault) always."""


class Trust(NamedTuple):
    is_trusted: bool
    reason: str
    """Why the layer is not trusted, for a person; empty if it is."""
    is_hidden: bool = False
    """True if nothing else is wrong with the layer, but nobody sees it. It is an earlier OCR's text, which is better than none."""


def judge(layer: TextLayer | None, width_px: int, height_px: int) -> Trust:
    """Judges whether a reader of the page sees the layer's words at the layer's places.

    Words that the layer lacks do not count. A layer of mixed quality is judged as a whole.
    """
    if layer is None or not layer.words:
        return Trust(False, "no text layer")
    words = layer.words
    num_chars = max(layer.num_chars, 1)
    if layer.num_unmapped > MAX_UNMAPPED * num_chars:
        return Trust(False, f"{_percent(layer.num_unmapped, num_chars)} of its characters have no Unicode meaning")
    boxes = np.array([word[1:5] for word in words], dtype=float)
    if (num_outside := _num_outside(boxes, width_px, height_px)) > MAX_OUTSIDE * len(words):
        return Trust(False, f"{_percent(num_outside, len(words))} of its words have no place on the page")
    if len(words) >= MIN_WORDS and (num_stacked := _num_stacked(words, boxes)) > MAX_STACKED * len(words):
        return Trust(False, f"{_percent(num_stacked, len(words))} of its words lie on top of others")
    if complaint := gibberish(word.text for word in words):
        return Trust(False, complaint)
    if layer.num_hidden > MAX_HIDDEN * num_chars:
        return Trust(
            False, f"{_percent(layer.num_hidden, num_chars)} of its characters are invisible (an earlier OCR?)", is_hidden=True
        )
    return Trust(True, "")


@cache
def script_of(char: str) -> str:
    """First word of a letter's Unicode name, the nearest that Python has to its script: LATIN, CYRILLIC, CJK, …; "" for none."""
    return unicodedata.name(char, "").partition(" ")[0].partition("-")[0] if char.isalpha() else ""


def uncovered_ink(rgb: npt.NDArray[np.uint8], words: Sequence[Word]) -> float:
    """Share of the page's area that has ink but no word of the layer: pictures, drawings, or text that only a picture has.

    The page is divided into cells of 16 pixels. A cell with only a thin rule has too little ink to count. Ink differs from the
    paper, the most common grey level, by 48 of 255.
    """
    height, width = rgb.shape[0] // _CELL_PX * _CELL_PX, rgb.shape[1] // _CELL_PX * _CELL_PX
    if not height or not width:
        return 0.0
    grey = np.ascontiguousarray(rgb[:height:2, :width:2, 1])  # every second pixel of green: 4 ms instead of 30 for 2.4 MP
    of_pairs = np.bincount(grey.view(np.uint16).ravel(), minlength=1 << 16).reshape(256, 256)  # twice as fast as one by one
    paper = int((of_pairs.sum(axis=0) + of_pairs.sum(axis=1)).argmax())
    is_dark = (grey > paper + _INK) | (grey < paper - _INK)
    step = _CELL_PX // 2
    strips = is_dark.view(np.uint8).reshape(height // _CELL_PX, step, width // 2).sum(axis=1, dtype=np.uint8)
    counts = (strips.view(np.uint64) * _EIGHT_BYTES) >> np.uint64(56)  # each sum of eight bytes, at most 64, in the highest byte
    inked = np.asarray(counts > _INKED * step**2, dtype=np.bool_)
    for word in words:
        top, bottom = int(word.top) // _CELL_PX, int(word.bottom) // _CELL_PX
        left, right = int(word.left) // _CELL_PX, int(word.right) // _CELL_PX
        inked[max(top, 0) : bottom + 1, max(left, 0) : right + 1] = False
    return float(inked.mean())


_CELL_PX = 16
_EIGHT_BYTES = np.uint64(0x0101010101010101)
_INK = 48
_INKED = 0.13
LATIN_LETTERS = frozenset("abcdefghijklmnopqrstuvwxyzı")
COMMON_LETTERS = frozenset("aeiounrstlı")
VOWELS = frozenset("aeiouyı")
_TOGETHER = frozenset(
    {
        "CJK",
        "HIRAGANA",
        "KATAKANA",
        "HANGUL",
        "FULLWIDTH",
        "HALFWIDTH",
        "BOPOMOFO",
        "IDEOGRAPHIC",
        "MODIFIER",
        "MASCULINE",
        "FEMININE",
    }
)
"""Scripts written together in one word."""


def gibberish(texts: Iterable[str]) -> str:
    """What is wrong with the letters of these words, whatever the language; "" if nothing is."""
    words = [text for text in texts if any(map(str.isalpha, text))]
    if len(words) >= MIN_WORDS and (num_mixed := sum(map(_is_mixed, words))) > MAX_MIXED * len(words):
        return f"{_percent(num_mixed, len(words))} of its words mix scripts: glyphs mapped to wrong letters"
    letters = Counter(unicodedata.normalize("NFKD", "".join(words).lower()))
    num_latin = sum(map(letters.__getitem__, LATIN_LETTERS))
    if num_latin < MIN_LATIN:
        return ""
    common, vowels = sum(map(letters.__getitem__, COMMON_LETTERS)), sum(map(letters.__getitem__, VOWELS))
    if common < MIN_COMMON * num_latin or vowels < MIN_VOWELS * num_latin:
        return (
            f"its Latin letters are those of no language ({_percent(vowels, num_latin)} vowels, "
            f"{_percent(common, num_latin)} common letters): glyphs mapped to wrong letters"
        )
    return ""


def _is_mixed(word: str) -> bool:
    if word.isascii():
        return False
    scripts = {script for char in word if (script := script_of(char))} - _TOGETHER
    return len(scripts) > 1 and scripts != {"LATIN", "GREEK"}  # formulas mix these two


def _num_outside(boxes: npt.NDArray[np.float64], width_px: int, height_px: int) -> int:
    """Number of boxes that are empty or have their centre off the page. `boxes`: rows of left, top, right, bottom."""
    left, top, right, bottom = boxes.T
    x, y = (left + right) / 2, (top + bottom) / 2
    is_inside = (right > left) & (bottom > top) & (x >= 0) & (x <= width_px) & (y >= 0) & (y <= height_px)
    return len(boxes) - int(is_inside.sum())


def _num_stacked(words: Sequence[Word], boxes: npt.NDArray[np.float64]) -> int:
    """Number of words that start at the place of another word with other text. The same text twice is allowed, as a simple bold."""
    starts = boxes[:, :2].round().tolist()
    if len(words) - len(set(map(tuple, starts))) <= MAX_STACKED * len(words):  # whatever their texts
        return 0
    places: dict[tuple[float, ...], set[str]] = {}
    for word, start in zip(words, starts, strict=True):
        places.setdefault(tuple(start), set()).add(word.text)
    return sum(len(texts) - 1 for texts in places.values())


def _percent(part: int, whole: int) -> str:
    return f"{min(part / whole, 1):.0%}"
