"""Where tables without drawn cells may be: lines with values beside labels, and lines between rules of one length."""

import re
import statistics
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from schemas.page import Box
from workers.engines.classic.reading_order.block_kinds import is_caption
from workers.engines.classic.reading_order.pieces import Placed, around
from workers.engines.classic.reading_order.tables.ruling import Rule
from workers.engines.classic.reading_order.tables.table_lines import (
    Line,
    atoms_of,
    box_of,
    cells_of,
    is_value,
    may_be_value,
    rows_of,
    text_of,
)

LONG_CELL = 9
"""Words: a cell with more beside others is prose, or a column of it."""
MAX_GAP = 2.2
"""In font sizes, between two lines of a table."""
MAX_HEADINGS = 2
"""Lines of a section's heading between the head and the first values."""
BLANK = 0.8
"""In font sizes: so much wider than usual is the gap of a blank line."""
MAX_HEAD, MAX_FOOT = 8, 3
"""Lines above the first values and below the last, up to a rule."""
_SECTION = re.compile(r"[\dA-Z]{1,3}(\.\d{1,3})*\.?")
_PAGE = re.compile(r"\d{1,4}")


@dataclass
class AreaLine:
    atoms: Line
    words: Placed
    """With what leads the eye from label to value."""

    @cached_property
    def cells(self) -> list[Line]:
        return cells_of(self.atoms)

    @cached_property
    def box(self) -> Box:
        return box_of(self.atoms)

    @property
    def label_right(self) -> float:
        return box_of(self.cells[0]).right

    @property
    def size(self) -> float:
        return self.atoms[0].size

    @cached_property
    def has_leader(self) -> bool:
        return len(self.words) > sum(len(atom.words) for atom in self.atoms)

    @cached_property
    def is_prose(self) -> bool:
        longest = max(sum(len(atom.words) for atom in cell) for cell in self.cells)
        return longest >= LONG_CELL and not (len(self.cells) > 1 and self.num_values > 1)

    @cached_property
    def num_values(self) -> int:
        """Cells with a value behind the first; a line of values alone counts them all."""
        return sum(map(_has_value, self.cells[1:]))


def _has_value(cell: Line) -> bool:
    written = "".join([word.text for atom in cell for _, word in atom.words])
    return may_be_value(written) and is_value(text_of([cell]))


def area_lines(words: Placed) -> list[AreaLine]:
    """From top to bottom; lines of leaders alone go with the line above."""
    lines: list[AreaLine] = []
    for row in rows_of(words):
        atoms = atoms_of(row)
        if atoms:
            lines.append(AreaLine(atoms, row))
    return lines


@dataclass(frozen=True)
class Area:
    lines: Sequence[AreaLine]
    rules: Sequence[Rule]

    @property
    def words(self) -> Placed:
        return [item for line in self.lines for item in line.words]


def areas_of(lines: Sequence[AreaLine], across: Sequence[Rule]) -> list[Area]:
    """From the top; no line is in two."""
    areas: list[Area] = []
    start = 0
    while start < len(lines):
        if not lines[start].num_values:
            start += 1
            continue
        end = _end_of_values(lines, start)
        box = around([line.box for line in lines[start:end]])
        own = _own_rules(across, box, lines[start].size)
        first = _with_head(lines, start, end, own, areas[-1].lines[-1].box.bottom if areas else float("-inf"))
        last = _with_foot(lines, start, end, own)
        if _is_likely(lines[start:end], own):
            reach = 1.2 * lines[start].size
            top, bottom = lines[first].box.top - reach, lines[last - 1].box.bottom + reach
            areas.append(Area(lines[first:last], _inside(across, box._replace(top=top, bottom=bottom))))
            end = last
        start = end
    return areas


def _between(across: Sequence[Rule], top: float, bottom: float) -> Sequence[Rule]:
    """`across` from top to bottom."""
    return across[bisect_left(across, top, key=_place) : bisect_right(across, bottom, key=_place)]


def _place(rule: Rule) -> float:
    return rule.place


def _own_rules(across: Sequence[Rule], values: Box, size: float) -> Sequence[Rule]:
    """Rules as long as the table, from its head to its foot."""
    top, bottom = values.top - MAX_HEAD * (1 + MAX_GAP) * size, values.bottom + MAX_FOOT * (1 + MAX_GAP) * size
    return [
        rule
        for rule in _between(across, top, bottom)
        if min(rule.end, values.right) - max(rule.start, values.left) > 0.7 * values.width and rule.length < 1.5 * values.width
    ]


def _inside(across: Sequence[Rule], box: Box) -> Sequence[Rule]:
    return [
        rule
        for rule in _between(across, box.top, box.bottom)
        if min(rule.end, box.right) - max(rule.start, box.left) > 0.7 * rule.length
    ]


def _end_of_values(lines: Sequence[AreaLine], start: int) -> int:
    """Behind the last line with values that goes on from `start`; lines without them may stand between. A head after a blank line
    begins another table."""
    end = start + 1
    usual, label_right = float("inf"), lines[start].label_right
    for index in range(start + 1, len(lines)):
        line = lines[index]
        gap = line.box.top - lines[index - 1].box.bottom
        if line.is_prose or gap > MAX_GAP * line.size or index - end > 3:
            break
        if gap > usual + BLANK * line.size and line.box.left > label_right + 0.5 * line.size:
            break
        usual = min(usual, max(gap, 0.0))
        if line.num_values:
            end = index + 1
            label_right = min(label_right, line.label_right)
    return end


def _with_head(lines: Sequence[AreaLine], start: int, end: int, own: Sequence[Rule], above: float) -> int:
    """Up to a rule over the table, else lines whose cells stand over the values' columns."""
    limits = around([line.box for line in lines[start:end]] + [Box(rule.start, rule.place, rule.end, rule.place) for rule in own])
    label_right = statistics.median(line.label_right for line in lines[start:end])
    first = start
    for index in range(start - 1, max(start - 1 - MAX_HEAD, -1), -1):
        line, below = lines[index], lines[index + 1]
        gap = below.box.top - line.box.bottom
        if line.is_prose or line.box.top < above or gap > MAX_GAP * line.size or is_caption(text_of([line.atoms])):
            break
        if line.size > 1.3 * below.size or not _is_over(line.box, limits, 4 * line.size):
            break
        is_ruled = _between(own, line.box.top - 1.5 * line.size, line.box.top + 0.3 * line.size)
        is_head = len(line.cells) > 1 or line.box.left > label_right
        if is_ruled or (is_head and first - index <= MAX_HEADINGS + 1 and gap < 1.2 * line.size):
            first = index
    return first


def _with_foot(lines: Sequence[AreaLine], start: int, end: int, own: Sequence[Rule]) -> int:
    """Down to a rule under the table, where few and short lines stand above it."""
    box = around([line.box for line in lines[start:end]])
    for index in range(end, min(end + MAX_FOOT, len(lines))):
        line = lines[index]
        gap = line.box.top - lines[index - 1].box.bottom
        is_parted = _between(own, lines[index - 1].box.bottom - 2, line.box.top)
        if line.is_prose or gap > line.size or is_parted or not _is_over(line.box, box, 1.5 * line.size):
            break
        below = lines[index + 1].box.top if index + 1 < len(lines) else line.box.bottom + line.size
        if _between(own, line.box.bottom - 0.3 * line.size, below):
            return index + 1
    return end


def _is_over(line: Box, table: Box, margin: float) -> bool:
    return line.left > table.left - margin and line.right < table.right + margin


def _is_likely(lines: Sequence[AreaLine], own: Sequence[Rule]) -> bool:
    """Three lines with a value, or two with several or between rules; no table of contents."""
    num = sum(bool(line.num_values) for line in lines)
    is_plain = len(own) < 2 and max(line.num_values for line in lines) < 2
    return num >= (3 if is_plain else 2) and not _is_contents(lines)


def _is_contents(lines: Sequence[AreaLine]) -> bool:
    """Headings and the growing numbers of their pages."""
    lines = [line for line in lines if line.num_values]
    texts = [text_of([line.cells[-1]]) for line in lines]
    if any(line.num_values > 1 for line in lines) or not all(_PAGE.fullmatch(text) for text in texts):
        return False
    pages = [int(text) for text in texts]
    is_numbered = all(_SECTION.fullmatch(text_of([line.cells[0]])) for line in lines) and all(len(line.cells) > 2 for line in lines)
    has_leaders = all(line.has_leader for line in lines)
    return pages == sorted(pages) and (has_leaders or (len(pages) > 3 and (is_numbered or len(set(pages)) > 2)))
