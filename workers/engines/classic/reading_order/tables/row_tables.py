"""Tables of text without drawn cells: a rule under their head, or one under each row, and columns that only white parts."""

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from itertools import compress, pairwise
from typing import NamedTuple

from schemas.page import Word
from workers.engines.classic.reading_order.block_kinds import is_caption
from workers.engines.classic.reading_order.lines.line_ends import Vocabulary
from workers.engines.classic.reading_order.pieces import Placed
from workers.engines.classic.reading_order.tables.found_table import FoundTable
from workers.engines.classic.reading_order.tables.ruled_grids import GridCell, RuledGrid
from workers.engines.classic.reading_order.tables.ruled_tables import ruled_table
from workers.engines.classic.reading_order.tables.ruling import Rule, Rules
from workers.engines.classic.reading_order.tables.table_lines import is_number, rows_of
from workers.engines.classic.time_limit import check_time

MAX_RULES, MAX_STACKS = 400, 60
REACH = 6
"""In font sizes: no head is higher."""
MIN_LENGTH = 12
"""In font sizes, of a rule."""
NEAR = 1.0
"""In font sizes: rules of one table begin and end as near to each other."""
HEAD_GAP, SURE_GAP, RIVER = 0.5, 1.0, 0.4
"""In font sizes: the least width of the white between two heads, from where it is no space between words, and of that between their
columns."""
CLOSE, FAR = 0.6, 1.5
"""In font sizes: the widest gaps between two lines of a head, and between a row and the next or a rule."""
MAX_HEAD = 8
"""Words of a head."""
WIDE = 0.35
"""In font sizes: a gap between lines that is so much more than the least one parts rows."""
MIN_ALIGNED = 0.6
MAX_TAKEN = 0.7
"""Of the words: what already is a table for the most part stays so, but where rows are wrapped."""
WRAPPED = 1.5
"""Lines to a row."""
PROSE = 8
"""Lines of two columns side by side, and in font sizes their width, from which they are running text."""

White = list[tuple[float, float]]
"""From where to where it is white between each two columns."""


class _Band(NamedTuple):
    top: float
    bottom: float
    lines: list[Placed]


def row_tables(words: Placed, rules: Rules, size: float, vocabulary: Vocabulary, found: Sequence[FoundTable]) -> list[FoundTable]:
    """`found`: tables without drawn cells among these words."""
    taken = {index for table in found for index in table.members}
    tables: list[FoundTable] = []
    words = sorted(words, key=_y)
    for stack in _stacks(rules.across, size):
        check_time()
        grid = _grid(stack, words, size)
        if grid is None:
            continue
        inside = [item for item in words if grid.xs[0] <= item[1].left <= grid.xs[-1] and grid.ys[0] <= _y(item) <= grid.ys[-1]]
        if sum(item[0] in taken for item in inside) > MAX_TAKEN * len(inside) and not _is_wrapped(rows_of(inside), grid):
            continue
        if (table := ruled_table(grid, inside, size, vocabulary)) is not None:
            tables.append(table)
            members = set(table.members)
            words = [item for item in words if item[0] not in members]
    return tables


def _is_wrapped(lines: Sequence[Placed], grid: RuledGrid) -> bool:
    """Rows of many lines, of which one each has values."""
    num_rows = len(grid.ys) - 1
    num_values = sum(any(item[1].left > grid.xs[1] and is_number(item[1].text) for item in line) for line in lines)
    return len(lines) >= WRAPPED * num_rows and num_values <= num_rows


def _stacks(across: Sequence[Rule], size: float) -> list[list[Rule]]:
    """Rules one above the other that begin and end alike; the most first."""
    stacks: list[list[Rule]] = []
    longest = sorted((rule for rule in across if rule.length > MIN_LENGTH * size), key=lambda rule: -rule.length)[:MAX_RULES]
    for rule in sorted(longest):
        for stack in stacks:
            if abs(stack[0].start - rule.start) < NEAR * size and abs(stack[0].end - rule.end) < NEAR * size:
                stack.append(rule)
                break
        else:
            stacks.append([rule])
    return sorted(stacks, key=lambda stack: -len(stack))[:MAX_STACKS]


def _grid(stack: Sequence[Rule], words: Placed, size: float) -> RuledGrid | None:
    """Of words in the order of their middles, from the top."""
    first = bisect_left(words, stack[0].place, key=_y)
    above = words[bisect_left(words, stack[0].place - REACH * size, key=_y) : first]
    head = _head_above(rows_of(_between(above, stack[0], size)), stack[0].place, size)
    if not head and len(stack) == 1:
        return None
    below = rows_of(_between(words[first:], stack[0], size))
    if head and (grid := _with_body(stack, head, below, size)) is not None:
        return grid
    num_head = sum(_y(line[0]) < stack[1].place for line in below) if len(stack) > 1 else 0
    return _with_body(stack, below[:num_head], below[num_head:], size) if num_head else None


def _between(words: Placed, rule: Rule, size: float) -> Placed:
    """Those that lie under or over the rule."""
    return [item for item in words if rule.start - size <= item[1].left and item[1].right <= rule.end + size]


def _head_above(lines: Sequence[Placed], place: float, size: float) -> list[Placed]:
    """Lines right above the rule, three at most."""
    head: list[Placed] = []
    for line in reversed(lines[-3:]):
        gap = (_top(head[0]) if head else place) - _bottom(line)
        if gap > (CLOSE if head else FAR) * size or not _white_of_head([line, *head], size):
            break
        head = [line, *head]
    return head


def _white_of_head(lines: Sequence[Placed], size: float) -> White:
    """Between a few words over each column; empty where that is no head."""
    words = sorted((word for line in lines for _, word in line), key=lambda word: word.left)
    white: White = []
    right, count = 0.0, 0
    for index, word in enumerate(words):
        if index and word.left - right >= HEAD_GAP * size:
            white.append((right, word.left))
            count = 0
        right, count = max(right, word.right) if index else word.right, count + 1
        if count > MAX_HEAD:
            return []
    return [] if lines and is_caption(" ".join(word.text for _, word in lines[0])) else white


def _with_body(stack: Sequence[Rule], head: Sequence[Placed], lines: Sequence[Placed], size: float) -> RuledGrid | None:
    """Down to the last rule, or as far as lines leave the white between the columns free."""
    if not (white := _white_of_head(head, size)):
        return None
    first = _bottom(head[-1])
    rules = [rule.place for rule in stack if rule.place > first - 1]
    end = rules[-1] if len(rules) > 1 else float("inf")
    body: list[Placed] = []
    bottom = first
    sure = [end - start >= SURE_GAP * size for start, end in white]
    for line in lines:
        narrowed = [_narrowed(each, line) for each in white]
        is_free = [end - start >= RIVER * size for start, end in narrowed]
        is_far = _top(line) - max([bottom, *(place for place in rules if place < _top(line))]) > FAR * size
        is_crossed = not any(is_free) or any(is_sure and not free for is_sure, free in zip(sure, is_free, strict=True))
        if _y(line[0]) > end or is_far or is_crossed:
            break
        white, sure = list(compress(narrowed, is_free)), list(compress(sure, is_free))
        body.append(line)
        bottom = _bottom(line)
    if not body or (end < float("inf") and any(_y(line[0]) < end for line in lines[len(body) :])):
        return None
    rivers = [(start + end) / 2 for start, end in white]
    bands = _bands(body, rules, bottom)
    bands = bands if len(bands) > 2 else [row for band in bands for row in _rows(band, rivers)]
    if len(bands) < 2 or _is_prose(body, rivers, size) or not _are_aligned(body, rivers, size):
        return None
    words = [word for line in (*head, *body) for _, word in line]
    xs = [min(word.left for word in words) - 1, *rivers, max(word.right for word in words) + 1]
    ys = [_top(head[0]) - 1, *(band.top for band in bands), bands[-1].bottom + 1]
    cells = [GridCell(row, column, 1, 1) for row in range(len(ys) - 1) for column in range(len(xs) - 1)]
    return RuledGrid(xs, ys, cells)


def _narrowed(white: tuple[float, float], line: Placed) -> tuple[float, float]:
    """The widest part of it that the line leaves free."""
    parts = [white]
    for _, word in line:
        both = [part for start, end in parts for part in ((start, min(end, word.left)), (max(start, word.right), end))]
        parts = [(start, end) for start, end in both if start < end]
    return max(parts, key=lambda part: part[1] - part[0], default=(0.0, 0.0))


def _bands(lines: Sequence[Placed], rules: Sequence[float], bottom: float) -> list[_Band]:
    top = _top(lines[0])
    edges = [top - 1, *(place for place in rules if top < place < bottom), bottom]
    bands = [_Band(top, end, [line for line in lines if top <= _y(line[0]) < end]) for top, end in pairwise(edges)]
    return [band for band in bands if band.lines]


def _rows(band: _Band, rivers: Sequence[float]) -> list[_Band]:
    """Of a band without rules: wide gaps part rows of several columns; else a row begins where all columns have a line, but one at
    most, and none goes on in small letters, and mostly where a cell of the row above has ended before."""
    lines = band.lines
    columns = [{_column(item, rivers) for item in line} for line in lines]
    gaps = [_top(after) - _bottom(before) for before, after in pairwise(lines)]
    wide = [0, *(index + 1 for index, gap in enumerate(gaps) if gap > min(gaps) + WIDE * lines[0][0][1].size_px)]
    is_wide = len(wide) > 1 and all(len(set().union(*columns[a:b])) > 1 for a, b in pairwise([*wide, len(lines)]))
    key = min(range(len(rivers) + 1), key=lambda column: sum(column in line for line in columns))
    full = [index for index, line in enumerate(lines) if key in columns[index] and _begins(line, rivers)]
    num_after_end = sum(len(columns[index - 1]) <= len(rivers) or index - 1 in full for index in full[1:])
    is_full = full[:1] == [0] and len(full) < len(lines) and num_after_end >= 0.5 * len(full[1:])
    starts = wide if is_wide else full if is_full else [0]
    ends = [*(_top(lines[index]) for index in starts[1:]), band.bottom]
    return [
        _Band(_top(lines[first]), end, list(lines[first:last]))
        for first, last, end in zip(starts, [*starts[1:], len(lines)], ends, strict=True)
    ]


def _begins(line: Placed, rivers: Sequence[float]) -> bool:
    first: dict[int, str] = {}
    for item in sorted(line, key=lambda item: item[1].left):
        first.setdefault(_column(item, rivers), item[1].text)
    return len(first) >= len(rivers) and not any(text[:1].islower() for text in first.values())


def _is_prose(lines: Sequence[Placed], rivers: Sequence[float], size: float) -> bool:
    """Two columns of running text side by side."""
    widths = [
        sorted(max(w.right for w in own) - min(w.left for w in own) for own in _of_column(lines, rivers, column))
        for column in range(len(rivers) + 1)
    ]
    wide = [each for each in widths if len(each) > max(PROSE, 0.8 * len(lines)) and each[len(each) // 2] > PROSE * size]
    return len(wide) > 1


def _are_aligned(lines: Sequence[Placed], rivers: Sequence[float], size: float) -> bool:
    """In each column most lines begin, end or have their middle in one place; none does where text has white by chance."""
    for column in range(len(rivers) + 1):
        sides = [(min(w.left for w in own), max(w.right for w in own)) for own in _of_column(lines, rivers, column)]
        edges = ([left for left, _ in sides], [right for _, right in sides], [(left + right) / 2 for left, right in sides])
        if len(sides) < 2 or max(_num_alike(each, 0.3 * size) for each in edges) < MIN_ALIGNED * len(sides):
            return False
    return True


def _of_column(lines: Sequence[Placed], rivers: Sequence[float], column: int) -> list[list[Word]]:
    """Its words in each line that has some."""
    return [own for line in lines if (own := [item[1] for item in line if _column(item, rivers) == column])]


def _num_alike(places: Iterable[float], near: float) -> int:
    ordered = sorted(places)
    return sum(abs(place - ordered[len(ordered) // 2]) < near for place in ordered)


def _column(item: tuple[int, Word], rivers: Sequence[float]) -> int:
    return sum(river < item[1].left for river in rivers)


def _y(item: tuple[int, Word]) -> float:
    return (item[1].top + item[1].bottom) / 2


def _top(line: Placed) -> float:
    return min(word.top for _, word in line)


def _bottom(line: Placed) -> float:
    return max(word.bottom for _, word in line)
