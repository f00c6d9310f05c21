"""Bars over a scale of numbers: bins, or bars at numbers."""

import pytest

from tests.workers.rendering.pages.vector_charts.drawn import AREA, BLACK, BLUE, PLOT, WHITE, label, rect, rule, x_at, y_at, y_axis
from workers.rendering.pages.vector_charts.reader import Drawing, read_chart

HEIGHTS = [20.0, 50.0, 80.0, 60.0, 30.0]


@pytest.mark.parametrize(
    ("first", "width", "ticks", "texts"),
    [
        (0.0, 2.0, [0, 2, 4, 6, 8, 10], ["0–2", "2–4", "4–6", "6–8", "8–10"]),
        (0.0, 1.8, [0, 2, 4, 6, 8, 10], ["0–2", "2–4", "4–6", "6–8", "8–10"]),
        (0.0, 1.6, [1, 3, 5, 7, 9], ["1", "3", "5", "7", "9"]),  # the ticks name the bars
        (0.0, 1.0, [0, 2, 4, 6, 8, 10], ["1", "3", "5", "7", "9"]),
        (-1.0, 2.0, [0, 4, 8], None),  # about the even numbers, or bins between the odd ones
    ],
)
def test_bins_are_named_by_their_edges(first: float, width: float, ticks: list[int], texts: list[str] | None) -> None:
    shapes, labels = y_axis()
    shapes.insert(0, rect(PLOT.left - 40, PLOT.top, PLOT.right, PLOT.bottom, WHITE, BLACK))
    labels = [each._replace(box=each.box._replace(left=each.box.left - 40, right=each.box.right - 40)) for each in labels]
    shapes = [shape for shape in shapes if shape.kind != "rule"]
    for tick in ticks:
        shapes.append(rule(x_at(tick), PLOT.bottom, x_at(tick), PLOT.bottom + 4))
        labels.append(label(f"{tick}", x_at(tick), PLOT.bottom + 10))
    for place, height in enumerate(HEIGHTS):
        middle = first + 2 * place + 1
        shapes.append(rect(x_at(middle - width / 2), y_at(height), x_at(middle + width / 2), y_at(0), BLUE))

    reading = read_chart(Drawing(AREA, shapes, labels))

    assert (reading.answer and [row[0] for row in reading.answer.rows]) == texts
    assert reading.reason == (None if texts else "categories_unclear")
