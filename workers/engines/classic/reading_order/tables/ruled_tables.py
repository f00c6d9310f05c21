"""Tables with drawn cells: a grid of rules, and the words in it."""

import statistics
from bisect import bisect_left, bisect_right
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from itertools import pairwise

from schemas.page import Word
from workers.engines.classic.reading_order.lines.line_ends import Vocabulary
from workers.engines.classic.reading_order.pieces import Placed
from workers.engines.classic.reading_order.tables.found_table import FoundCell, FoundTable, filled, table_of
from workers.engines.classic.reading_order.tables.row_line import RowLine
from workers.engines.classic.reading_order.tables.ruled_grids import GridCell, RuledGrid
from workers.engines.classic.reading_order.tables.table_columns import columns_of, gaps
from workers.engines.classic.reading_order.tables.table_lines import Line, box_of, cells_of, is_number, is_value, lines_of, text_of
from workers.engines.classic.reading_order.tables.table_rows import grouped

MIN_FILLED = 0.4
"""Share of a grid's cells with text: those of a chart's grid have less. An empty form has its head full."""
MIN_FULL = 0.8
SLIVER = 0.8
"""In font sizes: a narrower cell holds no text."""
MIN_LABELLED = 0.6
"""Share of rows with text in the first column, where lines are taken for rows."""
MAX_TERSE = 3
"""Words of a cell that no rule parts from its neighbour."""
RUNS_ON = 0.35
"""In font sizes: the widest space between words of ragged text; cells have a margin on both sides."""
BLANK = 0.7
"""In font sizes: a gap right across a row, so much more than the usual one, parts what a rule should have."""


def ruled_table(grid: RuledGrid, words: Placed, size: float, vocabulary: Vocabulary) -> FoundTable | None:
    """The table that the grid draws around these words; None where it draws something else (a frame, a chart, a diagram)."""
    box = grid.box
    inside = [item for item in words if box.left <= _x(item) <= box.right and box.top <= _y(item) <= box.bottom]
    if len(inside) < 4:
        return None
    by_cell: dict[GridCell, Placed] = defaultdict(list)
    owner = {
        (row, column): cell
        for cell in grid.cells
        for row in range(cell.row, cell.row + cell.num_rows)
        for column in range(cell.column, cell.column + cell.num_columns)
    }
    xs, ys = grid.xs[1:-1], grid.ys[1:-1]
    for item in inside:
        by_cell[owner[bisect_right(ys, _y(item)), bisect_right(xs, _x(item))]].append(item)
    cells = [FoundCell(*cell, lines_of(words)) for cell, words in _joined(grid.cells, by_cell)]
    cells = _without_slivers([part for cell in cells for part in _spans_split(cell, grid.xs)], grid, size)
    cells = _compact(_columns_split(cells, size))
    cells = _compact(_rows_split(cells))
    if not cells:
        return None
    table = table_of(cells, box, [index for index, _ in inside], vocabulary)
    return table if _is_table(table, cells) else None


def _joined(cells: Sequence[GridCell], by_cell: Mapping[GridCell, Placed]) -> list[tuple[GridCell, Placed]]:
    """Neighbours in a row between which a line of text runs on: what parts them is no rule, but a shade or a stroke."""
    joined: list[tuple[GridCell, Placed]] = []
    for cell in cells:
        words = by_cell.get(cell, [])
        before, before_words = joined[-1] if joined else (None, [])
        is_beside = before is not None and (before.row, before.num_rows, before.column + before.num_columns) == (
            cell.row,
            cell.num_rows,
            cell.column,
        )
        if before is not None and is_beside and _runs_on(before_words, words):
            joined[-1] = before._replace(num_columns=before.num_columns + cell.num_columns), [*before_words, *words]
        else:
            joined.append((cell, words))
    return joined


def _runs_on(left: Placed, right: Placed) -> bool:
    if not left or not right:
        return False
    end, start = max(left, key=lambda item: item[1].right)[1], min(right, key=lambda item: item[1].left)[1]
    shared = min(end.bottom, start.bottom) - max(end.top, start.top)
    is_one_line = shared > 0.8 * min(end.bottom - end.top, start.bottom - start.top)
    return is_one_line and start.left - end.right < RUNS_ON * min(end.size_px, start.size_px)


def _x(item: tuple[int, Word]) -> float:
    return (item[1].left + item[1].right) / 2


def _y(item: tuple[int, Word]) -> float:
    return (item[1].top + item[1].bottom) / 2


def _is_table(table: FoundTable, cells: Sequence[FoundCell]) -> bool:
    if len(table.rows) < 2 or len(table.rows[0]) < 2:
        return False
    places = list(filled(table.rows))
    is_filled = filled_share(table, cells) >= MIN_FILLED
    head = [cell for cell in cells if cell.row == 0]
    is_form = sum(bool(cell.lines) for cell in head) >= MIN_FULL * len(head)
    rows_of_several = sum(sum(1 for r, _ in places if r == row) > 1 for row in {row for row, _ in places})
    return (is_filled or is_form) and len(places) >= 3 and rows_of_several >= 2 and len({column for _, column in places}) >= 2


def filled_share(table: FoundTable, cells: Sequence[FoundCell]) -> float:
    """Of the table's places, those of cells with text."""
    return sum(cell.num_rows * cell.num_columns for cell in cells if cell.lines) / (len(table.rows) * len(table.rows[0]))


def _spans_split(cell: FoundCell, xs: Sequence[float]) -> list[FoundCell]:
    """The cells of a row that rules part in the head only: texts with wide gaps between them, each within its column."""
    if cell.num_columns == 1 or not cell.lines or any(len(cells_of(line)) < 2 for line in cell.lines):
        return [cell]
    inner = xs[cell.column + 1 : cell.column + cell.num_columns]
    parts: list[list[Line]] = [[] for _ in range(cell.num_columns)]
    for line in cell.lines:
        texts = cells_of(line)
        places = [(bisect_right(inner, box.left + 1), bisect_right(inner, box.right - 1)) for box in map(box_of, texts)]
        if any(first != last for first, last in places):
            return [cell]
        for (place, _), atoms in zip(places, texts, strict=True):
            if parts[place] and parts[place][-1][-1] in line:
                parts[place][-1] += atoms
            else:
                parts[place].append(list(atoms))
    return [cell._replace(column=cell.column + index, num_columns=1, lines=part) for index, part in enumerate(parts)]


def _columns_split(cells: list[FoundCell], size: float) -> list[FoundCell]:
    """Where rules part some columns only (the head's, or the first), the white in the others' text does."""
    num_columns = max(cell.column + cell.num_columns for cell in cells)
    for column in reversed(range(num_columns)):
        own = [cell for cell in cells if cell.column == column and cell.num_columns == 1]
        lines = [line for cell in own for line in cell.lines]
        several = [line for line in lines if len(line) > 1]
        if len(several) < 3 or len(several) < 0.6 * len(lines):
            continue
        rivers = gaps(columns_of(lines, size))
        if rivers and (_are_values(lines, rivers) or _are_terse(several)):
            cells = _split_at(cells, column, rivers)
    return cells


def _are_values(lines: Sequence[Line], rivers: Sequence[float]) -> bool:
    """Behind the first river stand numbers mostly: text in a cell has wide gaps by chance."""
    texts = [text_of([[atom]]) for line in lines for atom in line if atom.box.left > rivers[0]]
    return sum(map(is_number, texts)) >= 0.6 * len(texts) > 0


def _are_terse(lines: Sequence[Line]) -> bool:
    """A few words on both sides of wide gaps, line after line."""
    cells = [cells_of(line) for line in lines]
    are_short = all(sum(len(atom.words) for atom in atoms) <= MAX_TERSE for line in cells for atoms in line)
    return len(lines) >= 4 and are_short and all(len(line) > 1 for line in cells)


def _split_at(cells: Sequence[FoundCell], column: int, rivers: Sequence[float]) -> list[FoundCell]:
    more = len(rivers)
    split: list[FoundCell] = []
    for cell in cells:
        if cell.column > column:
            split.append(cell._replace(column=cell.column + more))
        elif cell.column + cell.num_columns <= column:
            split.append(cell)
        elif cell.num_columns > 1:
            split.append(cell._replace(num_columns=cell.num_columns + more))
        elif any(atom.box.left < river < atom.box.right for line in cell.lines for atom in line for river in rivers):
            split.append(cell._replace(num_columns=1 + more))
        else:
            parts: list[list[Line]] = [[] for _ in range(more + 1)]
            for line in cell.lines:
                at: dict[int, Line] = defaultdict(list)
                for atom in line:
                    at[sum(river < atom.box.left for river in rivers)].append(atom)
                for part, atoms in at.items():
                    parts[part].append(atoms)
            split += [cell._replace(column=column + index, num_columns=1, lines=part) for index, part in enumerate(parts)]
    return split


def _rows_split(cells: list[FoundCell]) -> list[FoundCell]:
    """Where rules part the head from the body and no more, the body's lines are rows."""
    num_rows = max(cell.row + cell.num_rows for cell in cells)
    for row in reversed(range(num_rows)):
        own = [cell for cell in cells if cell.row == row and cell.num_rows == 1]
        groups = _groups(own)
        if len(groups) < 2:
            continue
        split: list[FoundCell] = []
        for cell in cells:
            if cell.row > row:
                split.append(cell._replace(row=cell.row + len(groups) - 1))
            elif cell.row + cell.num_rows <= row:
                split.append(cell)
            elif cell.num_rows > 1:
                split.append(cell._replace(num_rows=cell.num_rows + len(groups) - 1))
            else:
                for index, bottom in enumerate(groups):
                    top = groups[index - 1] if index else float("-inf")
                    lines = [line for line in cell.lines if top < line[0].box.top + line[0].box.bottom <= bottom]
                    split.append(cell._replace(row=row + index, lines=lines))
        cells = split
    return cells


def _groups(cells: Sequence[FoundCell]) -> list[float]:
    """For each row that the lines of these cells make, twice its lower end; fewer than two where all lines are of one row."""
    several = [cell for cell in cells if len(cell.lines) > 1]
    if not several or len(cells) < 2:
        return []
    rows = _row_lines(cells)
    numeric = [cell for cell in several if cell.column > 0 and _is_numeric(cell)]
    most = max(len(cell.lines) for cell in cells)
    if max((len(cell.lines) for cell in numeric), default=0) >= 0.5 * most or _are_in_step(cells):
        groups = grouped(rows, num_head=0)
        have_labels = sum(any(first == 0 for line in group for first, _ in line.cells) for group in groups)
        if have_labels < MIN_LABELLED * len(groups):  # a value in the middle of two beside it
            return []
    else:
        groups = _spaced_groups(rows, min(cell.column for cell in cells))
    return [2 * max(line.bottom for line in group) for group in groups]


def _are_in_step(cells: Sequence[FoundCell]) -> bool:
    """Three columns and more have the same number of lines, three and more: wrapped text does not."""
    counts = Counter(len(cell.lines) for cell in cells if cell.lines)
    count, num_columns = counts.most_common(1)[0]
    return count >= 3 and num_columns >= max(3, 0.6 * counts.total())


def _row_lines(cells: Sequence[FoundCell]) -> list[RowLine]:
    owner = {index: cell for cell in cells for line in cell.lines for atom in line for index, _ in atom.words}
    rows: list[RowLine] = []
    for line in lines_of([item for cell in cells for each in cell.lines for atom in each for item in atom.words]):
        row = RowLine(min(atom.box.top for atom in line), max(atom.box.bottom for atom in line), line[0].size)
        for atom in line:
            cell = owner[atom.words[0][0]]
            row.cells.setdefault((cell.column, cell.column + cell.num_columns - 1), []).append(atom)
        rows.append(row)
    return rows


def _spaced_groups(rows: Sequence[RowLine], first_column: int) -> list[list[RowLine]]:
    """Parted at blank lines right across, if each part has a label in the first column."""
    groups = [[rows[0]]]
    gaps = [after.top - before.bottom for before, after in pairwise(rows)]
    usual = statistics.quantiles(gaps, n=4)[0] if len(gaps) > 1 else 0.0
    for gap, row in zip(gaps, rows[1:], strict=True):
        if gap > max(usual, 0.0) + BLANK * row.size:
            groups.append([])
        groups[-1].append(row)
    have_labels = all(any(first == first_column for row in group for first, _ in row.cells) for group in groups)
    return groups if have_labels and any(len(row.cells) > 1 for row in rows) else []


def _is_numeric(cell: FoundCell) -> bool:
    texts = [text_of([line]) for line in cell.lines]
    return sum(map(is_value, texts)) >= 0.8 * len(texts)


def _without_slivers(cells: Sequence[FoundCell], grid: RuledGrid, size: float) -> list[FoundCell]:
    """Narrow empty cells between double rules, or between a rule and a shade, belong to no row or column."""

    def is_sliver(cell: FoundCell) -> bool:
        width = grid.xs[cell.column + cell.num_columns] - grid.xs[cell.column]
        height = grid.ys[cell.row + cell.num_rows] - grid.ys[cell.row]
        return not cell.lines and min(width, height) < SLIVER * size

    return _compact([cell for cell in cells if not is_sliver(cell)])


def _compact(cells: Sequence[FoundCell]) -> list[FoundCell]:
    """Without rows and columns in which no cell with text begins."""
    filled_rows, filled_columns = {cell.row for cell in cells if cell.lines}, {cell.column for cell in cells if cell.lines}
    cells = [cell for cell in cells if cell.lines or (cell.row in filled_rows and cell.column in filled_columns)]
    rows = _kept([(cell.row, cell.row + cell.num_rows) for cell in cells])
    columns = _kept([(cell.column, cell.column + cell.num_columns) for cell in cells])

    def between(places: list[int], start: int, length: int) -> tuple[int, int]:
        first = bisect_right(places, start) - 1
        return first, bisect_left(places, start + length) - first

    compact = []
    for cell in cells:
        row, num_rows = between(rows, cell.row, cell.num_rows)
        column, num_columns = between(columns, cell.column, cell.num_columns)
        compact.append(cell._replace(row=row, column=column, num_rows=num_rows, num_columns=num_columns))
    return compact


def _kept(ranges: Sequence[tuple[int, int]]) -> list[int]:
    """The first place, and those where a cell begins with another that ends between it and the one before."""
    starts, ends = sorted({start for start, _ in ranges}), sorted({end for _, end in ranges})
    kept = starts[:1]
    for start in starts[1:]:
        if bisect_right(ends, start) > bisect_right(ends, kept[-1]):
            kept.append(start)
    return kept
