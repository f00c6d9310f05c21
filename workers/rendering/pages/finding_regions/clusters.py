"""Clusters of marks: what is drawn together on a page, found on a grid of at most MAX_CELLS a side."""

import math
from bisect import bisect_right
from collections.abc import Sequence
from typing import Any

import numpy as np

from schemas.page import Box
from workers.rendering.pages.finding_regions.drawings import Mark, around_marks

CELL_PT = 4.0
MAX_CELLS = 1000


def clusters(marks: Sequence[Mark], page_box: Box) -> list[tuple[Box, list[Mark]]]:
    """Marks that lie together (closer than about three cells, or with overlapping boxes), and the box around them."""
    cell = max(CELL_PT, page_box.width / MAX_CELLS, page_box.height / MAX_CELLS)
    columns, rows = (math.ceil(side / cell) + 2 for side in (page_box.width, page_box.height))
    grid = np.zeros((rows, columns), dtype=bool)
    for mark in marks:
        left, top, right, bottom = _cells(mark.box, page_box, cell)
        grid[top : bottom + 1, left : right + 1] = True  # boxes with an inside too: what lies in a frame belongs to it
    grown = grid.copy()
    grown[1:] |= grid[:-1]
    grown[:-1] |= grid[1:]
    across = grown.copy()
    grown[:, 1:] |= across[:, :-1]
    grown[:, :-1] |= across[:, 1:]
    parts = _Parts(grown)
    groups: dict[int, list[Mark]] = {}
    for mark in marks:
        left, top, _, _ = _cells(mark.box, page_box, cell)
        groups.setdefault(parts.part_at(top, left), []).append(mark)
    found = [(around_marks(group), group) for group in groups.values()]
    return _merge_overlapping(found)


def _cells(box: Box, page_box: Box, cell: float) -> tuple[int, int, int, int]:
    return (
        int((box.left - page_box.left) / cell),
        int((box.top - page_box.top) / cell),
        int((box.right - page_box.left) / cell),
        int((box.bottom - page_box.top) / cell),
    )


class _Parts:
    """Connected parts (edge neighbours) of a grid of marked cells: runs of a row, joined with those they touch in the row above."""

    def __init__(self, grid: np.ndarray[Any, Any]) -> None:
        rows, columns = grid.shape
        self._stride = columns + 1
        walled = np.zeros((rows, self._stride), dtype=np.int8)  # a column of nothing ends each row's last run
        walled[:, :columns] = grid
        steps = np.diff(walled.ravel(), prepend=np.int8(0))
        self._starts: list[int] = np.flatnonzero(steps == 1).tolist()
        ends: list[int] = np.flatnonzero(steps == -1).tolist()
        self._parents = list(range(len(ends)))
        above = 0
        for index, start in enumerate(self._starts):
            while ends[above] + self._stride <= start:
                above += 1
            touching = above
            while self._starts[touching] + self._stride < ends[index]:
                self._parents[self._root(touching)] = self._root(index)
                touching += 1

    def part_at(self, row: int, column: int) -> int:
        """Of a marked cell."""
        return self._root(bisect_right(self._starts, row * self._stride + column) - 1)

    def _root(self, run: int) -> int:
        parents = self._parents
        while parents[run] != run:
            parents[run] = run = parents[parents[run]]
        return run


def _merge_overlapping(found: list[tuple[Box, list[Mark]]]) -> list[tuple[Box, list[Mark]]]:
    """Clusters whose boxes overlap are one: an axis and its corner hold the points between them."""
    done: list[tuple[Box, list[Mark]]] = []
    for box, marks in sorted(found, key=lambda cluster: -cluster[0].area)[:2000]:  # the rest are dots
        gathered = list(marks)
        while touching := [other for other in done if _overlap(box, other[0])]:
            for other in touching:
                done.remove(other)
                box, gathered = box.union(other[0]), gathered + other[1]
        done.append((box, gathered))
    return done


def _overlap(one: Box, other: Box) -> bool:
    """Also for boxes without area (rules)."""
    shared = one.intersection(other)
    return shared.width >= 0 and shared.height >= 0
