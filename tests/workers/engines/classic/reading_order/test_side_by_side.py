import pytest

from schemas.page import Word
from workers.engines.classic.reading_order.blocks import blocks_in_order

TEXT = "the board took note of what it"


def texts(lines):
    """Of lines of (left, text) pieces, 14 apart; words of 5 units a letter, 3 apart."""
    words = []
    for number, line in enumerate(lines):
        for piece, (left, text) in enumerate(line):
            for part in text.split():
                words.append(Word(part, left, 14 * number, left + 5 * len(part), 14 * number + 10, 10 * number + piece, 0, 10.0))
                left += 5 * len(part) + 3
    return [block.text for block in blocks_in_order(words, 500, 600)]


def test_short_columns_of_sentences_are_read_one_after_the_other():
    lines = [[(0, "The committee met twice in"), (250, "The pilots asked for a")], [(0, "spring."), (250, "longer season.")]]

    assert texts(lines) == ["The committee met twice in spring.", "The pilots asked for a longer season."]


def test_an_address_beside_pairs_is_read_before_them():
    address, pairs = ("Sea Holly Ropes", "9 Quay Street", "Saltmarsh"), ("Invoice no.: 118", "Date: 3 June", "Due: 3 July")
    lines = [*([(0, left), (300, right)] for left, right in zip(address, pairs, strict=True)), [(0, "SM4 2QQ")]]

    assert " ".join(texts(lines)).split() == " ".join([*address, "SM4 2QQ", *pairs]).split()


def test_a_heading_beside_its_text_comes_before_it():
    lines = [[(0, "Purpose"), (120, TEXT)], [(120, TEXT)], [(0, "Contact"), (120, TEXT)], [(120, TEXT)]]

    assert texts(lines) == ["Purpose", f"{TEXT} {TEXT}", "Contact", f"{TEXT} {TEXT}"]


@pytest.mark.parametrize("mark", ["1.", "Table 1:"])
def test_a_number_stays_with_the_text_beside_it(mark):
    assert texts([[(0, mark), (120, TEXT)], [(120, TEXT)]]) == [f"{mark} {TEXT} {TEXT}"]


@pytest.mark.parametrize("mark", ["•", "–"])
def test_lists_beside_each_other_are_no_table(mark):
    lines = [
        [(0, f"{mark} {one}"), (250, f"{mark} {other}")] for one, other in (("oats", "figs"), ("rye", "plums"), ("peas", "pears"))
    ]
    lines += [[(250, f"{mark} quinces of the")], [(258, "late kind")]]

    assert texts(lines) == [
        f"{mark} {text}" for text in ("oats", "rye", "peas", "figs", "plums", "pears", "quinces of the late kind")
    ]


def test_headings_of_two_lines_stay_beside_their_text():
    lines = [
        [(0, "Purpose of"), (120, TEXT)],
        [(0, "the dues"), (120, TEXT)],
        [(120, TEXT)],
        [],
        [(0, "Contact"), (120, TEXT)],
        [(120, TEXT)],
    ]

    assert texts(lines) == ["Purpose of the dues", f"{TEXT} {TEXT} {TEXT}", "Contact", f"{TEXT} {TEXT}"]


def test_long_headings_beside_paragraphs_are_no_column():
    heads = [f"{name} before the harbour" for name in ("Quay", "Office", "Bridge", "Market", "Light")]
    lines = [line for head in heads for line in ([(0, head), (160, TEXT)], [(160, TEXT)], [(160, TEXT)], [])]

    assert texts(lines) == [text for head in heads for text in (head, f"{TEXT} {TEXT} {TEXT}")]


def test_a_short_column_above_a_short_last_line_is_no_heading():
    lines = [[(0, TEXT), (250, TEXT)] for _ in range(5)] + [[(250, TEXT)] for _ in range(9)]
    lines += [[], [(0, f"{TEXT} had been {TEXT} for {TEXT}")], [(0, "again.")]]

    assert texts(lines)[:2] == [" ".join([TEXT] * 5), " ".join([TEXT] * 14)]


def test_three_lists_are_read_one_after_the_other():
    lines = [[(0, f"• {a}"), (170, f"• {b}"), (330, f"• {c}")] for a, b, c in (("red", "oak", "wren"), ("blue", "ash", "tern"))]

    assert texts(lines) == [f"• {text}" for text in ("red", "blue", "oak", "ash", "wren", "tern")]
