import json
import random

import pytest

from tests.growth import assert_grows_linearly
from workers.text.loops import Loop, find_loop

PROSE = "It was a bright cold day in April, and the clocks were striking thirteen; Winston Smith slipped quickly through. "


def ocr(*blocks: dict[str, object]) -> str:
    """An answer cut off in its last block."""
    return json.dumps({"languages": ["en"], "blocks": list(blocks)})[:-4]


@pytest.mark.parametrize(
    ("before", "unit"),
    [
        ("The end is ", "near and "),
        (PROSE, "the same sentence said once more. "),
        ('{"blocks": [{"paragraph": "a"}', ', {"paragraph": "one and the same block"}'),
        ('{"blocks": [{"table": [["x"]', ', ["total", "12", "13"]'),
        ("正文。", "重复的句子在这里。"),
    ],
)
def test_a_suffix_that_repeats_is_a_loop(before: str, unit: str) -> None:
    text = before + unit * 400

    loop = find_loop(text)

    assert loop is not None
    assert loop.period == len(unit)
    assert loop.start <= len(before)
    assert text[: loop.start] == before[: loop.start]


def test_a_loop_starts_where_its_first_round_does() -> None:
    assert find_loop("abc " + "Zyxwv." * 300) == Loop(start=4, period=6)


def test_a_loop_cut_off_in_its_last_round_is_found() -> None:
    loop = find_loop("intro: " + "words and more words, " * 100 + "words and mo")

    assert loop is not None
    assert loop.period == 22


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="empty"),
        pytest.param(PROSE * 3, id="a sentence three times"),
        pytest.param(ocr({"paragraph": "Chapter 1 " + "." * 300}), id="dotted leaders"),
        pytest.param("".join(f"Chapter {n} {'.' * 60} {n * 7}\n" for n in range(60)), id="a table of contents"),
        pytest.param(ocr({"table": [["0"] * 12] * 40}), id="a table of zeros"),
        pytest.param(ocr({"table": [[""] * 10] * 60}), id="an empty grid"),
        pytest.param(ocr(*[{"paragraph": "_" * 70}] * 25), id="ruled lines"),
        pytest.param("Name: ______ Date: ______\n" * 30, id="a form's ruled list"),
        pytest.param("".join(f"{n}. ______________\n" for n in range(400)), id="a numbered ruled list"),
        pytest.param(ocr({"table": [["yes", "no"]] * 60}), id="a column of yes and no"),
    ],
)
def test_pages_that_repeat_themselves_are_no_loop(text: str) -> None:
    assert find_loop(text) is None


def test_repetition_without_words_is_a_loop_when_no_page_has_so_much() -> None:
    assert find_loop("Contents " + "." * 7000) is not None


@pytest.mark.slow
def test_looking_for_a_loop_is_bounded() -> None:
    generator = random.Random(1)
    text = "".join(generator.choice("ab") for _ in range(2_000_000))

    def work(size: int) -> None:
        assert find_loop(text[:size]) is None
        assert find_loop("a" * size) is not None

    assert_grows_linearly(work, 500_000)
