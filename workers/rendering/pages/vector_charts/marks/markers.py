"""Markers: small shapes that stand for one point each; fill and outline of one are one."""

from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple

from workers.rendering.pages.vector_charts.marks.shapes import Colour, Point, Shape, is_alike

MAX_SIDE_PT = 15.0
SAME_PT = 0.6


class Marker(NamedTuple):
    centre: Point
    side: float
    colour: Colour | None
    form: str
    """What distinguishes it from markers of the same colour: hollow or full, and how many corners."""


def split_markers(shapes: Sequence[Shape]) -> tuple[list[Marker], list[Shape]]:
    """Small shapes as markers, and the others. Strokes that cross in one point (x, +) are one marker."""
    small = [shape for shape in shapes if shape.side <= MAX_SIDE_PT and (shape.kind not in ("rule", "line") or shape.side <= 9)]
    chosen = {id(shape) for shape in small}
    others = [shape for shape in shapes if id(shape) not in chosen]
    markers: list[Marker] = []
    parts: list[list[Shape]] = []
    by_place: dict[tuple[int, int], list[int]] = defaultdict(list)
    for shape in small:
        x, y = shape.centre
        place = round(x), round(y)
        near = [
            index
            for dx in (-1, 0, 1)
            for dy in (-1, 0, 1)
            for index in by_place[place[0] + dx, place[1] + dy][-6:]
            if _is_part(shape, parts[index])
        ]
        if near:
            parts[near[-1]].append(shape)
        else:
            by_place[place].append(len(parts))
            parts.append([shape])
    for group in parts:
        whole = next((shape for shape in group if shape.fill is not None), group[0])
        if len(group) == 1 and whole.kind in ("rule", "line") and len(whole.points) == 2:
            others.append(whole)  # a stroke alone is no marker
            continue
        corners = "round" if whole.kind == "curve" else str(min(len(whole.points), 12))
        form = f"full {corners}" if whole.fill is not None else f"hollow {corners} {len(group)}"
        markers.append(Marker(whole.centre, max(shape.side for shape in group), _seen(whole), form))
    return markers, others


def _seen(shape: Shape) -> Colour | None:
    """The colour that tells series apart: of markers that are white inside, their outline's."""
    is_white = shape.fill is not None and min(shape.fill) > 240
    return shape.stroke if is_white and shape.stroke is not None else shape.colour


def _is_part(shape: Shape, group: Sequence[Shape]) -> bool:
    """The same place, and no more than a second layer of what is there: another fill there is another point."""
    first = group[0]
    if abs(shape.centre[0] - first.centre[0]) > SAME_PT or abs(shape.centre[1] - first.centre[1]) > SAME_PT or len(group) >= 6:
        return False
    if shape.fill is not None and any(other.fill is not None for other in group):
        return False
    if shape.fill is None and first.fill is None:
        return is_alike(shape.stroke, first.stroke) and (shape.kind in ("rule", "line") or first.kind in ("rule", "line"))
    return abs(shape.side - first.side) <= 0.35 * max(shape.side, first.side) + 1
