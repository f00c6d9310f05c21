import sys

import pytest

from schemas.page import Word
from workers.engines.classic.reading_order.blocks import blocks_in_order

pytestmark = pytest.mark.slow


def grid(num_rows, num_columns):
    return [
        Word(f"w{r}.{c}", 30 + 40 * c, 30 + 16 * r, 52 + 40 * c, 44 + 16 * r, r, c, 12.0)
        for r in range(num_rows)
        for c in range(num_columns)
    ]


def one_line(num_rows, num_columns):
    return [Word("w", 30.0 * i, 100, 30 * i + 20, 112, 0, i, 12.0) for i in range(num_rows * num_columns)]


def one_column(num_rows, num_columns):
    return [Word(f"w{i}", 100.0 + i % 7, 14.0 * i, 400, 14 * i + 12, i, 0, 12.0) for i in range(num_rows * num_columns)]


def staircase(num_rows, num_columns):
    return [Word(f"w{i}", 3.0 * i, 9.0 * i, 3 * i + 70, 9 * i + 12, i, 0, 12.0) for i in range(num_rows * num_columns)]


def num_steps(words):
    """Calls of Python functions and of C's."""
    count = 0

    def counted(frame, event, argument):
        nonlocal count
        count += event in ("call", "c_call")

    sys.setprofile(counted)
    try:
        blocks_in_order(words, 2000, 3000)
    finally:
        sys.setprofile(None)
    return count


@pytest.mark.parametrize("page", [grid, one_line, one_column, staircase])
def test_four_times_the_words_take_about_four_times_the_work(page):
    few, many = num_steps(page(8, 20)), num_steps(page(32, 20))
    assert many < 8 * few


def test_every_word_of_a_page_of_four_thousand_is_read():
    words = grid(60, 64)
    assert sorted(i for block in blocks_in_order(words, 2000, 3000) for i in block.members) == list(range(len(words)))
