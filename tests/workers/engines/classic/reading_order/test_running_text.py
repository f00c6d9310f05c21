import pytest

from schemas.page import NO_EDGES, Box, EdgeLine, PageEdges, Word
from tests.workers.engines.classic.reading_order.test_columns import LEFT, RIGHT, column, line
from workers.engines.classic.reading_order.block_kinds import Paragraph, kinds_of
from workers.engines.classic.reading_order.blocks import blocks_in_order
from workers.engines.classic.reading_order.running_text import key_of

BODY = column(LEFT, 80, 300, number=5)
TEXT = ("paragraph", " ".join(LEFT))


def edges(*pages, is_first=False):
    """Lines at the same places as `line` puts them at `top` on a page of 1400."""
    return PageEdges([[EdgeLine(text, (top + 10) / 1400) for text, top in page] for page in pages], is_first)


def read(words, around=NO_EDGES):
    return [(block.kind, block.text) for block in blocks_in_order(words, 1000, 1400, edges=around)]


def test_what_repeats_at_the_head_is_a_header_however_low():
    words = line("Annual Report 2024", 80, 150) + BODY
    assert read(words)[0][0] != "header"
    assert read(words, edges([("Annual Report 2024", 150)])) == [("header", "Annual Report 2024"), TEXT]


def test_numbers_in_running_text_may_differ():
    words = BODY + line("Report 2024", 80, 1330, number=60) + line("Page 7 of 90", 800, 1330, number=61)
    found = read(words, edges([("Report 2024", 1330), ("Page 6 of 90", 1330)]))
    assert found == [TEXT, ("footer", "Report 2024 Page 7 of 90")]


@pytest.mark.parametrize(
    ("text", "other"),
    [("Invoice no. 5501", "Invoice no. 5502"), ("Question 2", "Question 3"), ("Account 4471 / 2025", "Account 99 / 2025")],
)
def test_a_line_behind_the_head_that_counts_is_of_its_page(text, other):
    words = line("Examination", 80, 40, size=14) + line(text, 80, 130, number=1) + BODY
    found = read(words, edges([("Examination", 40), (other, 130)]))
    assert found[0] == ("header", "Examination")
    assert found[1][1] == text
    assert found[1][0] != "header"


def test_a_page_number_behind_the_head_stays_one():
    words = line("Examination", 80, 40, size=14) + line("Page 2 of 4", 80, 90, number=1) + BODY
    found = read(words, edges([("Examination", 40), ("Page 3 of 4", 90)]))
    assert found[:2] == [("header", "Examination"), ("header", "Page 2 of 4")]


def test_sentences_at_the_head_of_a_page_are_no_header():
    sentences = ["Vessels of less than twenty metres pay by the night,", "larger ones by the gross ton."]
    assert read(column(sentences, 80, 40) + BODY) == [("paragraph", " ".join(sentences)), TEXT]


def test_a_caption_at_the_head_of_a_page_is_no_header():
    assert read(line("Table 1: Dues of the harbour", 80, 40) + BODY) == [("caption", "Table 1: Dues of the harbour"), TEXT]


def test_a_margins_line_that_repeats_nowhere_is_text():
    words = line("A sentence that happens to end here", 80, 40) + BODY
    assert read(words)[0][0] == "header"
    other = [("Another chapter begins", 40), ("12", 1340)]
    assert "header" not in [kind for kind, _ in read(words, edges(other, other))]


@pytest.mark.parametrize("text", ["17", "Page 17", "Campus Attacks 17", "Downloaded from http://example.org/ by a library"])
def test_page_numbers_and_stamps_need_no_other_page(text):
    words = BODY + line(text, 80, 1350, number=40)
    other = [("Something else", 40)]
    assert read(words, edges(other, other)) == [TEXT, ("footer", text)]


def test_a_year_is_no_page_number():
    words = BODY + line("Written in 1999", 80, 1350, number=40)
    other = [("Something else", 40)]
    assert [kind for kind, _ in read(words, edges(other, other))] == ["paragraph", "paragraph"]


def test_a_tables_head_that_is_printed_again_stays_with_its_table():
    rows = [("Name", "Amount"), ("Boats", "10"), ("Nets", "12"), ("Ropes", "7")]
    words = [
        w for r, row in enumerate(rows) for c, t in enumerate(row) for w in line(t, 80 + 300 * c, 100 + 24 * r, number=9 * r + c)
    ]
    found = read(words + column(RIGHT, 80, 600, number=50), edges([("Name", 100), ("Amount", 100)]))
    assert found[0] == ("table", "Name\tAmount\nBoats\t10\nNets\t12\nRopes\t7")


def test_a_letterhead_is_text_on_the_first_page_and_running_on_the_next():
    head = [("Invoice 5501", 40), ("14 March 2025", 64), ("Customer 7731", 88)]
    words = [word for i, (text, top) in enumerate(head) for word in line(text, 80, top, number=i)] + BODY
    assert [kind for kind, _ in read(words, edges(head))] == ["header", "header", "header", "paragraph"]
    first = read(words, edges(head, is_first=True))
    assert "Invoice 5501" in " ".join(text for kind, text in first if kind != "header")


def test_a_page_that_is_the_next_one_again_keeps_its_text():
    words = line("Only line", 80, 40) + line("Another", 80, 80, number=1)
    same = [("Only line", 40), ("Another", 80)]
    assert "header" not in [kind for kind, _ in read(words, edges(same, same))]


def test_a_stamp_up_the_side_is_a_header():
    stamp = [Word("Printed", 960, 700, 980, 800, 90, 0, 20.0), Word("by:library", 960, 580, 980, 690, 90, 0, 20.0)]
    assert read(BODY + stamp)[-1] == ("header", "Printed by:library")


@pytest.mark.parametrize(("one", "other"), [("Page 3", "page 12"), ("xii", "xv"), ("- 4 -", "5"), ("第3页", "第12页")])
def test_the_same_but_for_the_number(one, other):
    assert key_of(one) == key_of(other)


@pytest.mark.parametrize(
    ("text", "size", "is_alone", "kind"),
    [
        ("Dear Ms Curlew,", 20.0, True, "paragraph"),
        ("Harbour board, annual report", 16.0, True, "header"),
        ("Dear Ms Curlew,", 20.0, False, "header"),
        ("3", 20.0, True, "header"),
    ],
    ids=["first line of a letter", "smaller than the text", "of a longer document", "a page number"],
)
def test_the_first_line_of_a_page_that_is_its_whole_document_is_text(text, size, is_alone, kind):
    first = Paragraph(text, Box(80, 60, 400, 80), size, False, 1, False)
    body = Paragraph("The dues of the harbour are paid by the night. " * 6, Box(80, 110, 900, 400), 20.0, False, 8, False)
    assert kinds_of([first, body], 1600.0, is_alone=is_alone) == [kind, "paragraph"]
