"""What is a tick, and what a tick says."""

import math

import pytest

from schemas.page import Box
from tests.workers.rendering.pages.vector_charts.drawn import (
    AREA,
    BLACK,
    BLUE,
    PLOT,
    RED,
    SIZE,
    bars,
    label,
    polyline,
    rule,
    slot_x,
    y_at,
    y_axis,
)
from workers.rendering.pages.vector_charts.axes import find_axes
from workers.rendering.pages.vector_charts.labels import Label
from workers.rendering.pages.vector_charts.reader import Drawing, read_chart

NAMES = ["Oak", "Elm", "Fir", "Ash"]


@pytest.mark.parametrize("colours", [[BLUE, (200, 40, 40), (40, 140, 60)], [BLACK] * 3])
def test_samples_of_a_legend_beside_the_axis_are_no_ticks(colours: list[tuple[int, int, int]]) -> None:
    _, labels = y_axis()  # without ticks
    shapes = [rule(PLOT.left, PLOT.top, PLOT.left, PLOT.bottom), rule(PLOT.left, PLOT.bottom, PLOT.right, PLOT.bottom)]
    heights = [[50.0, 20.0, 80.0, 35.0], [55.0, 60.0, 70.0, 75.0], [5.0, 8.0, 12.0, 20.0]]
    for index, (name, colour, values) in enumerate(zip(["men", "women", "children"], colours, heights, strict=True)):
        dashes = ["", "4 2", "1 1"][index]
        y = y_at(60) + 4 + 20 * index
        shapes.append(rule(PLOT.left + 10, y, PLOT.left + 30, y, colour, dashes))
        labels.append(label(name, PLOT.left + 36, y, align="left"))
        shapes.append(polyline([(slot_x(place, 4), y_at(value)) for place, value in enumerate(values)], colour, dashes))
    labels += [label(name, slot_x(place, 4), PLOT.bottom + 10) for place, name in enumerate(NAMES)]

    reading = read_chart(Drawing(AREA, shapes, labels))

    assert reading.answer is not None, reading.reason
    assert reading.answer.rows[0] == ["Oak", "50", "55", "5"]


def test_a_bare_g_on_an_axis_is_a_billion() -> None:
    reading = read_chart(
        bars(NAMES, {"": (BLUE, [50.0, 20.0, 80.0, 35.0])}, texts={0: "0G", 50: "0.5G", 100: "1G"}, has_legend=False)
    )

    assert reading.answer is not None
    assert (reading.answer.rows[0], reading.answer.unit) == (["Oak", "500000000"], None)


def test_a_point_before_three_digits_parts_thousands_beside_a_zero_with_its_unit() -> None:
    texts = {0: "0 €", 50: "10.000 €", 100: "20.000 €"}

    reading = read_chart(bars(NAMES, {"": (BLUE, [50.0, 20.0, 80.0, 35.0])}, texts=texts, has_legend=False))

    assert reading.answer is not None, reading.reason
    assert [row[1] for row in reading.answer.rows] == ["10000", "4000", "16000", "7000"]


def test_slanted_powers_of_ten_stand_at_the_long_ticks_and_not_at_the_short_ones_between() -> None:
    decades = [PLOT.left + 4 + 75 * power for power in range(5)]
    shapes = [rule(x, PLOT.bottom, x, PLOT.bottom + 4) for x in decades]
    small = [x + 75 * math.log10(part) for x in decades for part in (0.9, 2, 3, 4, 5, 6, 7, 8)]
    shapes += [rule(x, PLOT.bottom, x, PLOT.bottom + 2) for x in small]
    labels = []
    for power, x in enumerate(decades):  # their middles stand a little before the ticks, as matplotlib centres them
        box = Box(x - 11, PLOT.bottom + 6, x + 6, PLOT.bottom + 22)
        labels.append(Label(f"10^{power}", box, 45.0, SIZE, BLACK, (x - 9, PLOT.bottom + 20), (x + 5, PLOT.bottom + 8)))

    (axis,) = find_axes(labels, shapes, "x")

    assert axis.positions == pytest.approx(decades)


def test_a_sample_below_the_plot_that_begins_at_its_edge_is_no_tick() -> None:
    drawing = bars(NAMES, {"men": (BLUE, [50.0, 20.0, 80.0, 35.0])}, has_legend=False)
    line = polyline([(slot_x(place, 4), y_at(value)) for place, value in enumerate([60.0, 70.0, 30.0, 90.0])], RED)
    y = PLOT.bottom + 30
    samples = [rule(PLOT.left + 1, y, PLOT.left + 11, y, BLUE), rule(PLOT.left + 61, y, PLOT.left + 71, y, RED)]
    names = [label("men", PLOT.left + 14, y, align="left"), label("women", PLOT.left + 74, y, align="left")]

    reading = read_chart(drawing._replace(shapes=[*drawing.shapes, line, *samples], labels=[*drawing.labels, *names]))

    assert reading.answer is not None, (reading.reason, reading.detail)
    assert reading.answer.series == ["men", "women"]
