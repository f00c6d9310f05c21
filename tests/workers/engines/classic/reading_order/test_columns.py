import pytest

from schemas.page import ACROSS, BOLD, OVER, Word
from workers.engines.classic.reading_order.blocks import blocks_in_order
from workers.engines.classic.reading_order.pieces import turned_over

SIZE = 20.0


def line(text, left, top, *, width=None, size=SIZE, style=0, number=0, rtl=False):
    """Words side by side from `left` (from the right edge of `width` when rtl), half a size per character."""
    words = []
    pieces = text.split()
    x = left
    if width is not None and len(pieces) > 1:
        natural = sum(len(piece) * size / 2 for piece in pieces)
        space = (width - natural) / (len(pieces) - 1)
    else:
        space = size / 3
    for piece in pieces:
        w = len(piece) * size / 2
        words.append(Word(piece, x, top, x + w, top + size, number, 0, size, style))
        x += w + space
    if rtl:
        end = words[-1].right
        words = [word._replace(left=left + end - word.right, right=left + end - word.left) for word in words]
    return words


def column(texts, left, top, *, pitch=24, number=0, width=None):
    return [word for i, text in enumerate(texts) for word in line(text, left, top + i * pitch, number=number + i, width=width)]


def read(words, width=1000, height=1400):
    return [(block.kind, block.text) for block in blocks_in_order(words, width, height)]


LEFT = [f"left column line {n} goes on and on" for n in "abcdefgh"]
RIGHT = [f"right column line {n} goes on and on" for n in "abcdefgh"]


NAMES = ["first", "second", "third"]
THREE = [(f"{name} column goes on and on", left) for name, left in zip(NAMES, (80, 390, 700), strict=True)]


def test_no_words_no_blocks():
    assert blocks_in_order([], 100, 100) == []


def test_two_columns_are_read_one_after_the_other():
    # given lines as they lie across the page, left and right in turn
    words = []
    for i, (left, right) in enumerate(zip(LEFT, RIGHT, strict=True)):
        words += line(left, 80, 300 + 24 * i, number=2 * i) + line(right, 520, 300 + 24 * i, number=2 * i + 1)
    # when, then
    assert read(words) == [("paragraph", " ".join(LEFT)), ("paragraph", " ".join(RIGHT))]


def test_a_line_that_reaches_a_little_into_the_gutter_parts_nothing():
    long = "left column line d goes on and on again"
    left = [*column(LEFT[:3], 80, 300, pitch=30), *line(long, 80, 390, number=3), *column(LEFT[4:], 80, 420, pitch=30, number=4)]
    right = column(RIGHT, 520, 315, pitch=30, number=20)

    assert read([*left, *right]) == [("paragraph", " ".join([*LEFT[:3], long, *LEFT[4:]])), ("paragraph", " ".join(RIGHT))]


def test_a_watermark_tears_nothing_that_it_crosses():
    watermark = Word("DRAFT", 200, 300, 700, 800, 90, 0, 4 * SIZE, ACROSS)
    given = [word._replace(style=ACROSS) for word in column(LEFT, 80, 300, pitch=60) + column(["1 2 3"] * 4, 80, 900, number=40)]
    assert read([*given[:20], watermark, *given[20:]]) == [*read(given), ("paragraph", "DRAFT")]


def test_a_title_over_two_columns_comes_first_and_a_line_between_them_parts_them():
    title = line("A Title That Spans Both Of The Columns", 120, 150, size=34)
    upper = column(LEFT, 80, 300, number=10) + column(RIGHT, 520, 300, number=30)
    middle = line("Here one sentence runs across the page from the left column to the right one entirely", 90, 540, number=50)
    lower = column([t.upper() for t in LEFT], 80, 620, number=60) + column([t.upper() for t in RIGHT], 520, 620, number=80)
    kinds_and_texts = read(lower + middle + upper + title)
    assert [text for _, text in kinds_and_texts] == [
        "A Title That Spans Both Of The Columns",
        " ".join(LEFT),
        " ".join(RIGHT),
        "Here one sentence runs across the page from the left column to the right one entirely",
        " ".join(LEFT).upper(),
        " ".join(RIGHT).upper(),
    ]
    assert kinds_and_texts[0][0] == "title"


def test_a_short_title_over_one_of_the_columns_comes_before_them_all():
    columns = [column([f"{name} {text}" for text in "abcdef"], left, 300, number=10 * i) for i, (name, left) in enumerate(THREE)]
    title = line("Harbour news", 420, 250, size=28, number=90)

    assert [text.split()[0] for _, text in read([*columns[0], *columns[1], *title, *columns[2]])] == ["Harbour", *NAMES]


def test_a_headline_over_the_columns_below_it_ends_the_columns_above_it():
    columns = [column([f"{name} {text}" for text in "abcd"], left, 300, number=10 * i) for i, (name, left) in enumerate(THREE)]
    below = [[word._replace(top=word.top + 180, bottom=word.bottom + 180) for word in each] for each in columns]
    title = line("Second story", 80, 430, size=28, number=90)
    words = [word for each in [*columns, *below] for word in each]

    assert [text.split()[0] for _, text in read([*words, *title])] == [*NAMES, "Second", *NAMES]


def test_strips_of_different_layout_are_read_one_by_one():
    # given two columns above three narrower ones
    two = column(LEFT, 80, 200, number=0) + column(RIGHT, 520, 200, number=20)
    thirds = [[f"part {n} {row} words here" for row in "abcdef"] for n in "123"]
    three = [w for i, texts in enumerate(thirds) for w in column(texts, 80 + 310 * i, 600, number=100 + 20 * i)]
    assert [text for _, text in read(three + two)] == [" ".join(LEFT), " ".join(RIGHT), *(" ".join(texts) for texts in thirds)]


def test_a_box_beside_the_text_with_lines_of_its_own_pitch_is_read_apart():
    text = column(LEFT, 80, 200, number=0)
    box = [
        w
        for i, t in enumerate(["Born 943", "Died 975", "Reign 959", "House Wessex"])
        for w in line(t, 560, 207 + 37 * i, number=50 + i)
    ]
    assert " ".join(text for _, text in read(text + box)).startswith(" ".join(LEFT))


def test_header_and_footer_are_told_by_their_place():
    words = line("Annual Report 2024", 80, 40) + column(LEFT, 80, 300, number=5) + line("17", 490, 1350, number=40)
    assert read(words) == [("header", "Annual Report 2024"), ("paragraph", " ".join(LEFT)), ("footer", "17")]


def test_right_to_left_lines_are_put_in_order_and_names_in_them_kept():
    # given a line drawn in visual order, from left to right
    words = line("Python وR بلغة البرمجة تعتبر", 100, 300)
    assert words[0].text == "Python"
    # when, then
    assert read(words) == [("paragraph", "تعتبر البرمجة بلغة وR Python")]


def test_left_to_right_names_inside_a_right_to_left_line_stay_left_to_right():
    words = line("ابجد New York هوز حطي", 100, 300)
    assert read(words)[0][1] == "حطي هوز New York ابجد"


def test_numbers_alone_inside_a_right_to_left_line_go_on_to_the_left():
    words = line("ابجد 480.00 6 هوز حطي", 100, 300)
    assert read(words)[0][1] == "حطي هوز 6 480.00 ابجد"


def test_a_page_upside_down_is_read_from_its_foot():
    words = column(LEFT, 80, 300, number=5) + column(RIGHT, 80, 600, number=40)
    turned = [turned_over(word, 1000, 1400)._replace(style=OVER) for word in words]
    assert read(turned) == read(words)


def test_right_to_left_columns_start_on_the_right():
    arabic = ["السلام عليكم ورحمة الله وبركاته جميعا"] * 8
    hebrew = ["שלום לכולם וברוכים הבאים אל העמוד הזה"] * 8
    words = column(arabic, 520, 300) + column(hebrew, 80, 300, number=20)
    texts = [text for _, text in read(words)]
    assert "السلام" in texts[0]
    assert "שלום" in texts[1]


def test_chinese_lines_join_without_spaces_and_english_words_among_them_keep_theirs():
    words = (
        line("人人生而自由在尊严和", 100, 300)
        + line("权利上一律平等", 100, 324, number=1)
        + line("见 Article One 第一条", 100, 348, number=2)
    )
    assert read(words) == [("paragraph", "人人生而自由在尊严和权利上一律平等见 Article One 第一条")]


def test_vertical_japanese_is_read_from_the_right():
    columns = ["すべての人間は", "生まれながらに", "して自由である"]
    words = [Word(text, 300 - 40 * i, 100, 324 - 40 * i, 100 + 24 * len(text), i, 0, 24.0) for i, text in enumerate(columns)]
    blocks = blocks_in_order(words, 400, 600)
    assert [block.text for block in blocks] == ["すべての人間は生まれながらにして自由である"]
    assert blocks[0].box == (220, 100, 324, 268)


def test_a_stamp_up_the_margin_is_read_last_and_is_no_title():
    stamp = [
        Word("arXiv:2004.04906v3", 20, 700, 50, 1000, 90, 0, 30.0),
        Word("[cs.CL]", 20, 590, 50, 690, 90, 0, 30.0),
    ]
    assert read(stamp + column(LEFT, 80, 300)) == [("paragraph", " ".join(LEFT)), ("header", "arXiv:2004.04906v3 [cs.CL]")]


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ("the founda-", "tion of freedom", "the foundation of freedom"),
        ("a well-", "Known name", "a well-Known name"),
        ("pages 10-", "20 of it", "pages 10-20 of it"),
        ("a state-", "owned or other state-owned firm", "a state-owned or other state-owned firm"),
        ("основ-", "ные права", "основные права"),
    ],
)
@pytest.mark.slow
def test_words_broken_at_the_end_of_a_line_are_joined(first, second, expected):
    words = line(first, 100, 300) + line(second, 100, 324, number=1)
    assert read(words) == [("paragraph", expected)]


def test_bold_faked_by_printing_twice_is_read_once():
    words = line("printed twice for weight", 100, 300)
    again = [word._replace(left=word.left + 0.4, right=word.right + 0.4, block=1) for word in words]
    assert read(words + again) == [("paragraph", "printed twice for weight")]


def test_a_word_said_twice_is_read_twice():
    assert read(line("that that is", 100, 300)) == [("paragraph", "that that is")]


def test_a_gap_or_an_indent_starts_a_paragraph():
    right = [RIGHT[0].capitalize(), *RIGHT[1:3]]
    gap = column(LEFT[:3], 80, 300) + column(right, 80, 400, number=10)
    indent = column(LEFT[:3], 80, 300) + line(right[0], 110, 372, number=10) + column(right[1:], 80, 396, number=11)
    for words in (gap, indent):
        assert read(words) == [("paragraph", " ".join(LEFT[:3])), ("paragraph", " ".join(right))]


def test_bullets_are_items_of_a_list():
    words = column(["• first thing", "• second thing", "• third thing"], 80, 300)
    assert read(words) == [("list_item", "• first thing"), ("list_item", "• second thing"), ("list_item", "• third thing")]


def test_a_bold_line_above_text_is_a_heading():
    words = line("Results of the year", 80, 300, style=BOLD) + column(LEFT, 80, 330, number=5)
    assert read(words)[0] == ("heading", "Results of the year")


def test_cells_that_line_up_are_a_table():
    rows = [("Name", "2023", "2024"), ("Revenue", "10", "12"), ("Costs", "7", ""), ("Profit", "3", "5")]
    words = [
        word
        for r, row in enumerate(rows)
        for c, cell in enumerate(row)
        for word in line(cell, 80 + 200 * c, 300 + 30 * r, number=10 * r + c)
    ]
    blocks = blocks_in_order(words, 1000, 1400)
    assert [block.kind for block in blocks] == ["table"]
    assert blocks[0].rows == (("Name", "2023", "2024"), ("Revenue", "10", "12"), ("Costs", "7", ""), ("Profit", "3", "5"))


def test_justified_prose_with_a_wide_gap_in_each_line_is_no_table():
    words = []
    for i, left in enumerate(["some words here", "and then a few more", "so that", "it ends at last in"]):
        start = line(left, 80, 300 + 24 * i, number=i)
        words += start + line("with some other words", start[-1].right + 45, 300 + 24 * i, number=i)
    assert "table" not in [kind for kind, _ in read(words)]


def test_every_word_is_in_exactly_one_block():
    words = line("A Title Here", 120, 150, size=34) + column(LEFT, 80, 300, number=10) + column(RIGHT, 520, 300, number=30)
    members = [index for block in blocks_in_order(words, 1000, 1400) for index in block.members]
    assert sorted(members) == list(range(len(words)))


def test_lines_of_a_table_of_contents_stay_apart_without_their_dots():
    words = column(["1 Introduction . . . . . . . . . . . . 3", "2 What came of it . . . . . . . . . . 17"], 80, 300)
    assert read(words) == [("paragraph", "1 Introduction … 3"), ("paragraph", "2 What came of it … 17")]
