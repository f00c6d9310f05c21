"""Reads one chart from its shapes and labels, or says why not. Plain geometry: no PDF is known here.

In order it finds the axes by their tick labels, the plot they span, the legend, the marks in the plot, and the kind of the marks.
At last it checks that all that is drawn in the plot has been explained. Each step may refuse; none guesses.
"""

import math
import re
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from schemas.answers import ChartAnswer
from schemas.page import Box
from workers.labels.powers import axis_multiplier
from workers.rendering.pages.vector_charts.answer import chart_answer
from workers.rendering.pages.vector_charts.axes import Axis, Direction, find_axes
from workers.rendering.pages.vector_charts.categories import category_rows
from workers.rendering.pages.vector_charts.found import Found, Reason, Refused
from workers.rendering.pages.vector_charts.glued_ticks import parted
from workers.rendering.pages.vector_charts.labels import Label
from workers.rendering.pages.vector_charts.legend import Entry, find_legend, legend_shapes
from workers.rendering.pages.vector_charts.marks.areas import is_area, read_areas
from workers.rendering.pages.vector_charts.marks.bars import read_bars
from workers.rendering.pages.vector_charts.marks.characters import refuse_characters
from workers.rendering.pages.vector_charts.marks.combos import read_combo
from workers.rendering.pages.vector_charts.marks.lines import read_lines
from workers.rendering.pages.vector_charts.marks.markers import MAX_SIDE_PT
from workers.rendering.pages.vector_charts.marks.pies import Circle, read_pie, sectors_of
from workers.rendering.pages.vector_charts.marks.shapes import Shape, axis_parts, is_alike, is_neutral
from workers.rendering.pages.vector_charts.plot import Marks, find_marks, find_plot
from workers.rendering.pages.vector_charts.scales import offset_added

Axes = dict[Direction, Axis | None]


class Drawing(NamedTuple):
    """A region of a page."""

    area: Box
    shapes: Sequence[Shape]
    """In drawing order."""
    labels: Sequence[Label]
    num_lost: int = 0
    """Paths that are no geometry."""


class Reading(NamedTuple):
    answer: ChartAnswer | None
    reason: Reason | None = None
    """Why there is no answer."""
    detail: str = ""
    found: Found | None = None
    plot: Box | None = None


InkCheck = Callable[[Box, Sequence[Shape], Sequence[Label], Sequence[Shape]], str | None]
"""Of the plot, all shapes, all labels and the filled marks: what is wrong with the pixels there; None where all is explained."""


def read_chart(drawing: Drawing, ink: InkCheck | None = None) -> Reading:
    """Never raises on what is drawn."""
    try:
        if drawing.num_lost:
            raise Refused("odd_drawing", f"{drawing.num_lost} paths")
        return _read(drawing, ink)
    except Refused as refused:
        return Reading(None, refused.reason, refused.detail)


def _read(drawing: Drawing, ink: InkCheck | None) -> Reading:
    shapes = [part for shape in drawing.shapes for part in axis_parts(shape)]
    drawing = drawing._replace(shapes=shapes, labels=parted(drawing.labels))
    found_axes: tuple[Sequence[Axis], Sequence[Axis]]
    found_axes = find_axes(drawing.labels, drawing.shapes, "y"), find_axes(drawing.labels, drawing.shapes, "x")
    pie = sectors_of(drawing.shapes) if not all(found_axes) else None
    if pie is not None:
        found_axes = _without_legends(drawing, found_axes, [shape for shape in drawing.shapes if shape not in pie[1]], [])
    if likeliest := next(_frames(drawing, *found_axes), None):
        axes, plot = likeliest
        return _read_plot(drawing, axes, plot, found_axes, ink)
    if pie is not None:
        return _read_sectors(drawing, *pie, ink)
    raise Refused("no_plot" if any(found_axes) else "no_axes")


def _read_sectors(drawing: Drawing, circle: Circle, sectors: Sequence[Shape], ink: InkCheck | None) -> Reading:
    whole = circle.box
    entries = find_legend(drawing.labels, [shape for shape in drawing.shapes if shape not in sectors], [])
    own = {id(shape) for shape in (*sectors, *legend_shapes(entries, drawing.shapes))}
    for shape in drawing.shapes:
        if id(shape) in own or shape.fill is None or is_neutral(shape.fill) or shape.box.area > 4 * whole.area:
            continue
        if any(is_alike(shape.fill, sector.fill) for sector in sectors):
            continue  # a part of one
        if math.dist(shape.centre, circle.centre) < 0.95 * circle.radius and shape.side > 4:
            raise Refused("unknown_marks", "something else over the sectors")
    parts = [shape for shape in drawing.shapes if any(is_alike(shape.fill, sector.fill) for sector in sectors)]
    found = read_pie(circle, sectors, parts, drawing.labels, entries)
    if ink and (why := ink(whole, drawing.shapes, drawing.labels, sectors)):
        raise Refused("unexplained_ink", why)
    taken = [entry.label for entry in entries]
    taken += [label for label in drawing.labels if label.text in found.x_texts or whole.top < label.centre[1] < whole.bottom]
    answer = chart_answer(found, {"x": None, "y": None}, whole, drawing.labels, taken, drawing.area)
    return Reading(answer, found=found, plot=whole)


def _frames(drawing: Drawing, ys: Sequence[Axis], xs: Sequence[Axis]) -> Iterator[tuple[Axes, Box]]:
    """Pairs of axes with the plot that they span, the likeliest first: both known, then one."""
    pairs: list[tuple[Axis | None, Axis | None]] = [(y, x) for y in ys[:4] for x in xs[:4]]
    pairs += [(y, None) for y in ys[:4]]
    pairs += [(None, x) for x in xs[:4]]
    for y, x in pairs:
        axes = [axis for axis in (y, x) if axis is not None]
        ticks = [label for axis in axes for label in axis.labels]
        plot = find_plot(axes, drawing.shapes, ticks, drawing.labels, drawing.area)
        if plot is not None and _are_beside(plot, y, x):
            yield {"y": y, "x": x}, plot


def _are_beside(plot: Box, y: Axis | None, x: Axis | None) -> bool:
    """The labels stand outside of the plot, along it."""
    if y is not None and not (y.near < plot.left + 1 or y.near > plot.right - 1):
        return False
    if x is not None and not (x.near > plot.bottom - 1 or x.near < plot.top + 1):
        return False
    em = (y or x).labels[0].size  # type: ignore[union-attr]
    if (
        y is not None
        and min(abs(label.box.right - plot.left) for label in y.labels) > 8 * em
        and min(abs(label.box.left - plot.right) for label in y.labels) > 8 * em
    ):
        return False
    return not (
        x is not None
        and min(abs(label.box.top - plot.bottom) for label in x.labels) > 6 * em
        and min(abs(label.box.bottom - plot.top) for label in x.labels) > 6 * em
    )


def _read_plot(
    drawing: Drawing, axes: Axes, plot: Box, all_axes: tuple[Sequence[Axis], Sequence[Axis]], ink: InkCheck | None
) -> Reading:
    known = [axis for axis in axes.values() if axis is not None]
    ticks = [label for axis in known for label in axis.labels]
    samples = [shape for shape in drawing.shapes if not _is_tick(shape, plot)]
    all_axes = _without_legends(drawing, all_axes, samples, ticks)
    _refuse_others(drawing, axes, plot, all_axes)
    axes = _multiplied(axes, drawing.labels, plot)
    known = [axis for axis in axes.values() if axis is not None]
    for others in all_axes:  # the same scale on the other side
        ticks += [label for axis in others for label in axis.labels]
    entries = _legend(drawing, samples, ticks, plot)
    own = legend_shapes(entries, drawing.shapes)
    marks = find_marks(plot, known, drawing.shapes, drawing.labels, own)
    _refuse_outside(drawing, plot, own)
    taken = [*ticks, *(entry.label for entry in entries)]
    found = _read_marks(marks, plot, axes, drawing.labels, entries, taken)
    if found.kind != "bar":  # over bars they are stars of significance, or names of groups
        refuse_characters(found, axes["y"], plot, drawing.labels, taken)
    if ink is not None:
        bars = marks.rects if found.kind in ("bar", "combo") else []  # squares of points are too small to be looked into
        filled = [*bars, *(polygon for polygon in marks.polygons if is_area(polygon, plot))]
        if why := ink(plot, drawing.shapes, drawing.labels, filled):
            raise Refused("unexplained_ink", why)
    rows = [
        label
        for direction in ("x", "y")
        for row in category_rows(drawing.labels, direction, plot)
        for label in row
        if label.text in found.x_texts
    ]
    answer = chart_answer(found, axes, plot, drawing.labels, [*taken, *rows], drawing.area)
    return Reading(answer, found=found, plot=plot)


def _without_legends(
    drawing: Drawing, all_axes: tuple[Sequence[Axis], Sequence[Axis]], samples: Sequence[Shape], ticks: Sequence[Label]
) -> tuple[Sequence[Axis], Sequence[Axis]]:
    """Years as names of series (or of sectors) are no axis: each has its sample beside it."""
    own = set(ticks)
    others = [axis for axes in all_axes for axis in axes if not own & set(axis.labels)]
    if not others:
        return all_axes
    named = {entry.label for entry in find_legend(drawing.labels, samples, ticks)}
    legends = [axis for axis in others if set(axis.labels) <= named]
    ys, xs = ([axis for axis in axes if not any(axis is other for other in legends)] for axes in all_axes)
    return ys, xs


def _legend(drawing: Drawing, samples: Sequence[Shape], ticks: Sequence[Label], plot: Box) -> list[Entry]:
    """One entry alone is none where its name stands outside of the plot and its sample inside: a category and its bar."""
    entries = find_legend(drawing.labels, samples, ticks)
    if len(entries) == 1:
        (name_x, name_y), box = entries[0].label.centre, entries[0].box
        is_named_outside = not (plot.left <= name_x <= plot.right and plot.top <= name_y <= plot.bottom)
        if is_named_outside and box.intersection(plot).width > 0 and box.intersection(plot).height > 0:
            return []
    return entries


def _read_marks(
    marks: Marks, plot: Box, axes: Axes, labels: Sequence[Label], entries: Sequence[Entry], taken: Sequence[Label]
) -> Found:
    """By what the marks are."""
    if not marks.num:
        raise Refused("no_marks")
    areas = [polygon for polygon in marks.polygons if is_area(polygon, plot)]
    if areas:
        return read_areas(marks, plot, axes, labels, entries)
    bars = [rect for rect in marks.rects if rect.side > MAX_SIDE_PT]
    if bars or (marks.rects and not (marks.lines or marks.curves or marks.polygons) and axes["x"] is None):
        rest = [*marks.lines, *marks.polygons, *marks.curves]
        rest += [rule for rule in marks.rules if not _is_edge(rule, marks.rects)]
        if any(shape.kind in ("line", "curve") and shape.fill is None and shape.box.width > 0.4 * plot.width for shape in rest):
            own = {id(rect) for rect in bars}
            others = marks._replace(rects=[rect for rect in marks.rects if id(rect) not in own])
            others.rules[:] = [rule for rule in marks.rules if not _is_edge(rule, marks.rects)]
            bars_alone = marks._replace(rects=bars, lines=[], polygons=[], curves=[], rules=[])
            return read_combo(others, bars_alone, plot, axes, labels, entries, taken)
        if rest:
            raise Refused("unknown_marks", f"{len(rest)} shapes beside bars")
        return read_bars(marks, plot, axes, labels, entries, taken)
    return read_lines(marks, plot, axes, labels, entries, taken)


def _is_edge(rule: Shape, rects: Sequence[Shape]) -> bool:
    """A bar's outline, drawn side by side."""
    box = rule.box
    for rect in rects:
        other = rect.box
        if box.left < other.left - 1 or box.right > other.right + 1 or box.top < other.top - 1 or box.bottom > other.bottom + 1:
            continue
        if box.width >= box.height:
            if min(abs(box.top - other.top), abs(box.bottom - other.bottom)) <= 1 and box.width >= 0.9 * other.width:
                return True
        elif min(abs(box.left - other.left), abs(box.right - other.right)) <= 1 and box.height >= 0.9 * other.height:
            return True
    return False


def _is_tick(shape: Shape, plot: Box) -> bool:
    if shape.kind != "rule" or shape.side > 14:
        return False
    box = shape.box
    ends_x = min(abs(end - edge) for end in (box.left, box.right) for edge in (plot.left, plot.right)) <= 1.5
    ends_y = min(abs(end - edge) for end in (box.top, box.bottom) for edge in (plot.top, plot.bottom)) <= 1.5
    x, y = shape.centre
    is_beside, is_below = plot.top - 2 <= y <= plot.bottom + 2, plot.left - 2 <= x <= plot.right + 2
    return (box.width >= box.height and ends_x and is_beside) or (box.height >= box.width and ends_y and is_below)


def _refuse_others(drawing: Drawing, axes: Axes, plot: Box, all_axes: tuple[Sequence[Axis], Sequence[Axis]]) -> None:
    """A second scale, or a second plot."""
    for direction, others in (("y", all_axes[0]), ("x", all_axes[1])):
        own = axes[direction]  # type: ignore[index]
        for other in others:
            if other is own or (own is not None and set(other.labels) & set(own.labels)):
                continue
            low, high = (plot.top, plot.bottom) if direction == "y" else (plot.left, plot.right)
            is_along = other.scale.first < high and other.scale.last > low
            sides = (plot.left, plot.right) if direction == "y" else (plot.top, plot.bottom)
            if sides[0] + 1 < other.near < sides[1] - 1 and own is not None:
                continue  # numbers inside the plot are values
            if own is None:
                continue
            if not is_along:
                raise Refused("several_panels", "a second axis in line")
            if not _says_the_same(own, other):
                raise Refused("second_axis" if direction == "y" else "several_panels")
    num_alike = 0
    for shape in drawing.shapes:
        if shape.kind != "rect" or shape.box.area < 0.5 * plot.area or shape.box.area > 2 * plot.area:
            continue
        shared = shape.box.intersection(plot)
        num_alike += shared.area <= 0.02 * plot.area
    if num_alike:
        raise Refused("several_panels", f"{num_alike} more frames")


def _says_the_same(one: Axis, other: Axis) -> bool:
    ends = (one.scale.first, one.scale.last)
    span = abs(one.scale.value(ends[1]) - one.scale.value(ends[0]))
    return one.scale.kind == other.scale.kind and all(
        abs(one.scale.value(end) - other.scale.value(end)) <= 0.01 * span for end in ends
    )


def _multiplied(axes: Axes, labels: Sequence[Label], plot: Box) -> Axes:
    """With what stands at an axis' end to multiply its ticks by. Raises Refused where it cannot be known whose it is."""
    done = dict(axes)
    ticks = {label for axis in axes.values() if axis is not None for label in axis.labels}
    for label in labels:
        if label in ticks:
            continue
        by = axis_multiplier(label.text)
        added = offset_added(label.text) if by is None and "e" in label.text else None
        if by is None and added is None:
            if re.search(r"\d ?[x×]?1e[+-]?\d{1,2}$", label.text):
                raise Refused("no_axes", f"{label.text} at the axis")
            if (
                label.text[:1] in "+−-"
                and "e" in label.text[1:]
                and not label.text[1:].isalpha()
                and any(char.isdigit() for char in label.text)
            ):
                raise Refused("no_axes", "an offset at the axis")
            continue
        x, y = label.centre
        is_above = y < plot.top + 2 and y > plot.top - 4 * label.size and (x < plot.left + 0.2 * plot.width)
        is_right = y > plot.bottom - 2 and x > plot.right - 0.2 * plot.width
        direction: Direction = "y" if is_above else "x"
        axis = done[direction]
        if not (is_above or is_right) or axis is None or axis.scale.multiplier != 1.0 or axis.scale.kind != "linear":
            raise Refused("no_axes", f"{label.text} beside an axis")
        changed = (
            axis.scale._replace(multiplier=by) if by is not None else axis.scale._replace(origin=axis.scale.origin + (added or 0))
        )
        done[direction] = axis._replace(scale=changed)
    return done


def _refuse_outside(drawing: Drawing, plot: Box, legend: Sequence[Shape]) -> None:
    """Coloured shapes beside the plot that are no legend: another plot, or a part of this one that was not seen."""
    own = {id(shape) for shape in legend}
    wide = Box(plot.left - 3, plot.top - 3, plot.right + 3, plot.bottom + 3)
    for shape in drawing.shapes:
        if id(shape) in own or is_neutral(shape.colour) or shape.kind == "rule":
            continue
        part = shape.box.intersection(wide)
        if part.width >= 0 and part.height >= 0:
            continue
        if shape.box.width > 14 and shape.box.height > 14:
            raise Refused("unknown_marks", "coloured shapes beside the plot")
