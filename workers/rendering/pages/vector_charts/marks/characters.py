"""Characters that stand for points: `+`, `o` or the number of a series, set again and again over the plot as text."""

import math
from collections import Counter
from collections.abc import Sequence

from schemas.page import Box
from workers.labels.numbers import parse_number
from workers.rendering.pages.vector_charts.axes import Axis
from workers.rendering.pages.vector_charts.found import Found, Refused
from workers.rendering.pages.vector_charts.labels import Label
from workers.rendering.pages.vector_charts.printed import NEAR_EM

MAX_CHARS = 2
NUM_POINTS = 3
"""A text that stands so often in a plot is a mark."""
AT_POINT_EM = 0.3


def refuse_characters(found: Found, y: Axis | None, plot: Box, labels: Sequence[Label], taken: Sequence[Label]) -> None:
    """Raises Refused where a series is drawn as text. Characters at the points that were read are their markers, and numbers that
    stand where the axis has them are printed values: neither hides a series."""
    own = set(taken)
    read = [point for series in found.positions for point in series]
    inside = [
        label
        for label in labels
        if len(label.text) <= MAX_CHARS
        and label not in own
        and plot.left <= label.centre[0] <= plot.right
        and plot.top <= label.centre[1] <= plot.bottom
        and not _says_its_height(label, y)
        and not any(math.dist(label.centre, point) <= AT_POINT_EM * label.size for point in read)
    ]
    for text, number in Counter(label.text for label in inside).most_common(1):
        if number >= NUM_POINTS:
            raise Refused("unknown_marks", f"{text!r} stands {number} times in the plot")


def _says_its_height(label: Label, y: Axis | None) -> bool:
    if y is None:
        return False
    number = parse_number(label.text, decimal=y.scale.decimal)
    if number is None:
        return False
    _, middle = label.centre
    ends = sorted(y.scale.value(middle + sign * NEAR_EM * label.size) for sign in (-1, 1))
    return ends[0] <= number.value <= ends[1]
