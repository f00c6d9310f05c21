"""What of a region's words is a scale, and what it spans."""

import math

import pytest

from schemas.answers import ChartAnswer
from schemas.page import Word
from workers.charts.axes import axis_ranges, scales
from workers.charts.points import ChartReader
from workers.labels.scales import joined_labels

SIZE = 10.0


def label(text: str, right: float, y: float, line: int = 0) -> Word:
    """Right-aligned, as ticks of a vertical axis are; letters are half as wide as high."""
    return Word(text, right - 5 * len(text), y - 5, right, y + 5, 0, line, SIZE)


def column(values: list[str], right: float = 60.0, step: float = 40.0) -> list[Word]:
    """From the bottom up."""
    return [label(text, right, 500 - step * index, line=index) for index, text in enumerate(values)]


def reader(words: list[Word], **answer: object) -> ChartReader:
    return ChartReader(ChartAnswer.model_validate({"chart": "line", "rows": [["a", "5"]]} | answer), words)


def ranges(words: list[Word], **answer: object) -> list[tuple[float, float]]:
    return [tuple(span) for span in axis_ranges(words, reader(words, **answer), "y", is_horizontal=False)]


@pytest.mark.parametrize(
    ("texts", "span"),
    [
        (["-40", "-20", "0", "20", "40"], (-70, 70)),  # -40, -20 share an edge of their own
        ([str(value) for value in range(0, 2001, 200)], (-300, 2300)),
        (["1,000", "2,000", "3,000"], (-500, 4500)),
    ],
)
def test_labels_that_share_an_edge_by_chance_are_no_axis_of_their_own(texts: list[str], span: tuple[float, float]) -> None:
    assert ranges(column(texts)) == [span]


def test_labels_at_the_ends_may_be_moved_inwards() -> None:
    words = column(["0", "10", "20", "30", "40", "50"])
    inwards = words[-1]._replace(top=words[-1].top + 15, bottom=words[-1].bottom + 15)
    outwards = words[-1]._replace(top=words[-1].top - 25, bottom=words[-1].bottom - 25)

    assert ranges([*words[:-1], inwards]) == [(-15, 65)]
    assert ranges([*words[:-1], outwards]) == []


def test_powers_without_their_superscripts_are_read_both_ways() -> None:
    as_numbers, as_powers = ranges(column(["101", "102", "103", "104"]))

    assert as_numbers == (99.5, 105.5)
    assert as_powers == pytest.approx((10**-0.5, 10**5.5))


def test_negative_powers_are_powers() -> None:
    (span,) = ranges(column(["10−2", "10−1", "100", "101"]))

    assert span == pytest.approx((10**-3.5, 10**2.5))


def test_a_multiplier_at_the_end_of_the_axis_counts_or_does_not() -> None:
    words = [*column(["0.0", "0.5", "1.0"]), label("1e6", 120, 380, line=9)]

    assert ranges(words) == [(-0.75, 1.75), (-750_000, 1_750_000)]


def test_an_axis_that_goes_on_with_labels_that_touch_is_open_at_that_end() -> None:
    words = [Word(text, 100 + 80 * index, 500, 100 + 80 * index + 5 * len(text), 510, 0, index, SIZE)
             for index, text in enumerate(["0", "500", "1,000", "1,5002,000"])]  # fmt: skip
    (span,) = axis_ranges(words, reader(words), "y", is_horizontal=True)

    assert span.low == -750
    assert span.high == math.inf


def test_the_scales_of_two_panels_are_both_the_axis() -> None:
    words = [*column(["0", "10", "20"]), *column(["0", "100", "200"], right=300)]

    assert sorted(ranges(words)) == [(-150, 350), (-15, 35)]


def test_categories_that_are_numbers_are_no_scale() -> None:
    words = column(["2018", "2019", "2020", "2021"])

    assert ranges(words, chart="bar", x_kind="category", rows=[[str(year), "5"] for year in range(2018, 2022)]) == []
    assert ranges(words) == [(2016.5, 2022.5)]


def test_a_scale_says_where_a_value_stands() -> None:
    words = column(["0", "10", "20"])
    (linear,) = scales(words, reader(words), "y", is_horizontal=False)
    words = column(["1", "10", "100"])
    (log,) = scales(words, reader(words), "y", is_horizontal=False)

    assert linear.place(15) == pytest.approx(-440)
    assert log.place(10**0.5) == pytest.approx(-480)
    assert log.place(0) is None


def test_words_of_a_line_that_nearly_touch_are_one_label() -> None:
    words = [
        Word("1", 100, 0, 105, 10, 0, 0, SIZE),
        Word("000", 107, 0, 122, 10, 0, 0, SIZE),
        Word("7", 200, 0, 205, 10, 0, 0, SIZE),
    ]

    assert [word.text for word in joined_labels(words)] == ["1 000", "7"]
