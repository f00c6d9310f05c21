import json

import pytest
from pydantic import ValidationError

from schemas.answers import ASKED_KINDS, BLOCK_TYPES, ChartAnswer, OcrAnswer, answer_schema

OCR = {
    "languages": ["en", "ar"],
    "blocks": [
        {"title": 'A "quoted" title'},
        {"paragraph": "line\nline, 漢字, العربية, 👩‍🔬, e\u0301"},
        {"formula": r"\frac{a}{b} \neq \nu"},
        {"table": [["a", None], ["^", ""]]},
        {"chart": "Sales", "box": [0.1, 0.2, 0.9, 0.75]},
    ],
}
CHART = {
    "chart": "bar",
    "subtype": "stacked",
    "title": None,
    "x": None,
    "x_unit": None,
    "x_kind": "time",
    "x_scale": None,
    "y": "Revenue",
    "unit": "$ million",
    "scale": "linear",
    "y2": None,
    "y2_unit": None,
    "printed": "some",
    "series": ["A"],
    "y2_series": [],
    "rows": [["2019", "1,200"], ["2020", None]],
    "points": [],
}
NONE = {**dict.fromkeys(CHART), "chart": "none", "series": [], "y2_series": [], "rows": [], "points": []}


def objects(schema):
    """Every object schema inside."""
    if isinstance(schema, dict):
        if schema.get("type") == "object":
            yield schema
        for value in schema.values():
            yield from objects(value)
    elif isinstance(schema, list):
        for value in schema:
            yield from objects(value)


@pytest.mark.parametrize("task", ["ocr", "chart"])
def test_the_schema_keeps_to_what_strict_servers_take(task):
    schema = answer_schema(task)

    assert schema["type"] == "object"
    for part in objects(schema):
        assert part["additionalProperties"] is False
        assert part["required"] == list(part["properties"])
    for forbidden in ("$ref", "$defs", "maxLength", "oneOf", "allOf", "default"):
        assert f'"{forbidden}"' not in json.dumps(schema)


def test_fields_are_asked_in_the_order_of_the_answer():
    assert list(answer_schema("ocr")["properties"]) == ["languages", "blocks"]
    assert list(answer_schema("chart")["properties"]) == list(ChartAnswer.model_fields)
    assert next(iter(answer_schema("chart")["properties"])) == "chart"


def test_only_figures_and_charts_are_asked_for_a_box():
    blocks = answer_schema("ocr")["properties"]["blocks"]["items"]["anyOf"]

    assert [next(iter(block["properties"])) for block in blocks] == ASKED_KINDS
    assert set(BLOCK_TYPES) - set(ASKED_KINDS) == {"code"}
    with_box = {next(iter(block["properties"])) for block in blocks if "box" in block["properties"]}
    assert with_box == {"figure", "chart"}
    assert "confidence" not in json.dumps(blocks)


@pytest.mark.parametrize(
    ("task", "answer"), [("ocr", OCR), ("ocr", {"languages": [], "blocks": []}), ("chart", CHART), ("chart", NONE)]
)
def test_llguidance_compiles_the_schema_and_takes_a_whole_answer(task, answer):
    llguidance = pytest.importorskip("llguidance", reason="llguidance comes with the extra `ovis`")
    grammar = llguidance.LLMatcher.grammar_from_json_schema(answer_schema(task), overrides={"whitespace_flexible": False})
    tokenizer = byte_tokenizer(llguidance)
    assert llguidance.LLMatcher.validate_grammar_with_warnings(grammar, tokenizer) == (False, [])

    matcher = llguidance.LLMatcher(tokenizer, grammar)
    text = json.dumps(answer, ensure_ascii=False, separators=(",", ":")).encode()

    assert matcher.try_consume_tokens(list(text)) == len(text), text[: matcher.try_consume_tokens(list(text))]
    assert matcher.is_accepting()


@pytest.mark.parametrize(
    ("task", "text"),
    [
        ("ocr", '{"blocks"'),  # languages come first
        ("ocr", '{"languages":[],"blocks":[{"paragraph":"x","box"'),
        ("ocr", '{"languages":[],"blocks":[{"chart":"x"}'),  # a chart needs its box
        ("chart", '{"chart":"banana"'),
        ("chart", '{"chart":"bar","title"'),  # subtype comes first, null or not
    ],
)
def test_llguidance_refuses_other_shapes(task, text):
    llguidance = pytest.importorskip("llguidance", reason="llguidance comes with the extra `ovis`")
    grammar = llguidance.LLMatcher.grammar_from_json_schema(answer_schema(task), overrides={"whitespace_flexible": False})
    matcher = llguidance.LLMatcher(byte_tokenizer(llguidance), grammar)

    assert matcher.try_consume_tokens(list(text.encode())) < len(text)


def byte_tokenizer(llguidance):
    """One token per byte, and one for the end."""

    class Bytes:
        eos_token_id = 256
        bos_token_id = None

        def __init__(self):
            self.tokens = [bytes([byte]) for byte in range(256)] + [b"<eos>"]
            self.special_token_ids = [256]

        def __call__(self, text):
            return list(text if isinstance(text, bytes) else text.encode())

    return llguidance.LLTokenizer(llguidance.TokenizerWrapper(Bytes()))


def test_what_the_schema_allows_the_models_take():
    assert ChartAnswer.model_validate(CHART).rows == [["2019", "1,200"], ["2020", None]]
    assert ChartAnswer.model_validate(NONE).chart == "none"
    assert [type(block).__name__ for block in OcrAnswer.model_validate(OCR).blocks] == [
        "Title",
        "Paragraph",
        "Formula",
        "Table",
        "Chart",
    ]


@pytest.mark.parametrize("block", [{"paragraph": "a", "title": "b"}, {"text": "a"}, {"paragraph": None}, {"table": "a"}, {}])
def test_a_block_of_another_shape_is_refused(block):
    with pytest.raises(ValidationError):
        OcrAnswer.model_validate({"languages": [], "blocks": [block]})


@pytest.mark.parametrize("box", [[0, 0, float("nan"), 1], [0, 0, float("inf"), 1], [0, 0, 1]])
def test_a_box_has_four_finite_numbers(box):
    with pytest.raises(ValidationError):
        OcrAnswer.model_validate({"blocks": [{"figure": "", "box": box}]})
