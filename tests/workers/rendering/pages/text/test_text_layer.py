from typing import Any

import pytest

from schemas.page import ACROSS, DOWN, INVISIBLE, UP, Box, Word
from workers.rendering.pages.text.characters import clean_layer_text
from workers.rendering.pages.text.text_layer import read_words
from workers.rendering.pages.text.torn_lines import columns_of_glyphs, down_lines, whole_words

PAGE = Box(0, 0, 100, 100)
NAN = float("nan")


def raw(*chars: tuple[str, tuple[float, float, float, float]], flags: int = 16, alpha: int = 255) -> dict[str, Any]:
    return line_of(span_of(*chars, flags=flags, alpha=alpha))


def span_of(
    *chars: tuple[str, Any], flags: int = 16, alpha: int = 255, size: float = 10.0, y: float = 20.0, font: str = "Helvetica"
) -> dict[str, Any]:
    letters = [{"c": c, "bbox": box} for c, box in chars]
    around = (chars[0][1][0], chars[0][1][1], chars[-1][1][2], chars[-1][1][3])
    return {
        "size": size, "flags": 0, "alpha": alpha, "char_flags": flags, "chars": letters, "font": font, "origin": (0.0, y),
        "bbox": around,
    }  # fmt: skip


def line_of(*spans: dict[str, Any], direction: tuple[float, float] = (1.0, 0.0), wmode: int = 0) -> dict[str, Any]:
    return {"blocks": [{"number": 4, "lines": [{"spans": list(spans), "dir": direction, "wmode": wmode}]}, {"number": 5}]}


def letters(text: str, left: float = 0) -> list[tuple[str, tuple[float, float, float, float]]]:
    return [(char, (left + 5 * place, 10, left + 5 * place + 5, 20)) for place, char in enumerate(text)]


def test_white_space_ends_a_word_and_boxes_are_united() -> None:
    text = read_words(raw(("a", (0, 10, 5, 20)), ("b", (5, 9, 10, 20)), (" ", (10, 9, 12, 20)), ("c", (12, 9, 15, 20))), PAGE)

    assert [(word.text, word.box, word.block, word.line) for word in text.words] == [
        ("ab", (0, 9, 10, 20), 4, 0),
        ("c", (12, 9, 15, 20), 4, 0),
    ]
    assert text.num_chars == 3
    assert text.size_chars == {10.0: 3}


@pytest.mark.parametrize(("gap", "expected"), [(2, ["best", "of"]), (5, ["b", "est", "of"])])
def test_a_gap_narrower_than_the_blanks_that_a_line_writes_parts_no_words(gap: float, expected: list[str]) -> None:
    # given letters set apart, with a blank of 6 between words; MuPDF adds one where it takes a gap for a blank
    chars = letters("b") + letters("est", 5 + gap) + [(" ", (21 + gap, 10, 25 + gap, 20))] + letters("of", 26 + gap)
    line = raw(*chars)
    added = {"c": " ", "bbox": (5, 10, 5 + gap, 20), "synthetic": True}
    line["blocks"][0]["lines"][0]["spans"][0]["chars"].insert(1, added)

    assert [word.text for word in read_words(line, PAGE).words] == expected


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
        ("\u200bJ", "J"),  # a blank without width is no letter
        ("\u200b", ""),
    ],
)
def test_text_is_cleaned(chars: str, expected: str) -> None:
    assert clean_layer_text(chars) == expected
    clean_layer_text(chars).encode("utf-8")


@pytest.mark.parametrize(
    ("before", "mark", "expected"),
    [
        ("4,810", "2", "4,810²"),
        ("10", "9", "10⁹"),
        ("10", "-3", "10⁻³"),
        ("Curlew", "1,2", "Curlew¹,²"),
        ("Total", "a", "Totalᵃ"),
        ("21", "st", "21st"),
        ("M", "me", "Mme"),
        ("Brand", "TM", "BrandTM"),
        ("1", "a", "1ª"),
        ("Dues", "*", "Dues*"),
        ("x", "2Я", "x^2Я"),
    ],
)
def test_a_superscript_is_no_part_of_the_number_before_it(before: str, mark: str, expected: str) -> None:
    text = read_words(
        line_of(
            span_of(*letters(before)), span_of(*letters(mark, 5 * len(before)), size=6, y=16.5), span_of(*letters(" after", 60))
        ),
        PAGE,
    )

    assert text.words[0].text == expected


@pytest.mark.parametrize(
    ("size", "y"),
    [(6, 20), (6, 21.5), (10, 16), (3, 17)],  # small capitals; a subscript; a line that jumps; the neighbours of a drop capital
)
def test_smaller_or_shifted_letters_alone_are_no_superscript(size: float, y: float) -> None:
    text = read_words(
        line_of(span_of(*letters("H")), span_of(*letters("2", 5), size=size, y=y), span_of(*letters("Obserw", 10))), PAGE
    )

    assert text.words[0].text == "H2Obserw"


@pytest.mark.parametrize(
    ("direction", "wmode", "expected"),
    [((1.0, 0.0), 0, ACROSS), ((0.0, 1.0), 0, DOWN), ((0.0, -1.0), 0, UP), ((1.0, 0.0), 1, DOWN)],
)
def test_a_word_knows_which_way_its_line_runs(direction: tuple[float, float], wmode: int, expected: int) -> None:
    (word,) = read_words(line_of(span_of(*letters("ab")), direction=direction, wmode=wmode), PAGE).words

    assert word.style == expected


def test_a_word_without_ink_says_so() -> None:
    (word,) = read_words(raw(*letters("ab"), flags=0), PAGE).words

    assert word.style == ACROSS | INVISIBLE


@pytest.mark.parametrize(
    ("font", "chars", "glyphs", "expected"),
    [
        ("ABCDEF+Wingdings-Regular", "\xfe\xa8", {}, "☑☐"),
        ("Wingdings", "\uf0fc\uf0fb", {}, "✓✗"),
        ("ZapfDingbats", "4o8", {}, "✔❏✘"),
        ("ZapfDingbats", "J", {74: 80}, "❏"),  # MuPDF's glyph number less one, where the PDF names no encoding
        ("Symbol", "abS", {}, "αβΣ"),
        ("SymbolMT", "\uf0b7", {}, "•"),
        ("Helvetica", "4o\uf0b7\uf0fe", {}, "4o•☑"),  # Word's private use, under any name
        ("ZapfDingbats", "✔", {}, "✔"),
    ],
)
def test_what_a_font_of_symbols_shows_is_read(font: str, chars: str, glyphs: dict[int, int], expected: str) -> None:
    (word,) = read_words(line_of(span_of(*letters(chars), font=font)), PAGE, glyphs).words

    assert word.text == expected


def test_glyphs_of_a_column_share_their_line() -> None:
    # given what MuPDF makes of vertical Japanese: a line for each glyph; two columns are two blocks
    glyphs = [
        Word(text, left, top, left + 10, top + 10, block, line, 10.0, DOWN)
        for block, left in ((0, 40.0), (1, 20.0))
        for line, (text, top) in enumerate(zip("すべて", (10.0, 20.0, 30.0), strict=True))
    ]

    assert [(word.block, word.line) for word in down_lines(glyphs)] == [(0, 0)] * 3 + [(1, 0)] * 3


def test_upright_glyphs_placed_under_each_other_are_a_column_and_a_table_of_signs_is_none() -> None:
    column = [
        Word(text, left, 12.0 * line, left + 10, 12.0 * line + 10, block, line, 10.0, ACROSS)
        for block, left in ((0, 40.0), (1, 20.0))
        for line, text in enumerate(("港", "に", "12", "隻"))
    ]
    weekdays = [
        word._replace(text=text)
        for place in range(4)
        for word, text in ((column[place], "月火水木"[place]), (column[4 + place], "harbour"))
    ]

    assert [(word.style, word.block, word.line) for word in columns_of_glyphs(column)] == [(DOWN, 0, 0)] * 4 + [(DOWN, 1, 0)] * 4
    assert columns_of_glyphs(weekdays) == weekdays


def test_lines_that_run_down_beside_each_other_stay_two() -> None:
    words = [Word("one", 10, 10, 20, 40, 0, 0, 10.0, DOWN), Word("two", 30, 10, 40, 40, 0, 1, 10.0, DOWN)]

    assert down_lines(words) == words


def part(text: str, left: float, right: float, line: int) -> Word:
    return Word(text, left, 10, right, 22, 0, line, 10.0, ACROSS)


def test_words_that_are_torn_at_a_vowel_sign_are_whole() -> None:
    # given what MuPDF makes of two words of Hindi: a line begins at each sign that is drawn left of its letter
    torn = [part("अध", 0, 10, 0), part("िकार", 8, 30, 1), part("मानव", 33, 50, 2), part("क", 53, 58, 3), part("\ufffd", 58, 61, 4)]

    assert [(word.text, word.line) for word in whole_words(torn)] == [("अधिकार", 0), ("मानव", 0), ("क\ufffd", 0)]


def test_words_of_other_scripts_and_other_lines_stay_apart() -> None:
    words = [part("Latin", 0, 20, 0), part("letters", 20, 40, 1), part("हिंदी", 60, 80, 2), Word("शब्द", 80, 40, 95, 52, 0, 3, 10.0)]

    assert whole_words(words) == words
