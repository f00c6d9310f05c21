"""Columns of a table's lines by the white that runs down between them, and which of them each atom stands in."""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from schemas.page import Box
from workers.engines.classic.reading_order.tables.row_line import RowLine
from workers.engines.classic.reading_order.tables.ruling import Rule
from workers.engines.classic.reading_order.tables.table_heads import parted
from workers.engines.classic.reading_order.tables.table_lines import Atom, Line, box_of, has_digits

Columns = list[tuple[float, float]]
"""Left and right edge of what stands in each, from left to right."""
RIVER = 0.5
"""In font sizes: the least width of the white between two columns."""
MAX_CROSSING = 0.06
"""Share of the lines that may cross a river."""
MAX_SPAN = 40
"""Columns on each side that a head is tried to span."""
MAX_SAMPLE = 100
"""Lines that are asked whether a cell spans several of theirs."""
_AHEAD = frozenset("$ € £ ¥ ₹ US$ ( - – − + ± < > ≤ ≥ ~ * † ‡ # (- ($ $(".split())  # noqa: SIM905
_BEHIND = frozenset("% ) )% %) * ** *** † ‡ a b c d e r p ° pp".split())  # noqa: SIM905


def columns_of(lines: Sequence[Line], size: float) -> Columns:
    """Of lines with two cells and more; cells over several columns do not join them."""
    several = [line for line in lines if len(line) >= 2]
    if len(several) < 2:
        return []
    atoms = [atom for line in several for atom in line]
    spanning = _spanning(atoms, several, 0.2 * size)
    rivers = _rivers([atom for atom in atoms if id(atom) not in spanning], MAX_CROSSING * len(several), RIVER * size)
    columns = _between([atom for atom in atoms if id(atom) not in spanning], rivers)
    columns = _without_heads(columns, several)
    for _ in range(3):  # "($" "1,250" ")"
        fewer = _without_slight(columns, several)
        if len(fewer) == len(columns):
            break
        columns = fewer
    return columns


def _spanning(atoms: Sequence[Atom], lines: Sequence[Line], margin: float) -> set[int]:
    """ids of the atoms with two atoms and more under them in half of the other lines, as under a heading of several columns."""
    left, right = np.array([(atom.box.left, atom.box.right) for atom in atoms]).T
    over = np.zeros(len(atoms), dtype=int)
    sample = lines[:: -(-len(lines) // MAX_SAMPLE)]
    for line in sample:
        lefts, rights = np.array([(atom.box.left, atom.box.right) for atom in line]).T
        under = np.searchsorted(np.sort(lefts), right - margin) - np.searchsorted(np.sort(rights), left + margin, side="right")
        over += under >= 2
    return {id(atom) for atom, count in zip(atoms, over.tolist(), strict=True) if count >= max(0.4 * (len(sample) - 1), 1)}


def _rivers(atoms: Sequence[Atom], most: float, width: float) -> list[float]:
    """Middles of the white stretches that no more than `most` atoms cross."""
    ends = sorted([(atom.box.left, 1) for atom in atoms] + [(atom.box.right, -1) for atom in atoms])
    rivers: list[float] = []
    depth, since = 0, None
    for x, step in ends:
        was_white = depth <= most
        depth += step
        if was_white and depth > most:
            if since is not None and x - since >= width:
                rivers.append((since + x) / 2)
            since = None
        elif not was_white and depth <= most:
            since = x
    return rivers


def _between(atoms: Sequence[Atom], rivers: Sequence[float]) -> Columns:
    columns: list[list[Atom]] = [[] for _ in range(len(rivers) + 1)]
    for atom in atoms:
        columns[bisect_left(rivers, (atom.box.left + atom.box.right) / 2)].append(atom)
    return [(_edge([a.box.left for a in column]), -_edge([-a.box.right for a in column])) for column in columns if column]


def _edge(places: list[float]) -> float:
    """The outermost, but for the few that cross a river."""
    return sorted(places)[int(MAX_CROSSING * len(places))]


def _without_heads(columns: Columns, lines: Sequence[Line]) -> Columns:
    """A head between two columns, in the middle above both, makes no column of its own."""
    if len(lines) < 3:
        return columns
    filled = [[index for index, line in enumerate(lines) if any(_is_in(atom, column) for atom in line)] for column in columns]
    kept = []
    for index, (left, right) in enumerate(columns):
        is_between = 0 < index < len(columns) - 1 and filled[index] and max(filled[index]) < 0.34 * len(lines)
        if is_between and max(filled[index]) < min(filled[index - 1][-1], filled[index + 1][-1]):
            off = (columns[index - 1][0] + columns[index + 1][1]) / 2 - (left + right) / 2
            if abs(off) < 0.8 * lines[0][0].size:
                continue
        kept.append((left, right))
    return kept


def _is_in(atom: Atom, column: tuple[float, float]) -> bool:
    return column[0] <= (atom.box.left + atom.box.right) / 2 <= column[1]


def _without_slight(columns: Columns, lines: Sequence[Line]) -> Columns:
    """Signs of currency stand with their number; a head beside its numbers is no column of its own."""
    lefts = [left for left, _ in columns]
    texts: list[dict[int, str]] = [{} for _ in columns]
    for index, line in enumerate(lines):
        for atom in line:
            middle = (atom.box.left + atom.box.right) / 2
            place = max(bisect_right(lefts, middle) - 1, 0)
            if middle <= columns[place][1]:
                texts[place][index] = f"{texts[place].get(index, '')} {atom.text}".strip()
    merged: Columns = [columns[0]]
    joins_next = _is_sign(texts[0], _AHEAD)
    for index, column in enumerate(columns[1:], 1):
        joins = joins_next or (_is_sign(texts[index], _BEHIND) and not _is_sign(texts[index], _AHEAD))
        joins_next = not joins and _is_sign(texts[index], _AHEAD) and index + 1 < len(columns)
        if not joins and not joins_next and 1 <= len(texts[index]) <= 0.15 * len(lines) + 1:
            into = _neighbour(index, columns, texts)
            joins, joins_next = into == index - 1, into == index + 1
        if joins:
            merged[-1] = merged[-1][0], column[1]
        else:
            merged.append(column)
    return merged


def _is_sign(texts: dict[int, str], signs: frozenset[str]) -> bool:
    return bool(texts) and all(text in signs for text in texts.values())


def _neighbour(index: int, columns: Columns, texts: Sequence[dict[int, str]]) -> int | None:
    """The nearer column beside a rarely filled one without digits, if they share no line: that one's head, or its remark."""
    if any(map(has_digits, texts[index].values())):
        return None
    beside = []
    for other in (index - 1, index + 1):
        if 0 < other < len(columns) and not texts[index].keys() & texts[other].keys():
            gap = columns[index][0] - columns[other][1] if other < index else columns[other][0] - columns[index][1]
            beside.append((gap, other))
    return min(beside)[1] if beside else None


def placed(lines: Sequence[Line], columns: Columns, across: Sequence[Rule] = ()) -> list[RowLine]:
    """Each line's atoms by the columns they stand in. `across`: rules inside the table; one under a cell says how far it spans."""
    num_head = next((index for index, line in enumerate(lines) if sum(atom.is_number for atom in line[1:]) > 1), 0)
    return [
        _placed(line, columns, across, lines[index + 1] if index < num_head and index + 1 < len(lines) else None)
        for index, line in enumerate(lines)
    ]


def _placed(line: Line, columns: Columns, across: Sequence[Rule], below: Line | None) -> RowLine:
    spans: list[tuple[int, int, Atom]] = []
    for atom in _parted(line, columns, across, below) if below else line:
        first, last = _span(atom.box, columns, atom.size)
        if spans and first <= spans[-1][1]:
            if first == last < spans[-1][1] or (last <= spans[-1][1] and spans[-1][0] == spans[-1][1]):
                first = last = spans[-1][1]
            else:
                first = min(first, spans[-1][0])
        spans.append((first, max(last, first), atom))
    box = box_of(line)
    row = RowLine(box.top, box.bottom, line[0].size)
    widened = _widened(spans, box, columns, across, below)
    for first, last, atom in widened:
        key = next((key for key in row.cells if key[0] <= last and first <= key[1]), (first, last))
        both = (min(key[0], first), max(key[1], last))
        row.cells[both] = [*row.cells.pop(key, []), atom]
    return row


def _parted(line: Line, columns: Columns, across: Sequence[Rule], below: Line) -> Line:
    """A head's line, its texts column by column."""
    rules = _close_under(across, box_of(line))
    atoms: Line = []
    for atom in line:
        first, last = _span(atom.box, columns, atom.size)
        atoms += parted(atom, columns[first : last + 1], below, rules) if first < last else [atom]
    return atoms


def _close_under(across: Sequence[Rule], box: Box) -> list[Rule]:
    return [rule for rule in across if -0.3 * box.height <= rule.place - box.bottom < 0.9 * box.height]


def _span(box: Box, columns: Columns, size: float) -> tuple[int, int]:
    margin = min(0.3 * size, 0.3 * box.width)
    first = bisect_right(columns, box.left + margin, key=lambda column: column[1])
    last = bisect_left(columns, box.right - margin, key=lambda column: column[0]) - 1
    if first <= last:
        return first, last
    middle = (box.left + box.right) / 2
    beside = range(max(last, 0), min(first, len(columns) - 1) + 1)
    nearest = min(beside, key=lambda i: max(columns[i][0] - middle, middle - columns[i][1]))
    return nearest, nearest


def _widened(
    spans: Sequence[tuple[int, int, Atom]], box: Box, columns: Columns, across: Sequence[Rule], below: Line | None
) -> list[tuple[int, int, Atom]]:
    """A head over several columns is narrower than these: a rule below shows them, or it stands in their middle."""
    rules = _close_under(across, box)
    width = columns[-1][1] - columns[0][0]
    num_below = len({_span(atom.box, columns, atom.size)[0] for atom in below}) if below else 0
    result = []
    for index, (first, last, atom) in enumerate(spans):
        low = max(spans[index - 1][1] + 1, 1) if index else 1
        high = spans[index + 1][0] - 1 if index + 1 < len(spans) else len(columns) - 1
        under = [
            rule
            for rule in rules
            if rule.start - atom.size <= atom.box.left and atom.box.right <= rule.end + atom.size and rule.length < 0.9 * width
        ]
        if under:
            rule = min(under, key=lambda each: each.length)
            inside = [i for i in range(low, high + 1) if rule.start <= (columns[i][0] + columns[i][1]) / 2 <= rule.end]
            first, last = (min(first, *inside), max(last, *inside)) if len(inside) > 1 else (first, last)
        elif low < high and last > 0 and num_below > len(spans):
            middle = (atom.box.left + atom.box.right) / 2
            wide = _centred(middle, first, last, low, high, columns, atom.size)
            if not _is_aligned(atom, columns[first]) or wide[1] - wide[0] > 1:
                first, last = wide
        result.append((first, last, atom))
    return result


def _is_aligned(atom: Atom, column: tuple[float, float]) -> bool:
    left, right = column
    edges = (atom.box.left - left, atom.box.right - right, (atom.box.left + atom.box.right - left - right) / 2)
    return any(abs(edge) < 0.5 * atom.size for edge in edges)


def _centred(middle: float, first: int, last: int, low: int, high: int, columns: Columns, size: float) -> tuple[int, int]:
    """The widest run of columns from `low` to `high` around these in whose middle it stands."""
    best = (first, last)
    for start in range(max(low, first - MAX_SPAN), first + 1):
        for end in range(last, min(high, last + MAX_SPAN) + 1):
            off = abs((columns[start][0] + columns[end][1]) / 2 - middle)
            if off < 0.8 * size and end - start > best[1] - best[0]:
                best = (start, end)
    return best


def gaps(columns: Columns) -> list[float]:
    """Middles of the white between columns."""
    return [(one[1] + other[0]) / 2 for one, other in pairwise(columns)]
