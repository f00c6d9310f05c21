"""Lines with and without markers, and points without lines."""

import statistics
from collections import defaultdict
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Literal, NamedTuple

from schemas.page import Box
from workers.rendering.pages.vector_charts.axes import Axis, Direction
from workers.rendering.pages.vector_charts.categories import named_places
from workers.rendering.pages.vector_charts.found import Found, Refused, Value
from workers.rendering.pages.vector_charts.labels import Label
from workers.rendering.pages.vector_charts.legend import Entry, Style, name_of
from workers.rendering.pages.vector_charts.marks.broken_lines import mended
from workers.rendering.pages.vector_charts.marks.markers import Marker, split_markers
from workers.rendering.pages.vector_charts.marks.shapes import Colour, Point, Shape, is_alike
from workers.rendering.pages.vector_charts.plot import Marks
from workers.rendering.pages.vector_charts.x_texts import log_text, number_text, scale_texts

MAX_POINTS = 6_000
SAME_X_PT = 0.6
ON_LINE_PT = 1.6
MAX_SERIES = 60


class Series(NamedTuple):
    """A line: its look, and its points from left to right."""

    style: Style
    points: list[Point]


def read_lines(
    marks: Marks,
    plot: Box,
    axes: Mapping[Direction, Axis | None],
    labels: Sequence[Label],
    entries: Sequence[Entry],
    taken: Sequence[Label],
) -> Found:
    """Raises Refused."""
    axis = axes["y"]
    if axis is None or axis.scale.kind == "time":
        raise Refused("no_axes", "no scale of values")
    series, groups = _read_parts(marks, plot, entries)
    if not series:
        return _scatter(groups, axes, axis, entries)
    names = line_names(series, entries, labels, taken)
    xs = _shared_xs(series)
    texts, x_kind = _x_texts(xs, axes["x"], labels, plot)
    values = [[_at(one.points, x, axis, plot) for x in xs] for one in series]
    x_axis = axes["x"]
    return Found(
        kind="line",
        series=names,
        x_texts=texts,
        values=values,
        x_kind=x_kind,
        x_log=x_kind == "number" and x_axis is not None and x_axis.scale.kind == "log",
        positions=[one.points for one in series],
    )


def read_series(marks: Marks, plot: Box, entries: Sequence[Entry]) -> list[Series]:
    """The lines alone; none where there are points without lines. Raises Refused."""
    return _read_parts(marks, plot, entries)[0]


def _read_parts(
    marks: Marks, plot: Box, entries: Sequence[Entry]
) -> tuple[list[Series], Mapping[tuple[Colour | None, str], list[Marker]]]:
    """Lines with their markers; markers without a line only where there are no lines."""
    markers, rest = split_markers([*marks.rects, *marks.polygons, *marks.curves, *marks.lines, *marks.rules])
    markers = [marker for marker in markers if _is_in(marker.centre, plot)]
    pieces = [shape for shape in rest if _is_piece(shape)]
    if unknown := [shape for shape in rest if not _is_piece(shape)]:
        raise Refused("unknown_marks", f"{len(unknown)} {unknown[0].kind}")
    if len(markers) + sum(len(piece.points) for piece in pieces) > MAX_POINTS:
        raise Refused("too_much", "points")
    lines = _lines(pieces, entries, markers)
    groups = _groups(markers)
    if not lines:
        return [], groups
    series = [_with_markers(line, groups) for line in lines]
    if any(groups.values()):
        raise Refused("mixed_marks", f"{sum(map(len, groups.values()))} markers on no line")
    return series, groups


def _is_piece(shape: Shape) -> bool:
    """Of a line."""
    return shape.kind in ("line", "rule", "curve") and shape.fill is None


def _is_in(point: Point, plot: Box) -> bool:
    return plot.left - 2 <= point[0] <= plot.right + 2 and plot.top - 2 <= point[1] <= plot.bottom + 2


def _lines(pieces: Sequence[Shape], entries: Sequence[Entry], markers: Sequence[Marker]) -> list[Series]:
    """Polylines by look, pieces joined where one ends and the next begins; in order of x."""
    by_style: dict[tuple[Colour | None, str, int], list[Shape]] = defaultdict(list)
    for piece in pieces:
        by_style[piece.stroke, piece.dashes, round(2 * piece.width)].append(piece)
    lines: list[Series] = []
    for (colour, dashes, _), group in by_style.items():
        style = Style(colour, dashes)
        if all(shape.kind == "rule" for shape in group) and name_of(style, entries) is None:
            raise Refused("unknown_marks", f"{len(group)} strokes")
        chains: list[list[Point]] = []
        for shape in group:
            points = list(shape.points)
            if shape.kind == "curve":
                style = style._replace(marker="smooth")
            if points[0][0] > points[-1][0]:
                points.reverse()
            joined = next((chain for chain in chains if _meets(chain[-1], points[0])), None)
            before = next((chain for chain in chains if _meets(points[-1], chain[0])), None)
            if joined is not None:
                joined.extend(points[1:])
            elif before is not None:
                before[:0] = points[:-1]
            else:
                chains.append(points)
        lines.append(Series(style, _one_after_the_other(mended(chains, markers))))
    if len(lines) > MAX_SERIES:
        raise Refused("too_much", f"{len(lines)} lines")
    return lines


def _meets(one: Point, other: Point) -> bool:
    return abs(one[0] - other[0]) < 0.3 and abs(one[1] - other[1]) < 0.3


def _one_after_the_other(chains: list[list[Point]]) -> list[Point]:
    """A line with gaps. Two of one look over the same x are two series that cannot be distinguished."""
    whole: list[Point] = []
    for chain in sorted(chains, key=lambda chain: chain[0][0]):
        if whole and chain[0][0] < whole[-1][0] - SAME_X_PT:
            raise Refused("same_look", "two lines")
        whole += chain
    if any(after[0] < before[0] - 0.2 for before, after in pairwise(whole)):
        raise Refused("unknown_marks", "a line that goes back")
    level = sum(abs(a[1] - b[1]) < 0.02 for a, b in pairwise(whole))
    upright = sum(abs(a[0] - b[0]) < 0.02 for a, b in pairwise(whole))
    if upright:
        raise Refused("step_line" if level else "unknown_marks", "upright parts")
    return whole


def _groups(markers: Sequence[Marker]) -> dict[tuple[Colour | None, str], list[Marker]]:
    groups: dict[tuple[Colour | None, str], list[Marker]] = defaultdict(list)
    for marker in markers:
        same = next(
            (key for key in groups if key[1] == marker.form and is_alike(key[0], marker.colour)), (marker.colour, marker.form)
        )
        groups[same].append(marker)
    return groups


def _with_markers(line: Series, groups: dict[tuple[Colour | None, str], list[Marker]]) -> Series:
    """The line's corners, and its markers where a corner was left out for lying on a straight part. Takes the markers it has."""
    best: tuple[Colour | None, str] | None = None
    for key, group in groups.items():
        on_line = sum(_distance_to(line.points, marker.centre) <= ON_LINE_PT for marker in group)
        if group and on_line == len(group) and (best is None or is_alike(key[0], line.style.colour)):
            best = key
    if best is None:
        if line.style.marker == "smooth":
            raise Refused("smooth_line")
        return line
    group = groups[best]  # of the line's colour, or of another if no such group lies on it: white with an outline for one
    groups[best] = []
    if line.style.marker == "smooth":
        return line._replace(points=sorted(marker.centre for marker in group))
    points = list(line.points)
    for marker in group:
        if not any(abs(point[0] - marker.centre[0]) <= SAME_X_PT + 0.4 for point in points):
            points.append((marker.centre[0], _y_at(line.points, marker.centre[0])))
    return line._replace(points=sorted(points))


def _distance_to(points: Sequence[Point], place: Point) -> float:
    """Upright distance of a place from the line, far beyond its ends."""
    x, y = place
    if not points[0][0] - 1.5 <= x <= points[-1][0] + 1.5:
        return 1e9
    near = [abs(point[1] - y) for point in points if abs(point[0] - x) <= 1]
    return min([*near, abs(_y_at(points, x) - y)])


def _y_at(points: Sequence[Point], x: float) -> float:
    """On the line, between its corners."""
    for (x0, y0), (x1, y1) in pairwise(points):
        if x0 - 1e-6 <= x <= x1 + 1e-6:
            return y0 if x1 - x0 < 1e-9 else y0 + (y1 - y0) * (x - x0) / (x1 - x0)
    return points[0][1] if x < points[0][0] else points[-1][1]


def line_names(
    series: Sequence[Series], entries: Sequence[Entry], labels: Sequence[Label], taken: Sequence[Label]
) -> list[str | None]:
    """From the legend, else from the text at each line's end. One line needs none."""
    named = [name_of(one.style._replace(marker=""), entries) for one in series]
    if all(named) and len(set(named)) == len(named):
        return named
    if len(series) == 1:
        return [named[0]]
    direct = _direct_names(series, labels, taken)
    if direct is None:
        raise Refused("unnamed_series", f"{len(series)} lines, {sum(name is not None for name in named)} named")
    return list(direct)


def _direct_names(series: Sequence[Series], labels: Sequence[Label], taken: Sequence[Label]) -> list[str] | None:
    """A text for each line at its right end, by height or by colour; each text once."""
    used = set(taken)
    names: list[Label] = []
    for one in series:
        x, y = one.points[-1]
        near = [
            label
            for label in labels
            if label not in used and label.is_level and -0.6 * label.size <= label.box.left - x <= 3 * label.size
        ]
        coloured = [label for label in near if is_alike(label.colour, one.style.colour, 40)]
        if len(coloured) == 1:
            names.append(coloured[0])
            continue
        level = [label for label in near if abs(label.middle_y - y) <= 0.75 * label.size]
        if len(level) != 1:
            return None
        names.append(level[0])
    texts = [label.text for label in names]
    return texts if len(set(texts)) == len(texts) and not all(text.replace(".", "").isdigit() for text in texts) else None


def _shared_xs(series: Sequence[Series]) -> list[float]:
    """All places along x where any line has a corner; those closer than a drawing can distinguish are one."""
    every = sorted(point[0] for one in series for point in one.points)
    xs: list[list[float]] = []
    for x in every:
        if xs and x - xs[-1][0] <= SAME_X_PT:
            xs[-1].append(x)
        else:
            xs.append([x])
    return _completed([statistics.mean(group) for group in xs])


def _completed(xs: list[float]) -> list[float]:
    """With places that fall out of an even row: corners on straight parts are left out by some producers."""
    if len(xs) < 5:
        return xs
    gaps = [after - before for before, after in pairwise(xs)]
    step = statistics.median(gaps)
    if step < 2 or not all(abs(gap / step - round(gap / step)) <= 0.04 and 1 <= round(gap / step) <= 3 for gap in gaps):
        return xs
    whole: list[float] = [xs[0]]
    for x, gap in zip(xs[1:], gaps, strict=True):
        parts = round(gap / step)
        whole += [x - gap * (parts - part) / parts for part in range(1, parts)]
        whole.append(x)
    return whole if len(whole) <= 1.25 * len(xs) else xs


def _at(points: Sequence[Point], x: float, axis: Axis, plot: Box) -> Value | None:
    if not points[0][0] - SAME_X_PT <= x <= points[-1][0] + SAME_X_PT:
        return None
    near = [point[1] for point in points if abs(point[0] - x) <= SAME_X_PT]
    y = near[0] if len(near) == 1 else statistics.mean(near) if near else _y_at(points, x)
    if near and max(near) - min(near) > 1.5:
        raise Refused("step_line", "two heights at one place")
    if not plot.top - 2 <= y <= plot.bottom + 2:
        raise Refused("beyond_plot", "a line leaves the plot")
    return Value(number=axis.scale.value(y))


def _x_texts(
    xs: Sequence[float], axis: Axis | None, labels: Sequence[Label], plot: Box
) -> tuple[list[str], Literal["category", "time", "number"]]:
    """By the scale of the axis, else by the label that stands under each place."""
    if axis is not None:
        return scale_texts(axis.scale, xs)
    return named_places(xs, labels, plot), "category"


def _scatter(
    groups: Mapping[tuple[Colour | None, str], list[Marker]],
    axes: Mapping[Direction, Axis | None],
    axis: Axis,
    entries: Sequence[Entry],
) -> Found:
    x_axis = axes["x"]
    if x_axis is None:
        raise Refused("no_axes", "points without a scale along x")
    if not groups:
        raise Refused("no_marks")
    names: list[str | None] = []
    points: list[list[tuple[str, float]]] = []
    for (colour, _), group in groups.items():
        sides = [marker.side for marker in group]
        if max(sides) > 1.15 * min(sides) + 0.4:
            raise Refused("sizes_differ")
        names.append(name_of(Style(colour), entries))
        texts, _ = _scatter_texts(x_axis, [marker.centre[0] for marker in group])
        points.append([(text, axis.scale.value(marker.centre[1])) for text, marker in zip(texts, group, strict=True)])
    if len(groups) > 1 and (not all(names) or len(set(names)) < len(names)):
        raise Refused("unnamed_series", f"{len(groups)} looks of points")
    return Found(
        kind="scatter",
        series=names,
        points=points,
        x_kind="time" if x_axis.scale.kind == "time" else "number",
        x_log=x_axis.scale.kind == "log",
        positions=[[marker.centre for marker in group] for group in groups.values()],
    )


def _scatter_texts(axis: Axis, positions: Sequence[float]) -> tuple[list[str], str]:
    scale = axis.scale
    if scale.kind == "time":
        return scale_texts(scale, positions)
    if scale.kind == "log":
        return [log_text(scale.value(position), scale.decimal) for position in positions], "number"
    return [number_text(scale.value(position), scale.span, scale.decimal) for position in positions], "number"
