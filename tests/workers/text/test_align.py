import random

import pytest

from schemas.page import Box, Word
from tests.growth import assert_grows_linearly
from workers.text.agreement import agreement, tokens_of
from workers.text.align import Aligner


def lines(*texts, left=100, first_top=100):
    """Words of 10 px a letter and 20 px a line, a pixel apart."""
    words = []
    for index, text in enumerate(texts):
        x = left
        for part in text.split():
            words.append(Word(part, x, first_top + 20 * index, x + 10 * len(part), first_top + 20 * index + 15, 0, index, 15))
            x += 10 * len(part) + 1
    return words


def test_a_block_gets_the_box_of_its_words_wherever_they_stand():
    aligner = Aligner(lines("first line here", "second line there", "third line"))

    assert aligner.place("second line there") == Box(100, 120, 252, 135)
    assert aligner.place("First *line* here!") == Box(100, 100, 232, 115)


def test_repeated_texts_take_one_place_each_in_order():
    aligner = Aligner(lines("total 5", "total 5"))

    assert [aligner.place("total 5").top, aligner.place("total 5").top, aligner.place("total 5")] == [100, 120, None]


def test_misread_letters_and_joined_hyphens_still_find_the_block():
    aligner = Aligner(lines("the quick brown fox jum-", "ped over the lazy dog", "another paragraph"))

    assert aligner.place("the quick brovvn fox jumped over the lazy dog") == Box(100, 100, 304, 135)  # jum- and ped too


def test_what_is_not_there_has_no_box():
    aligner = Aligner(lines("the quick brown fox"))

    assert aligner.place("a chart that shows the sales") is None
    assert aligner.place("…") is None
    assert Aligner([]).place("x") is None


def test_scripts_without_spaces_align_by_their_characters():
    words = [Word("世界人权宣言", 100, 100, 220, 115, 0, 0, 20), Word("鉴于对人类家庭", 100, 120, 240, 135, 0, 1, 20)]

    assert Aligner(words).place("鉴于对人类") == Box(100, 120, 240, 135)


@pytest.mark.slow
def test_the_words_of_a_page_align_in_linear_time():
    random.seed(1)
    vocabulary = [f"w{n}" for n in range(400)]

    def work(size: int) -> None:
        texts = [" ".join(random.choices(vocabulary, k=12)) for _ in range(size)]
        aligner = Aligner(lines(*texts))
        boxes = [aligner.place(text) for text in texts]
        assert [box.top for box in boxes] == [100 + 20 * index for index in range(size)]

    assert_grows_linearly(work, 150)


@pytest.mark.slow
def test_a_word_that_fills_the_page_is_placed_in_linear_time():
    def work(size: int) -> None:
        words = [
            Word("0", 10 * (n % 50), 20 * (n // 50), 10 * (n % 50) + 9, 20 * (n // 50) + 15, 0, n // 50, 15) for n in range(size)
        ]
        aligner = Aligner(words)
        assert None not in [aligner.place("0") for _ in range(size)]

    assert_grows_linearly(work, 1_000)


def test_agreement_ignores_the_order_of_columns_and_punctuation():
    assert agreement(tokens_of("left column. Right, COLUMN"), tokens_of("right column left column")) == 1.0


def test_agreement_of_a_misread_letter_is_close_to_one():
    assert 0.9 < agreement(tokens_of("the quick brown fox"), tokens_of("the quick brovn fox")) < 1


def test_agreement_of_half_a_text():
    assert agreement(tokens_of("abcd"), tokens_of("abcd efgh")) == 8 / 12


def test_agreement_of_nothing_is_unknown_and_of_other_texts_is_low():
    assert agreement([], []) is None
    assert agreement(["aaaa"], []) == 0.0
    assert agreement(tokens_of("кот спит"), tokens_of("the dog")) == 0.0


def test_marks_belong_to_their_letters():
    assert tokens_of("हिन्दी में") == ["हिन्दी", "में"]
    assert tokens_of("ﬁne ½ don't soft\u00adhyphen 世界") == ["fine", "1", "2", "dont", "softhyphen", "世", "界"]


def test_a_neighbours_common_word_does_not_stretch_the_box():
    words = [*lines("the birth of the word"), *lines("somewhere between stands other text", "xhe tools of today", first_top=120)]

    assert Aligner(words).place("the tools of today") == Box(100, 140, 253, 155)
