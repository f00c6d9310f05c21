"""A text layer that is right but for one font or some of its glyphs: the doubtful lines are compared with their pixels, and mended.

What is read from the pixels replaces the layer's characters where these have no meaning, where one of them stands for a ligature,
and where a font says other letters throughout. Everything else of the layer stays: it knows its letters better than any OCR.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import groupby, pairwise
from typing import NamedTuple

import numpy as np
from rapidfuzz.distance import Levenshtein

from schemas.page import DOWN, OVER, UP, Box, Word
from workers.engines.classic.ppocr import Pixels
from workers.engines.classic.reading_order.lines.line_text import letters_of
from workers.engines.classic.time_limit import check_time
from workers.text.doubt import doubtful_fonts, has_lost, has_lost_letter, is_lost, is_readable

MAX_LINES = 80
"""Of a page: reading one takes some 50 ms of CPU."""
NUM_SAMPLES = 4
"""Lines of a font that are read to know whether it is right."""
MIN_SCORE = 0.8
MIN_SAME = 0.95
"""Similarity of a font's lines with their pixels from which it is right."""
MAX_WRONG = 0.6
"""Similarity below which the font says other letters throughout."""
MIN_REPEATED = 3
_GAP = 1.8
"""In font sizes: a wider gap parts what is read at once."""
_LIGATURES = frozenset(("ff", "fi", "fl", "ffi", "ffl", "ft", "fft", "tt", "ti", "tti", "st", "ct", "Th", "fj", "ffj", "fb", "fk"))

ReadLines = Callable[[list[Pixels]], list[tuple[str, float]]]
"""Pixels of lines, RGB -> their texts and scores."""


class Mended(NamedTuple):
    words: list[Word]
    num_mended: int
    """Words whose text is the pixels'."""
    num_lost: int
    """Words that keep a character without a meaning."""


@dataclass(frozen=True)
class _Line:
    """Words of one font that follow each other on a line."""

    places: tuple[int, ...]
    words: tuple[Word, ...]

    @property
    def text(self) -> str:
        return "".join(letters_of(word.text) for word in self.words)


@dataclass
class _Font:
    """What reading some lines of a font has shown."""

    read: dict[_Line, str] = field(default_factory=dict)
    """Without spaces; with a good score only."""
    spaced: dict[_Line, str] = field(default_factory=dict)


def mend(words: Sequence[Word], pixels: Pixels, read_lines: ReadLines) -> Mended:
    """The words of a trusted layer, in their order and in pixels of the page, with what the pixels show otherwise. A line that is
    read anew may become one word."""
    doubtful = doubtful_fonts(words)
    if not doubtful:
        return Mended(list(words), 0, sum(has_lost(word.text) for word in words))
    lines = [line for line in _lines(words, doubtful) if is_readable(line.text)]
    by_font: dict[int, list[_Line]] = {}
    for line in lines:
        by_font.setdefault(line.words[0].font, []).append(line)
    changed: dict[int, Word | None] = {}
    budget = MAX_LINES
    for of_font in by_font.values():
        font = _Font()
        ranked = sorted(of_font, key=_doubt, reverse=True)
        samples, rest = ranked[:NUM_SAMPLES], ranked[NUM_SAMPLES:]
        budget -= _read(samples[:budget], font, pixels, read_lines)
        if not font.read:
            continue
        same = _similarity(font)
        bad = {char for line in font.read for char, _ in _ligatures(line.text, font.read[line])}
        if same < MAX_WRONG:
            more = rest
        elif same < MIN_SAME or bad or any(map(_has_lost, samples)):
            more = [line for line in rest if _has_lost(line) or bad & set(line.text) or same < MIN_SAME]
        else:
            continue
        budget -= _read(more[: max(budget, 0)], font, pixels, read_lines)
        changed |= _reread(font) if same < MAX_WRONG else _repaired(font)
    mended = [changed.get(place, word) for place, word in enumerate(words)]
    kept = [word for word in mended if word is not None]
    return Mended(kept, len(changed), sum(has_lost(word.text) for word in kept))


def _lines(words: Sequence[Word], fonts: set[int]) -> list[_Line]:
    """Runs of words of a doubtful font."""
    lines = []
    for _, group in groupby(enumerate(words), key=lambda item: (item[1].block, item[1].line, item[1].font)):
        run = list(group)
        if run[0][1].font not in fonts:
            continue
        part = run[:1]
        for before, after in pairwise(run):
            gap = max(before[1].left, after[1].left) - min(before[1].right, after[1].right)
            if gap > _GAP * max(after[1].size_px, 1):
                lines.append(_Line(*zip(*part, strict=True)))
                part = []
            part.append(after)
        lines.append(_Line(*zip(*part, strict=True)))
    return [line for line in lines if sum(map(str.isalnum, line.text)) > 1 or _has_lost(line)]


def _has_lost(line: _Line) -> bool:
    return any(has_lost_letter(word.text) for word in line.words)


def _doubt(line: _Line) -> tuple[int, int]:
    """Lines that show most: with lost letters and signs among letters, then long ones."""
    num_signs = sum(not char.isalnum() and char not in ".,;:-()'’\"" for char in line.text)
    return num_signs, min(len(line.text), 60)


def _read(lines: Sequence[_Line], font: _Font, pixels: Pixels, read_lines: ReadLines) -> int:
    """How many were read."""
    for line in lines:
        check_time()
        crop = _crop(line.words, pixels)
        if min(crop.shape[:2]) < 6:
            continue
        ((text, score),) = read_lines([crop])
        if score >= MIN_SCORE and text.strip():
            font.spaced[line] = text.strip()
            font.read[line] = "".join(text.split())
    return len(lines)


def _crop(words: Sequence[Word], pixels: Pixels) -> Pixels:
    """The line's pixels with a little of their surroundings, turned so that it runs across."""
    box = Box(*words[0].box)
    for word in words[1:]:
        box = box.union(word.box)
    direction = words[0].style & OVER
    is_turned = direction in (DOWN, UP)
    margin = 0.1 * (box.width if is_turned else box.height)
    left, top = max(int(box.left - margin), 0), max(int(box.top - margin), 0)
    crop = pixels[top : int(box.bottom + margin) + 1, left : int(box.right + margin) + 1]
    return np.ascontiguousarray(np.rot90(crop, {DOWN: 1, UP: -1, OVER: 2}.get(direction, 0)))


def _similarity(font: _Font) -> float:
    """0..1, weighted by length; case and lost letters aside."""
    total = sum(len(line.text) for line in font.read)
    same = 0.0
    for line, read in font.read.items():
        text = "".join(char for char in line.text if not is_lost(char))
        same += Levenshtein.normalized_similarity(text.casefold(), read.casefold()) * len(line.text)
    return same / max(total, 1)


def _blocks(text: str, read: str) -> list[tuple[int, int, str]]:
    """[start, end) of the text that the pixels show otherwise, and what they show."""
    blocks: list[tuple[int, int, str]] = []
    for op in Levenshtein.opcodes(text, read):
        start, end, read_start, read_end = op.src_start, op.src_end, op.dest_start, op.dest_end
        if op.tag == "equal":
            continue
        if blocks and blocks[-1][1] == start:
            first, _, shown = blocks.pop()
            blocks.append((first, end, shown + read[read_start:read_end]))
        else:
            blocks.append((start, end, read[read_start:read_end]))
    return blocks


def _ligatures(text: str, read: str) -> list[tuple[str, str]]:
    """(character of the layer, the ligature it stands for)."""
    return [(text[start:end], shown) for start, end, shown in _blocks(text, read) if end - start == 1 and shown in _LIGATURES]


def _repaired(font: _Font) -> dict[int, Word | None]:
    """Words with the characters changed that have one reading."""
    seen: Counter[tuple[str, str]] = Counter()
    right: Counter[str] = Counter()
    for line, read in font.read.items():
        blocks = _blocks(line.text, read)
        seen.update((line.text[start:end], shown) for start, end, shown in blocks)
        right.update(line.text)
        right.subtract("".join(line.text[start:end] for start, end, _ in blocks))
    changed: dict[int, Word | None] = {}
    for line, read in font.read.items():
        letters = list(line.text)
        for start, end, shown in _blocks(line.text, read):
            if _has_one_reading(line.text[start:end], shown, seen, right):
                letters[start:end] = [shown, *[""] * (end - start - 1)]
        begin = 0
        for place, word in zip(line.places, line.words, strict=True):
            length = len(letters_of(word.text))
            text = "".join(letters[begin : begin + length])
            begin += length
            if text and text != letters_of(word.text):
                changed[place] = word._replace(text=text)
    return changed


def _has_one_reading(text: str, shown: str, seen: Counter[tuple[str, str]], right: Counter[str]) -> bool:
    """A ligature for one character; letters for a lost one; a character that is never right and always shows the same."""
    if any(map(is_lost, text)):
        return 0 < len(shown) <= 3 * len(text) and not any(map(is_lost, shown))
    if len(text) != 1 or not shown:
        return False
    return shown in _LIGATURES or (seen[text, shown] >= MIN_REPEATED and right[text] == 0 and shown.isalnum())


def _reread(font: _Font) -> dict[int, Word | None]:
    """Lines as the pixels show them: word by word where there are as many, else as one word in the place of all."""
    changed: dict[int, Word | None] = {}
    for line, shown in font.spaced.items():
        texts = shown.split()
        if len(texts) == len(line.words):
            changed |= {place: word._replace(text=text) for place, word, text in zip(line.places, line.words, texts, strict=True)}
            continue
        box = Box(*line.words[0].box)
        for word in line.words[1:]:
            box = box.union(word.box)
        first, *others = line.places
        changed[first] = line.words[0]._replace(text=shown, left=box.left, top=box.top, right=box.right, bottom=box.bottom)
        changed |= dict.fromkeys(others)
    return changed
