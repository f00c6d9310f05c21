"""A page's words as labels: lines cut where they are apart, numbers among them, and where they stand."""

import re
from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from schemas.page import Box, Word

NUMBER = re.compile(
    r"[-–−+±~<>≤≥(]*[$€£¥₹]?\d[\d.,'’:/–٫٬\u202f ]*(?:[eE×x^][-−+\d]+)?[⁻⁰¹²³⁴-⁹]*"
    r"\s?[%‰°٪]?(?:[kKmMbBG]|bn|Mio|Mrd|兆|億|亿|万|%)?\)?"
)


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


class PageWords:
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
        if last is not None and (last.block, last.line) == (word.block, word.line) and gap(last.box, word.box) <= max(reach, 6):
            groups[-1].append(word)
        else:
            groups.append([word])
    return [
        Line(
            around([word.box for word in group]),
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


def height_of(line: Line) -> float:
    """Of its letters; a line written upwards is higher than it is wide, a lone letter too."""
    if len(line.text) == 1:
        return max(line.box.width, line.box.height)
    return min(line.box.width, line.box.height) if line.num_words > 1 or line.box.height > 2 * line.box.width else line.box.height


def contains_centre(box: Box, other: Box) -> bool:
    return box.left <= (other.left + other.right) / 2 <= box.right and box.top <= (other.top + other.bottom) / 2 <= box.bottom


def gap(one: Box, other: Box) -> float:
    """Distance between two boxes, 0 where they meet."""
    across = max(other.left - one.right, one.left - other.right, 0.0)
    down = max(other.top - one.bottom, one.top - other.bottom, 0.0)
    return max(across, down)


def around(boxes: Sequence[Box]) -> Box:
    whole = boxes[0]
    for box in boxes[1:]:
        whole = whole.union(box)
    return whole
