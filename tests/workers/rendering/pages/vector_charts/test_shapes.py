"""What a path is, whatever its producer drew it with."""

import pytest

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
from workers.rendering.pages.vector_charts.marks.shapes import Colour, axis_parts
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
