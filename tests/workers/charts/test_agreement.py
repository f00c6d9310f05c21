"""An answer beside the drawing: which points are the same, and which errors are seen."""

from collections.abc import Callable

import pytest

from schemas.answers import ChartAnswer
from schemas.records import PointContent
from workers.charts.agreement import Agreement, agreement
from workers.charts.points import ChartReader

ROWS = [["Oak", "50", "10"], ["Elm", "20", "30"], ["Fir", "80", "15"], ["Ash", "35", "60"]]


def points(rows: list[list[str]], series: list[str] | None = None, **fields: object) -> list[PointContent]:
    fields = {"chart": "bar", "printed": "none", "series": series or ["men", "women"], "rows": rows} | fields
    answer = ChartAnswer.model_validate(fields)
    return ChartReader(answer, []).points()


def test_the_same_answer_agrees_in_full_and_in_any_order() -> None:
    turned = [[row[0], row[2], row[1]] for row in ROWS[::-1]]

    found = agreement(points(turned, ["Women", "men"]), points(ROWS))

    assert found is not None
    assert (found.share, found.wrong) == (1.0, frozenset())


def test_a_value_read_off_the_axis_may_be_a_little_off() -> None:
    near = [[row[0], f"{float(row[1]) + 1}", row[2]] for row in ROWS]

    found = agreement(points(near), points(ROWS))

    assert found is not None
    assert found.share == 1.0


Spoil = Callable[[list[list[str]]], list[list[str]]]


@pytest.mark.parametrize(
    "spoil",
    [
        lambda rows: [["Oak", "58", "10"], *rows[1:]],
        lambda rows: [[row[0], row[2], row[1]] for row in rows],
        lambda rows: [[name[0], *row[1:]] for name, row in zip([*rows[1:], rows[0]], rows, strict=True)],
        lambda rows: rows[:-1],
        lambda rows: [*rows, ["Yew", "5", "5"]],
        lambda rows: [[row[0], f"{float(row[1]) * 10}", row[2]] for row in rows],
    ],
    ids=["one value off", "series swapped", "labels shifted", "a row missing", "a row invented", "ten times"],
)
def test_errors_are_seen(spoil: Spoil) -> None:
    found = agreement(points(spoil(ROWS)), points(ROWS))

    assert found is not None
    assert found.share < 1


def test_the_wrong_point_is_named() -> None:
    found = agreement(points([["Oak", "50", "10"], ["Elm", "20", "47"], *ROWS[2:]]), points(ROWS))

    assert found is not None
    assert (found.share, found.wrong) == (7 / 9, frozenset({3}))


def test_a_drawing_without_values_is_no_witness() -> None:
    assert agreement(points(ROWS), []) is None


def test_ten_times_a_small_value_is_seen_on_a_logarithmic_axis() -> None:
    drawn = points([["a", "3"], ["b", "400"], ["c", "90000"]], ["sold"])
    said = points([["a", "30"], ["b", "400"], ["c", "90000"]], ["sold"])

    assert agreement(said, drawn) == Agreement(1.0, frozenset())
    assert agreement(said, drawn, is_log=True) == Agreement(0.5, frozenset({0}))
    assert agreement(drawn, drawn, is_log=True) == Agreement(1.0, frozenset())


def test_labels_shifted_by_a_year_are_seen() -> None:
    years = {"chart": "line", "x_kind": "number"}
    drawn = points([[str(2000 + index), str(10 * index)] for index in range(6)], ["sold"], **years)
    said = points([[str(2000 + (index + 1) % 6), str(10 * index)] for index in range(6)], ["sold"], **years)

    found = agreement(said, drawn)

    assert found is not None
    assert found.share < 0.5


def test_a_pie_may_be_answered_in_numbers_that_are_no_shares() -> None:
    drawn = points([["Oak", "25%"], ["Elm", "60%"], ["Fir", "15%"]], ["sold"])

    assert agreement(points([["Oak", "12"], ["Elm", "29"], ["Fir", "7"]], ["sold"]), drawn) == Agreement(1.0, frozenset())
    wrong = agreement(points([["Oak", "12"], ["Elm", "29"], ["Fir", "17"]], ["sold"]), drawn)
    assert wrong is not None
    assert wrong.share < 1
