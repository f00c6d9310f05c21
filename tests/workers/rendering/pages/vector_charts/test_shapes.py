"""What a path is, whatever its producer drew it with."""

import pytest

from schemas.page import Box
from tests.workers.rendering.pages.vector_charts.drawn import (
    AREA,
    BLACK,
    BLUE,
    PLOT,
    label,
    polyline,
    rect,
    rule,
    slot_x,
    y_at,
    y_axis,
)
from workers.rendering.pages.vector_charts.marks.shapes import Colour, Shape, ShapeCollector, axis_parts, shape_of
from workers.rendering.pages.vector_charts.reader import Drawing, read_chart

OUTER_TICKS = [(PLOT.left, PLOT.bottom + 6), (PLOT.left, PLOT.bottom), (PLOT.right, PLOT.bottom), (PLOT.right, PLOT.bottom + 6)]


def test_an_axis_drawn_with_its_outer_ticks_as_one_stroke_is_read_as_an_axis() -> None:
    shapes, labels = y_axis()
    shapes = [shape for shape in shapes if shape.side < 10]  # the ticks alone
    shapes += [
        polyline(OUTER_TICKS, BLACK),
        polyline([(PLOT.left - 6, PLOT.top), (PLOT.left, PLOT.top), (PLOT.left, PLOT.bottom), (PLOT.left - 6, PLOT.bottom)], BLACK),
    ]
    for place, (name, value) in enumerate([("Oak", 50.0), ("Elm", 20.0), ("Fir", 80.0)]):
        x = slot_x(place, 3)
        shapes += [rect(x - 20, y_at(value), x + 20, y_at(0), BLUE), rule(x, PLOT.bottom, x, PLOT.bottom + 6)]
        labels.append(label(name, x, PLOT.bottom + 14))

    reading = read_chart(Drawing(AREA, shapes, labels))

    assert reading.answer is not None, (reading.reason, reading.detail)
    assert reading.answer.rows == [["Oak", "50"], ["Elm", "20"], ["Fir", "80"]]


@pytest.mark.parametrize(
    ("points", "colour", "num_parts"),
    [
        (OUTER_TICKS, BLACK, 3),
        (OUTER_TICKS, BLUE, 1),
        ([(60.0, 200.0), (60.0, 100.0), (200.0, 100.0), (200.0, 150.0)], BLACK, 1),  # a step of a line
        ([(60.0, 200.0), (63.0, 196.0), (200.0, 196.0), (200.0, 200.0)], BLACK, 1),
    ],
)
def test_only_an_axis_is_taken_apart(points: list[tuple[float, float]], colour: Colour, num_parts: int) -> None:
    assert len(axis_parts(polyline(points, colour))) == num_parts


def rounded(box: Box, radius: float) -> Shape:
    """With its two upper corners rounded."""
    left, top, right, bottom = box
    near = 0.45 * radius
    arcs = [
        ((left, top + radius), (left, top + near), (left + near, top), (left + radius, top)),
        ((right - radius, top), (right - near, top), (right, top + near), (right, top + radius)),
    ]
    points = [(left, bottom), *arcs[0][::3], *arcs[1][::3], (right, bottom)]
    return shape_of(points, arcs, (BLUE, None, 0.0, "", 1.0), is_closed=True)


@pytest.mark.parametrize(("radius", "kind"), [(3.0, "rect"), (6.0, "rect"), (10.0, "curve")])
def test_a_rectangle_may_have_round_corners(radius: float, kind: str) -> None:
    assert rounded(Box(100, 100, 120, 200), radius).kind == kind


def test_a_quarter_of_a_circle_is_no_rectangle() -> None:
    arc = ((120.0, 100.0), (120.0, 111.0), (111.0, 120.0), (100.0, 120.0))

    assert shape_of([(100.0, 100.0), arc[0], arc[3]], [arc], (BLUE, None, 0.0, "", 1.0), is_closed=True).kind == "curve"


def test_the_fill_of_a_stroke_with_two_ends_is_nothing() -> None:
    collector = ShapeCollector(AREA)
    path = {"rect": (10, 10, 16, 16), "items": [("l", (10.0, 10.0), (16.0, 16.0))]}

    collector.add({**path, "type": "f", "fill": (1.0, 0.0, 0.0)})
    collector.add({**path, "type": "s", "color": (1.0, 0.0, 0.0), "width": 1.0})

    assert [(shape.fill, shape.stroke) for shape in collector.shapes] == [(None, (255, 0, 0))]
