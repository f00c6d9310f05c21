"""Tables without rules: rows of pieces whose cells line up in columns."""

import statistics
from collections.abc import Sequence

import numpy as np

from workers.engines.classic.reading_order.lines.line_ends import Vocabulary
from workers.engines.classic.reading_order.pieces import Piece, Placed, around
from workers.engines.classic.reading_order.side_by_side import are_address_and_pairs, are_lists
from workers.engines.classic.reading_order.tables.found_table import FoundCell, FoundTable, table_of
from workers.engines.classic.reading_order.tables.row_line import RowLine
from workers.engines.classic.reading_order.tables.ruling import Rule
from workers.engines.classic.reading_order.tables.table_areas import area_lines, areas_of
from workers.engines.classic.reading_order.tables.table_columns import Columns, columns_of, placed
from workers.engines.classic.reading_order.tables.table_heads import num_head_lines, rows_of_head, spread
from workers.engines.classic.reading_order.tables.table_lines import Line, has_digits, is_value, lines_of
from workers.engines.classic.reading_order.tables.table_rows import grouped
from workers.engines.classic.time_limit import check_time

MAX_LOOKS, MAX_LOOKS_OF_ALL = 24, 100_000
"""Times a piece of a page is looked at in search of tables, all tries together (the shared data needs 19), and that all are."""
MAX_TERSE = 6
"""Words in a cell of a table without values."""
MAX_PAIRS = 10
"""Lines of the head of a letter or an invoice."""
MAX_SAMPLE = 100
"""Rows that are asked whether a cell spans several of theirs."""


def table_spans(rows: list[list[Piece]]) -> list[tuple[int, int]]:
    """[first, end) of runs of rows that make a table: three rows with several cells and more, all in the same columns."""
    spans = []
    start = 0
    num_pieces = sum(map(len, rows))
    looks = max(2 * num_pieces, min(MAX_LOOKS * num_pieces, MAX_LOOKS_OF_ALL))
    while start < len(rows) and looks > 0:
        check_time()
        end = start
        while end < len(rows) and _continues_table(rows, start, end):
            end += 1
        while end > start and len(rows[end - 1]) < 2:
            end -= 1
        looks -= sum(map(len, rows[start:end]))
        if end - start >= 3 and _is_table(rows[start:end]):
            spans.append((start, end))
            start = end
        else:
            start += 1
    return spans


def _continues_table(rows: list[list[Piece]], start: int, end: int) -> bool:
    if end == start:
        return len(rows[start]) >= 2
    gap = min(p.box.top for p in rows[end]) - max(p.box.bottom for p in rows[end - 1])
    if gap > 3 * rows[end][0].size_px:
        return False
    return len(rows[end]) >= 2 or (end + 1 < len(rows) and len(rows[end + 1]) >= 2)


def _is_table(rows: list[list[Piece]]) -> bool:
    intervals = _intervals(rows)
    num_columns = len(intervals)
    num_several = sum(len(row) >= 2 for row in rows)
    num_too_many = sum(len(row) > num_columns for row in rows)
    left, right = min(p.box.left for row in rows for p in row), max(p.box.right for row in rows for p in row)
    fill = sum(p.box.width for row in rows for p in row) / (len(rows) * max(right - left, 1))
    is_regular = num_several >= 3 and num_several >= 0.7 * len(rows) and 2 <= num_columns <= 24 and num_too_many <= 0.2 * len(rows)
    if not is_regular or fill >= 0.8 or are_lists(rows):  # justified lines with wide gaps are fuller
        return False
    if not any(is_value(p.text) for row in rows for p in row[1:]) and not _is_terse(rows):
        return False
    inside = [[p for row in rows for p in row if p.box.left >= start and p.box.right <= end] for start, end in intervals]
    return sum(map(_is_aligned, inside)) >= 0.7 * num_columns


def _is_terse(rows: list[list[Piece]]) -> bool:
    """A few words in each cell, nearly all rows with several: words alone make no table of what stands side by side."""
    num_several = sum(len(row) > 1 for row in rows)
    return len(rows) >= 4 and num_several >= 0.8 * len(rows) and all(len(p.words) <= MAX_TERSE for row in rows for p in row)


def _is_aligned(cells: list[Piece]) -> bool:
    """Most cells of a column share their left edge, right edge or middle; gaps in justified prose do not."""
    if len(cells) < 2:
        return True
    for edges in ([p.box.left for p in cells], [p.box.right for p in cells], [p.box.left + p.box.right for p in cells]):
        usual = statistics.median(edges)
        if sum(abs(edge - usual) < 0.8 * p.size_px for edge, p in zip(edges, cells, strict=True)) >= 0.6 * len(cells):
            return True
    return False


def _intervals(rows: list[list[Piece]]) -> list[tuple[float, float]]:
    """x ranges of the columns: cells that overlap share one. A few cells that span several others (headings) do not join them."""
    pieces = [p for row in rows for p in row]
    spanning = _spanning(pieces, rows)
    single = [p for p in pieces if id(p) not in spanning] if len(spanning) <= 0.25 * len(rows) else pieces
    merged: list[tuple[float, float]] = []
    for piece in sorted(single, key=lambda p: p.box.left):
        if merged and piece.box.left < merged[-1][1]:
            merged[-1] = merged[-1][0], max(merged[-1][1], piece.box.right)
        else:
            merged.append((piece.box.left, piece.box.right))
    return merged


def _spanning(pieces: list[Piece], rows: list[list[Piece]]) -> set[int]:
    """ids of the pieces that lie over two cells and more in half of the other rows."""
    left, _, right, _ = np.array([p.box for p in pieces], dtype=float).T
    over = np.zeros(len(pieces), dtype=int)
    sample = rows[:: -(-len(rows) // MAX_SAMPLE)]
    for row in sample:
        lefts, rights = np.sort([p.box.left for p in row]), np.sort([p.box.right for p in row])
        over += np.searchsorted(lefts, right, side="left") - np.searchsorted(rights, left, side="right") >= 2
    num_others = max(len(sample) - 1, 1)
    return {id(piece) for piece, count in zip(pieces, over.tolist(), strict=True) if count >= 0.5 * num_others}


def table_in(rows: list[list[Piece]], vocabulary: Vocabulary) -> FoundTable | None:
    words = [item for row in rows for piece in row for item in piece.words]
    return aligned_table(words, (), vocabulary)


def aligned_tables(words: Placed, across: Sequence[Rule], vocabulary: Vocabulary) -> list[FoundTable]:
    """Tables of values in what may be a whole page, a column of it, or a few lines."""
    tables = []
    for area in areas_of(area_lines(words), across):
        check_time()
        table = aligned_table(area.words, area.rules, vocabulary)
        if table is not None and _is_filled(table):
            tables.append(table)
    return tables


def _is_filled(table: FoundTable) -> bool:
    """Most rows have two cells and more with text; no column is long text."""
    num_several = sum(sum(bool(text) for text in row) > 1 for row in table.rows)
    return num_several >= 2 and num_several >= 0.5 * len(table.rows)


def aligned_table(words: Placed, across: Sequence[Rule], vocabulary: Vocabulary) -> FoundTable | None:
    """The words as a table, by the white between its columns; None where there is none. `across`: rules in its area."""
    lines = [line for line in lines_of(words) if line]
    size = statistics.median(line[0].size for line in lines) if lines else 1.0
    columns = columns_of(lines, size)
    if len(columns) == 3 and _is_beside_pairs(lines, columns):
        words = [item for item in words if item[1].left > columns[0][1]]
        lines, columns = lines_of(words), columns[1:]
    if len(columns) < 2 or (len(columns) == 2 and are_address_and_pairs(_texts(lines, columns))):
        return None
    placed_lines = placed(lines, columns, across)
    width = columns[-1][1] - columns[0][0]
    parts = [rule.place for rule in across if rule.length > 0.6 * width]
    num_head = num_head_lines(placed_lines)
    rows = grouped(placed_lines, parts, num_head)
    box = around([word.box for _, word in words])
    cells = [cell for row, group in enumerate(rows) for cell in _cells(row, group, len(columns))]
    cells = spread(cells, rows_of_head(rows, num_head, parts), across)
    return table_of(cells, box, [index for index, _ in words], vocabulary)


def _is_beside_pairs(lines: Sequence[Line], columns: Columns) -> bool:
    """An address beside pairs of names and values, far from them: no column of theirs."""
    (_, right), (name_left, name_right), (value_left, _) = columns
    if name_left - right < max(3 * lines[0][0].size, 2.5 * (value_left - name_right)) or len(lines) > MAX_PAIRS:
        return False
    names = [atom.text for line in lines for atom in line if name_left <= atom.box.left <= name_right]
    return len(set(names)) == len(names) and not any(map(has_digits, names))


def _texts(lines: Sequence[Line], columns: Columns) -> list[list[str]]:
    """Of each column, line by line."""
    return [
        [" ".join(atom.text for atom in line if left <= (atom.box.left + atom.box.right) / 2 <= right) for line in lines]
        for left, right in columns
    ]


def _cells(row: int, lines: Sequence[RowLine], num_columns: int) -> list[FoundCell]:
    """Of one row: what stands in its columns, spans that overlap joined, and empty cells."""
    spans: list[tuple[int, int]] = []
    for first, last in sorted({span for line in lines for span in line.cells}):
        if spans and first <= spans[-1][1]:
            spans[-1] = spans[-1][0], max(last, spans[-1][1])
        else:
            spans.append((first, last))
    taken = {column for first, last in spans for column in range(first, last + 1)}
    cells = [FoundCell(row, column, 1, 1, []) for column in range(num_columns) if column not in taken]
    for first, last in spans:
        texts = [atoms for line in lines for span, atoms in sorted(line.cells.items()) if first <= span[0] and span[1] <= last]
        cells.append(FoundCell(row, first, 1, last - first + 1, texts))
    return cells
