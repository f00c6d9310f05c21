"""Sectors, however they are drawn."""

import math

from tests.workers.rendering.pages.vector_charts.drawn import AREA, BLACK, BLUE, GREEN, RED, WHITE, label, rect
from workers.rendering.pages.vector_charts.marks.shapes import Shape, shape_of
from workers.rendering.pages.vector_charts.reader import Drawing, read_chart


def sector(start: float, end: float, colour: tuple[int, int, int], parts: int) -> Shape:
    """Its sides and its rim in straight pieces, degrees."""
    rim = [math.radians(start + (end - start) * step / 40) for step in range(41)]
    points = [(200 + 80 * share / parts * math.cos(rim[0]), 150 + 80 * share / parts * math.sin(rim[0])) for share in range(parts)]
    points += [(200 + 80 * math.cos(angle), 150 + 80 * math.sin(angle)) for angle in rim]
    points += [
        (200 + 80 * share / parts * math.cos(rim[-1]), 150 + 80 * share / parts * math.sin(rim[-1]))
        for share in range(parts - 1, 0, -1)
    ]
    return shape_of(points, look=(colour, None, 0.0, "", 1.0), is_closed=True)


def test_sides_in_many_pieces_are_the_sides_of_a_sector() -> None:
    shares = {"Oak": (0, 180, BLUE), "Elm": (180, 270, RED), "Fir": (270, 360, GREEN)}
    shapes = [sector(start, end, colour, parts=20) for start, end, colour in shares.values()]
    shapes += [rect(320, 100 + 20 * index, 328, 108 + 20 * index, colour) for index, (_, _, colour) in enumerate(shares.values())]
    labels = [label(name, 334, 104 + 20 * index, align="left") for index, name in enumerate(shares)]

    reading = read_chart(Drawing(AREA, shapes, labels))

    assert reading.answer is not None, reading.reason
    assert reading.answer.rows == [["Oak", "50.00%"], ["Elm", "25.00%"], ["Fir", "25.00%"]]


def test_years_beside_samples_name_sectors_and_are_no_axis() -> None:
    shares = {"2021": (0, 180, BLUE), "2022": (180, 270, RED), "2023": (270, 360, GREEN)}
    shapes = [
        rect(100, 50, 300, 250, WHITE, BLACK),
        *(sector(start, end, colour, parts=1) for start, end, colour in shares.values()),
    ]
    shapes += [rect(320, 100 + 20 * index, 328, 108 + 20 * index, colour) for index, (_, _, colour) in enumerate(shares.values())]
    labels = [label(name, 334, 104 + 20 * index, align="left") for index, name in enumerate(shares)]

    reading = read_chart(Drawing(AREA, shapes, labels))

    assert reading.answer is not None, reading.reason
    assert reading.answer.rows == [["2021", "50.00%"], ["2022", "25.00%"], ["2023", "25.00%"]]
