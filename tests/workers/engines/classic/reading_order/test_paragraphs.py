import pytest

from schemas.page import BOLD
from tests.workers.engines.classic.reading_order.test_columns import column, line, read
from workers.engines.classic.reading_order.lines.list_marks import mark_of

FULL = ["The harbour board publishes a statement of its dues", "every spring and vessels of less than twenty metres"]


def lines(*texts, top=300, lefts=None, style=0):
    lefts = lefts or [80] * len(texts)
    return [w for i, text in enumerate(texts) for w in line(text, lefts[i], top + 24 * i, number=10 * top + i, style=style)]


def test_items_with_a_hanging_indent_stay_whole():
    words = lines(
        "• Boats of less than twenty metres are counted by", "the night and pay in advance at the office", "• Others pay",
        lefts=[80, 110, 80],
    )  # fmt: skip
    assert read(words) == [
        ("list_item", "• Boats of less than twenty metres are counted by the night and pay in advance at the office"),
        ("list_item", "• Others pay"),
    ]


def test_numbered_items_follow_each_other_and_a_number_in_a_sentence_opens_none():
    words = lines(
        "1. Count the boats that lie in the outer harbour and", "write the sum down.", "2. Report it to the board within the year",
        "2024. Nobody else need be told of any of this at all", lefts=[80, 115, 80, 115],
    )  # fmt: skip
    assert [text for _, text in read(words)] == [
        "1. Count the boats that lie in the outer harbour and write the sum down.",
        "2. Report it to the board within the year 2024. Nobody else need be told of any of this at all",
    ]


def test_dashes_after_a_sentence_that_announces_them_are_items():
    words = lines("Exempt are, as in all the years before this one, the following:", "- fishing boats", "- pilots")
    assert read(words)[1:] == [("list_item", "- fishing boats"), ("list_item", "- pilots")]


def test_a_paragraph_whose_first_line_hangs_out_is_one():
    words = lines(*FULL, "Pay by the night, and larger ones by the ton.", lefts=[80, 110, 110])
    assert [text for _, text in read(words)] == [" ".join([*FULL, "Pay by the night, and larger ones by the ton."])]


@pytest.mark.parametrize("second", [{"style": BOLD}, {"lefts": [110]}])
def test_a_sentence_that_goes_on_is_not_torn(second):
    words = (
        lines(FULL[0]) + lines(FULL[1], top=324, **second) + lines("Another line that is as long as those above it are", top=348)
    )
    assert read(words)[0][1].startswith(" ".join(FULL))


def test_an_address_keeps_its_lines():
    words = lines("Curlew Marine Ltd", "4 Slipway Lane", "Saltmarsh") + column([*FULL, *FULL], 80, 500, number=90)
    assert read(words)[0] == ("paragraph", "Curlew Marine Ltd\n4 Slipway Lane\nSaltmarsh")


def test_prose_keeps_no_lines_whatever_its_margin():
    narrow = ["Ships that come at night", "Anchor in the outer bay", "Until the pilot comes up", "And takes them in"]
    words = lines(*narrow) + column([*FULL, *FULL], 80, 500, number=90)
    assert read(words)[0] == ("paragraph", " ".join(narrow))


def test_a_line_in_small_letters_goes_on_where_lines_are_kept():
    texts = ["Pontoon, first berth", "Slipway at the", "eastern quay", "Crane"]
    words = lines(*texts) + column([*FULL, *FULL], 80, 500, number=90)
    assert read(words)[0][1] == "Pontoon, first berth\nSlipway at the eastern quay\nCrane"


def test_a_short_bold_line_that_ends_in_a_point_is_a_heading():
    words = lines("Стаття 1.", style=BOLD) + lines("Всі люди народжуються вільними і рівними.", top=330)
    assert [kind for kind, _ in read(words)] == ["heading", "paragraph"]


def test_a_numbered_footnote_is_no_item_of_a_list():
    note = line("1. See the statement of 1999", 80, 1200, size=14.0, number=70)
    assert read(column([*FULL, *FULL], 80, 300) + note)[-1] == ("footnote", "1. See the statement of 1999")


@pytest.mark.parametrize(
    ("before", "after", "follows"),
    [
        ("1. a", "2. b", True),
        ("(a) a", "(b) b", True),
        ("h) a", "i) b", True),
        ("iv. a", "v. b", True),
        ("IX. a", "X. b", True),
        ("• a", "• b", True),
        ("1. a", "3. b", False),
        ("1. a", "2) b", False),
        ("• a", "- b", False),
    ],
)
def test_marks_of_one_list(before, after, follows):
    assert mark_of(after).follows(mark_of(before)) is follows


@pytest.mark.parametrize("text", ["1.5 metres", "Mr. Smith", "-5 degrees", "(see above) it", "2024", "•"])
def test_what_is_no_mark(text):
    assert mark_of(text) is None


def test_bullets_that_stand_by_themselves_join_their_items():
    texts = ["Boats pay by the night and", "in advance at the office", "Others pay by the ton each"]
    words = [w for i, text in enumerate(texts) for w in line(text, 150, 300 + 24 * i, number=20 + i)]
    words += line("•", 80, 302, size=14.0, number=1) + line("•", 80, 350, size=14.0, number=2)
    assert read(words) == [("list_item", f"• {texts[0]} {texts[1]}"), ("list_item", f"• {texts[2]}")]


def test_an_address_in_a_column_of_its_own_keeps_its_lines():
    assert read(lines("Curlew Marine Ltd", "4 Slipway Lane", "Saltmarsh"))[0][1] == "Curlew Marine Ltd\n4 Slipway Lane\nSaltmarsh"


def test_centred_lines_are_a_letterheads():
    texts = ["Curlew Marine", "4 Slipway Lane, Saltmarsh", "Telephone 0100 555"]
    words = lines(*texts, lefts=[400, 340, 370]) + column([*FULL, *FULL], 80, 500, number=90)
    assert read(words)[0] == ("paragraph", "\n".join(texts))


def test_lines_of_a_receipt_that_end_in_an_amount_stay_lines():
    texts = ["Total sales excluding tax 80.91", "Discount granted to members 0.00", "rounding of the sum -0.01", "Cash 100.00 A"]
    assert read(lines(*texts)) == [("paragraph", "\n".join(texts))]


def test_lines_of_a_slip_all_begin_anew():
    texts = [
        "RIVER CHANDLERY AND SONS LTD", "12 Harbour Road", "Rope, 8 mm, polyester, by the metre", "9555916500133 1 X",
        "Shackle of stainless steel, small", "9555916500126 2 X", "Thank you",
    ]  # fmt: skip
    assert [text for _, text in read(lines(*texts))] == ["\n".join(texts)]


def test_sentences_in_a_narrow_column_are_no_slip():
    texts = ["Ships that come at night must", "anchor in the outer bay until", "a pilot comes from Saltmarsh", "and takes them in"]
    assert [text for _, text in read(lines(*texts, *texts))] == [" ".join([*texts, *texts])]


def test_prose_in_capitals_keeps_no_lines():
    texts = ["NO WARRANTY IS GIVEN, EXPRESS OR IMPLIED, AS TO THE FITNESS OF ANY", "VESSEL OR ITS GEAR FOR ANY PURPOSE WHATEVER"]
    assert [text for _, text in read(lines(*texts, *texts, *texts, *texts))] == [" ".join(texts * 4)]
