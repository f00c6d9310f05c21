"""Axes by their tick labels: rows and columns whose numbers or dates lie on one scale, snapped to the ticks that are drawn."""

import statistics
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import Literal, NamedTuple

from workers.rendering.pages.vector_charts.labels import Label
from workers.rendering.pages.vector_charts.marks.shapes import Colour, Shape
from workers.rendering.pages.vector_charts.scales import (
    FIT_PT,
    Scale,
    fit_dates,
    fit_numbers,
    is_number,
    is_part_of_date,
    parse_date,
)

MIN_TICKS, MAX_TICKS = 3, 80
MAX_TICK_SETS = 40
SAME_EDGE_EM = 0.22
STRAY_GAPS = 1.7
NEAR_LABEL_EM = 3.0
"""A tick or a grid line ends no farther from its label."""

Direction = Literal["x", "y"]


class Axis(NamedTuple):
    direction: Direction
    labels: tuple[Label, ...]
    """Along the axis, left to right or top to bottom."""
    positions: tuple[float, ...]
    scale: Scale
    is_snapped: bool
    """False: no ticks are drawn, the labels' own middles were taken."""

    @property
    def near(self) -> float:
        """Middle of the labels across the axis: the y of a row, the x of a column."""
        return statistics.median(label.centre[1 if self.direction == "x" else 0] for label in self.labels)


class TickSet(NamedTuple):
    """Rules of one look that begin and end in line: the ticks of an axis, or its grid."""

    positions: tuple[float, ...]
    start: float
    end: float


def find_axes(labels: Sequence[Label], shapes: Sequence[Shape], direction: Direction) -> list[Axis]:
    """All rows (or columns) that are an axis, the one with most labels first; those inside another are left out."""
    sets = tick_sets(shapes, direction)
    groups = [[label for label in group if _is_readable(label)] for group in rows(labels, direction)]
    found = [axis for group in groups if MIN_TICKS <= len(group) <= MAX_TICKS and (axis := _axis(group, sets, direction))]
    found = [axis for axis in found if not _has_misfits(axis, groups)]
    found.sort(key=lambda axis: (-len(axis.labels), not axis.is_snapped))
    kept: list[Axis] = []
    for axis in found:
        if not any(set(axis.labels) <= set(other.labels) or _shares(axis, other) for other in kept):
            kept.append(axis)
    return kept


def _is_readable(label: Label) -> bool:
    return is_number(label.text) or parse_date(label.text) is not None or is_part_of_date(label.text)


def _has_misfits(axis: Axis, groups: Sequence[Sequence[Label]]) -> bool:
    """Numbers among (or next to) its labels, in line with them all, that are not on its scale: then the scale is another one."""
    own = set(axis.labels)
    place = 0 if axis.direction == "x" else 1
    at = [label.centre[place] for label in axis.labels]
    reach = STRAY_GAPS * statistics.median(after - before for before, after in pairwise(at))
    return any(
        at[0] - reach <= label.centre[place] <= at[-1] + reach
        for group in groups
        if own < set(group)
        for label in group
        if label not in own
    )


def _shares(axis: Axis, other: Axis) -> bool:
    return len(set(axis.labels) & set(other.labels)) * 2 > len(axis.labels)


def rows(labels: Sequence[Label], direction: Direction) -> Iterator[list[Label]]:
    """Labels of one size and direction that stand in line, in order along the axis; a label may be in several."""
    seen: set[tuple[int, ...]] = set()
    for edge in _EDGES[direction]:
        order = sorted(range(len(labels)), key=lambda index: edge(labels[index]))
        start = 0
        while start < len(order):
            first = labels[order[start]]
            end = start
            group: list[int] = []
            while end < len(order) and edge(labels[order[end]]) - edge(first) <= SAME_EDGE_EM * first.size:
                other = labels[order[end]]
                if abs(other.size - first.size) <= 0.12 * first.size and abs(other.angle - first.angle) < 3:
                    group.append(order[end])
                end += 1
            key = tuple(sorted(group))
            if len(group) >= 2 and key not in seen:
                seen.add(key)
                yield sorted((labels[index] for index in group), key=lambda label: label.centre[0 if direction == "x" else 1])
            start += 1


_EDGES: dict[Direction, tuple[Callable[[Label], float], ...]] = {
    "x": (
        lambda label: label.middle_y,
        lambda label: label.box.top,
        lambda label: label.box.bottom,
        lambda label: label.end[1],
        lambda label: label.start[1],
    ),
    "y": (lambda label: label.box.right, lambda label: label.box.left, lambda label: label.centre[0], lambda label: label.end[0]),
}


def anchors(label: Label, direction: Direction) -> tuple[float, ...]:
    """Where along the axis its tick may stand. Level and upright text stands with its middle at the tick; slanted text may end or
    begin there, too."""
    if direction == "y":
        return (label.middle_y,) if label.is_level else (label.centre[1],)
    if label.is_level or abs(abs(label.angle) - 90) < 5:
        return (label.centre[0],)
    if label.angle > 0:
        return label.end[0], label.box.right, label.centre[0]
    return label.start[0], label.box.left, label.centre[0]


def tick_sets(shapes: Sequence[Shape], direction: Direction) -> list[TickSet]:
    """Rules across the axis, by where they start and end."""
    groups: dict[tuple[int, int, int, Colour | None], list[tuple[float, float, float]]] = {}
    for shape in shapes:
        box = shape.box
        across, along = (box.height, box.width) if direction == "x" else (box.width, box.height)
        if shape.kind not in ("rule", "rect") or along > 1.6 or across < 1.5 or across < 2 * along:
            continue
        low, high = (box.top, box.bottom) if direction == "x" else (box.left, box.right)
        position = shape.centre[0 if direction == "x" else 1]
        groups.setdefault((round(low), round(high), round(4 * shape.width), shape.colour), []).append((position, low, high))
    sets = [
        TickSet(tuple(_distinct([position for position, _, _ in group])), group[0][1], group[0][2])
        for group in groups.values()
        if len(group) >= 2
    ]
    return sorted(sets, key=lambda each: -len(each.positions))[:MAX_TICK_SETS]


def _distinct(positions: Sequence[float]) -> list[float]:
    kept: list[float] = []
    for position in sorted(positions):
        if not kept or position - kept[-1] > 0.4:
            kept.append(position)
    return kept


def _axis(labels: Sequence[Label], sets: Sequence[TickSet], direction: Direction) -> Axis | None:
    """The scale that all labels fit: by the nearest ticks, else by the labels' own middles. A label far beyond the others is none
    of them; one among them that does not fit is the sign of another scale."""
    if axis := _snapped(labels, sets, direction) or _by_middles(labels, direction):
        return axis
    if len(labels) <= MIN_TICKS:
        return None
    if len(labels) >= MIN_TICKS + 2 and (axis := _with_moved_ends(labels, sets, direction)):
        return axis
    at = [label.centre[0 if direction == "x" else 1] for label in labels]
    gaps = [after - before for before, after in pairwise(at)]
    pitch = statistics.median(gaps)
    for far, chosen in ((gaps[0], labels[1:]), (gaps[-1], labels[:-1])):
        if far > STRAY_GAPS * pitch and (axis := _snapped(chosen, sets, direction) or _by_middles(chosen, direction)):
            return axis
    return None


def _with_moved_ends(labels: Sequence[Label], sets: Sequence[TickSet], direction: Direction) -> Axis | None:
    """Vega moves the outer labels inwards, to keep them within the chart: their ticks are a step beyond the others'."""
    inner = _snapped(labels[1:-1], sets, direction)
    if inner is None or direction == "y":
        return None
    first, second, *_ = inner.positions
    *_, before, last = inner.positions
    positions = (2 * first - second, *inner.positions, 2 * last - before)
    moved = ((labels[0], positions[0]), (labels[-1], positions[-1]))
    if any(not label.box.left - 2 <= place <= label.box.right + 2 for label, place in moved):
        return None
    scale = _scale(labels, positions, FIT_PT)
    return scale and Axis(direction, tuple(labels), positions, scale, True)


def _snapped(labels: Sequence[Label], sets: Sequence[TickSet], direction: Direction) -> Axis | None:
    size = labels[0].size
    best: tuple[tuple[bool, float], Axis] | None = None
    for ticks in sets:
        if not _are_near(labels, ticks, direction):
            continue
        spacing = min((after - before for before, after in pairwise(ticks.positions)), default=0.0)
        for choice in range(len(anchors(labels[0], direction))):
            at = [anchors(label, direction)[choice] for label in labels]
            nearest = [min(ticks.positions, key=lambda tick, here=here: abs(tick - here)) for here in at]  # type: ignore[misc]
            offsets = [tick - here for tick, here in zip(nearest, at, strict=True)]
            offset = statistics.median(offsets)
            if abs(offset) > min(0.75 * size, max(0.3 * spacing, 1.0)):
                continue
            positions = [
                tick if abs(own - offset) <= 0.15 * size + 0.6 or abs(own) < 0.45 * spacing else here + offset
                for tick, own, here in zip(nearest, offsets, at, strict=True)
            ]
            num_met = sum(abs(own - offset) <= 0.15 * size + 0.6 for own in offsets)
            if len(set(positions)) < len(positions) or 2 * num_met < len(labels):
                continue
            rank = len(ticks.positions) > len(labels) + 2, abs(offset)  # the small ticks between powers of ten repeat, too
            if (best is None or rank < best[0]) and (scale := _scale(labels, positions, FIT_PT)):
                best = rank, Axis(direction, tuple(labels), tuple(positions), scale, True)
    return best and best[1]


def _by_middles(labels: Sequence[Label], direction: Direction) -> Axis | None:
    """Of level text, or upright: where slanted text has its tick is not known without one."""
    if len(anchors(labels[0], direction)) > 1:
        return None
    at = [anchors(label, direction)[0] for label in labels]
    scale = _scale(labels, at, 0.6 + 0.05 * labels[0].size)
    return scale and Axis(direction, tuple(labels), tuple(at), scale, False)


def _scale(labels: Sequence[Label], positions: Sequence[float], tolerance: float) -> Scale | None:
    texts = [label.text for label in labels]
    return fit_numbers(texts, positions, tolerance) or fit_dates(texts, positions, tolerance)


def _are_near(labels: Sequence[Label], ticks: TickSet, direction: Direction) -> bool:
    """The rules end beside the labels."""
    size = labels[0].size
    low = statistics.median(label.box.top if direction == "x" else label.box.left for label in labels)
    high = statistics.median(label.box.bottom if direction == "x" else label.box.right for label in labels)
    if direction == "y":
        low, high = min(label.box.left for label in labels), max(label.box.right for label in labels)
    gap = min(abs(ticks.end - low), abs(ticks.start - high))
    return gap <= NEAR_LABEL_EM * size
