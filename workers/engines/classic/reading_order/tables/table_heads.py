"""The head of a table without drawn cells: its texts column by column, its rows, and which of its cells go over several rows."""

import re
from collections.abc import Callable, Sequence
from itertools import pairwise
from operator import attrgetter

from schemas.page import Box
from workers.engines.classic.reading_order.tables.found_table import FoundCell
from workers.engines.classic.reading_order.tables.row_line import RowLine
from workers.engines.classic.reading_order.tables.ruling import Rule
from workers.engines.classic.reading_order.tables.table_lines import Atom, Line, box_of, has_digits, is_value, is_year, text_of

ALIGNED_TWO, ALIGNED_MORE = 0.3, 0.5
"""In font sizes: so far off may the edges of two heads be from those of what stands below them, and of more than two."""
CLOSE = 0.6
"""In font sizes: a wider gap parts the rows of a head."""
SET_IN = 0.3
"""In font sizes: rows of a section stand so much further in than its heading."""
_OPEN = re.compile(r"\w[–—-]$|\b(than|to|under|over|from|between|and|or)$", re.IGNORECASE)
_EDGES: tuple[Callable[[Box], float], ...] = (attrgetter("left"), attrgetter("right"), lambda box: (box.left + box.right) / 2)


def num_head_lines(lines: Sequence[RowLine]) -> int:
    """Lines above the first with numbers; 0 where that is none, or all have none."""
    for index, line in enumerate(lines):
        num = line.numbers
        if not num or num < 0.5 * (len(line.cells) - line.has_label):
            continue
        if not _is_left_open(line) and not (index and _ends(lines[index - 1], line)):
            end = index - 1 if index > 1 and is_first_of_section(lines, index) else index
            return end if end < max(3, 0.6 * len(lines)) else 0
    return 0


def is_first_of_section(lines: Sequence[RowLine], index: int) -> bool:
    """A row set in under a line without numbers, as far as the row after it: the line is its section's heading. Under the beginning
    of a wrapped label the row after stands as far out as that."""
    if index + 1 >= len(lines):
        return False
    heading, row, after = lines[index - 1 : index + 2]
    if not (heading.is_label and row.numbers and after.numbers):
        return False
    labels = [line.label() for line in (heading, row, after)]
    if any(label is None for label in labels):
        return False
    outer, inner, next_inner = (box_of(label).left for label in labels if label)
    return inner - outer > SET_IN * row.size and next_inner - outer > SET_IN * row.size


def _is_left_open(line: RowLine) -> bool:
    """Most of its numbers are where a range begins: "$10,000–"."""
    texts = [text_of([atoms]) for (first, _), atoms in line.cells.items() if first > 0]
    return line.numbers > 0 and sum(bool(_OPEN.search(text)) for text in texts if has_digits(text)) > 0.5 * line.numbers


def _ends(head: RowLine, line: RowLine) -> bool:
    """Most of the line's numbers end what the one above leaves open: "$10,000–" and "14,999", "Less than" and "5 years"."""
    is_open = {key for key, atoms in head.cells.items() if _OPEN.search(text_of([atoms]))}
    numbers = [key for key, atoms in line.cells.items() if key[0] > 0 and is_value(text_of([atoms]))]
    is_close = line.top - head.bottom < CLOSE * line.size
    return is_close and bool(numbers) and len(is_open.intersection(numbers)) > 0.5 * len(numbers)


def parted(atom: Atom, columns: Sequence[tuple[float, float]], below: Sequence[Atom], rules: Sequence[Rule]) -> list[Atom]:
    """Of a head's text over several columns: the texts of these columns, where no more than a space parts them.

    Texts of their own have one edge in common with their column, or with the text below, all the same edge; a heading of several
    columns has words anywhere. `columns`: those that it lies over. `rules`: those close under it; one over several of the columns
    says that it is their heading.
    """
    words: list[list[int]] = [[] for _ in columns]
    for place, (_, word) in enumerate(atom.words):
        middle = (word.left + word.right) / 2
        words[min(range(len(columns)), key=lambda i: max(columns[i][0] - middle, middle - columns[i][1]))].append(place)
    if not all(words) or [place for places in words for place in places] != list(range(len(atom.words))):
        return [atom]
    parts = [Atom(tuple(atom.words[place] for place in places)) for places in words]
    middles = [(part.box.left + part.box.right) / 2 for part in parts]
    if any(sum(rule.start <= middle <= rule.end for middle in middles) > 1 for rule in rules):
        return [atom]
    under = [next((each.box for each in below if _lies_in(each.box, column)), None) for column in columns]
    places = [Box(left, 0.0, right, 0.0) for left, right in columns]
    margin = (ALIGNED_TWO if len(parts) == 2 else ALIGNED_MORE) * atom.size
    is_aligned = any(
        all(other is not None and abs(edge(part.box) - edge(other)) <= margin for part, other in zip(parts, others, strict=True))
        for edge in _EDGES
        for others in (places, under)
    )
    return parts if is_aligned else [atom]


def _lies_in(box: Box, column: tuple[float, float]) -> bool:
    return column[0] <= (box.left + box.right) / 2 <= column[1]


def head_rows(lines: Sequence[RowLine]) -> list[list[RowLine]]:
    """Heads are wrapped as often as not: one row, but where a cell stands over several others, and after a wide gap."""
    groups: list[list[RowLine]] = []
    for line in lines:
        label = line.label()
        is_heading = line.is_label and label is not None and text_of([label]).endswith(":")
        before = groups[-1] if groups else []
        if before and not is_heading and not _is_over(before, line) and line.top - before[-1].bottom < CLOSE * line.size:
            before.append(line)
        else:
            groups.append([line])
    return groups


def _is_over(row: Sequence[RowLine], line: RowLine) -> bool:
    """A cell of several columns over one of fewer, or the other way round."""
    keys = {key for each in row for key in each.cells}
    return any(key != other and key[0] <= other[1] and other[0] <= key[1] for key in keys for other in line.cells)


def rows_of_head(rows: Sequence[Sequence[RowLine]], num_lines: int, parts: Sequence[float]) -> range:
    """Rows of the head's first `num_lines` lines that no rule across the table parts; a section's heading below them is none."""
    end = done = 0
    while end < len(rows) and done + len(rows[end]) <= num_lines:
        done += len(rows[end])
        end += 1
    while end and all(line.is_label for line in rows[end - 1]):
        end -= 1
    start = end
    while start and not (start < end and any(rows[start - 1][-1].bottom - 1 <= part <= rows[start][0].top + 1 for part in parts)):
        start -= 1
    return range(start, end)


def spread(cells: Sequence[FoundCell], head: range, rules: Sequence[Rule]) -> list[FoundCell]:
    """The same cells; a column's head beside a heading of several columns goes over the rows of both.

    `head`: its rows. `rules`: those in the table; texts that one of them parts stay cells of their own.
    """
    of_head = [cell for cell in cells if cell.row in head]
    wide = [cell for cell in of_head if cell.num_columns > 1 and cell.lines]
    if not wide or len(head) < 2:
        return list(cells)
    spanned = {column for cell in wide for column in range(cell.column, cell.column + cell.num_columns)}
    result = [cell for cell in cells if cell.row not in head or cell.column in spanned]
    for column in sorted({cell.column for cell in of_head} - spanned):
        of_column = sorted((cell for cell in of_head if cell.column == column), key=attrgetter("row"))
        lines = [line for cell in of_column for line in cell.lines]
        if lines and not any(_are_apart(upper, lower, rules) for upper, lower in pairwise(lines)):
            result.append(FoundCell(head.start, column, len(head), 1, lines))
        else:
            result += of_column
    return result


def _are_apart(upper: Line, lower: Line, rules: Sequence[Rule]) -> bool:
    above, below = box_of(upper), box_of(lower)
    middle = (below.left + below.right) / 2
    is_ruled = any(above.bottom - 1 <= rule.place <= below.top + 1 and rule.start <= middle <= rule.end for rule in rules)
    return is_ruled or is_year(text_of([upper])) or below.top - above.bottom >= CLOSE * upper[0].size
