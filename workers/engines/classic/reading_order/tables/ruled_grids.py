"""Grids of drawn rules: where rules across and rules down meet, their cells, and the spans of cells that no rule parts."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from schemas.page import Box
from workers.engines.classic.reading_order.tables.ruling import Rule, Rules

MAX_RULES = 1_200
"""Each way, the longest: rules are compared with each other."""
MAX_PLACES = 400
"""Rows or columns of one grid."""
NEAR = 0.25
"""In font sizes: a rule that ends so close to another meets it; rules so close are one."""
MIN_BORDER = 0.6
"""Share of a cell's side that must be drawn for it to be one."""


class GridCell(NamedTuple):
    row: int
    column: int
    num_rows: int
    num_columns: int


class RuledGrid(NamedTuple):
    """Places of its rules, and its cells row by row; together they cover it."""

    xs: list[float]
    ys: list[float]
    cells: list[GridCell]

    @property
    def box(self) -> Box:
        return Box(self.xs[0], self.ys[0], self.xs[-1], self.ys[-1])


def ruled_grids(rules: Rules, size: float) -> list[RuledGrid]:
    """Grids of two cells and more, from the top. `size`: the usual font size."""
    across, down = _longest(rules.across), _longest(rules.down)
    grids = [grid for group in _groups(across, down, NEAR * size) if (grid := _grid(*group, size))]
    return sorted(grids, key=lambda grid: (grid.ys[0], grid.xs[0]))


def _longest(rules: Sequence[Rule]) -> list[Rule]:
    return sorted(sorted(rules, key=lambda rule: -rule.length)[:MAX_RULES])


def _groups(across: list[Rule], down: list[Rule], near: float) -> list[tuple[list[Rule], list[Rule]]]:
    """Rules that meet, directly or through others."""
    if not across or not down:
        return []
    y, left, right = np.array(across).T[:, :, None]
    x, top, bottom = np.array(down).T[:, None, :]
    meets = (x > left - near) & (x < right + near) & (y > top - near) & (y < bottom + near)
    parents = list(range(len(across) + len(down)))

    def root(item: int) -> int:
        while parents[item] != item:
            parents[item] = item = parents[parents[item]]
        return item

    for one, other in np.argwhere(meets).tolist():
        parents[root(one)] = root(len(across) + other)
    groups: dict[int, tuple[list[Rule], list[Rule]]] = defaultdict(lambda: ([], []))
    for index, rule in enumerate([*across, *down]):
        groups[root(index)][index >= len(across)].append(rule)
    return [group for group in groups.values() if all(group)]


def _grid(across: list[Rule], down: list[Rule], size: float) -> RuledGrid | None:
    near = NEAR * size
    ys, xs = _places(across, near), _places(down, near)
    left, right = _beyond(across, len(ys), xs, size)
    top, bottom = _beyond(down, len(xs), ys, size)
    xs, ys = [*left, *xs, *right], [*top, *ys, *bottom]
    if min(len(xs), len(ys)) < 2 or max(len(xs), len(ys)) > MAX_PLACES:
        return None
    beside = _drawn(down, xs, ys, near)
    below = _drawn(across, ys, xs, near)
    beside[[0, -1]] = below[[0, -1]] = True
    cells = _cells(beside.T, below)
    return RuledGrid(xs, ys, cells) if len(cells) > 1 else None


def _places(rules: Sequence[Rule], near: float) -> list[float]:
    places: list[list[Rule]] = []
    for rule in sorted(rules):
        if places and rule.place - places[-1][0].place <= near:
            places[-1].append(rule)
        else:
            places.append([rule])
    return [max(group, key=lambda rule: rule.length).place for group in places]


def _beyond(rules: Sequence[Rule], num_places: int, others: Sequence[float], size: float) -> tuple[list[float], list[float]]:
    """Where rules go on past the outermost of those they cross, an open side: the table goes as far as most of them do."""
    starts = sorted(rule.start for rule in rules if rule.start < others[0] - size)
    ends = sorted(rule.end for rule in rules if rule.end > others[-1] + size)
    needed = max(2, 0.4 * num_places)
    return (
        [starts[len(starts) // 4]] if len(starts) >= needed else [],
        [ends[3 * len(ends) // 4]] if len(ends) >= needed else [],
    )


def _drawn(rules: Sequence[Rule], places: Sequence[float], across: Sequence[float], near: float) -> Any:
    """Whether at each place the stretch between two neighbours of `across` is drawn: len(places) x (len(across) - 1)."""
    starts, ends = np.array(across[:-1]), np.array(across[1:])
    covered = np.zeros((len(places), len(starts)))
    at = np.array(places)
    for rule in rules:
        index = int(np.abs(at - rule.place).argmin())
        if abs(places[index] - rule.place) <= near + 1:
            covered[index] += np.maximum(np.minimum(ends, rule.end) - np.maximum(starts, rule.start), 0)
    return covered >= MIN_BORDER * (ends - starts)


def _cells(beside: Any, below: Any) -> list[GridCell]:
    """`beside`: rows x (columns + 1), a rule left of each place; `below`: (rows + 1) x columns, a rule above. Places without a rule
    between them are one cell; where they make no rectangle, only those in a row."""
    num_rows, num_columns = beside.shape[0], below.shape[1]
    owner = -np.ones((num_rows, num_columns), dtype=int)
    cells: list[GridCell] = []
    for row in range(num_rows):
        for column in range(num_columns):
            if owner[row, column] >= 0:
                continue
            width = 1
            while column + width < num_columns and not beside[row, column + width] and owner[row, column + width] < 0:
                width += 1
            height = 1
            while row + height < num_rows and _goes_on(beside, below, row + height, column, width):
                height += 1
            owner[row : row + height, column : column + width] = len(cells)
            cells.append(GridCell(row, column, height, width))
    return cells


def _goes_on(beside: Any, below: Any, row: int, column: int, width: int) -> bool:
    """The row's places under a cell are open above, parted from their neighbours, and from each other by nothing."""
    is_open = not below[row, column : column + width].any()
    return is_open and bool(
        beside[row, column] and beside[row, column + width] and not beside[row, column + 1 : column + width].any()
    )
