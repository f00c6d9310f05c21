"""Program code among text: its lines and indents stay, and it makes no tables."""

import pytest

from schemas.page import ACROSS, BOLD, INVISIBLE, MONO, Word
from tests.growth import assert_grows_linearly
from workers.engines.classic.reading_order.blocks import blocks_in_order
from workers.engines.classic.reading_order.code import part_code

SIZE, PITCH = 20.0, 24.0
CODE = ["def area(width, height):", "    if width < 0:", "        raise ValueError(width)", "    return width * height"]
PRINTED = ["> table(x)", "      low high", "men    12    7", "women   9   11", "> summary(x)"]
SENTENCES = [f"The sentence {name} of a paragraph that goes on over the whole column" for name in ("one", "two", "six")]
NARROW = dict.fromkeys("ijlftr1", 0.3)


def typed(texts: list[str], top: float, *, left: float = 100, style: int = MONO, font: int = 1, size: float = SIZE) -> list[Word]:
    """Lines in a typewriter font, each of which is a line of the PDF; six tenths of the size for each character."""
    words: list[Word] = []
    for number, text in enumerate(texts):
        at = 0
        for part in text.split():
            at = text.index(part, at)
            x, y = left + 0.6 * size * at, top + PITCH * number
            words.append(Word(part, x, y, x + 0.6 * size * len(part), y + size, int(top), number, size, ACROSS | style, font))
            at += len(part)
    return words


def written(texts: list[str], top: float, *, left: float = 100) -> list[Word]:
    """Lines in a proportional font."""
    words: list[Word] = []
    for number, text in enumerate(texts):
        x = left
        for part in text.split():
            width = SIZE * sum(NARROW.get(letter, 0.55) for letter in part)
            y = top + PITCH * number
            words.append(Word(part, x, y, x + width, y + SIZE, int(top), number, SIZE, ACROSS, 0))
            x += width + 0.3 * SIZE
    return words


def read(words: list[Word]) -> list[tuple[str, str]]:
    return [(block.kind, block.text) for block in blocks_in_order(words, 1000, 1400)]


@pytest.mark.parametrize("style", [MONO, 0])
@pytest.mark.parametrize("code", [CODE, PRINTED])
def test_code_stands_between_its_paragraphs_as_it_was_written(code: list[str], style: int) -> None:
    words = written(SENTENCES, 100) + typed(code, 200, style=style) + written(SENTENCES, 400)

    prose = " ".join(SENTENCES)
    assert read(words) == [("paragraph", prose), ("code", "\n".join(code)), ("paragraph", prose)]


def test_an_empty_line_stays_one_and_the_common_indent_goes() -> None:
    code = typed(CODE[:2], 200, left=160) + typed(CODE[2:], 200 + 3 * PITCH, left=160)

    assert read(written(SENTENCES, 100) + code)[1] == ("code", "\n".join([*CODE[:2], "", *CODE[2:]]))


def test_braces_of_another_font_belong_to_the_code() -> None:
    braces = typed(["}"], 200 + 2 * PITCH, style=0, font=5)

    code = [text for kind, text in read(written(SENTENCES, 100) + typed(["f <- function(x) {", "  2 * x"], 200) + braces)]
    assert code[1] == "f <- function(x) {\n  2 * x\n}"


@pytest.mark.parametrize("code", ["> library(zoo)", "library(zoo)"])
def test_one_line_of_code_alone_is_code(code: str) -> None:
    assert read(written(SENTENCES, 100) + typed([code], 200) + written(SENTENCES, 260))[1] == ("code", code)


@pytest.mark.parametrize(
    "words",
    [
        pytest.param(written(["Call"], 300) + typed(["area(width, height)"], 300, left=200), id="inside of a line"),
        pytest.param(written(["Adds", "Shows", "Joins"], 300) + typed(["git_add()", "git_log()", "git_merge()"], 300, left=220),
                     id="cells of a table"),
        pytest.param(typed(["The clerk shall read", "all pages of the bill", "before it is printed"], 300), id="prose in type"),
        pytest.param(typed(["area() and others"], 300, style=MONO | BOLD), id="a heading"),
        pytest.param(typed(["https://an.address/of/a/page"], 300), id="an address"),
    ],
)  # fmt: skip
def test_what_is_only_set_in_type_is_no_code(words: list[Word]) -> None:
    assert "code" not in {kind for kind, _ in read(written(SENTENCES, 100) + words + written(SENTENCES, 500))}


def test_a_page_that_is_typed_as_a_whole_is_code_only_where_it_reads_like_code() -> None:
    letter = [
        "(a) The clerk shall read this.",
        "(b) It costs $5; see Sec. 2.1.",
        "Wages:    1,200    1,300",
        "Rents:      800      900",
    ]

    assert part_code(list(enumerate(typed(letter, 100))))[0] == []
    assert [block.text for block in part_code(list(enumerate(typed(CODE, 100))))[0]] == ["\n".join(CODE)]


@pytest.mark.parametrize("style", [0, ACROSS | MONO | INVISIBLE])
def test_words_of_an_ocr_are_no_code(style: int) -> None:
    words = [word._replace(style=style) for word in typed(CODE, 200)]

    assert part_code(list(enumerate(written(SENTENCES, 100) + words)))[0] == []


def test_every_word_is_in_one_block() -> None:
    words = written(SENTENCES, 100) + typed(CODE, 200) + written(SENTENCES, 400)

    members = [index for block in blocks_in_order(words, 1000, 1400) for index in block.members]
    assert sorted(members) == list(range(len(words)))


@pytest.mark.slow
def test_many_lines_of_code_cost_what_they_are() -> None:
    def part(num_lines: int) -> None:
        part_code(list(enumerate(typed(["x = f(y)"] * num_lines, 0, size=2.0) + written(SENTENCES, 1e6))))

    assert_grows_linearly(part, 1_000)
