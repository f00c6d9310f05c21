import pytest

from schemas.page import ACROSS, DOWN, OVER, UP, Word
from workers.engines.classic.reading_order.lines.line_text import join_words
from workers.engines.classic.reading_order.pieces import by_direction


def line_of(*parts: tuple[str, float], size: float = 10.0) -> list[Word]:
    """(text, gap before it); a letter is 6 wide."""
    words: list[Word] = []
    left = 0.0
    for text, gap in parts:
        left += gap
        words.append(Word(text, left, 0, left + 6 * len(text), size, 0, 0, size, ACROSS))
        left += 6 * len(text)
    return words


def spaced(text: str, gap: float, between: float) -> list[Word]:
    """Letters `gap` apart, words `between` apart."""
    parts = [(letter, between if place == 0 else gap) for word in text.split() for place, letter in enumerate(word)]
    return line_of((parts[0][0], 0), *parts[1:])


@pytest.mark.parametrize("gap", [1.6, 2.8, 5.0])
def test_letters_set_apart_are_words(gap: float) -> None:
    assert join_words(spaced("ANNUAL REPORT 2025", gap, 2 * gap + 2.8)) == "ANNUAL REPORT 2025"


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (line_of(("A", 0), ("B", 12), ("C", 12), ("D", 12)), "A B C D"),  # answers to choose from, headings of columns
        (line_of(("1", 0), ("2", 3), ("3", 3), ("4", 3), ("5", 3)), "1 2 3 4 5"),
        (line_of(*[(letter, 3) for letter in "ABCDEF"]), "A B C D E F"),
        (line_of(*[(letter, 3) for letter in "ABDEFH"]), "A B D E F H"),
        (line_of(*[(letter, 3) for letter in "first"]), "first"),
        (line_of(*[(letter, 3) for letter in "àÀâÂäÄ"]), "à À â Â ä Ä"),
        (line_of(("I", 0), ("a", 3), ("am", 3)), "I a am"),
        (line_of(("x", 0), ("y", 3), ("z", 3)), "x y z"),
        (line_of(("4,810", 0), ("²", 1), ("and", 3)), "4,810² and"),
        (line_of(("²", 0), ("Without", 3)), "² Without"),
        (line_of(("rows", 0), ("³", 6)), "rows ³"),
    ],
)
def test_what_belongs_together_on_a_line(words: list[Word], expected: str) -> None:
    assert join_words(words) == expected


def test_lines_run_as_the_pdf_says_whatever_their_shape() -> None:
    # given a narrow short word, a single glyph of a column, and a turned head of a table
    words = [
        Word("is", 0, 0, 5, 12, 0, 0, 10.0, ACROSS),
        Word("字", 20, 0, 30, 10, 1, 0, 10.0, DOWN),
        Word("Ok", 40, 0, 50, 11, 2, 0, 10.0, UP),
        Word("of", 60, 0, 70, 11, 3, 0, 10.0, OVER),
    ]

    across, down, up, over = by_direction(list(enumerate(words)))

    assert [[word.text for _, word in part] for part in (across, down, up, over)] == [["is"], ["字"], ["Ok"], ["of"]]


def test_lines_without_other_letters_are_joined_as_those_with_them() -> None:
    """Most lines take a short way; a word of other letters behind them sends them the long one."""
    for line in (
        ["Contents", ".....", "7"],
        ["a", "b", "c"],
        [".", ".", ".", ".", ".", "3"],
        ["", "Once", "upon"],
        [" ", "x"],
        list("ANNUAL"),
    ):
        words = line_of(*((text, 3) for text in line))
        other = line_of(("été", 0))[0]._replace(left=1e6, right=1e6 + 18)
        assert f"{join_words(words)} été".strip() == join_words([*words, other])
