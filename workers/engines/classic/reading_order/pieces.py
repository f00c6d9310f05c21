"""Words with boxes to pieces of lines: the smallest runs of words that belong together."""

import math
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby, pairwise

from schemas.page import ACROSS, BOLD, DOWN, OVER, UP, Box, Word
from workers.engines.classic.reading_order.lines.line_text import has_rtl, is_cjk, is_rtl, join_words

WORD_GAP = 1.8
"""In font sizes: a wider gap inside a line parts cells. Justified text reaches 1."""

SLANTED = 1.5
"""Of the page's usual font size: smaller slanted text labels axes and columns."""

Placed = list[tuple[int, Word]]
"""Words with their positions in what was given."""


@dataclass(frozen=True)
class Piece:
    """Words that follow each other on one line without a wide gap."""

    words: tuple[tuple[int, Word], ...]
    """Position in what was given, and the word, in reading direction."""

    @cached_property
    def box(self) -> Box:
        return around_words(self.words)

    @cached_property
    def size_px(self) -> float:
        return statistics.median(word.size_px for _, word in self.words)

    @cached_property
    def text(self) -> str:
        return join_words([word for _, word in self.words])

    @property
    def is_bold(self) -> bool:
        return all(word.style & BOLD for _, word in self.words)


def without_doubles(words: Sequence[Word]) -> Placed:
    """Bold is sometimes faked by printing a word again a hair's breadth aside."""
    kept: Placed = []
    seen: dict[tuple[str, int], dict[int, dict[int, list[Word]]]] = {}
    """Text, level -> down -> across."""
    for index, word in enumerate(words):
        near = max(0.25 * word.size_px, 0.01)
        _, level = math.frexp(near)
        x, y = math.floor(math.ldexp(word.left, -level)), math.floor(math.ldexp(word.top, -level))  # cells of `near` or wider
        if (cells := seen.get((word.text, level))) is None:
            cells = seen[word.text, level] = {}
        rows = [row for j in (-1, 0, 1) if (row := cells.get(y + j))]  # most have none
        around_it = [other for row in rows for i in (-1, 0, 1) for other in row.get(x + i, ())]
        if not any(abs(word.left - other.left) < near and abs(word.top - other.top) < near for other in around_it):
            cells.setdefault(y, {}).setdefault(x, []).append(word)
            kept.append((index, word))
    return kept


def part_slanted(words: Placed) -> tuple[list[Placed], Placed]:
    """Large lines that run aslant over the page, as watermarks do, and the words that belong to none of them. Their boxes hold much
    of what they cross, and so would tear its lines and tables apart."""
    slanted = [(index, word) for index, word in words if word.style & ACROSS and _is_slanted(word)]
    if not slanted:
        return [], words
    large = SLANTED * statistics.median(word.size_px for _, word in words)
    slanted = [(index, word) for index, word in slanted if word.size_px > large]
    own = {index for index, _ in slanted}
    lines = [list(line) for _, line in groupby(slanted, key=lambda item: (item[1].block, item[1].line))]
    return lines, [item for item in words if item[0] not in own]


def _is_slanted(word: Word) -> bool:
    """Far higher than its font, and not narrow."""
    return word.bottom - word.top > 2.5 * word.size_px < 2.5 * (word.right - word.left)


def lines_as_given(words: Placed) -> Iterator[str]:
    """Lines as the PDF, or an OCR, has them, in its order."""
    for _, line in groupby(words, key=lambda item: (item[1].block, item[1].line)):
        yield " ".join(word.text for _, word in line)


def by_direction(words: Placed) -> tuple[Placed, Placed, Placed, Placed]:
    """Words of lines that run across the page, down it (Chinese or Japanese columns; a page lying on its side), up it, and upside
    down.

    As the PDF says; where it does not (an OCR's), the shape of the line's longest word decides.
    """
    across: Placed = []
    down: Placed = []
    up: Placed = []
    over: Placed = []
    for _, group in groupby(words, key=lambda item: (item[1].block, item[1].line)):
        line = list(group)
        if given := line[0][1].style & (ACROSS | OVER):
            {DOWN: down, UP: up, OVER: over}.get(given, across).extend(line)
            continue
        longest = max((word for _, word in line), key=lambda word: len(word.text))
        if len(longest.text) < 2 or longest.bottom - longest.top < 1.5 * (longest.right - longest.left):
            across += line
        elif len(line) > 1 and line[-1][1].top < line[0][1].top:
            up += line
        elif len(line) == 1 and not any(map(is_cjk, longest.text)):
            (up if len(up) > len(down) else down).extend(line)
        else:
            down += line
    return across, down, up, over


def turned_left(word: Word, width: float, height: float) -> Word:
    """As on the page turned a quarter to the left: what was its right edge is its top."""
    return word._replace(left=word.top, top=width - word.right, right=word.bottom, bottom=width - word.left)


def turned_right(word: Word, width: float, height: float) -> Word:
    return word._replace(left=height - word.bottom, top=word.left, right=height - word.top, bottom=word.right)


def turned_over(word: Word, width: float, height: float) -> Word:
    return word._replace(left=width - word.right, top=height - word.bottom, right=width - word.left, bottom=height - word.top)


def pieces_of(words: Sequence[tuple[int, Word]]) -> list[Piece]:
    """MuPDF's lines, cut at wide gaps. Words of a right-to-left line are put in order, for files draw them in any."""
    pieces = []
    for _, group in groupby(words, key=lambda item: (item[1].block, item[1].line)):
        line = list(group)
        if is_rtl("".join(word.text for _, word in line)):
            line = _right_to_left(line)
        part = line[:1]
        for before, after in pairwise(line):
            if _is_apart(before[1], after[1]):
                pieces.append(Piece(tuple(part)))
                part = []
            part.append(after)
        pieces.append(Piece(tuple(part)))
    return pieces


def _is_apart(a: Word, b: Word) -> bool:
    most = WORD_GAP * max(min(a.size_px, b.size_px), 1.0)
    _, left, top, right, bottom, *_ = a
    return b.left - right > most or left - b.right > most or b.top - bottom > most or top - b.bottom > most


def _right_to_left(line: Placed) -> Placed:
    """From right to left, but runs of left-to-right words (names, and the numbers behind them) within it from left to right."""
    ordered = sorted(line, key=lambda item: -item[1].right)
    runs = [list(run) for _, run in groupby(ordered, key=lambda item: _runs_left_to_right(item[1].text))]
    return [item for run in runs for item in (_left_to_right(run) if _runs_left_to_right(run[0][1].text) else run)]


def _left_to_right(run: Placed) -> Placed:
    """`run` comes from the right. What stands left of its last name, numbers alone, goes on to the left."""
    end = max((place for place, (_, word) in enumerate(run) if any(map(str.isalpha, word.text))), default=-1) + 1
    return [*reversed(run[:end]), *run[end:]]


def _runs_left_to_right(text: str) -> bool:
    return any(map(str.isalnum, text)) and not has_rtl(text)


def around(boxes: Sequence[Box]) -> Box:
    if len(boxes) == 1:
        return boxes[0]
    lefts, tops, rights, bottoms = zip(*boxes, strict=True)
    return Box(min(lefts), min(tops), max(rights), max(bottoms))


def around_words(words: Sequence[tuple[int, Word]]) -> Box:
    """The same without a box for each word: a page has a thousand words, and they are asked for on several levels."""
    if len(words) == 1:
        return words[0][1].box
    _, lefts, tops, rights, bottoms, *_ = zip(*[word for _, word in words], strict=True)
    return Box(min(lefts), min(tops), max(rights), max(bottoms))
