from typing import Any

import pytest

from schemas.page import Box
from workers.rendering.pages.text_layer import clean_text, read_words

PAGE = Box(0, 0, 100, 100)
NAN = float("nan")


def raw(*chars: tuple[str, tuple[float, float, float, float]], flags: int = 16, alpha: int = 255) -> dict[str, Any]:
    span = {"size": 10.0, "flags": 0, "alpha": alpha, "char_flags": flags, "chars": [{"c": c, "bbox": box} for c, box in chars]}
    return {"blocks": [{"number": 4, "lines": [{"spans": [span]}]}, {"number": 5}]}


def test_white_space_ends_a_word_and_boxes_are_united() -> None:
    text = read_words(raw(("a", (0, 10, 5, 20)), ("b", (5, 9, 10, 20)), (" ", (10, 9, 12, 20)), ("c", (12, 9, 15, 20))), PAGE)

    assert [(word.text, word.box, word.block, word.line) for word in text.words] == [
        ("ab", (0, 9, 10, 20), 4, 0),
        ("c", (12, 9, 15, 20), 4, 0),
    ]
    assert text.num_chars == 3
    assert text.size_chars == {10.0: 3}


@pytest.mark.parametrize("bad", [NAN, float("inf"), float("-inf")])
def test_a_character_without_a_finite_box_is_dropped(bad: float) -> None:
    text = read_words(raw(("a", (0, 10, bad, 20)), ("b", (5, 9, 10, 20))), PAGE)

    assert [word.text for word in text.words] == ["b"]


@pytest.mark.parametrize(("flags", "alpha", "hidden"), [(16, 255, 0), (32, 255, 0), (64, 255, 0), (0, 255, 1), (16, 0, 1)])
def test_invisible_characters_are_counted(flags: int, alpha: int, hidden: int) -> None:
    text = read_words(raw(("a", (0, 10, 5, 20)), flags=flags, alpha=alpha), PAGE)

    assert text.num_hidden == hidden
    assert len(text.words) == 1


@pytest.mark.parametrize(("char", "unmapped"), [("a", 0), ("語", 0), ("\ufffd", 1), ("\ue000", 1), ("\x07", 1)])
def test_characters_without_a_meaning_are_counted(char: str, unmapped: int) -> None:
    assert read_words(raw((char, (0, 10, 5, 20))), PAGE).num_unmapped == unmapped


@pytest.mark.parametrize(
    ("chars", "expected"),
    [
        ("plain", "plain"),
        ("Zeilen\u00ad", "Zeilen-"),
        ("Zei\u00adlen", "Zeilen"),
        ("a\x00\x1b[31mb", "a[31mb"),
        ("a\ud800b", "a\ufffdb"),
        ("a\u200db", "a\u200db"),  # a joiner is part of Indic and Arabic spelling
        ("\x07", ""),
    ],
)
def test_text_is_cleaned(chars: str, expected: str) -> None:
    assert clean_text(chars) == expected
    clean_text(chars).encode("utf-8")
