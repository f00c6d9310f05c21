"""Tables of a page, sought before its columns are cut: drawn ones first."""

import statistics
from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from functools import cached_property

from schemas.page import Box, Word
from workers.engines.classic.reading_order.lines.line_ends import Vocabulary
from workers.engines.classic.reading_order.pieces import Piece, Placed
from workers.engines.classic.reading_order.tables.aligned_tables import aligned_tables
from workers.engines.classic.reading_order.tables.found_table import FoundTable
from workers.engines.classic.reading_order.tables.row_tables import row_tables
from workers.engines.classic.reading_order.tables.ruled_grids import ruled_grids
from workers.engines.classic.reading_order.tables.ruled_tables import ruled_table
from workers.engines.classic.reading_order.tables.ruling import Rules
from workers.engines.classic.time_limit import check_time

MAX_STRIPS = 60
EDGE = 0.1
"""Share of the page's height, above and below, in which what stands in columns is a running head or foot."""
MAX_FRAME = 12
"""A drawing of more cells that is no table is a chart or a diagram, and so is what lies in it; of fewer, a frame around others."""


@dataclass(frozen=True)
class TableRow(Piece):
    """A strip of a found table, as high as its rows are on average: columns are cut around it as around lines of text."""

    table: FoundTable
    place: Box
    size: float

    @cached_property
    def box(self) -> Box:
        return self.place

    @cached_property
    def size_px(self) -> float:
        return self.size

    @cached_property
    def text(self) -> str:
        return ""

    @property
    def is_bold(self) -> bool:
        return False


def tables_of_page(words: Placed, rules: Rules, vocabulary: Vocabulary, height: float) -> list[FoundTable]:
    """Of words in the page's own direction. No word is in two of them."""
    if not words:
        return []
    size = max(statistics.median(word.size_px for _, word in words), 1.0)
    tables: list[FoundTable] = []
    charts: list[Box] = []
    rest = sorted(words, key=_middle)
    for grid in sorted(ruled_grids(rules, size), key=lambda grid: -grid.box.area):
        check_time()
        if any(_lies_in(grid.box, box) for box in charts):
            continue
        near = rest[bisect_left(rest, grid.box.top, key=_middle) : bisect_right(rest, grid.box.bottom, key=_middle)]
        table = ruled_table(grid, near, size, vocabulary)
        if table is not None:
            tables.append(table)
            taken = set(table.members)
            rest = [item for item in rest if item[0] not in taken]
        elif len(grid.cells) > MAX_FRAME:
            charts.append(grid.box)
    rest = [item for item in rest if not any(_is_in(item[1], box) for box in charts)]
    of_values = value_tables(rest, rules, vocabulary, height)
    of_rows = row_tables(rest, rules, size, vocabulary, of_values)
    in_rows = {index for table in of_rows for index in table.members}
    return tables + of_rows + [table for table in of_values if in_rows.isdisjoint(table.members)]


def value_tables(words: Placed, rules: Rules, vocabulary: Vocabulary, height: float) -> list[FoundTable]:
    """Without drawn cells, of a page `height` high or of a column of it."""
    found = aligned_tables(words, rules.across, vocabulary)
    return [table for table in found if not is_at_edge(table.box, height)]


def is_at_edge(box: Box, height: float) -> bool:
    """Of a page `height` high."""
    return box.bottom <= EDGE * height or box.top >= (1 - EDGE) * height


def _is_in(word: Word, box: Box) -> bool:
    x, y = (word.left + word.right) / 2, (word.top + word.bottom) / 2
    return box.left <= x <= box.right and box.top <= y <= box.bottom


def _middle(item: tuple[int, Word]) -> float:
    return (item[1].top + item[1].bottom) / 2


def _lies_in(box: Box, other: Box) -> bool:
    return box.intersection(other).area > 0.8 * box.area


def table_rows(table: FoundTable, words: Placed) -> list[Piece]:
    members = set(table.members)
    size = statistics.median(word.size_px for index, word in words if index in members)
    count = min(len(table.rows), MAX_STRIPS)
    left, top, right, bottom = table.box
    height = (bottom - top) / count
    return [TableRow((), table, Box(left, top + i * height, right, top + (i + 1) * height), size) for i in range(count)]
