"""Areas that are read, and those that only look like one."""

import pytest

from schemas.page import Box
from tests.workers.rendering.pages.vector_charts.drawn import AREA, BLACK, BLUE, PLOT, WHITE, label, rect, rule, x_at, y_at, y_axis
from workers.rendering.pages.vector_charts.marks.shapes import shape_of
from workers.rendering.pages.vector_charts.reader import Drawing, read_chart

SLOPES = [(0.0, 40.0), (4.0, 70.0), (10.0, 20.0)]
STEPS = [(0.0, 40.0), (4.0, 40.0), (4.0, 70.0), (8.0, 70.0), (8.0, 20.0), (10.0, 20.0)]


@pytest.mark.parametrize(("corners", "reason"), [(SLOPES, None), (STEPS, "step_line")])
def test_a_histogram_drawn_as_one_outline_is_no_area(corners: list[tuple[float, float]], reason: str | None) -> None:
    shapes, labels = y_axis()
    shapes.insert(0, rect(*PLOT, WHITE, BLACK))
    for x in (0, 2, 4, 6, 8, 10):
        shapes.append(rule(x_at(x), PLOT.bottom, x_at(x), PLOT.bottom + 4))
        labels.append(label(f"{x}", x_at(x), PLOT.bottom + 10))
    points = [(x_at(x), y_at(y)) for x, y in [*corners, (10.0, 0.0), (0.0, 0.0)]]
    shapes.append(shape_of(points, look=(BLUE, None, 0.0, "", 1.0), is_closed=True))

    assert read_chart(Drawing(AREA, shapes, labels)).reason == reason


def test_corners_a_little_before_and_behind_each_are_one() -> None:
    shapes, labels = y_axis()
    width, near = 600.0, 0.6  # a thousandth of the width, as ggplot2 has it
    shapes.insert(0, rect(PLOT.left, PLOT.top, PLOT.left + width, PLOT.bottom, WHITE, BLACK))
    tops = [(PLOT.left + width * x / 10, y_at(y)) for x, y in [(0.0, 40.0), (4.0, 70.0), (10.0, 20.0)]]
    for x in (0, 5, 10):
        labels.append(label(f"{x}", PLOT.left + width * x / 10, PLOT.bottom + 10))
    inner = [(x + shift, y) for x, y in tops[1:2] for shift in (-near, 0.0, near)]
    edge = [tops[0], *inner, tops[-1], (tops[-1][0], y_at(0)), (tops[0][0], y_at(0))]
    shapes.append(shape_of(edge, look=(BLUE, None, 0.0, "", 1.0), is_closed=True))

    reading = read_chart(Drawing(Box(0, 0, 700, 300), shapes, labels))

    assert reading.answer is not None, reading.reason
    assert reading.answer.rows == [["0", "40"], ["4", "70"], ["10", "20"]]
