import pytest

from schemas.page import ACROSS, Word
from workers.engines.classic.reading_order.blocks import blocks_in_order

PROSE = "the harbour wall was built in the year of the storm and the fleet moved in behind it"


def line(text: str, left: float, top: float, number: int, size: float = 12.0) -> list[Word]:
    words = []
    for each in text.split():
        words.append(Word(each, left, top, left + 0.5 * size * len(each), top + 1.2 * size, 1, number, size, ACROSS))
        left += 0.5 * size * (len(each) + 1)
    return words


def page(capital: str, first: str, size: float = 40.0, gap: float = 4.0) -> list[Word]:
    """A paragraph whose first two lines stand beside the capital."""
    begin = 60 + 0.5 * size + gap
    return [
        Word(capital, 60, 98, 60 + 0.5 * size, 98 + 0.9 * size, 0, 0, size, ACROSS),
        *line(f"{first} {PROSE}", begin, 100, 0),
        *line(PROSE, begin, 115, 1),
        *line(PROSE, 60, 130, 2),
        *line(PROSE, 60, 145, 3),
    ]


def text_of(words: list[Word]) -> str:
    return blocks_in_order(words, 800, 1000)[0].text


@pytest.mark.parametrize(
    ("capital", "first", "expected"),
    [
        ("O", "nce", "Once"),
        ("T", "HE", "THE"),
        ("A", "fter", "After"),
        ("A", "wall", "A wall"),
        ("I", "think", "I think"),
        ("“W", "hen", "“When"),
        ("Ö", "ffnung", "Öffnung"),
    ],
)
@pytest.mark.slow
def test_a_large_first_letter_begins_its_word(capital: str, first: str, expected: str) -> None:
    assert text_of(page(capital, first)) == f"{expected} {PROSE} {PROSE} {PROSE} {PROSE}"


@pytest.mark.slow
def test_every_word_stays_in_one_block() -> None:
    words = page("O", "nce")

    (block,) = blocks_in_order(words, 800, 1000)

    assert sorted(block.members) == list(range(len(words)))


@pytest.mark.parametrize("words", [page("O", "nce", size=15.0), page("O", "nce", gap=60.0)])
def test_a_letter_that_is_hardly_larger_or_far_away_stays_alone(words: list[Word]) -> None:
    assert not text_of(words).startswith("Once")


@pytest.mark.parametrize("lines_beside", [2, 1])
def test_a_capital_that_the_file_has_as_a_word_of_its_line_begins_the_first_word(lines_beside: int) -> None:
    # given a capital of two lines, or one that stands on its line and rises above it
    cap = Word("O", 60, 98, 75, 98 + 0.6 * 24 * lines_beside, 1, 0, 24.0, ACROSS)
    words = [cap, *line(f"nce {PROSE}", 80, 100, 0), *line(PROSE, 80 if lines_beside > 1 else 60, 115, 1), *line(PROSE, 60, 130, 2)]

    assert text_of(words).startswith("Once the harbour")
