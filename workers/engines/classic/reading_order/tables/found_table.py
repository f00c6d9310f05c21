"""A table as it leaves its finder: cells with spans, and where its rows stand."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from schemas.page import Box
from workers.engines.classic.reading_order.lines.line_ends import Vocabulary
from workers.engines.classic.reading_order.lines.line_text import is_rtl
from workers.engines.classic.reading_order.tables.table_lines import Line, is_number, is_year, text_of
from workers.text.tables import ABOVE

Rows = tuple[tuple[str | None, ...], ...]


class FoundCell(NamedTuple):
    row: int
    column: int
    num_rows: int
    num_columns: int
    lines: Sequence[Line]


class FoundTable(NamedTuple):
    box: Box
    rows: Rows
    """Texts; None continues the cell on the left, "^" the one above."""
    num_header_rows: int
    members: tuple[int, ...]
    """Positions of its words in what was given."""


def table_of(cells: Sequence[FoundCell], box: Box, members: Sequence[int], vocabulary: Vocabulary) -> FoundTable:
    num_rows = max(cell.row + cell.num_rows for cell in cells)
    num_columns = max(cell.column + cell.num_columns for cell in cells)
    grid: list[list[str | None]] = [[""] * num_columns for _ in range(num_rows)]
    texts = [text_of(cell.lines, vocabulary) for cell in cells]
    rtl = is_rtl("".join(texts))
    for cell, text in zip(cells, texts, strict=True):
        left = num_columns - cell.column - cell.num_columns if rtl else cell.column
        for row in range(cell.row, cell.row + cell.num_rows):
            grid[row][left : left + cell.num_columns] = [
                ABOVE if row > cell.row else _printed(text),
                *[None] * (cell.num_columns - 1),
            ]
    rows = tuple(map(tuple, grid))
    return FoundTable(box, rows, head_of(rows), tuple(members))


def _printed(text: str) -> str:
    """A printed caret is no mark of a cell that goes on from above."""
    return f"{ABOVE} " if text == ABOVE else text


def head_of(rows: Rows) -> int:
    """Number of rows above the first that has numbers beside its label; of a table without numbers 1, if its first row is full."""
    for index, row in enumerate(rows):
        texts = [text for text in row[1:] if text and text != ABOVE]
        if texts and sum(is_number(text) and not is_year(text) for text in texts) >= 0.5 * len(texts):
            return min(index, 4)
    return 1 if len(rows) > 1 and all(text or text is None for text in rows[0][1:]) else 0


def filled(rows: Rows) -> Iterator[tuple[int, int]]:
    """Row and column of each cell with text."""
    return ((r, c) for r, row in enumerate(rows) for c, text in enumerate(row) if text and text != ABOVE)
