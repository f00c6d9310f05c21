import json
from typing import get_args

import pytest

from schemas.answers import (
    AnyBlock,
    Caption,
    ChartAnswer,
    Figure,
    Formula,
    Heading,
    ListItem,
    OcrAnswer,
    Paragraph,
    Table,
    Title,
)
from schemas.failure import FailureKind, PageError
from schemas.flags import FLAGS
from workers.answers.parse import MAX_CHARS, parse_answer

PAGE = '{"languages":["en"],"blocks":[{"title":"T"},{"paragraph":"p"}]}'
BLOCKS = [Title(title="T"), Paragraph(paragraph="p")]
TEXT_BLOCKS = {
    next(iter(each.model_fields.keys() - Table.model_fields.keys())): each for each in get_args(AnyBlock) if each is not Table
}


def ocr(text, is_complete=True):
    return parse_answer("ocr", text, is_complete=is_complete)


def chart(text, is_complete=True):
    return parse_answer("chart", text, is_complete=is_complete)


def test_an_answer_as_asked_needs_no_repair():
    parsed = ocr(PAGE)

    assert parsed.answer == OcrAnswer(languages=["en"], blocks=BLOCKS)
    assert (parsed.is_partial, parsed.repairs) == (False, ())


def test_an_answer_that_an_engine_wrote_itself_comes_back_as_it_is():
    everything = [make(**{name: "text"}, box=(0.1, 0.1, 0.9, 0.2), confidence=0.5) for name, make in TEXT_BLOCKS.items()]
    table = Table(table=[["a", None], ["^", "2"]], num_header_rows=1, box=(0.1, 0.1, 0.9, 0.2))
    answer = OcrAnswer(languages=["en"], blocks=[*everything, table, Table(table=[["1"]], num_header_rows=0)])

    parsed = ocr(answer.model_dump_json(exclude_none=True))

    assert parsed.answer == answer
    assert parsed.repairs == ()


@pytest.mark.parametrize(
    "text",
    [
        f"```json\n{PAGE}\n```",
        f"```\n{PAGE}",
        f"Sure, here is [1] the page: {PAGE}",
        f"{PAGE}\nI hope that helps.",
        f'<think>It has {{two}} blocks, {{"a":1}}</think>\n{PAGE}',
        f"so two blocks</think>{PAGE}",
    ],
)
def test_what_stands_around_the_json_is_left_out(text):
    parsed = ocr(text)

    assert parsed.answer.blocks == BLOCKS
    assert parsed.repairs == ("json_wrapped",)


def test_a_text_about_thinking_is_no_thinking():
    parsed = ocr('{"languages":[],"blocks":[{"paragraph":"a <think> tag ends with </think> {so}"}]}')

    assert parsed.answer.blocks == [Paragraph(paragraph="a <think> tag ends with </think> {so}")]
    assert parsed.repairs == ()


@pytest.mark.parametrize("opening", ["", "<think> and "])
def test_a_text_about_thinking_is_none_in_a_fence_either(opening):
    parsed = ocr(f'```json\n{{"blocks":[{{"paragraph":"Tags: {opening}</think>"}},{{"title":"T"}},{{"paragraph":"p"}}]}}\n```')

    assert parsed.answer.blocks == [Paragraph(paragraph=f"Tags: {opening}</think>"), *BLOCKS]
    assert parsed.repairs == ("json_wrapped",)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "I cannot read this page.",
        "<think>hmm " + PAGE,
        "[1] 2",
        "null",
        '{"languages":["en"],"blocks":[{"paragraph":"a"},{"paragraph":"he said "hi""}]}',  # never only the part that parses
        '{"languages":["en"],"blocks":[{"paragraph":"a"},{"paragraph":"b"',
        "{" * 100_000,
        '{"blocks":' + "[" * 1000 + "]" * 1000 + "}",
        "x" * (MAX_CHARS + 1),
    ],
    ids=lambda text: text[:30],
)
def test_what_is_no_json_is_bad_json(text):
    with pytest.raises(PageError) as caught:
        ocr(text)

    assert caught.value.kind == FailureKind.bad_json


@pytest.mark.parametrize(
    "text", ['{"error":"no"}', '{"languages":["en"],"said":"no"}', '{"blocks":[{"foo":1}]}', '{"blocks":[1,2]}', "{}"]
)
def test_json_of_another_shape_is_a_bad_answer(text):
    with pytest.raises(PageError) as caught:
        ocr(text)

    assert caught.value.kind == FailureKind.bad_answer


@pytest.mark.parametrize(
    "text", ['{"rows":[]}', '{"chart":null}', "[]", '{"chart":"bar","rows":"x"}', '{"chart":"bar","rows":[["a",["b"]]]}']
)
def test_a_chart_of_another_shape_is_a_bad_answer(text):
    with pytest.raises(PageError) as caught:
        chart(text)

    assert caught.value.kind in (FailureKind.bad_answer, FailureKind.bad_json)


@pytest.mark.parametrize(
    ("block", "expected"),
    [
        ({"type": "paragraph", "text": "a"}, [Paragraph(paragraph="a")]),
        ({"type": "text", "content": "a"}, [Paragraph(paragraph="a")]),
        ({"type": "Section-Header", "text": "a"}, [Heading(heading="a")]),
        ({"type": "list", "items": ["a", "b"]}, [ListItem(list_item="a"), ListItem(list_item="b")]),
        ({"text": "a"}, [Paragraph(paragraph="a")]),
        ("a", [Paragraph(paragraph="a")]),
        ({"paragraph": ["a", "b"]}, [Paragraph(paragraph="a\nb")]),
        ({"paragraph": 12.50}, [Paragraph(paragraph="12.5")]),
        ({"heading": "a", "paragraph": "b"}, [Heading(heading="a"), Paragraph(paragraph="b")]),
        ({"type": "oracle", "text": "a"}, [Paragraph(paragraph="a")]),
        ({"type": "table", "rows": [["a", 1]]}, [Table(table=[["a", "1"]])]),
        ({"table": "| a | b |\n|---|---|\n| 1 | 2 |"}, [Table(table=[["a", "b"], ["1", "2"]])]),
        ({"table": "<table><tr><td rowspan=2>a<td>b</tr><tr><td>c</tr></table>"}, [Table(table=[["a", "b"], ["^", "c"]])]),
        ({"table": "no table"}, [Paragraph(paragraph="no table")]),
        ({"type": "text", "title": "a", "content": "b"}, [Heading(heading="a"), Paragraph(paragraph="b")]),
        ({"type": "table", "title": "T", "rows": [["a"]]}, [Caption(caption="T"), Table(table=[["a"]])]),
        ({"type": "figure", "caption": "Fig. 1", "description": "a dog"}, [Caption(caption="Fig. 1"), Figure(figure="a dog")]),
        ({"figure": "a dog", "box": ["0.1", "0.2", "0.3", "0.4"]}, [Figure(figure="a dog", box=(0.1, 0.2, 0.3, 0.4))]),
        (
            {"type": "figure", "bbox": [0.1, 0.2, 0.3, 0.4], "description": "a dog"},
            [Figure(figure="a dog", box=(0.1, 0.2, 0.3, 0.4))],
        ),
    ],
)
def test_the_same_content_in_another_shape_is_rearranged(block, expected):
    parsed = ocr(json.dumps({"languages": [], "blocks": [block]}))

    assert parsed.answer.blocks == expected
    assert parsed.repairs == ("shape_repaired",)


@pytest.mark.parametrize(
    "text",
    [
        '{"languages":["en"],"content":[{"title":"T"}]}',
        '[{"title":"T"},{"paragraph":"p"}]',
        '{"blocks":{"title":"T"}}',
        '{"title":"T"}',
    ],
)
def test_blocks_without_their_frame_are_framed(text):
    parsed = ocr(text)

    assert parsed.answer.blocks[0] == Title(title="T")
    assert "shape_repaired" in parsed.repairs


def test_a_duplicated_key_loses_no_text():
    assert ocr('{"blocks":[{"paragraph":"a","paragraph":"b"}]}').answer.blocks == [
        Paragraph(paragraph="a"),
        Paragraph(paragraph="b"),
    ]


def test_a_block_that_cannot_be_understood_is_left_out_and_said():
    parsed = ocr('{"languages":[],"blocks":[{"paragraph":"a"},{"foo":3}]}')

    assert parsed.answer.blocks == [Paragraph(paragraph="a")]
    assert "content_dropped" in parsed.repairs


def test_content_in_other_words_is_left_out_and_said():
    parsed = ocr('{"blocks":[{"type":"formula","latex":"x^2","text":"x squared"}]}')

    assert parsed.answer.blocks == [Formula(formula="x^2")]
    assert parsed.repairs == ("content_dropped", "shape_repaired")


def test_values_that_a_chart_keeps_with_its_series_are_left_out_and_said():
    parsed = chart('{"chart":"bar","series":[{"name":"A","values":["1","2"]}]}')

    assert parsed.answer.series == ["A"]
    assert "content_dropped" in parsed.repairs


def test_a_second_answer_behind_the_first_is_said():
    assert "content_dropped" in ocr(PAGE + PAGE).repairs


@pytest.mark.parametrize("box", ["[0,0,NaN,1]", "[0,0,1e400,1]", "[1,2]", '"left"', "null", "[0,0," + "9" * 5000 + ",1]"])
def test_a_box_that_is_none_leaves_its_block(box):
    (block,) = ocr('{"languages":[],"blocks":[{"figure":"f","box":' + box + "}]}").answer.blocks

    assert block == Figure(figure="f")


def test_control_characters_never_leave_the_parser():
    parsed = ocr('{"languages":[],"blocks":[{"paragraph":"\\u001b[31mred\\u0000\\u0007 a\\r\\nb\\u0085"}]}')

    assert parsed.answer.blocks == [Paragraph(paragraph="[31mred a\nb")]


def test_swallowed_latex_is_restored_and_said():
    parsed = ocr(r'{"languages":[],"blocks":[{"formula":"\frac{a}{b} \neq \nu"},{"paragraph":"so $x \times y$"}]}')

    assert parsed.answer.blocks == [Formula(formula="\\frac{a}{b} \\neq \nu"), Paragraph(paragraph=r"so $x \times y$")]
    assert parsed.repairs == ("latex_repaired", "latex_suspect")


@pytest.mark.parametrize(
    ("text", "blocks"),
    [
        ('{"languages":["en"],"blocks":[{"title":"T"},{"paragraph":"p', [Title(title="T"), Paragraph(paragraph="p")]),
        ('{"languages":["en"],"blocks":[{"title":"T"},{"para', [Title(title="T")]),
        (
            '{"languages":["en"],"blocks":[{"title":"T"},{"figure":"f","box":[0.1,0.2,0.3,0.4',
            [Title(title="T"), Figure(figure="f")],
        ),
        ('{"languages":["en"],"blocks":[{"table":[["a","b"],["c"', [Table(table=[["a", "b"], ["c"]])]),
        ('{"languages":["en"', []),
    ],
)
def test_a_truncated_page_keeps_what_was_read(text, blocks):
    parsed = ocr(text, is_complete=False)

    assert parsed.answer.blocks == blocks
    assert parsed.is_partial
    assert "partial" in parsed.repairs


def test_a_whole_answer_that_hit_its_limit_at_the_last_bracket_is_not_partial():
    assert ocr(PAGE, is_complete=False).is_partial is False


def test_a_missing_last_bracket_is_closed_when_the_model_stopped_by_itself():
    parsed = ocr(PAGE[:-1])

    assert (parsed.answer.blocks, parsed.is_partial, parsed.repairs) == (BLOCKS, False, ("json_repaired",))


@pytest.mark.parametrize("end", ['"12', "12", '"12"', "nul"])
def test_a_truncated_chart_never_keeps_half_a_value(end):
    parsed = chart('{"chart":"bar","series":["A"],"rows":[["a","1"],["b",' + end, is_complete=False)

    assert parsed.is_partial
    assert parsed.answer.rows == [["a", "1"], ["b", *(["12"] if end == '"12"' else [])]]


def test_a_truncated_chart_without_data_is_kept():
    assert chart('{"chart":"line","title":"Sal', is_complete=False).answer == ChartAnswer(chart="line")


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("bar", ("bar", None)),
        ("Bar Chart", ("bar", None)),
        ("stacked column chart", ("bar", "stacked")),
        ("donut", ("pie", "donut")),
        ("scatter plot", ("scatter", None)),
        ("dendrogram", ("other", "dendrogram")),
        ("no chart", ("none", None)),
    ],
)
def test_kinds_by_other_names_are_known(kind, expected):
    answer = chart(json.dumps({"chart": kind})).answer

    assert (answer.chart, answer.subtype) == expected


def test_a_chart_in_other_words_is_rearranged():
    parsed = chart(
        '{"type":"line","x_axis":{"label":"Year","unit":"a"},"x_kind":"temporal","y_label":"null","printed":true,'
        '"series":[{"name":"A"},"B"],"data":[{"x":"2019","A":12.50,"B":null}],"colours":3}'
    )

    assert parsed.answer == ChartAnswer(
        chart="line", x="Year", x_kind="time", printed="all", series=["A", "B"], rows=[["2019", "12.50", None]]
    )
    assert parsed.repairs == ("content_dropped", "shape_repaired")


def test_every_repair_is_a_known_flag():
    texts = [f"x {PAGE[:-2]},]}} y", '[{"type":"text","content":"\\frac"},{"q":[]}]', r'{"blocks":[{"formula":"\nu"}]}', PAGE[:-5]]

    found = {flag for text in texts for flag in ocr(text, is_complete=False).repairs}

    assert len(found) >= 6
    assert found <= set(FLAGS)
