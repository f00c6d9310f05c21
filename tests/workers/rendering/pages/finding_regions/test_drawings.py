"""Paths as marks."""

from itertools import pairwise

import pytest

from schemas.page import Box
from workers.rendering.pages.finding_regions.drawings import Mark, marks_of

PAGE = Box(0, 0, 600, 800)


def path(*points: tuple[float, float]) -> dict[str, object]:
    """A black polyline."""
    xs, ys = [x for x, _ in points], [y for _, y in points]
    items = [("l", one, other) for one, other in pairwise(points)]
    return {"type": "s", "rect": (min(xs), min(ys), max(xs), max(ys)), "items": items, "color": (0.0,)}


def marks(*points: tuple[float, float]) -> list[Mark]:
    return list(marks_of(path(*points), PAGE))


def test_a_polyline_is_one_mark_as_far_as_it_lies_on_the_page() -> None:
    (mark,) = marks((100, 100), (200, 150), (700, 100))

    assert (mark.box, mark.shape) == (Box(100, 100, 600, 150), "slanted")


@pytest.mark.parametrize(("x", "y"), [(700, 0), (-700, 0), (0, 900), (0, -900)])
def test_what_lies_beside_the_page_is_no_mark(x: float, y: float) -> None:
    line = [(100, 100), (200, 150), (300, 100)]
    staircase = [(100 + 20 * (number // 2), 100 + 30 * ((number + 1) // 2 % 3)) for number in range(12)]

    for points in (line, staircase):
        assert len(marks(*points)) == 1
        assert marks(*((left + x, top + y) for left, top in points)) == []
