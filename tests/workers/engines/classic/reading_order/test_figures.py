import pytest

from schemas.page import Box, Region, Word
from tests.workers.engines.classic.reading_order.test_columns import LEFT, RIGHT, column, line
from workers.engines.classic.reading_order.blocks import blocks_in_order

CORE = Box(100, 500, 500, 800)
CHART = Region(region_index=0, bbox_px=Box(60, 450, 540, 850), core_px=CORE, origin="drawing")
PICTURE = CHART.model_copy(update={"origin": "image"})
TICKS = [word for i in range(4) for word in line(str(40 - 10 * i), 72, 520 + 80 * i, number=40 + i)]
BARS = [word for i, name in enumerate(("Wind", "Solar", "Water")) for word in line(name, 150 + 120 * i, 770, number=50 + i)]
TITLE = line("Generation by source", 150, 505, number=60)
CAPTION = line("Figure 1: What each quarter gave", 120, 830, number=70)


def read(words, regions=(CHART,)):
    return [(block.kind, block.text) for block in blocks_in_order(words, 1000, 1400, regions)]


def test_a_charts_words_are_one_block_between_the_text_and_its_caption():
    words = column(LEFT, 80, 200) + TICKS + BARS + TITLE + CAPTION + column(RIGHT, 80, 900, number=80)
    assert read(words) == [
        ("paragraph", " ".join(LEFT)),
        ("chart", "Generation by source\n40\n30\n20\n10\nWind Solar Water"),
        ("caption", "Figure 1: What each quarter gave"),
        ("paragraph", " ".join(RIGHT)),
    ]


@pytest.mark.parametrize("top", [454, 462])
def test_a_heading_above_running_text_is_no_label_of_the_chart_below(top):
    region = CHART.model_copy(update={"bbox_px": Box(60, 400, 540, 850)})
    heading = line("3 Wind", 100, top - 30, number=90)
    words = heading + line("Each point below stands for one day of the whole year", 100, top, number=91) + TICKS + BARS + TITLE
    (chart,) = [text for kind, text in read(words, [region]) if kind == "chart"]
    assert chart.startswith("Generation by source\n40")


def test_every_word_is_still_in_exactly_one_block():
    words = column(LEFT, 80, 200) + TICKS + BARS + TITLE + CAPTION
    members = [index for block in blocks_in_order(words, 1000, 1400, [CHART]) for index in block.members]
    assert sorted(members) == list(range(len(words)))


def test_a_charts_box_holds_its_labels():
    (chart,) = [block for block in blocks_in_order(TICKS + BARS, 1000, 1400, [CHART]) if block.kind == "chart"]
    assert chart.box == (72, 500, 500, 800)


def test_a_picture_without_words_has_its_place():
    words = column(LEFT, 80, 200) + column(RIGHT, 80, 900, number=20)
    assert [kind for kind, _ in read(words, [PICTURE])] == ["paragraph", "figure", "paragraph"]


def test_running_text_upon_a_picture_stays_text():
    words = column(LEFT, 110, 520)
    assert read(words, [PICTURE]) == [("paragraph", " ".join(LEFT))]


def test_a_table_in_a_box_stays_a_table():
    rows = [("Spain", "268"), ("Germany", "33"), ("France", "136"), ("Italy", "92"), ("Malta", "5"), ("Poland", "79")]
    words = []
    for i, (name, number) in enumerate(rows):
        words += line(name, 120, 520 + 40 * i, number=2 * i)
        words.append(Word(number, 400 - 10 * len(number), 520 + 40 * i, 400, 540 + 40 * i, 2 * i + 1, 0, 20.0))
    assert [kind for kind, _ in read(words)] == ["table"]


@pytest.mark.parametrize("origin", ["standalone", "answer"])
def test_what_is_no_part_of_the_pdfs_drawing_takes_no_words(origin):
    words = column(LEFT, 110, 520)
    assert read(words, [CHART.model_copy(update={"origin": origin})]) == [("paragraph", " ".join(LEFT))]


def test_a_page_of_nothing_but_a_picture_is_a_figure():
    assert read([], [PICTURE]) == [("figure", "")]


def test_names_of_no_size_beside_numbers_cost_no_page():
    names = [word._replace(size_px=0.0) for i in range(5) for word in line("Wind", 150, 520 + 40 * i, number=20 + i)]
    numbers = [word for i in range(5) for word in line("40", 300, 520 + 40 * i, number=30 + i)]
    assert {text for _, text in read(names + numbers, [PICTURE])}
