from collections.abc import Sequence

import pytest

from schemas.page import Word
from workers.engines.classic.reading_order.blocks import blocks_in_order
from workers.engines.classic.reading_order.lines.line_numbers import line_numbers

_PROSE = [
    "The harbour board publishes",
    "a statement of its dues",
    "every spring and in the",
    "autumn for all boats.",
    "The pilots",
    "were asked about it and",
]
_LIST = [
    "Apples from the north",
    "Pears from the south",
    "Plums from the east",
    "Cherries and other fruit",
    "Nuts in their shells",
    "Figs of last year",
]

PROSE, LIST = 2 * _PROSE, 2 * _LIST


def page(texts: Sequence[str], numbers: Sequence[str], *, left: float = 60.0, number_left: float = 30.0) -> list[Word]:
    words = []
    for row, text in enumerate(texts):
        top = 100.0 + 15 * row
        if numbers[row]:
            width = 6.0 * len(numbers[row])
            words.append(Word(numbers[row], number_left - width, top, number_left, top + 12, row, 0, 10.0))
        x = left
        for word in text.split():
            words.append(Word(word, x, top, x + 6.0 * len(word), top + 12, row, 0, 10.0))
            x += 6.0 * (len(word) + 1)
    return words


def found(words: Sequence[Word]) -> list[str]:
    places = list(enumerate(words))
    numbers = line_numbers(places)
    return [word.text for index, word in places if index in numbers]


@pytest.mark.parametrize(
    "numbers",
    [
        [str(number) for number in range(1, 13)],
        [str(number) for number in range(95, 107)],
        ["", *(str(row) if row % 2 == 0 else "" for row in range(2, 13))],  # every second line
    ],
)
@pytest.mark.parametrize("number_left", [30.0, 400.0])
def test_numbers_of_lines_are_found_on_either_side(numbers: list[str], number_left: float) -> None:
    assert found(page(PROSE, numbers, number_left=number_left)) == [number for number in numbers if number]


@pytest.mark.parametrize(
    "words",
    [
        page(LIST, [str(number) for number in range(1, 13)]),  # a list, or a table with its ranks
        page(PROSE, [str(number * number) for number in range(1, 13)]),
        page(PROSE[:7], ["1", "2", "3", "4", "5", "6", "7"]),
        page(PROSE, ["7"] * 12),
        [Word(str(number), 10, 0, 20, 10, 0, 0, 10.0) for number in range(50)],
        [],
    ],
)
def test_other_numbers_are_none(words: list[Word]) -> None:
    assert found(words) == []


def test_numbers_of_lines_are_kept_and_in_no_sentence() -> None:
    words = page(PROSE, [str(number) for number in range(1, 13)])

    blocks = blocks_in_order(words, 500, 1000)

    assert (blocks[-1].kind, blocks[-1].text) == ("footer", "1 2 3 4 5 6 7 8 9 10 11 12")
    assert not any(char.isdigit() for block in blocks[:-1] for char in block.text)
    assert sorted(index for block in blocks for index in block.members) == list(range(len(words)))


def test_every_fifth_line_is_counted_whatever_the_lines_begin_with() -> None:
    numbers = [str(row) if row % 5 == 0 else "" for row in range(1, 18)]

    assert found(page((3 * LIST)[:17], numbers)) == ["5", "10", "15"]


def test_a_column_of_values_that_go_up_by_fives_is_not_counted() -> None:
    numbers = [str(5 * row) for row in range(1, 13)]

    assert found(page(LIST, numbers)) == []
