"""What an answer may contain, tried on the schemas the pipeline asks with."""

import json

import pytest

from schemas.answers import answer_schema
from workers.engines.ovis.grammar import GrammarError, Grammars
from workers.engines.ovis.loading import read_tokenizer


@pytest.fixture(scope="module")
def tokenizer(checkpoint):
    return read_tokenizer(checkpoint)


@pytest.fixture(scope="module")
def grammars(tokenizer):
    return Grammars(tokenizer, len(tokenizer) + 10, [tokenizer.convert_tokens_to_ids("<|im_end|>")], num_threads=1)


def accepted(grammars, tokenizer, text):
    """(how many of the text's characters the grammar takes, whether the answer may end there)."""
    matcher = grammars.matcher(answer_schema("ocr"))
    tokens = tokenizer.encode(text, add_special_tokens=False)
    taken = matcher.try_consume_tokens(tokens)
    return len(tokenizer.decode(tokens[:taken])), matcher.is_accepting()


@pytest.mark.parametrize(
    "text",
    [
        r"\frac{a}{b} \alpha \nabla \underline{x}",
        "表格 図表 데이터",
        "جدول الرسم ١٢٣",
        'a "quoted" word',
        "😀 👩‍👩‍👧 🇫🇷",
        "e\u0301 n\u0303 हिन्दी क्षि",
        "first line\nsecond line",
        "C:\\temp",
        "a/b < c > d & e",
    ],
)
def test_any_text_can_be_said_and_comes_back_as_it_was(grammars, tokenizer, text):
    answer = json.dumps({"languages": ["en"], "blocks": [{"paragraph": text}, {"table": [[text, None, "^"]]}]}, ensure_ascii=False)
    taken, may_end = accepted(grammars, tokenizer, answer)
    assert may_end
    assert taken == len(tokenizer.decode(tokenizer.encode(answer)))
    assert json.loads(answer)["blocks"][0]["paragraph"] == text


@pytest.mark.parametrize("escape", [r"\f", r"\t", r"\b", r"\r", r"\u", r"\/", r"\a"])
def test_escapes_that_eat_latex_cannot_be_written(grammars, tokenizer, escape):
    begun = '{"languages": [], "blocks": [{"formula": "x'
    taken, _ = accepted(grammars, tokenizer, begun + escape + "rac")
    assert len(begun) <= taken <= len(begun) + 1  # the backslash may stand, as the beginning of \\ or \n


@pytest.mark.parametrize(
    "text",
    ['{ "languages"', '{"languages":["en"]', '{"languages": ["en"],\n', '{"blocks"', '{"languages": [], "blocks": [{"para": '],
)
def test_only_one_spelling_of_the_shape_is_allowed(grammars, tokenizer, text):
    taken, may_end = accepted(grammars, tokenizer, text)
    assert taken < len(text)
    assert not may_end


def test_an_answer_ends_when_it_is_whole(grammars, tokenizer):
    matcher = grammars.matcher(answer_schema("ocr"))
    assert matcher.consume_tokens(tokenizer.encode('{"languages": [], "blocks": []}'))
    assert matcher.is_stopped()
    assert not matcher.is_error()


def test_each_request_has_a_matcher_of_its_own(grammars, tokenizer):
    first, second = (grammars.matcher(answer_schema("chart")) for _ in range(2))
    assert first.consume_tokens(tokenizer.encode('{"chart": "bar"'))
    assert second.try_consume_tokens(tokenizer.encode('{"chart": "line"')) == len(tokenizer.encode('{"chart": "line"'))


def test_a_schema_that_makes_no_sense_is_refused(grammars):
    with pytest.raises(GrammarError, match="nonsense"):
        grammars.matcher({"type": "nonsense"})
