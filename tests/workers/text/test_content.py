import pytest

from schemas.answers import OcrAnswer
from schemas.flags import FLAGS
from schemas.page import Box, PageImage, RenderedPage, TextLayer, Word
from workers.text.content import ocr_content

IMAGE = PageImage(width_px=1000, height_px=2000)


def answer(*blocks, languages=()):
    return OcrAnswer.model_validate({"languages": list(languages), "blocks": list(blocks)})


def page(*lines, **changes):
    """Words of 10 px a letter, a line every 20 px."""
    words, num_chars = [], 0
    for line_index, line in enumerate(lines):
        x = 100.0
        for text in line.split():
            top = 100.0 + 20 * line_index
            words.append(Word(text, x, top, x + 10 * len(text), top + 15, line_index, 0, 15))
            x += 10 * len(text) + 10
            num_chars += len(text)
    layer = TextLayer(words=words, num_chars=num_chars) if words else None
    return RenderedPage(**{"page_index": 0, "image": IMAGE, "text_layer": layer} | changes)


def test_blocks_become_text_with_and_without_markup():
    content = ocr_content(
        answer(
            {"title": "Report"}, {"paragraph": "All **good**."}, {"list_item": "one"}, {"list_item": "two"},
            {"formula": r"\frac{a}{b}"},
            {"table": [["a", None], ["b", "c"]]}, {"footer": "3"}, languages=["English", "zh_hans", "eng", "??"],
        ),
        page(),
    )  # fmt: skip

    assert content.text_markdown == (
        "# Report\n\nAll **good**.\n\n- one\n- two\n\n$$\n\\frac{a}{b}\n$$\n\n| a |  |\n| --- | --- |\n| b | c |"
    )
    assert content.text_plain == "Report\n\nAll good.\n\none\n\ntwo\n\n\\frac{a}{b}\n\na\nb\tc"
    assert content.languages == ["en", "zh-Hans"]
    assert content.num_chars == len("ReportAllgood.onetwo\\frac{a}{b}abc")
    assert [block.kind for block in content.blocks] == [
        "title",
        "paragraph",
        "list_item",
        "list_item",
        "formula",
        "table",
        "footer",
    ]
    assert content.blocks[5].html == '<table><tr><td colspan="2">a</td></tr><tr><td>b</td><td>c</td></tr></table>'
    assert [block.html for block in content.blocks if block.kind != "table"] == [None] * 6
    assert content.flags == []


RUNNING = ({"header": "Annual report"}, {"paragraph": "Body."}, {"footer": "3"})


def test_running_heads_and_feet_are_blocks_and_no_text():
    content = ocr_content(answer(*RUNNING), page("Annual report", "Body.", "3"))
    assert (content.text_plain, content.text_markdown, content.num_chars) == ("Body.", "Body.", 5)
    assert [block.text for block in content.blocks] == ["Annual report", "Body.", "3"]
    assert content.text_layer_agreement == 1.0


def test_running_text_stays_where_it_is_asked_for_or_all_there_is():
    assert ocr_content(answer(*RUNNING), page(), running_text=True).text_plain == "Annual report\n\nBody.\n\n3"
    alone = ocr_content(answer({"footer": "3"}), page())
    assert (alone.text_plain, alone.text_markdown, alone.flags) == ("3", "3", [])


def test_a_block_without_a_box_gets_that_of_its_words_in_the_text_layer():
    content = ocr_content(answer({"heading": "Second line"}, {"figure": "a dog"}), page("first line", "second line"))

    heading, figure = content.blocks
    assert (heading.bbox_px, heading.box_origin) == (Box(100, 120, 210, 135), "text_layer")
    assert (figure.bbox_px, figure.box_origin) == (None, None)


@pytest.mark.parametrize(
    ("box", "expected"),
    [
        ([0.1, 0.1, 0.5, 0.25], Box(100, 200, 500, 500)),
        ([-0.01, 0, 1.02, 1], Box(0, 0, 1000, 2000)),  # a little outside: clamped
        ([0, 0, 1, 1], Box(0, 0, 1000, 2000)),
    ],
)
def test_an_engines_box_becomes_pixels(box, expected):
    content = ocr_content(answer({"chart": "c", "box": box, "confidence": 0.5}), page())

    block = content.blocks[0]
    assert (block.bbox_px, block.box_origin, block.confidence) == (expected, "engine", 0.5)
    assert content.flags == []


@pytest.mark.parametrize(
    "box", [[0, 0, 1.2, 1], [100, 200, 500, 700], [0.5, 0.1, 0.4, 0.2], [0.5, 0.5, 0.5, 0.9], [-1, 0, 1, 1], [1, 1, 1.01, 1.01]]
)
def test_a_box_outside_the_page_or_empty_is_dropped_and_said(box):
    content = ocr_content(answer({"chart": "c", "box": box}), page())

    assert content.blocks[0].bbox_px is None
    assert content.flags == ["box_outside_page"]


@pytest.mark.parametrize(
    ("table", "flag"),
    [([["a", "b"], ["c"]], "ragged_table"), ([[None, "b"]], "table_span_outside"), ([["^", "b"]], "table_span_outside")],
)
def test_an_odd_table_is_mended_and_said(table, flag):
    assert ocr_content(answer({"table": table}), page()).flags == [flag]


def test_agreement_with_the_text_layer_does_not_ask_for_its_order():
    rendered = page("left column text", "right column text")

    same = ocr_content(answer({"paragraph": "Right column text."}, {"paragraph": "left column text"}), rendered)
    half = ocr_content(answer({"paragraph": "left column text"}), rendered)
    other = ocr_content(answer({"paragraph": "кот спит на окне"}), rendered)

    assert same.text_layer_agreement == 1.0
    assert half.text_layer_agreement == pytest.approx(2 * 14 / (14 + 29))  # left column text | right column text twice as long
    assert other.text_layer_agreement == 0.0
    assert other.flags == ["text_layer_disagrees"]


def test_without_a_layer_to_trust_agreement_is_unknown():
    rendered = page("the words of an earlier run")
    hidden = TextLayer(words=rendered.text_layer.words, num_chars=22, num_hidden=22)

    assert ocr_content(answer({"paragraph": "x"}), page()).text_layer_agreement is None
    assert ocr_content(answer({"paragraph": "x"}), rendered.model_copy(update={"text_layer": hidden})).text_layer_agreement is None


def test_an_answer_without_text_is_said_unless_the_page_is_blank():
    assert ocr_content(answer(), page()).flags == ["empty_answer"]
    assert ocr_content(answer({"paragraph": " "}), page()).blocks == []
    assert ocr_content(answer(), page(is_blank=True)).flags == []


def test_flags_are_of_the_closed_list():
    content = ocr_content(answer({"table": [[None], ["a", "b"]]}, {"chart": "", "box": [2, 2, 3, 3]}), page("lorem ipsum"))

    assert len(content.flags) == 4
    assert set(content.flags) <= set(FLAGS)


def test_literal_text_is_plain_text_as_it_is_and_escaped_in_markdown():
    said = answer(
        {"heading": "# of Incidents"}, {"paragraph": "2*3*4 = 24 and __init__.py"}, {"list_item": "- a_b_ &amp;"},
        {"table": [["# of x", "a|b"], ["<b>", "^ "]]},
    )  # fmt: skip

    content = ocr_content(said, page("2*3*4 = 24 and __init__.py"), is_literal=True)

    assert content.text_plain == "# of Incidents\n\n2*3*4 = 24 and __init__.py\n\n- a_b_ &amp;\n\n# of x\ta|b\n<b>\t^"
    assert content.text_markdown == (
        "## \\# of Incidents\n\n2\\*3\\*4 = 24 and \\_\\_init\\_\\_.py\n\n- a_b\\_ \\&amp;\n\n"
        "| \\# of x | a\\|b |\n| --- | --- |\n| \\<b> | ^ |"
    )
    assert [block.text for block in content.blocks[:2]] == ["\\# of Incidents", "2\\*3\\*4 = 24 and \\_\\_init\\_\\_.py"]
    assert content.blocks[3].html == "<table><tr><td># of x</td><td>a|b</td></tr><tr><td>&lt;b&gt;</td><td>^ </td></tr></table>"
    assert content.blocks[1].box_origin == "text_layer"


@pytest.mark.parametrize("is_literal", [True, False])
def test_code_is_literal_with_its_indents(is_literal):
    code = "  if a_b < c:\n    *d* = [e](f)"

    content = ocr_content(answer({"code": f"{code}\n"}), page(), is_literal=is_literal)

    assert (content.text_plain, content.text_markdown) == (code, f"```\n{code}\n```")
    assert [(block.kind, block.text) for block in content.blocks] == [("code", code)]
