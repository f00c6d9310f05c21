"""The plot: the part of a chart that its axes span, and what of the drawing inside it is no data."""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from schemas.page import Box
from workers.rendering.pages.vector_charts.axes import NEAR_LABEL_EM, Axis
from workers.rendering.pages.vector_charts.labels import Label
from workers.rendering.pages.vector_charts.marks.shapes import Colour, Point, Shape, is_alike, is_neutral

SLACK_PT = 1.5
TICK_PT = 12.0
GRID_SHARE = 0.88
"""A grid line reaches across this share of the plot and more."""
GROUND_SHARE = 0.6
"""A rectangle that covers more of the plot is its ground."""


class Marks(NamedTuple):
    """What is left of the plot's shapes once its furniture is taken away."""

    rects: list[Shape]
    lines: list[Shape]
    polygons: list[Shape]
    curves: list[Shape]
    rules: list[Shape]
    grounds: list[Shape]
    """Backgrounds, the plot's own among them."""
    grid: list[Shape]

    @property
    def num(self) -> int:
        return len(self.rects) + len(self.lines) + len(self.polygons) + len(self.curves) + len(self.rules)


def find_plot(
    axes: Sequence[Axis], shapes: Sequence[Shape], tick_labels: Sequence[Label], labels: Sequence[Label], area: Box
) -> Box | None:
    """The smallest frame or ground that spans all ticks and holds none of their labels; else what grid and axis lines span."""
    spans = {"x": _span(axes, "x", tick_labels), "y": _span(axes, "y", tick_labels)}
    frames = [
        shape.box
        for shape in shapes
        if shape.kind == "rect"
        and shape.box.area > 0.08 * area.area
        and _holds_ticks(shape.box, spans)
        and not _holds_labels(shape.box, tick_labels)
    ]
    frames += [
        shape.box
        for shape in shapes
        if shape.kind == "line"
        and len(shape.points) in (3, 4)
        and shape.fill is None
        and is_neutral(shape.stroke)
        and all(x in shape.box[::2] and y in shape.box[1::2] for x, y in shape.points)
        and shape.box.area > 0.08 * area.area
        and _holds_ticks(shape.box, spans)
        and not _holds_labels(shape.box, tick_labels)
    ]  # a frame that is open at one side or two
    ruled = _by_rules(axes, shapes, spans, tick_labels)
    if frames:
        largest = max(box.area for box in frames)  # a bar may reach past all ticks, too
        frame = min((box for box in frames if box.area > 0.55 * largest), key=lambda box: box.area).intersection(area)
        return frame if ruled is None or frame.area > 0.55 * ruled.area else _with_marks(ruled, axes, shapes, tick_labels, labels)
    return ruled and _with_marks(ruled, axes, shapes, tick_labels, labels)


def _span(axes: Sequence[Axis], direction: str, labels: Sequence[Label]) -> tuple[float, float] | None:
    """Of the ticks of the axes in a direction."""
    ends = [end for axis in axes if axis.direction == direction for end in (axis.scale.first, axis.scale.last)]
    return (min(ends), max(ends)) if ends else None


def _holds_ticks(box: Box, spans: dict[str, tuple[float, float] | None]) -> bool:
    x, y = spans["x"], spans["y"]
    across = x is None or (box.left - SLACK_PT <= x[0] and x[1] <= box.right + SLACK_PT)
    down = y is None or (box.top - SLACK_PT <= y[0] and y[1] <= box.bottom + SLACK_PT)
    return across and down


def _holds_labels(box: Box, labels: Sequence[Label]) -> bool:
    return any(box.left < label.centre[0] < box.right and box.top < label.centre[1] < box.bottom for label in labels)


def _by_rules(
    axes: Sequence[Axis], shapes: Sequence[Shape], spans: dict[str, tuple[float, float] | None], labels: Sequence[Label]
) -> Box | None:
    whole: Box | None = None
    for shape in shapes:
        box = shape.box
        if shape.kind != "rule" or _holds_labels(Box(box.left - 0.5, box.top - 0.5, box.right + 0.5, box.bottom + 0.5), labels):
            continue
        direction = "y" if box.height > box.width else "x"
        span, other = spans[direction], spans["x" if direction == "y" else "y"]
        low, high = (box.top, box.bottom) if direction == "y" else (box.left, box.right)
        at = shape.centre[0 if direction == "y" else 1]
        if span is not None:
            if high - low < 0.8 * (span[1] - span[0]) or low > span[0] + SLACK_PT * 2 or high < span[1] - SLACK_PT * 2:
                continue
        elif (
            other is None
            or not any(abs(at - tick) < 1 for axis in axes if axis.direction != direction for tick in axis.positions)
            or high - low < 40
        ):
            continue
        if other is not None and not other[0] - 0.3 * (other[1] - other[0]) <= at <= other[1] + 0.3 * (other[1] - other[0]):
            continue
        whole = box if whole is None else whole.union(box)
    if whole is None:
        return None
    if min(whole.width, whole.height) < 20:
        whole = _with_bars(whole, shapes, labels)
    for direction, span in spans.items():
        if span is not None and direction == "x":
            whole = whole._replace(left=min(whole.left, span[0]), right=max(whole.right, span[1]))
        elif span is not None:
            whole = whole._replace(top=min(whole.top, span[0]), bottom=max(whole.bottom, span[1]))
    return whole if min(whole.width, whole.height) >= 20 and not _holds_labels(whole, labels) else None


def _with_bars(line: Box, shapes: Sequence[Shape], labels: Sequence[Label]) -> Box:
    """An axis line alone, and the filled rectangles beside it: they may be longer than the line."""
    whole = line
    for shape in shapes:
        box = shape.box
        if shape.kind != "rect" or shape.fill is None or _holds_labels(box, labels) or box.area <= 0:
            continue
        if line.height > line.width:
            is_beside = line.top - 0.5 * line.height <= box.top and box.bottom <= line.bottom + SLACK_PT
        else:
            is_beside = line.left - SLACK_PT <= box.left and box.right <= line.right + 0.5 * line.width
        if is_beside:
            whole = whole.union(box)
    return whole


def _with_marks(ruled: Box, axes: Sequence[Axis], shapes: Sequence[Shape], labels: Sequence[Label], texts: Sequence[Label]) -> Box:
    """A plot without a frame, and the marks that reach beyond its outer ticks, by less than from one tick to the next."""
    gaps = {axis.direction: (axis.scale.last - axis.scale.first) / (len(axis.labels) - 1) for axis in axes}
    dx, dy = gaps.get("x", 0.0), gaps.get("y", 0.0)
    widest = Box(ruled.left - dx, ruled.top - dy, ruled.right + dx, ruled.bottom + dy)
    inside = [
        shape for shape in shapes if shape.kind != "rule" and _lies_in(shape.centre, ruled) and not _holds_labels(shape.box, labels)
    ]
    looks = {(shape.kind, shape.fill, shape.stroke) for shape in inside}
    whole = ruled
    for shape in shapes:
        box = Box(*shape.centre, *shape.centre) if shape.side <= TICK_PT else shape.box
        is_near = shape.side <= TICK_PT and not _has_name(shape, texts)
        if (shape.kind, shape.fill, shape.stroke) not in looks or not (is_near or _meets(shape.box, ruled)):
            continue
        if box.intersection(shape.clip or box).intersection(widest) == box:
            whole = whole.union(box)
    return ruled if _holds_labels(whole, labels) else whole


def _has_name(shape: Shape, labels: Sequence[Label]) -> bool:
    """As a sample of a legend has, beside it."""
    left, top, right, bottom = shape.box
    return any(
        top - 0.3 * label.size <= label.middle_y <= bottom + 0.3 * label.size
        and min(abs(label.box.left - right), abs(left - label.box.right)) <= 2.4 * label.size
        for label in labels
    )


def _meets(box: Box, other: Box) -> bool:
    part = box.intersection(other)
    return part.width >= 0 and part.height >= 0


def _lies_in(point: Point, box: Box) -> bool:
    return box.left <= point[0] <= box.right and box.top <= point[1] <= box.bottom


def find_marks(
    plot: Box, axes: Sequence[Axis], shapes: Sequence[Shape], labels: Sequence[Label], left_out: Iterable[Shape]
) -> Marks:
    """The shapes in the plot that may be data, and the furniture; `left_out`: the legend's. Drawn twice is there once."""
    skipped = {id(shape) for shape in left_out}
    marks = Marks([], [], [], [], [], [], [])
    wide = Box(plot.left - SLACK_PT, plot.top - SLACK_PT, plot.right + SLACK_PT, plot.bottom + SLACK_PT)
    for shape in shapes:
        if id(shape) in skipped or not _is_visible(shape, wide) or _is_halo(shape, labels):
            continue
        if shape.kind == "rect" and _is_ground(shape, plot, labels):
            marks.grounds.append(shape)
        elif shape.kind == "rule" or (shape.kind == "rect" and min(shape.box.width, shape.box.height) < 0.9 and shape.side > 8):
            (marks.grid if _is_furniture(shape, plot, axes) else marks.rules).append(shape)
        else:
            {"rect": marks.rects, "line": marks.lines, "polygon": marks.polygons, "curve": marks.curves}[shape.kind].append(shape)
    frames = [line for line in marks.lines if _is_along_edges(line, plot)]
    marks.grid.extend(frames)
    marks.lines[:] = [line for line in marks.lines if not any(line is each for each in frames)]
    counts = Counter(map(_look, marks.grid))
    looks = {_look(shape) for shape in marks.grid if is_neutral(shape.colour)}
    looks_across = {look for look, count in counts.items() if count >= 3}
    cut = _ticks(marks.rules, axes) + [
        rule
        for rule in marks.rules
        if (_look(rule) in looks and _touches(rule, plot)) or (_look(rule) in looks_across and _is_across(rule, plot))
    ]
    marks.grid.extend(cut)  # grid lines that end at the legend, and coloured ones between the ticks
    marks.rules[:] = [rule for rule in marks.rules if not any(rule is each for each in cut)]
    return marks


def _ticks(rules: Sequence[Shape], axes: Sequence[Axis]) -> list[Shape]:
    """Short rules between an axis and its labels, at a label or in line with one that is."""
    found: list[Shape] = []
    for axis in axes:
        place = 0 if axis.direction == "x" else 1
        reach = NEAR_LABEL_EM * axis.labels[0].size
        rows: dict[tuple[Colour | None, int, int], list[Shape]] = {}
        for rule in rules:
            start, end = rule.box[1 - place], rule.box[3 - place]
            is_short = rule.box[2 + place] - rule.box[place] < end - start <= TICK_PT
            if is_short and is_neutral(rule.colour) and min(abs(axis.near - start), abs(axis.near - end)) <= reach:
                rows.setdefault((rule.colour, round(2 * start), round(2 * end)), []).append(rule)
        for row in rows.values():
            if any(abs(rule.centre[place] - tick) <= 1 for rule in row for tick in axis.positions):
                found += row
    return found


def _look(shape: Shape) -> tuple[Colour | None, str, int]:
    return shape.colour, shape.dashes, round(4 * shape.width)


def _is_across(rule: Shape, plot: Box) -> bool:
    return rule.box.width >= GRID_SHARE * plot.width or rule.box.height >= GRID_SHARE * plot.height


def _is_along_edges(line: Shape, plot: Box) -> bool:
    """An open frame: axis lines drawn as one."""
    return (
        len(line.points) <= 4
        and line.fill is None
        and is_neutral(line.stroke)
        and all(
            min(abs(x - plot.left), abs(x - plot.right)) <= SLACK_PT and min(abs(y - plot.top), abs(y - plot.bottom)) <= SLACK_PT
            for x, y in line.points
        )
    )


def _touches(rule: Shape, plot: Box) -> bool:
    box = rule.box
    if box.width >= box.height:
        return min(abs(box.left - plot.left), abs(box.right - plot.right)) <= SLACK_PT
    return min(abs(box.top - plot.top), abs(box.bottom - plot.bottom)) <= SLACK_PT


def _is_visible(shape: Shape, plot: Box) -> bool:
    """Some of it lies in the plot, and inside its clip."""
    part = shape.box.intersection(plot)
    if part.width < 0 or part.height < 0:
        return False
    if shape.clip is not None:
        seen = part.intersection(shape.clip)
        if seen.width < -0.5 or seen.height < -0.5:
            return False
    x, y = shape.centre
    is_inside = plot.left <= x <= plot.right and plot.top <= y <= plot.bottom
    return is_inside or part.area > 0.5 * shape.box.area or shape.side > 0.25 * max(plot.width, plot.height)


def _is_halo(shape: Shape, labels: Sequence[Label]) -> bool:
    """White around letters, drawn as their outlines."""
    if shape.fill is not None or shape.stroke is None or min(shape.stroke) < 240:
        return False
    box, places = shape.box, [label.box for label in labels if label.size > shape.side / 2]
    return any(
        place.left - 1 <= box.left and box.right <= place.right + 1 and place.top <= box.top and box.bottom <= place.bottom
        for place in places
    )


def _is_ground(shape: Shape, plot: Box, labels: Sequence[Label]) -> bool:
    """Background, frame, or the plain box under a piece of text."""
    part = shape.box.intersection(plot)
    if part.area >= GROUND_SHARE * plot.area:
        return True
    if (
        part.width >= 0.97 * plot.width
        and shape.fill is not None
        and is_neutral(shape.fill)
        and min(shape.fill) > 200
        and part.height > 0.03 * plot.height
    ):
        return True  # bands
    if shape.fill is not None and min(shape.fill) > 240 and (shape.stroke is None or is_alike(shape.stroke, shape.fill)):
        return any(
            shape.box.left <= label.centre[0] <= shape.box.right
            and shape.box.top <= label.centre[1] <= shape.box.bottom
            and shape.box.height < 2.6 * label.size
            for label in labels
        )
    return False


def _is_furniture(shape: Shape, plot: Box, axes: Sequence[Axis]) -> bool:
    """Grid lines, axis lines, ticks. A coloured line across the plot that stands at no tick is none of these: it says something."""
    box = shape.box
    is_level = box.width >= box.height
    length, whole = (box.width, plot.width) if is_level else (box.height, plot.height)
    at = shape.centre[1 if is_level else 0]
    edges = (plot.top, plot.bottom) if is_level else (plot.left, plot.right)
    ticks = [tick for axis in axes if (axis.direction == "y") == is_level for tick in axis.positions]
    is_at_edge = any(abs(at - edge) <= SLACK_PT for edge in edges)
    if length >= GRID_SHARE * whole:
        return is_at_edge or is_neutral(shape.colour) or any(abs(at - tick) <= 1 for tick in ticks)
    ends = (box.left, box.right) if is_level else (box.top, box.bottom)
    others = (plot.left, plot.right) if is_level else (plot.top, plot.bottom)
    touches = any(abs(end - other) <= SLACK_PT for end in ends for other in others)
    if length <= TICK_PT and (touches or is_at_edge) and is_neutral(shape.colour):
        return True
    return is_at_edge and is_neutral(shape.colour)  # an axis line that stops at its outer ticks
