"""Which characters are one label."""

from typing import Any

import pytest

from tests.workers.rendering.pages.vector_charts.drawn import AREA
from workers.rendering.pages.vector_charts.labels import labels_of


def raw(text: str, widths: dict[str, float]) -> dict[str, Any]:
    """A line of 10 points in which no space is written: it moves what follows by 6 points."""
    x, chars = 20.0, []
    for char in text:
        width = widths.get(char, 6.0)
        if char != " ":
            chars.append({"c": char, "bbox": (x, 10.0, x + width, 20.0), "origin": (x, 18.0)})
        x += width
    span = {"size": 10.0, "color": 0, "chars": chars}
    return {"blocks": [{"lines": [{"bbox": (20, 10, x, 20), "dir": (1.0, 0.0), "spans": [span]}]}]}


@pytest.mark.parametrize(
    ("text", "widths", "texts"),
    [
        ("Q1 2022", {}, ["Q1 2022"]),
        ("monthly users", {}, ["monthly users"]),
        ("Q1 2022", {"Q": 7.8}, ["Q1", "2022"]),
        ("10 20", {}, ["10", "20"]),  # digits are of one width in most fonts
    ],
)
def test_a_space_of_a_monospaced_font_is_wide(text: str, widths: dict[str, float], texts: list[str]) -> None:
    assert [label.text for label in labels_of(raw(text, widths), AREA)] == texts


@pytest.mark.parametrize("text", ["Mumbai", "New Mumbai"])
def test_wide_letters_of_slanted_text_hold_together(text: str) -> None:
    x, chars = 20.0, []
    for char in text:
        width = 9.7 if char in "Mm" else 3.2 if char == " " else 5.5
        y = 200 - 0.577 * x
        box = (x, y - 0.5 * width - 8, x + 0.87 * width + 5, y + 2)
        chars.append({"c": char, "bbox": box, "origin": (x, y), "synthetic": char == " "})
        x += 0.87 * width
    span = {"size": 10.0, "color": 0, "chars": chars}
    line = {"bbox": (20, 100, x + 5, 200), "dir": (0.866, -0.5), "spans": [span]}

    assert [label.text for label in labels_of({"blocks": [{"lines": [line]}]}, AREA)] == [text]
