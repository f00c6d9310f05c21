"""Areas that are read, and those that only look like one."""

import pytest

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
