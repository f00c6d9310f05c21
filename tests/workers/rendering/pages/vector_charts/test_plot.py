"""Where a plot without a frame ends."""

import pytest

from schemas.page import Box
from tests.workers.rendering.pages.vector_charts.drawn import (
    AREA,
    BLACK,
    BLUE,
    GREY,
    PLOT,
    RED,
    WHITE,
    bars,
    label,
    polyline,
    rect,
    rule,
    slot_x,
    x_at,
    y_at,
    y_axis,
)
from workers.rendering.pages.vector_charts.marks.shapes import Colour
from workers.rendering.pages.vector_charts.reader import Drawing, read_chart

NAMES = ["Oak", "Elm", "Fir", "Ash"]


@pytest.mark.parametrize(
    ("clip", "highest", "reason"), [(None, 110.0, None), (PLOT, 110.0, "beyond_plot"), (None, 125.0, "beyond_plot")]
)
def test_a_bar_may_end_above_the_last_tick_by_less_than_a_step(clip: Box | None, highest: float, reason: str | None) -> None:
    shapes, labels = y_axis()
    for place, (name, value) in enumerate(zip(NAMES, [50.0, 20.0, highest, 35.0], strict=True)):
        x = slot_x(place, 4)
        shapes.append(rect(x - 20, y_at(value), x + 20, y_at(0), BLUE)._replace(clip=clip))
        labels.append(label(name, x, PLOT.bottom + 10))

    reading = read_chart(Drawing(AREA, shapes, labels))

    assert reading.reason == reason
    if reading.answer is not None:
        assert [row[1] for row in reading.answer.rows] == ["50", "20", "110", "35"]


def test_points_below_the_lowest_grid_line_are_points() -> None:
    shapes = [rule(PLOT.left, y_at(value), PLOT.right, y_at(value), GREY) for value in range(20, 101, 20)]
    labels = [label(f"{value}", PLOT.left - 6, y_at(value), align="right") for value in range(20, 101, 20)]
    for x in range(0, 11, 2):
        shapes.append(rule(x_at(x), y_at(0), x_at(x), y_at(0) + 4, BLACK))
        labels.append(label(f"{x}", x_at(x), y_at(0) + 12))
    points = [(1.0, 50.0), (3.0, 8.0), (5.0, 75.0), (8.0, 12.0), (9.5, 90.0)]
    shapes += [rect(x_at(x) - 2, y_at(y) - 2, x_at(x) + 2, y_at(y) + 2, BLUE) for x, y in points]
    shapes.append(rect(PLOT.right + 8, y_at(60) - 2, PLOT.right + 12, y_at(60) + 2, BLUE))  # of the legend
    labels.append(label("trees", PLOT.right + 16, y_at(60), align="left", size=6))

    reading = read_chart(Drawing(AREA, shapes, labels))

    assert reading.answer is not None, reading.reason
    assert [[float(text) for text in point] for point in reading.answer.points[0]] == [
        [x, pytest.approx(y, abs=0.1)] for x, y in points
    ]


@pytest.mark.parametrize(("colour", "reason"), [(WHITE, None), (RED, "unknown_marks")])
def test_white_outlines_of_letters_are_no_marks(colour: Colour, reason: str | None) -> None:
    drawing = bars(NAMES, {"": (BLUE, [50.0, 20.0, 80.0, 35.0])}, has_legend=False)
    value = label("50", slot_x(0, 4), y_at(50) - 6)
    left, top, right, bottom = value.box
    letter = polyline([(left + 1, bottom - 2), (left + 3, top + 2), (right - 2, bottom - 2)], colour)

    reading = read_chart(drawing._replace(shapes=[*drawing.shapes, letter], labels=[*drawing.labels, value]))

    assert reading.reason == reason
