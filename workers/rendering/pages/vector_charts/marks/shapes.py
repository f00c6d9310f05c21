"""What is drawn, as plain geometry: one shape for each part of a path.

Points are those of the page as displayed, y growing downwards. Nothing here knows MuPDF, save the form of its path dictionaries.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any, Literal, NamedTuple

from schemas.page import Box

MAX_SHAPES = 12_000
"""In one region. A dense scatter plot has 5,000; what has more is a map, and is refused."""
MAX_ITEMS = 6_000
"""Segments of one path."""
FAR_PT = 1e5
OUTER_TICK_PT = 8.0
ROUND_SHARE = 0.3
"""Of a rectangle's shorter side: how far its corners may be rounded."""
DOT_PT = 0.05
"""A fill that is smaller shows nothing: samples that seaborn draws beside the first bar."""

Kind = Literal["rule", "rect", "line", "polygon", "curve"]
Point = tuple[float, float]
Colour = tuple[int, int, int]
"""0..255 each: colours that differ by less than print does are the same."""


class Shape(NamedTuple):
    kind: Kind
    """rule: one straight stroke along an axis. rect: upright rectangle. line: open polyline. polygon: closed, straight sides.
    curve: holds a Bezier curve."""
    points: tuple[Point, ...]
    """Corners in drawing order; of curves their ends."""
    box: Box
    fill: Colour | None
    stroke: Colour | None
    width: float = 0.0
    dashes: str = ""
    opacity: float = 1.0
    arcs: tuple[tuple[Point, Point, Point, Point], ...] = ()
    """The Bezier curves: start, two controls, end."""
    clip: Box | None = None
    is_closed: bool = False

    @property
    def centre(self) -> Point:
        return (self.box.left + self.box.right) / 2, (self.box.top + self.box.bottom) / 2

    @property
    def colour(self) -> Colour | None:
        """What it is seen as."""
        return self.fill if self.fill is not None else self.stroke

    @property
    def side(self) -> float:
        return max(self.box.width, self.box.height)


class ShapeCollector:
    """Called with each of MuPDF's paths. Nothing is raised, since PyMuPDF swallows what its callbacks raise and goes on.

    `turn` takes a point of the unrotated page to where it is displayed.
    """

    def __init__(self, area: Box, turn: Sequence[float] = (1, 0, 0, 1, 0, 0)) -> None:
        self.shapes: list[Shape] = []
        self.num_lost = 0
        """Paths inside the area that could not be understood."""
        self.is_too_much = False
        """The area holds more than a chart does; the rest was not looked at."""
        self._area = area
        self._turn = turn
        self._is_turned = tuple(turn) != (1, 0, 0, 1, 0, 0)
        self._clips: list[tuple[int, Box | None]] = []

    def add(self, path: Mapping[str, Any]) -> None:
        if self.is_too_much:
            return
        try:
            self._add(path)
        except (ValueError, TypeError, LookupError, ArithmeticError):
            self.num_lost += 1

    def _add(self, path: Mapping[str, Any]) -> None:
        level = int(path.get("level", 0))
        while self._clips and self._clips[-1][0] >= level:
            self._clips.pop()
        kind = path.get("type")
        if kind in ("clip", "group"):
            scissor = path.get("scissor") if kind == "clip" else None
            self._clips.append((level, self._box(scissor) if scissor is not None and _is_finite(scissor) else None))
            return
        if kind not in ("f", "s", "fs") or "rect" not in path:
            return
        box = path["rect"]
        if not _is_finite(box):
            self.num_lost += 1
            return
        shown = self._box(box)
        if shown.right < self._area.left or shown.left > self._area.right:
            return
        if shown.bottom < self._area.top or shown.top > self._area.bottom:
            return
        if len(path["items"]) > MAX_ITEMS:
            self.is_too_much = True
            return
        self.shapes.extend(self._shapes(path))
        self.is_too_much = len(self.shapes) > MAX_SHAPES

    def _shapes(self, path: Mapping[str, Any]) -> Iterator[Shape]:
        fill, stroke = _colour(path.get("fill")), _colour(path.get("color"))
        if path.get("fill_opacity", 1) == 0:
            fill = None
        if path.get("stroke_opacity", 1) == 0:
            stroke = None
        if fill is None and stroke is None:
            return
        opacity = float(path.get("fill_opacity", 1) if fill is not None else path.get("stroke_opacity", 1))
        look = (fill, stroke, float(path.get("width") or 0.0), _dashes(path.get("dashes")), opacity)
        clip = self._clip()
        for points, arcs, is_closed in self._subpaths(path):
            is_dot = hull(points).width < DOT_PT and hull(points).height < DOT_PT
            if stroke is None and (is_dot or (len(points) < 3 and not arcs)):
                continue  # nothing is seen of it
            yield shape_of(points, arcs, look, clip, is_closed=is_closed or fill is not None or bool(path.get("closePath")))

    def _subpaths(self, path: Mapping[str, Any]) -> Iterator[tuple[list[Point], list[tuple[Point, Point, Point, Point]], bool]]:
        points: list[Point] = []
        arcs: list[tuple[Point, Point, Point, Point]] = []
        for item in path["items"]:
            kind = item[0]
            if kind in ("re", "qu"):
                corners = _corners(item)
                if all(map(_is_finite, corners)):
                    yield [self._point(corner) for corner in corners], [], True
                else:
                    self.num_lost += 1
                continue
            if not all(map(_is_finite, item[1:])):
                self.num_lost += 1
                continue
            ends = [self._point(end) for end in item[1:]]
            if points and not _is_same(points[-1], ends[0]):
                yield points, arcs, _is_same(points[0], points[-1])
                points, arcs = [], []
            if not points:
                points.append(ends[0])
            if kind == "c":
                arcs.append((ends[0], ends[1], ends[2], ends[3]))
            points.append(ends[-1])
        if points:
            yield points, arcs, _is_same(points[0], points[-1])

    def _clip(self) -> Box | None:
        whole: Box | None = None
        for _, box in self._clips[-32:]:
            if box is not None:
                whole = box if whole is None else whole.intersection(box)
        return whole

    def _point(self, point: Sequence[float]) -> Point:
        x, y = float(point[0]), float(point[1])
        if not self._is_turned:
            return x, y
        a, b, c, d, e, f = self._turn
        return a * x + c * y + e, b * x + d * y + f

    def _box(self, box: Sequence[float]) -> Box:
        return hull([self._point(box[:2]), self._point(box[2:4])])


def shape_of(
    points: Sequence[Point],
    arcs: Sequence[tuple[Point, Point, Point, Point]] = (),
    look: tuple[Colour | None, Colour | None, float, str, float] = ((0, 0, 0), None, 0.0, "", 1.0),
    clip: Box | None = None,
    *,
    is_closed: bool = False,
) -> Shape:
    """`look`: fill, stroke, width of the stroke, dashes, opacity. Points that lie on the one before are left out."""
    kept: list[Point] = []
    for point in points:
        if not kept or not _is_same(kept[-1], point):
            kept.append(point)
    if len(kept) > 1 and _is_same(kept[0], kept[-1]) and (is_closed or len(kept) > 3):
        kept.pop()
        is_closed = True
    if not kept:
        kept = [points[0]]
    extremes = [*kept, *(point for arc in arcs for point in _extremes(arc))]
    fill, stroke, width, dashes, opacity = look
    return Shape(
        _kind(kept, arcs, is_closed=is_closed),
        tuple(kept),
        hull(extremes),
        fill,
        stroke,
        width if stroke is not None else 0.0,
        dashes if stroke is not None else "",
        opacity,
        tuple(arcs),
        clip,
        is_closed,
    )


def _kind(points: Sequence[Point], arcs: Sequence[tuple[Point, Point, Point, Point]], *, is_closed: bool) -> Kind:
    box = hull(points)
    if arcs:
        return "rect" if is_closed and _is_rounded_rect(points, arcs, box) else "curve"
    if len(points) <= 2 or min(box.width, box.height) < 0.05:
        is_upright = min(box.width, box.height) <= 0.01 * max(box.width, box.height) + 0.02
        return "rule" if is_upright and _is_straight(points, box) else "line"
    if is_closed and _is_upright_rect(points, box):
        return "rect"
    return "polygon" if is_closed else "line"


def _is_straight(points: Sequence[Point], box: Box) -> bool:
    """A flat polyline of many points is data that does not change."""
    return len(points) <= 5 or box.width + box.height < 12


def _is_upright_rect(points: Sequence[Point], box: Box) -> bool:
    """All points on the frame, among them its four corners; points between them are left over from how it was drawn."""
    if len(points) > 9:
        return False
    tolerance = 0.02 + 0.002 * max(box.width, box.height)
    seen = set()
    for x, y in points:
        at_x = 0 if abs(x - box.left) <= tolerance else 1 if abs(x - box.right) <= tolerance else None
        at_y = 0 if abs(y - box.top) <= tolerance else 1 if abs(y - box.bottom) <= tolerance else None
        if at_x is not None and at_y is not None:
            seen.add((at_x, at_y))
        elif at_x is None and at_y is None:
            return False
    return len(seen) == 4


def axis_parts(shape: Shape) -> list[Shape]:
    """The shape; of an axis that is drawn with its outer ticks as one stroke, as D3 does, the three rules."""
    if shape.kind != "line" or len(shape.points) != 4 or not is_neutral(shape.stroke):
        return [shape]
    look = (None, shape.stroke, shape.width, shape.dashes, shape.opacity)
    parts = [shape_of(pair, look=look, clip=shape.clip) for pair in pairwise(shape.points)]
    first, middle, last = parts
    is_axis = all(part.kind == "rule" for part in parts) and max(first.side, last.side) <= OUTER_TICK_PT < 0.3 * middle.side
    return parts if is_axis else [shape]


def _is_rounded_rect(points: Sequence[Point], arcs: Sequence[tuple[Point, Point, Point, Point]], box: Box) -> bool:
    """Sides on the frame that leave out little of it, and arcs in its corners only."""
    tolerance = 0.02 + 0.002 * max(box.width, box.height)
    widest = ROUND_SHARE * min(box.width, box.height)
    area = 0.5 * abs(sum(x0 * y1 - x1 * y0 for (x0, y0), (x1, y1) in pairwise([*points, points[0]])))
    return (
        area >= 0.8 * box.area > 0.0
        and all(min(abs(x - box.left), abs(x - box.right), abs(y - box.top), abs(y - box.bottom)) <= tolerance for x, y in points)
        and all(
            min(abs(x - box.left), abs(x - box.right)) <= widest and min(abs(y - box.top), abs(y - box.bottom)) <= widest
            for arc in arcs
            for x, y in arc
        )
    )


def hull(points: Sequence[Point]) -> Box:
    xs, ys = [point[0] for point in points], [point[1] for point in points]
    return Box(min(xs), min(ys), max(xs), max(ys))


def is_neutral(colour: Colour | None) -> bool:
    """Black, grey or white."""
    return colour is None or max(colour) - min(colour) <= 24


def is_alike(one: Colour | None, other: Colour | None, tolerance: int = 6) -> bool:
    if one is None or other is None:
        return one is other
    return max(abs(a - b) for a, b in zip(one, other, strict=True)) <= tolerance


def on_arc(arc: tuple[Point, Point, Point, Point], t: float) -> Point:
    """The point of a Bezier curve at t, 0 to 1."""
    a, b, c, d = (1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t * t * (1 - t), t**3
    x, y = (a * arc[0][axis] + b * arc[1][axis] + c * arc[2][axis] + d * arc[3][axis] for axis in (0, 1))
    return x, y


def _extremes(arc: tuple[Point, Point, Point, Point]) -> Iterator[Point]:
    """Where the curve turns back along x or y: the roots of its derivative."""
    for axis in (0, 1):
        p0, p1, p2, p3 = (point[axis] for point in arc)
        a, b, c = p3 - 3 * p2 + 3 * p1 - p0, 2 * (p2 - 2 * p1 + p0), p1 - p0
        if abs(a) < 1e-9:
            roots = [-c / b] if abs(b) > 1e-9 else []
        else:
            root = b * b - 4 * a * c
            roots = [(-b + sign * math.sqrt(root)) / (2 * a) for sign in (1, -1)] if root >= 0 else []
        yield from (on_arc(arc, t) for t in roots if 0 < t < 1)


def _corners(item: Sequence[Any]) -> list[Sequence[float]]:
    if item[0] == "re":
        left, top, right, bottom = item[1]
        return [(left, top), (right, top), (right, bottom), (left, bottom)]
    upper_left, upper_right, lower_left, lower_right = item[1]
    return [upper_left, upper_right, lower_right, lower_left]


def _colour(colour: Sequence[float] | None) -> Colour | None:
    if colour is None:
        return None
    levels = [round(255 * min(max(level, 0.0), 1.0)) if math.isfinite(level) else 0 for level in colour]
    if len(levels) == 1:
        levels *= 3
    return (levels[0], levels[1], levels[2]) if len(levels) == 3 else (0, 0, 0)


def _dashes(dashes: str | None) -> str:
    """`[] 0` is a whole line: "". Phases are left out."""
    inside = (dashes or "").partition("[")[2].partition("]")[0].split()
    return " ".join(inside) if any(float(part) > 0 for part in inside) else ""


def _is_same(one: Point, other: Point) -> bool:
    return abs(one[0] - other[0]) < 0.005 and abs(one[1] - other[1]) < 0.005


def _is_finite(figures: Sequence[float]) -> bool:
    return all(math.isfinite(figure) and abs(figure) <= FAR_PT for figure in figures)
