from itertools import count

import pytest

from schemas.page import Word
from workers.engines.classic.reading_order.blocks import blocks_in_order
from workers.engines.classic.reading_order.tables.ruling import Rule, Rules

HEAD = ["Item", "Remark", "Owner"]
ROWS = [
    ["Bridge", "The old bridge was measured again in the late spring of this year", "Greta Aldermann of the board"],
    ["Harbour light", "Its lantern is new and was paid for by the pilots", "A. Plover"],
    ["Quay", "Nothing was found there that the board did not know before", "The warden"],
]
LEFTS, WIDTH = (0, 100, 300), 400


def page(
    rows, *, gap, lefts=LEFTS, before="The board met twice in the spring and looked at all that it owns along the water front of it"
):
    """Words of 5 units a letter, wrapped in their columns, and the places between rows; a sentence right across above and below."""
    numbers = count()
    words, places = list(line(before, 0, 0, numbers)), []
    top = 20.0
    for row in rows:
        places.append(top)
        height = 0
        for text, left, right in zip(row, lefts, (*lefts[1:], WIDTH), strict=True):
            lines = wrapped(text, (right - left - 15) // 5)
            height = max(height, len(lines))
            words += [word for n, each in enumerate(lines) for word in line(each, left, top + 2 + 12 * n, numbers)]
        top += 12 * height + gap
    return [*words, *line(before, 0, top + 20, numbers)], [*places, top]


def wrapped(text, width):
    lines = [""]
    for word in text.split():
        lines = [*lines[:-1], f"{lines[-1]} {word}".strip()] if len(lines[-1]) + len(word) < width else [*lines, word]
    return lines


def line(text, left, top, numbers):
    number = next(numbers)
    for word in text.split():
        yield Word(word, left, top, left + 5 * len(word), top + 10, number, 0, 10.0)
        left += 5 * len(word) + 3


def read(words, places):
    rules = Rules(tuple(Rule(place, 0, WIDTH) for place in places))
    return [block.rows for block in blocks_in_order(words, 500, 900, rules=rules) if block.rows]


@pytest.mark.parametrize("drawn", [slice(None), slice(1, None), slice(1, 2), slice(0, 2), [0, 1, -1]])
def test_text_under_a_ruled_head_is_a_table_of_wrapped_cells(drawn):
    words, places = page([HEAD, *ROWS], gap=8)
    places = [places[index] for index in drawn] if isinstance(drawn, list) else places[drawn]

    assert read(words, places) == [tuple(map(tuple, [HEAD, *ROWS]))]


def test_rows_set_solid_begin_where_all_columns_do():
    words, places = page([HEAD, *ROWS], gap=1)

    assert read(words, [places[0], places[1], places[-1]]) == [tuple(map(tuple, [HEAD, *ROWS]))]


def test_columns_of_prose_under_a_running_head_are_no_table():
    prose = " ".join(row[1] for row in ROWS * 4)
    words, places = page([["The harbour board", "A report"], [prose, prose[80:]]], gap=8, lefts=(0, 210))

    assert read(words, places[1:2]) == []
