"""What is looked at to hold an answer against its picture, and what was seen."""

from collections.abc import Sequence
from itertools import combinations
from typing import NamedTuple

import numpy as np

from schemas.answers import ChartAnswer
from schemas.page import Word
from schemas.records import PointContent
from workers.charts.plot_pixels import Frame, Pixels, Plot
from workers.charts.points import ChartReader
from workers.labels.scales import Scale

DISTINCT = 50
"""Levels of 255: colours of a legend that differ by less are distinguished by other means, which are not looked for."""


class Redrawn(NamedTuple):
    num_seen: int
    """Points whose mark's place could be looked at."""
    elsewhere: tuple[int, ...]
    """point_index of those whose mark stands elsewhere."""
    has_more: bool
    """Marks stand along the axis where the answer has no row."""


class Looked(NamedTuple):
    answer: ChartAnswer
    reader: ChartReader
    points: Sequence[PointContent]
    words: Sequence[Word]
    frame: Frame
    plot: Plot
    scale: Scale

    def row(self, value: float) -> float | None:
        place = self.scale.place(value)
        return None if place is None else self.frame.row(place)


def are_distinct(colours: Sequence[Pixels]) -> bool:
    return all(np.abs(one - other).max() > DISTINCT for one, other in combinations(colours, 2))
