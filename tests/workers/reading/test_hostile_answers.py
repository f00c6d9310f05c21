"""Whatever a model says, the parser answers or refuses, the validator lands rows Arrow takes, and nothing else is raised."""

import json
import math
import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from schemas.answers import BLOCK_TYPES, ChartAnswer
from schemas.failure import PageError
from schemas.flags import FLAGS
from schemas.page import Box, PageImage, Region, RenderedPage, TextLayer, Word
from workers.answers.parse import parse_answer
from workers.charts.content import chart_content
from workers.text.content import ocr_content

pytestmark = pytest.mark.slow

WORDS = [Word(text, 10 + 30 * i, 10, 35 + 30 * i, 20, 0, 0, 10) for i, text in enumerate(["the", "10", "20", "30", "quick", "1,5"])]
PAGE = RenderedPage(page_index=0, image=PageImage(width_px=200, height_px=100), text_layer=TextLayer(words=WORDS, num_chars=20))
REGION = Region(region_index=0, bbox_px=Box(0, 0, 100, 100), origin="drawing", words=WORDS)
QUIET = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])

texts = st.text(max_size=12) | st.sampled_from(
    ["^", "1.234", "−5 %", "\f\brac", "$\neq$", "\ud800", "\x00\x1b[31m", "<table><tr>", "9" * 400]
)
leaves = st.none() | st.booleans() | st.integers() | st.floats() | texts
values = st.recursive(leaves, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=3), max_leaves=8)
block_keys = st.sampled_from([*BLOCK_TYPES, "type", "text", "content", "box", "confidence", "rows"])
blocks = st.lists(st.dictionaries(block_keys, values, max_size=3) | values, max_size=4)
chart_keys = st.sampled_from([*ChartAnswer.model_fields, "type", "data"])
rows = st.lists(st.lists(texts | st.none(), max_size=4), max_size=4)
answers = {
    "ocr": st.fixed_dictionaries({"languages": values, "blocks": blocks}) | values,
    "chart": st.builds(
        lambda kind, more, rows, points: {**more, "chart": kind, "rows": rows, "points": points},
        st.sampled_from(["bar", "pie", "scatter", "combo", "none", "odd"]),
        st.dictionaries(chart_keys, values, max_size=4),
        rows | values,
        st.lists(rows, max_size=2) | values,
    ),
}


def land(task, text, is_complete):
    """Parsed, checked, and held against what every row promises."""
    try:
        parsed = parse_answer(task, text, is_complete=is_complete)
    except PageError:
        return
    assert set(parsed.repairs) <= set(FLAGS)
    if task == "ocr":
        content = ocr_content(parsed.answer, PAGE)
        assert set(content.flags) <= set(FLAGS)
        assert content.text_layer_agreement is None or 0 <= content.text_layer_agreement <= 1
        for block in content.blocks:
            if block.bbox_px:
                left, top, right, bottom = block.bbox_px
                assert 0 <= left < right <= 200
                assert 0 <= top < bottom <= 100
        printed = [content.text_markdown, content.text_plain, *(block.html or "" for block in content.blocks), *content.languages]
    else:
        content = chart_content(parsed.answer, REGION, PAGE)
        assert set(content.flags) <= set(FLAGS)
        for point in content.points:
            for number in (point.value, point.x_value, point.scale, point.size_value):
                assert number is None or math.isfinite(number)
            assert point.y_text != ""
        printed = [content.title or "", *content.series, *(point.y_text or "" for point in content.points)]
    for text in printed:
        text.encode()
        assert not any(char in text for char in "\x00\x1b\x07")


@pytest.mark.parametrize("task", ["ocr", "chart"])
def test_any_json_is_an_answer_or_refused(task):
    @given(answers[task])
    @QUIET
    def check(value):
        land(task, json.dumps(value), True)

    check()


@pytest.mark.parametrize("task", ["ocr", "chart"])
def test_any_json_cut_anywhere_is_a_partial_answer_or_refused(task):
    @given(answers[task], st.floats(0, 1), st.sampled_from(["", "```", "}", '"', "\\", ",]}", "NaN"]))
    @QUIET
    def check(value, share, end):
        text = json.dumps(value, ensure_ascii=False)
        land(task, text[: int(share * len(text))] + end, False)

    check()


@given(st.text(alphabet="{}[]\":,\\unrtbf0e-.aNT\n '`", max_size=40), st.booleans())
@QUIET
def test_any_text_is_an_answer_or_refused(text, is_complete):
    for task in ("ocr", "chart"):
        land(task, text, is_complete)
        land(task, '{"chart":"bar","blocks":[' + text, is_complete)


@pytest.mark.parametrize(
    "value",
    [
        {"blocks": [{"table": [["x"] * 300] * 300}]},
        {"blocks": [{"table": [["^"] * 300] * 300}]},
        {"blocks": [{"table": [["x"] * 20_000, *[["^"]] * 20_000]}]},
        {"blocks": [{"table": "<table>" + "<tr><td rowspan=9999 colspan=9999>x" * 2000}]},
        {"blocks": [{"paragraph": "*a _b [c `d $\\e" * 5000}]},
        {"blocks": [{"paragraph": "the quick 10 " * 20000}]},
        {"blocks": [{"paragraph": "the"}] * 5000},
    ],
    ids=["wide", "continued", "ragged", "spans", "marks", "long", "many"],
)
def test_a_large_answer_costs_seconds_at_most(value):
    start = time.process_time()
    land("ocr", json.dumps(value), True)

    assert time.process_time() - start < 60  # it costs 0.3 to 1.5 s; were it quadratic, hours
