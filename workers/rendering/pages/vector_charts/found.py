"""What reading the marks of a plot comes to, before it is written as an answer; and why a chart is not read."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, get_args

from schemas.answers import ChartKind

Reason = Literal[
    "no_axes", "no_plot", "second_axis", "several_panels", "unknown_marks", "unexplained_ink", "unnamed_series", "same_look",
    "floating_bars", "overlapping_marks", "categories_unclear", "labels_disagree", "beyond_plot", "step_line", "smooth_line",
    "mixed_marks", "sizes_differ", "not_whole", "too_much", "no_marks", "odd_drawing",
]  # fmt: skip
"""Why a chart is left to a model."""
REASONS: dict[Reason, str] = {
    "no_axes": "no row or column of labels lies on a scale",
    "no_plot": "no frame, grid or axis line shows where the plot is",
    "second_axis": "a second scale stands on the other side",
    "several_panels": "more than one plot shares the region",
    "unknown_marks": "something is drawn in the plot that no series explains: error bars, box plots, arrows, characters as points",
    "unexplained_ink": "pixels in the plot that no path explains: patterns, gradients, pictures",
    "unnamed_series": "a series has neither a legend entry nor a label of its own",
    "same_look": "two series look the same",
    "floating_bars": "bars that stand on no base line: waterfalls, ranges, box plots",
    "overlapping_marks": "bars or areas that hide one another",
    "categories_unclear": "labels and marks do not pair off along the axis",
    "labels_disagree": "values printed at the marks are not those that the axis gives",
    "beyond_plot": "a mark is cut off at the edge of the plot",
    "step_line": "a line of steps, whose corners are no points",
    "smooth_line": "a curved line without markers",
    "mixed_marks": "a line over bars that has no corner at each of them; areas and points in one plot",
    "sizes_differ": "markers of several sizes, which may stand for a third value",
    "not_whole": "sectors that make no full circle",
    "too_much": "more is drawn than a chart has",
    "no_marks": "nothing is drawn in the plot",
    "odd_drawing": "figures in the drawing that are none",
}
assert set(REASONS) == set(get_args(Reason))


class Refused(Exception):
    """The chart is not read. The reason is one of a closed list."""

    def __init__(self, reason: Reason, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.reason: Reason = reason
        self.detail = detail


@dataclass(frozen=True, kw_only=True)
class Value:
    """One value of one series, with the text that is printed for it, if any."""

    number: float
    printed: str | None = None


@dataclass(frozen=True, kw_only=True)
class Found:
    """A chart's data as read from its marks."""

    kind: ChartKind
    subtype: str | None = None
    series: Sequence[str | None]
    """None: the only series, without a name."""
    x_texts: Sequence[str] = ()
    values: Sequence[Sequence[Value | None]] = ()
    """One list per series, in the order of `x_texts`."""
    points: Sequence[Sequence[tuple[str, float]]] = ()
    """Scatter: x as text and y, per series."""
    x_places: Sequence[float] = ()
    """Of bars: the middle of each category along its axis, points."""
    x_kind: Literal["category", "time", "number"] | None = None
    x_log: bool = False
    is_percent: bool = False
    """The values are shares of a whole, in percent."""
    positions: Sequence[Sequence[tuple[float, float]]] = field(default=())
    """Where each value's mark is on the page, per series, for drawing it again."""
