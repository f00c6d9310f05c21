"""Areas: one over the base line, or several on one another."""

import math
import statistics
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple

from schemas.page import Box
from workers.rendering.pages.vector_charts.axes import Axis, Direction
from workers.rendering.pages.vector_charts.categories import named_places
from workers.rendering.pages.vector_charts.found import Found, Refused, Value
from workers.rendering.pages.vector_charts.labels import Label
from workers.rendering.pages.vector_charts.legend import Entry, Style, name_of
from workers.rendering.pages.vector_charts.marks.shapes import Point, Shape, is_alike
from workers.rendering.pages.vector_charts.plot import Marks
from workers.rendering.pages.vector_charts.x_texts import scale_texts

SAME_PT = 0.8
TOUCH_PT = 1.6
STEP_PT = 0.02
"""An edge that rises without going on is a step."""


class _Area(NamedTuple):
    style: Style
    upper: list[Point]
    lower: list[Point]


def read_areas(
    marks: Marks,
    plot: Box,
    axes: Mapping[Direction, Axis | None],
    labels: Sequence[Label],
    entries: Sequence[Entry],
) -> Found:
    """Raises Refused."""
    axis = axes["y"]
    if axis is None or axis.scale.kind != "linear":
        raise Refused("no_axes", "no even scale of values")
    zero = axis.scale.position(0.0)
    if zero is None or not plot.top - SAME_PT <= zero <= plot.bottom + SAME_PT:
        raise Refused("floating_bars", "areas over an axis without zero")
    filled = [polygon for polygon in marks.polygons if polygon.fill is not None]
    outlines = [polygon for polygon in marks.polygons if polygon.fill is None and not _is_outline(polygon, filled)]
    areas = [_area(polygon) for polygon in [*filled, *outlines]]
    if len({area.style for area in areas}) < len(areas):
        raise Refused("same_look", "two areas")
    for line in [*marks.lines, *marks.rules]:
        if not any(_runs_along(line, area) for area in areas):
            raise Refused("mixed_marks", "a line beside areas")
    if marks.rects or marks.curves:
        raise Refused("mixed_marks", "shapes beside areas")
    ordered, is_stacked = _ordered(areas, zero)
    names = [name_of(area.style, entries) for area in ordered]
    if len(ordered) > 1 and (not all(names) or len(set(names)) < len(names)):
        raise Refused("unnamed_series", f"{len(ordered)} areas")
    xs = _xs(ordered)
    if axes["x"] is not None:
        texts, kind = scale_texts(axes["x"].scale, xs)
    else:
        texts, kind = named_places(xs, labels, plot), "category"  # type: ignore[assignment]
    values = [[_height(area, x, axis) for x in xs] for area in ordered]
    return Found(
        kind="area",
        subtype="stacked" if is_stacked else None,
        series=names,
        x_texts=texts,
        values=values,
        x_kind=kind,
        positions=[area.upper for area in ordered],
    )


def _is_outline(polygon: Shape, filled: Sequence[Shape]) -> bool:
    """Of an area, drawn once more."""
    return any(
        len(polygon.points) == len(other.points)
        and all(math.dist(*pair) < 0.1 for pair in zip(polygon.points, other.points, strict=True))
        for other in filled
    )


def _area(polygon: Shape) -> _Area:
    """Its upper and its lower edge, each from left to right. Raises Refused where an edge goes back."""
    points = list(polygon.points)
    left = min(point[0] for point in points)
    right = max(point[0] for point in points)
    start = min((index for index, point in enumerate(points) if point[0] - left < SAME_PT), key=lambda index: points[index][1])
    turned = [*points[start:], *points[:start]]
    ends = [index for index, point in enumerate(turned) if right - point[0] < SAME_PT]
    first, last = min(ends), max(ends)
    one, other = turned[: first + 1], [*turned[last:], turned[0]]
    if turned[first : last + 1] and any(right - point[0] >= SAME_PT for point in turned[first : last + 1]):
        raise Refused("unknown_marks", "a polygon of another form")
    inner = [[point for point in edge if left + SAME_PT <= point[0] <= right - SAME_PT] for edge in (one, other[::-1])]
    upper, lower = sorted(inner, key=_mean_y)
    (top_left, bottom_left), (top_right, bottom_right) = _ends(points, left), _ends(points, right)
    upper = [(left, top_left), *upper, (right, top_right)]
    lower = [(left, bottom_left), *lower, (right, bottom_right)]
    upper, lower = _monotone(upper), _monotone(lower)
    if sum(b[0] - a[0] < STEP_PT < abs(b[1] - a[1]) for a, b in pairwise(upper)) > 1:
        raise Refused("step_line", "upright parts of an area")
    style = Style(polygon.fill if polygon.fill is not None else polygon.stroke)
    return _Area(style, upper, lower)


def _ends(points: Sequence[Point], x: float) -> tuple[float, float]:
    """Top and bottom of the area at one of its ends. Some producers close each area of a stack at the base: a third height."""
    ys: list[float] = []
    for y in sorted(point[1] for point in points if abs(point[0] - x) < SAME_PT):
        if not ys or y - ys[-1] > TOUCH_PT:
            ys.append(y)
    return ys[0], ys[1] if len(ys) > 2 else ys[-1]


def _mean_y(points: Sequence[Point]) -> float:
    return statistics.mean(point[1] for point in points) if points else math.inf


def _monotone(points: Sequence[Point]) -> list[Point]:
    if len(points) < 2 or any(after[0] < before[0] - 0.3 for before, after in pairwise(points)):
        raise Refused("unknown_marks", "an edge that goes back")
    return list(points)


def _runs_along(line: Shape, area: _Area) -> bool:
    """The outline of an area, or its upper edge drawn once more."""
    edges = (area.upper, area.lower)
    return all(
        any(abs(_y(edge, point[0]) - point[1]) <= TOUCH_PT for edge in edges)
        or abs(point[0] - area.upper[0][0]) <= 1
        or abs(point[0] - area.upper[-1][0]) <= 1
        for point in line.points
    )


def _ordered(areas: Sequence[_Area], zero: float) -> tuple[list[_Area], bool]:
    """From the base up: each stands on the base line or on the one before. Areas that all stand on the base may hide each other."""
    on_base = [area for area in areas if all(abs(point[1] - zero) <= TOUCH_PT for point in area.lower)]
    if len(areas) == 1 and on_base:
        return list(areas), False
    if len(on_base) != 1:
        raise Refused("overlapping_marks" if len(on_base) > 1 else "floating_bars", "areas")
    ordered = [on_base[0]]
    left = [area for area in areas if area is not on_base[0]]
    while left:
        under = ordered[-1]
        above = [area for area in left if all(abs(_y(under.upper, point[0]) - point[1]) <= TOUCH_PT for point in area.lower)]
        if len(above) != 1:
            raise Refused("floating_bars", "an area that stands on no other")
        ordered.append(above[0])
        left.remove(above[0])
    return ordered, True


def _xs(areas: Sequence[_Area]) -> list[float]:
    """ggplot2 has a corner a little before and behind each, by a thousandth of the width: the middle one counts."""
    groups: list[list[float]] = []
    every = sorted(point[0] for area in areas for point in area.upper)
    near = max(SAME_PT, 0.0024 * (every[-1] - every[0]))
    for x in every:
        if groups and x - groups[-1][0] <= near:
            groups[-1].append(x)
        else:
            groups.append([x])
    return [statistics.median(group) for group in groups]


def _y(points: Sequence[Point], x: float) -> float:
    for (x0, y0), (x1, y1) in pairwise(points):
        if x0 - SAME_PT <= x <= x1 + SAME_PT:
            return y0 if x1 - x0 < 1e-9 else y0 + (y1 - y0) * min(max((x - x0) / (x1 - x0), 0.0), 1.0)
    return points[0][1] if x < points[0][0] else points[-1][1]


def _height(area: _Area, x: float, axis: Axis) -> Value | None:
    if not area.upper[0][0] - SAME_PT <= x <= area.upper[-1][0] + SAME_PT:
        return None
    return Value(number=axis.scale.slope * axis.scale.multiplier * (_y(area.upper, x) - _y(area.lower, x)))


def is_area(polygon: Shape, plot: Box) -> bool:
    """Wide, filled, and of more than four corners: markers are small, and bars have four."""
    return (
        polygon.fill is not None
        and polygon.box.width >= 0.3 * plot.width
        and len(polygon.points) >= 4
        and not is_alike(polygon.fill, None)
    )
