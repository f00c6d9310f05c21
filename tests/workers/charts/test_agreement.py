"""An answer beside the drawing: which points are the same, and which errors are seen."""

from collections.abc import Callable

import pytest

from schemas.answers import ChartAnswer
from schemas.records import PointContent
from workers.charts.agreement import agreement
from workers.charts.points import ChartReader

ROWS = [["Oak", "50", "10"], ["Elm", "20", "30"], ["Fir", "80", "15"], ["Ash", "35", "60"]]


def points(rows: list[list[str]], series: list[str] | None = None, **fields: object) -> list[PointContent]:
    answer = ChartAnswer(chart="bar", printed="none", series=series or ["men", "women"], rows=rows, **fields)  # type: ignore[arg-type]
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
