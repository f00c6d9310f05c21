"""Answers as other models write them, by hand after the form that their authors state."""

import contextlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.answers import AnswerShape
from schemas.failure import PageError
from workers.answers.boxes import Boxes
from workers.answers.forms.parsing import parse_form

OVISOCR2 = AnswerShape("markdown", 1000, 1000)
OLMOCR = AnswerShape("markdown", 910, 1288)
DOTS = AnswerShape("layout_json", 1000, 2000)
DEEPSEEK = AnswerShape("grounded", 999, 999)
GRANITE = AnswerShape("doctags", 500, 500)


def blocks(text, shape, *, is_complete=True):
    """[(kind, content, box in hundredths or None)]"""
    parsed = parse_form("ocr", text, shape, is_complete=is_complete)
    found = []
    for block in parsed.answer.blocks:
        (kind,) = set(type(block).model_fields) - {"box", "confidence", "num_header_rows"}
        found.append((kind, getattr(block, kind), block.box and [round(100 * edge) for edge in block.box]))
    return found


def test_ovisocr2_says_where_its_figures_are_in_their_names():
    text = '# Fees\n\nAll dues.\n\n<img src="images/bbox_100_200_900_800.jpg" />\n\n<table><tr><td>1</td></tr></table>\n\n$$x=1$$'
    assert blocks(text, OVISOCR2) == [
        ("title", "Fees", None),
        ("paragraph", "All dues.", None),
        ("figure", "", [10, 20, 90, 80]),
        ("table", [["1"]], None),
        ("formula", "x=1", None),
    ]


def test_a_box_that_is_none_leaves_the_figure():
    assert blocks('<img src="images/bbox_900_200_100_800.jpg" />', OVISOCR2) == [("figure", "", None)]
    assert blocks('<img src="images/logo.jpg" alt="a logo" />', OVISOCR2) == [("figure", "a logo", None)]


def test_olmocr_names_its_language_before_the_page_and_places_by_left_top_width_height():
    front = "---\nprimary_language: de\nis_rotation_valid: True\nrotation_correction: 0\n---\n"
    text = front + "Preise \\(x_1\\)\n\n![Umsatz](page_91_129_455_644.png)\n"
    parsed = parse_form("ocr", text, OLMOCR, is_complete=True)
    assert parsed.answer.languages == ["de"]
    assert blocks(text, OLMOCR) == [("paragraph", "Preise $x_1$", None), ("figure", "Umsatz", [10, 10, 60, 60])]


def test_rules_of_the_page_are_no_front_matter():
    assert blocks("---\nA line\n---\nAnother", OLMOCR)[0][:2] == ("paragraph", "A line")


def test_dots_ocr_lists_parts_with_boxes_in_pixels():
    text = """[
      {"bbox": [10, 20, 300, 40], "category": "Section-header", "text": "## 2. Cast"},
      {"bbox": [10, 50, 300, 90], "category": "List-item", "text": "- a\\n  goes on\\n- b"},
      {"bbox": [100, 200, 500, 600], "category": "Picture"},
      {"bbox": [0, 0, 900, 1000], "category": "Table", "text": "<table><tr><td colspan=\\"2\\">x</td></tr></table>"},
      {"bbox": [1, 1], "category": "Formula", "text": "$$a^2$$"},
      {"category": "Page-footer", "text": "7"}, {"category": "Stamp", "text": "paid"}, 5]"""
    assert blocks(text, DOTS) == [
        ("heading", "2. Cast", [1, 1, 30, 2]),
        ("list_item", "- a\ngoes on", [1, 2, 30, 4]),
        ("list_item", "- b", [1, 2, 30, 4]),
        ("figure", "", [10, 10, 50, 30]),
        ("table", [["x", None]], [0, 0, 90, 50]),
        ("formula", "a^2", None),
        ("footer", "7", None),
        ("paragraph", "paid", None),
    ]


@pytest.mark.parametrize("text", ['{"layout": [{"category": "Text", "text": "a"}]}', '{"category": "Text", "text": "a"}'])
def test_a_list_inside_an_object_and_a_single_part_are_read(text):
    assert blocks(text, DOTS) == [("paragraph", "a", None)]


def test_what_stopped_early_is_kept_as_far_as_it_goes_and_only_then():
    text = '[{"bbox": [10, 20, 300, 40], "category": "Text", "text": "whole"}, {"bbox": [10, 50'
    assert blocks(text, DOTS, is_complete=False)[0] == ("paragraph", "whole", [1, 1, 30, 2])
    assert parse_form("ocr", text, DOTS, is_complete=False).is_partial
    with pytest.raises(PageError, match="in the middle of its JSON"):
        blocks(text, DOTS)
    with pytest.raises(PageError, match="no JSON"):
        blocks("I can't read this.", DOTS)


def test_deepseek_ocr_labels_and_places_its_markdown():
    text = (
        "<|ref|>sub_title<|/ref|><|det|>[[100, 100, 300, 200]]<|/det|>\n## 4. Functions \n\n"
        "<|ref|>text<|/ref|><|det|>[[100, 200, 500, 300], [500, 200, 999, 300]]<|/det|>\nLet \\(x\\) be\n\n"
        "<|ref|>image<|/ref|><|det|>[[0, 0, 500, 500]]<|/det|>\n"
        "<|ref|>image_caption<|/ref|><|det|>[[0, 500, 500, 520]]<|/det|>\n<center>Figure 1</center><｜end▁of▁sentence｜>"
    )
    assert blocks(text, DEEPSEEK) == [
        ("heading", "4. Functions", [10, 10, 30, 20]),
        ("paragraph", "Let $x$ be", [10, 20, 100, 30]),
        ("figure", "", [0, 0, 50, 50]),
        ("caption", "Figure 1", [0, 50, 50, 52]),
    ]
    assert blocks("No marks,\n\n# but text", DEEPSEEK) == [("paragraph", "No marks,", None), ("title", "but text", None)]


def test_granite_docling_writes_doctags():
    text = (
        "<doctag><page_header><loc_50><loc_10><loc_100><loc_20>2</page_header>"
        "<section_header_level_1><loc_50><loc_50><loc_450><loc_100>Data &amp; more</section_header_level_1>"
        "<otsl><loc_0><loc_0><loc_250><loc_250><caption>Table 1</caption><ched>Name<ched>Date<lcel><nl>"
        "<fcel>A<ecel><fcel>C<nl></otsl>"
        "<unordered_list><list_item>• one</list_item></unordered_list>"
        "<picture><loc_0><loc_0><loc_500><loc_500><logo></picture>stray<code><_python_>x = 1</code></doctag>"
    )
    found = blocks(text, GRANITE)
    assert found == [
        ("header", "2", [10, 2, 20, 4]),
        ("heading", "Data & more", [10, 10, 90, 20]),
        ("table", [["Name", "Date", None], ["A", "", "C"]], [0, 0, 50, 50]),
        ("caption", "Table 1", None),
        ("list_item", "• one", None),
        ("figure", "<logo>", [0, 0, 100, 100]),
        ("paragraph", "stray", None),
        ("paragraph", "x = 1", None),
    ]


@pytest.mark.parametrize("shape", [DOTS, DEEPSEEK, GRANITE, OVISOCR2])
def test_an_answer_without_anything_is_no_answer(shape):
    with pytest.raises(PageError):
        parse_form(
            "ocr", "<doctag></doctag>" if shape == GRANITE else "[]" if shape == DOTS else "<think>hm", shape, is_complete=True
        )


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.sampled_from(
            [
                "<|ref|>",
                "<|/ref|>",
                "<|det|>",
                "[[1,2,3,4]]",
                "<otsl>",
                "<fcel>",
                "<nl>",
                "</otsl>",
                "<text>",
                "<loc_9>",
                "a",
                "[",
                "{",
                '"bbox"',
                ":",
                ",",
                "}",
                "]",
                "\n",
                "---",
                "<table>",
                "<td>",
                "$$",
                "![x](page_1_2_3_4.png)",
            ]
        ),
        max_size=25,
    ).map("".join),
    st.sampled_from([DOTS, DEEPSEEK, GRANITE, OVISOCR2]),
    st.booleans(),
)
@pytest.mark.slow
def test_whatever_a_model_writes_becomes_blocks_or_a_page_error(text, shape, is_complete):
    with contextlib.suppress(PageError):
        parse_form("ocr", text, shape, is_complete=is_complete)


def test_boxes_end_at_the_image():
    assert Boxes(100, 50).share([-5, 10, 200, 25]) == [0, 0.2, 1, 0.5]
    assert Boxes(100, 50).share([1, 2, float("nan"), 4]) is None
    assert Boxes(100, 50).share([1, 2, 3]) is None
