from typing import Any

import pytest

from schemas.page import ACROSS, Word
from workers.rendering.pages.text.superscripts import joined, raised_spans


def span(text: str, left: float, *, size: float = 10.0, y: float = 100.0) -> dict[str, Any]:
    return {"text": text, "bbox": (left, y - size, left + 0.5 * size * len(text), y), "size": size, "origin": (left, y)}


def line(*spans: dict[str, Any]) -> dict[str, Any]:
    return {"spans": list(spans), "dir": (1.0, 0.0)}


@pytest.mark.parametrize(
    ("spans", "expected"),
    [
        ([span("4,810", 0), span("2", 25, size=6, y=96), span(" and", 28)], {1}),
        ([span("km", 0), span(" ", 10, size=6, y=96), span("2", 13, size=6, y=96)], {2}),
        ([span("2", 0, size=6, y=96), span(" Without the fees", 5)], {0}),  # the mark of a footnote
        ([span("0", 0, size=6, y=96), span("∂t", 6)], set()),  # a subscript before a fraction
        ([span("μ", 0), span("0", 30, size=6, y=96)], set()),  # far away
        ([span("H", 0), span("2", 5, size=6, y=102)], set()),
        ([span("alone", 0)], set()),
    ],
)
def test_raised_parts_of_a_line(spans: list[dict[str, Any]], expected: set[int]) -> None:
    assert raised_spans(line(*spans)) == expected


def word(text: str, left: float, bottom: float, size: float = 10.0, number: int = 0) -> Word:
    return Word(text, left, bottom - 1.2 * size, left + 0.5 * size * len(text), bottom, 0, number, size, ACROSS)


@pytest.mark.parametrize(
    ("mark", "expected"),
    [
        (word("2", 5.5, 7, 7, 1), ["a²", "+"]),
        (word("2", 5.5, 13, 7, 1), ["a", "+", "2"]),  # a subscript
        (word("2", 12, 7, 7, 1), ["a", "+", "2"]),
        (word("2", 5.5, 7, 9, 1), ["a", "+", "2"]),
    ],
)
def test_an_exponent_on_a_line_of_its_own_goes_to_its_base(mark: Word, expected: list[str]) -> None:
    assert [each.text for each in joined([word("a", 0, 12), word("+", 15, 12), mark])] == expected


def test_the_upper_number_of_a_fraction_is_no_exponent() -> None:
    words = [word("1", 0, 12), word("2", 5.5, 7, 7, 1), word("3", 5.5, 16, 7, 2)]

    assert joined(words) == words
