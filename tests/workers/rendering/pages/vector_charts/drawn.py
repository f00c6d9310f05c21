"""Drawings for tests, as a producer would leave them: shapes and labels, without a PDF."""

from collections.abc import Mapping, Sequence

from schemas.page import Box
from workers.rendering.pages.vector_charts.labels import Label
from workers.rendering.pages.vector_charts.marks.shapes import Colour, Shape, shape_of
from workers.rendering.pages.vector_charts.reader import Drawing

BLUE, RED, GREEN, BLACK, GREY, WHITE = (30, 90, 160), (200, 40, 40), (40, 140, 60), (0, 0, 0), (210, 210, 210), (255, 255, 255)
AREA = Box(0, 0, 400, 300)
PLOT = Box(60, 40, 360, 240)
SIZE = 8.0


def label(text: str, x: float, y: float, *, align: str = "centre", size: float = SIZE) -> Label:
    """Level text whose digits have their middle at y."""
    width = 0.5 * size * len(text)
    left = {"left": x, "centre": x - width / 2, "right": x - width}[align]
    return Label(text, Box(left, y - 0.6 * size, left + width, y + 0.5 * size), 0.0, size, BLACK, (left, y), (left + width, y))


def rule(x0: float, y0: float, x1: float, y1: float, colour: Colour = BLACK, dashes: str = "") -> Shape:
    return shape_of([(x0, y0), (x1, y1)], look=(None, colour, 0.8, dashes, 1.0))


def rect(left: float, top: float, right: float, bottom: float, fill: Colour | None, stroke: Colour | None = None) -> Shape:
    corners = [(left, top), (right, top), (right, bottom), (left, bottom)]
    return shape_of(corners, look=(fill, stroke, 0.8, "", 1.0), is_closed=True)


def polyline(points: Sequence[tuple[float, float]], colour: Colour, dashes: str = "") -> Shape:
    return shape_of(points, look=(None, colour, 1.2, dashes, 1.0))


def y_at(value: float, high: float = 100.0) -> float:
    return PLOT.bottom - value / high * PLOT.height


def y_axis(texts: Mapping[float, str] | None = None, high: float = 100.0) -> tuple[list[Shape], list[Label]]:
    """Ticks and labels at 0, 20, …, 100, and the axis line."""
    texts = texts or {value: f"{value:g}" for value in (0, 20, 40, 60, 80, 100)}
    shapes = [rule(PLOT.left - 4, y_at(value, high), PLOT.left, y_at(value, high)) for value in texts]
    shapes += [rule(PLOT.left, PLOT.top, PLOT.left, PLOT.bottom), rule(PLOT.left, PLOT.bottom, PLOT.right, PLOT.bottom)]
    return shapes, [label(text, PLOT.left - 6, y_at(value, high), align="right") for value, text in texts.items()]


def slot_x(index: int, number: int) -> float:
    return PLOT.left + (index + 0.5) * PLOT.width / number


def bars(
    categories: Sequence[str],
    series: Mapping[str, tuple[Colour, Sequence[float]]],
    *,
    is_stacked: bool = False,
    texts: Mapping[float, str] | None = None,
    has_legend: bool = True,
) -> Drawing:
    """An upright bar chart with a frame."""
    shapes, labels = y_axis(texts)
    shapes.insert(0, rect(*PLOT, WHITE, BLACK))
    width = 0.7 * PLOT.width / len(categories) / (1 if is_stacked else len(series))
    for place, category in enumerate(categories):
        labels.append(label(category, slot_x(place, len(categories)), PLOT.bottom + 10))
        below = 0.0
        for index, (colour, values) in enumerate(series.values()):
            shift = 0.0 if is_stacked else (index - (len(series) - 1) / 2) * width
            middle = slot_x(place, len(categories)) + shift
            top = below + values[place]
            shapes.append(rect(middle - width / 2, y_at(top), middle + width / 2, y_at(below), colour))
            below = top if is_stacked else 0.0
    if has_legend:
        legend(shapes, labels, {name: colour for name, (colour, _) in series.items()})
    return Drawing(AREA, shapes, labels)


def lines(
    series: Mapping[str, tuple[Colour, Sequence[tuple[float, float]]]], *, x_texts: Mapping[float, str], has_legend: bool = True
) -> Drawing:
    """Lines over an x axis of numbers: `x_texts` by x, 0 to 10."""
    shapes, labels = y_axis()
    shapes.insert(0, rect(*PLOT, WHITE, BLACK))
    for x, text in x_texts.items():
        shapes.append(rule(x_at(x), PLOT.bottom, x_at(x), PLOT.bottom + 4))
        labels.append(label(text, x_at(x), PLOT.bottom + 10))
    for colour, points in series.values():
        shapes.append(polyline([(x_at(x), y_at(y)) for x, y in points], colour))
    if has_legend:
        legend(shapes, labels, {name: colour for name, (colour, _) in series.items()}, is_line=True)
    return Drawing(AREA, shapes, labels)


def x_at(value: float) -> float:
    return PLOT.left + value / 10 * PLOT.width


def legend(shapes: list[Shape], labels: list[Label], names: Mapping[str, Colour], *, is_line: bool = False) -> None:
    """To the right of the plot."""
    for index, (name, colour) in enumerate(names.items()):
        y = 60 + 12 * index
        shapes.append(rule(364, y, 376, y, colour) if is_line else rect(366, y - 3, 372, y + 3, colour))
        labels.append(label(name, 378, y, align="left", size=6))
