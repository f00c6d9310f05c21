"""Connected parts of a grid, against a flood fill."""

import numpy as np

from workers.rendering.pages.finding_regions.clusters import _Parts


def flooded(grid: np.ndarray) -> np.ndarray:
    parts = np.zeros(grid.shape, dtype=int)
    for start in zip(*np.nonzero(grid), strict=True):
        if parts[start]:
            continue
        number, waiting = parts.max() + 1, [start]
        while waiting:
            row, column = waiting.pop()
            inside = 0 <= row < grid.shape[0] and 0 <= column < grid.shape[1]
            if inside and grid[row, column] and not parts[row, column]:
                parts[row, column] = number
                waiting += [(row, column + 1), (row, column - 1), (row + 1, column), (row - 1, column)]
    return parts


def test_parts_are_those_of_a_flood_fill() -> None:
    random = np.random.default_rng(1)
    for _ in range(200):
        grid = random.random(random.integers(1, 14, size=2)) < random.random()
        expected, found = flooded(grid), _Parts(grid)
        names = {(expected[cell], found.part_at(*cell)) for cell in zip(*np.nonzero(grid), strict=True)}
        assert len(names) == expected.max() == len({part for _, part in names})
