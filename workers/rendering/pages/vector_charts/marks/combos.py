"""Bars and lines over the same categories, on one axis."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import pairwise

from schemas.page import Box
from workers.rendering.pages.vector_charts.axes import Axis, Direction
from workers.rendering.pages.vector_charts.found import Found, Refused, Value
from workers.rendering.pages.vector_charts.labels import Label
from workers.rendering.pages.vector_charts.legend import Entry
from workers.rendering.pages.vector_charts.marks.bars import read_bars
from workers.rendering.pages.vector_charts.marks.lines import Series, line_names, read_series
from workers.rendering.pages.vector_charts.plot import Marks

MIN_POINTS = 3
"""A line of two points over the bars is a limit or a trend."""
OFF_MIDDLE = 0.06
"""Of the distance between two bars: so far a corner may lie from their middle."""


def read_combo(
    marks: Marks,
    bars: Marks,
    plot: Box,
    axes: Mapping[Direction, Axis | None],
    labels: Sequence[Label],
    entries: Sequence[Entry],
    taken: Sequence[Label],
) -> Found:
    """`bars`: the marks that are bars, `marks`: the others. Every series has to have a name. Raises Refused."""
    series = read_series(marks, plot, entries)
    if not series or any(len(one.points) < MIN_POINTS for one in series):
        raise Refused("mixed_marks", "something over the bars that is no line of values")
    found = read_bars(bars, plot, axes, labels, entries, taken)
    axis = axes["y"]
    if axis is None or "horizontal" in (found.subtype or "") or len(found.x_places) < MIN_POINTS:
        raise Refused("mixed_marks", "a line beside lying bars")
    values = [_values(one, found.x_places, axis, plot) for one in series]
    names = [*found.series, *line_names(series, entries, labels, taken)]
    if not all(names) or len(set(names)) < len(names):
        raise Refused("unnamed_series", f"{len(names)} series, {sum(map(bool, names))} named")
    return replace(
        found,
        kind="combo",
        series=names,
        values=[*found.values, *values],
        positions=[*found.positions, *(one.points for one in series)],
    )


def _values(series: Series, places: Sequence[float], axis: Axis, plot: Box) -> list[Value]:
    pitch = min(after - before for before, after in pairwise(places))
    if len(series.points) != len(places):
        raise Refused("mixed_marks", f"{len(series.points)} corners over {len(places)} categories")
    values = []
    for (x, y), place in zip(series.points, places, strict=True):
        if abs(x - place) > OFF_MIDDLE * pitch + 0.6:
            raise Refused("mixed_marks", "a line whose corners are not at the bars")
        if not plot.top - 2 <= y <= plot.bottom + 2:
            raise Refused("beyond_plot", "a line leaves the plot")
        values.append(Value(number=axis.scale.value(y)))
    return values
