"""Pies and rings: shares by the angle of each sector."""

import math
import re
import statistics
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

from schemas.page import Box
from workers.labels.numbers import parse_number
from workers.rendering.pages.vector_charts.found import Found, Refused, Value
from workers.rendering.pages.vector_charts.labels import Label
from workers.rendering.pages.vector_charts.legend import Entry, Style, name_of
from workers.rendering.pages.vector_charts.marks.shapes import Point, Shape, is_alike, on_arc

MIN_RADIUS_PT = 14.0
ROUND = 0.025
"""How far width and height of the whole may differ, and its rim from a circle, in radii."""
MAX_SECTORS = 60
MIN_RIM = 5
"""Corners of a sector that is drawn as a polygon."""
SAME_RIM_PT = 1.5
SIDE_PT = 0.3
"""How far corners may lie off a straight side: ggplot2 draws it in many pieces."""


class Circle(NamedTuple):
    centre: Point
    radius: float

    @property
    def box(self) -> Box:
        (x, y), radius = self.centre, self.radius
        return Box(x - radius, y - radius, x + radius, y + radius)


def sectors_of(shapes: Sequence[Shape]) -> tuple[Circle, list[Shape]] | None:
    """The largest circle whose rim two filled curves and more share, and these; None where there is none."""
    if polygons := _polygon_sectors(shapes):
        return polygons
    curves = [shape for shape in shapes if shape.fill is not None and shape.arcs and shape.side > MIN_RADIUS_PT / 2]
    if not 2 <= len(curves) <= 4 * MAX_SECTORS:
        return None
    rims: dict[tuple[int, int, int], tuple[Circle, set[int]]] = {}
    for index, shape in enumerate(curves):
        for arc in shape.arcs[:200]:
            if (circle := _circle(arc)) is not None:
                (x, y), radius = circle
                key = round(x / SAME_RIM_PT), round(y / SAME_RIM_PT), round(radius / SAME_RIM_PT)
                rims.setdefault(key, (circle, set()))[1].add(index)
    whole = [circle for circle, members in rims.values() if len(members) >= 2]
    if not whole:
        return None
    circle = max(whole, key=lambda each: each.radius)
    sectors = [shape for shape in curves if _sweep(shape, circle.centre, circle.radius) > 0.3]
    return (circle, sectors) if len(sectors) >= 2 else None


def _polygon_sectors(shapes: Sequence[Shape]) -> tuple[Circle, list[Shape]] | None:
    """Sectors whose rims are many short straight strokes, as R draws them: polygons that share one corner, the others on
    the rim or on straight sides. The strokes are handed on as arcs."""
    polygons = [shape for shape in shapes if shape.kind == "polygon" and shape.fill is not None and len(shape.points) >= MIN_RIM]
    if not 2 <= len(polygons) <= 4 * MAX_SECTORS:
        return None
    shared = Counter((round(x, 1), round(y, 1)) for shape in polygons for x, y in set(shape.points))
    centre, count = max(shared.items(), key=lambda each: each[1])
    members = [(shape, radius) for shape in polygons if (radius := _radius(shape, centre)) is not None]
    if count < 2 or len(members) < 2:
        return None
    radius = max(radius for _, radius in members)
    if radius < MIN_RADIUS_PT or any(abs(radius - other) > ROUND * radius for _, other in members):
        return None
    return Circle(centre, radius), [_with_arcs(shape, centre, radius) for shape, _ in members]


def _radius(shape: Shape, centre: Point) -> float | None:
    """Of the rim; None unless its corners are equally far from the centre and all others lie on the two straight sides."""
    start = min(range(len(shape.points)), key=lambda index: math.dist(shape.points[index], centre))
    points = [*shape.points[start:], *shape.points[:start]]
    far = [math.dist(point, centre) for point in points]
    rim = [index for index, distance in enumerate(far) if distance >= (1 - ROUND) * max(far)]
    if len(rim) < MIN_RIM - 1 or len(rim) != rim[-1] - rim[0] + 1:
        return None
    sides = [(index, rim[0]) for index in range(rim[0])] + [(index, rim[-1]) for index in range(rim[-1] + 1, len(points))]
    if any(math.dist(points[index], _place(_angle(points[end], centre), centre, far[index])) > SIDE_PT for index, end in sides):
        return None
    return statistics.mean(far[index] for index in rim)


def _with_arcs(shape: Shape, centre: Point, radius: float) -> Shape:
    closed = [*shape.points, shape.points[0]]
    rim = [(a, b) for a, b in pairwise(closed) if min(math.dist(a, centre), math.dist(b, centre)) > (1 - ROUND) * radius]
    return shape._replace(arcs=tuple((a, a, b, b) for a, b in rim))


def _circle(arc: tuple[Point, Point, Point, Point]) -> Circle | None:
    """Through start, middle and end of an arc; None where that is (nearly) straight, or too small for a pie."""
    (ax, ay), (bx, by), (cx, cy) = arc[0], on_arc(arc, 0.5), arc[3]
    twice = 2 * (ax * (by - cy) + bx * (cy - ay) + cx * (ay - by))
    if abs(twice) < 1e-3:
        return None
    a, b, c = ax * ax + ay * ay, bx * bx + by * by, cx * cx + cy * cy
    x = (a * (by - cy) + b * (cy - ay) + c * (ay - by)) / twice
    y = (a * (cx - bx) + b * (ax - cx) + c * (bx - ax)) / twice
    radius = math.hypot(ax - x, ay - y)
    return Circle((x, y), radius) if MIN_RADIUS_PT <= radius <= 2000 else None


def read_pie(
    circle: Circle, sectors: Sequence[Shape], parts: Sequence[Shape], labels: Sequence[Label], entries: Sequence[Entry]
) -> Found:
    """Shares in percent, in the order of the drawing. `parts`: all that has the colour of a sector. Raises Refused."""
    if len(sectors) > MAX_SECTORS:
        raise Refused("too_much", f"{len(sectors)} sectors")
    centre, radius = circle
    sectors = _once(sectors)
    sweeps = [_sweep(shape, centre, radius) for shape in sectors]
    if abs(sum(sweeps) - 360) > 2:
        raise Refused("not_whole", f"{sum(sweeps):.0f} degrees")
    middles = [_middle_angle(shape, centre, radius) for shape in sectors]
    printed = _printed(sweeps, middles, labels, centre, radius)
    names = _names(sectors, middles, labels, entries, centre, radius)
    total = sum(sweeps)
    is_ring = all(math.dist(point, centre) > 0.15 * radius for shape in parts for point in shape.points)
    return Found(
        kind="pie",
        subtype="donut" if is_ring else None,
        series=[None],
        x_texts=names,
        values=[[Value(number=100 * sweep / total, printed=text) for sweep, text in zip(sweeps, printed, strict=True)]],
        x_kind="category",
        is_percent=True,
        positions=[[_place(middle, centre, 0.7 * radius) for middle in middles]],
    )


def _once(sectors: Sequence[Shape]) -> list[Shape]:
    kept: list[Shape] = []
    for shape in sectors:
        same = next(
            (
                other
                for other in kept
                if all(abs(a - b) < 0.5 for a, b in zip(other.box, shape.box, strict=True)) and is_alike(other.fill, shape.fill)
            ),
            None,
        )
        if same is None:
            kept.append(shape)
    return kept


def _rim(shape: Shape, centre: Point, radius: float) -> list[tuple[float, float]]:
    """Start and swept angle (degrees, signed) of its arcs along the outer rim."""
    found = []
    for start, _, _, end in shape.arcs:
        if abs(math.dist(start, centre) - radius) > ROUND * radius or abs(math.dist(end, centre) - radius) > ROUND * radius:
            continue
        first, last = _angle(start, centre), _angle(end, centre)
        swept = (last - first + 180) % 360 - 180
        found.append((first, swept))
    return found


def _sweep(shape: Shape, centre: Point, radius: float) -> float:
    return abs(sum(swept for _, swept in _rim(shape, centre, radius)))


def _middle_angle(shape: Shape, centre: Point, radius: float) -> float:
    rim = _rim(shape, centre, radius)
    swept = sum(each for _, each in rim)
    start = rim[0][0]
    return (start + swept / 2) % 360 if _is_in_order(rim) else _mean_angle(rim)


def _is_in_order(rim: Sequence[tuple[float, float]]) -> bool:
    return all(abs((first + swept - following + 180) % 360 - 180) < 1 for (first, swept), (following, _) in pairwise(rim))


def _mean_angle(rim: Sequence[tuple[float, float]]) -> float:
    """Where the path begins in the middle of its rim."""
    x = sum(abs(swept) * math.cos(math.radians(first + swept / 2)) for first, swept in rim)
    y = sum(abs(swept) * math.sin(math.radians(first + swept / 2)) for first, swept in rim)
    if math.hypot(x, y) < 1e-6:
        raise Refused("not_whole", "a sector without a middle")
    if sum(abs(swept) for _, swept in rim) > 200:
        raise Refused("not_whole", "a sector that begins in its middle")
    return math.degrees(math.atan2(y, x)) % 360


def _angle(point: Point, centre: Point) -> float:
    return math.degrees(math.atan2(point[1] - centre[1], point[0] - centre[0]))


def _place(angle: float, centre: Point, radius: float) -> Point:
    return centre[0] + radius * math.cos(math.radians(angle)), centre[1] + radius * math.sin(math.radians(angle))


def _printed(
    sweeps: Sequence[float], middles: Sequence[float], labels: Sequence[Label], centre: Point, radius: float
) -> list[str | None]:
    """Percents that stand in (or at) their sector and say what its angle does; all of them or none."""
    total = sum(sweeps)
    texts: list[str | None] = []
    for sweep, middle in zip(sweeps, middles, strict=True):
        share = 100 * sweep / total
        found = None
        for label in labels:
            match = re.search(r"\d[\d.,]* ?%", label.text)
            number = parse_number(match.group()) if match else None
            if match is None or number is None or not number.is_percent:
                continue
            distance = math.dist(label.centre, centre)
            off = abs((_angle(label.centre, centre) - middle + 180) % 360 - 180)
            decimals = len(re.split(r"[.,]", match.group().rstrip("% "))[-1]) if re.search(r"[.,]", match.group()) else 0
            if distance < 1.6 * radius and off <= sweep / 2 + 3 and abs(number.value - share) <= 0.51 * 10.0**-decimals + 0.35:
                found = match.group()
                break
        texts.append(found)
    return texts if all(texts) else [None] * len(texts)


def _names(
    sectors: Sequence[Shape],
    middles: Sequence[float],
    labels: Sequence[Label],
    entries: Sequence[Entry],
    centre: Point,
    radius: float,
) -> list[str]:
    """By the legend's colours, else by the text at each sector's middle."""
    named = [name_of(Style(shape.fill), entries) for shape in sectors]
    if all(named) and len(set(named)) == len(named):
        return [name for name in named if name]
    legend = {entry.label for entry in entries}
    near: list[str] = []
    words = [label for label in labels if label not in legend and not re.fullmatch(r"[\d.,]+ ?%?", label.text) and label.is_level]
    used: set[Label] = set()
    for middle in middles:
        best: tuple[float, Label] | None = None
        for label in words:
            box = label.box
            rim = _place(middle, centre, 1.06 * radius)
            inner = _place(middle, centre, 0.65 * radius)
            off = min(_gap(box, rim), _gap(box, inner))
            if off <= 1.6 * label.size and (best is None or off < best[0]):
                best = off, label
        if best is None or best[1] in used:
            raise Refused("unnamed_series", "a sector without a name")
        used.add(best[1])
        near.append(re.sub(r"[\s:,(]*\d[\d.,]* ?%\)?$", "", best[1].text))
    if len(set(near)) < len(near) or not all(near):
        raise Refused("unnamed_series", "two sectors of one name")
    return near


def _gap(box: Box, point: Point) -> float:
    return math.hypot(max(box.left - point[0], point[0] - box.right, 0.0), max(box.top - point[1], point[1] - box.bottom, 0.0))
