"""Which marker belongs to which line."""

from tests.workers.rendering.pages.vector_charts.drawn import BLUE, RED, WHITE, lines, rect, x_at, y_at
from workers.rendering.pages.vector_charts.reader import read_chart


def test_markers_that_are_white_inside_belong_to_the_line_of_their_outline() -> None:
    rising, falling = [(0.0, 10.0), (5.0, 40.0), (10.0, 90.0)], [(0.0, 80.0), (5.0, 60.0), (10.0, 20.0)]
    drawing = lines({"men": (BLUE, rising), "women": (RED, falling)}, x_texts={0: "0", 5: "5", 10: "10"})
    markers = [
        rect(x_at(x) - 2, y_at(y) - 2, x_at(x) + 2, y_at(y) + 2, WHITE, colour)
        for colour, points in ((BLUE, rising), (RED, falling))
        for x, y in points
    ]

    reading = read_chart(drawing._replace(shapes=[*drawing.shapes, *markers]))

    assert reading.answer is not None, (reading.reason, reading.detail)
    assert reading.answer.rows == [["0", "10", "80"], ["5", "40", "60"], ["10", "90", "20"]]
