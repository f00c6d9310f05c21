"""Which pages a plan reads."""

import pytest

from pipeline.planning.page_ranges import first_selected_pages, selected_pages


@pytest.mark.parametrize(
    ("page_range", "expected"),
    [
        (None, [0, 1, 2, 3, 4]),
        ("1", [0]),
        ("2-3", [1, 2]),
        ("4-", [3, 4]),
        ("3,1", [0, 2]),
        ("1-3,2-4", [0, 1, 2, 3]),
        ("2-,1", [0, 1, 2, 3, 4]),
        ("0", [0]),
        ("9", []),
        ("5-9", [4]),
        ("3-2", []),
    ],
)
def test_a_page_range_counts_from_one(page_range: str | None, expected: list[int]) -> None:
    assert selected_pages(5, None, page_range, max_pages=100) == expected


def test_planned_pages_win_over_the_range() -> None:
    assert selected_pages(5, [3, 1, 1, 7], "1", max_pages=100) == [1, 3]


def test_the_cap_counts_selected_pages() -> None:
    assert selected_pages(1_000_000, None, "3-", max_pages=2) == [2, 3]


def test_a_selection_can_be_told_again_without_the_page_count() -> None:
    assert first_selected_pages(3, None, "2,4-") == [1, 3, 4]
    assert first_selected_pages(2, [5, 9], None) == [5, 9]
