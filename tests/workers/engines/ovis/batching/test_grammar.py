"""What an answer may contain, tried on the schemas the pipeline asks with."""

import json
import random

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.answers import ChartAnswer, OcrAnswer, answer_schema
from workers.engines.ovis.batching.grammar import GrammarError, Grammars
from workers.engines.ovis.checkpoint.loading import read_tokenizer
from workers.engines.ovis.decoding.sampling import Controls, choose


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


@pytest.mark.parametrize(
    ("number", "is_allowed"),
    [("0", True), ("0.25", True), ("1", True), ("0.999", True), ("1.5", False), ("-0.1", False), ("1e9", False), ("10", False)],
)
def test_a_boxs_numbers_are_shares(grammars, tokenizer, number, is_allowed):
    begun = '{"languages": [], "blocks": [{"figure": "x", "box": [0, 0, '
    taken, _ = accepted(grammars, tokenizer, f"{begun}{number}, 1]}}]}}")
    assert (taken > len(begun + number)) == is_allowed


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


@pytest.mark.slow
@pytest.mark.parametrize(("task", "model"), [("ocr", OcrAnswer), ("chart", ChartAnswer)])
@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_whatever_the_logits_are_a_finished_answer_is_one(grammars, tokenizer, task, model, seed):
    # given logits of pure chance, with a liking for what closes, so that answers end
    generator = torch.Generator().manual_seed(seed)
    vocab_size = len(tokenizer) + 10
    liking = random.Random(seed).uniform(1.0, 4.0)
    bias = torch.zeros(vocab_size)
    for text in ('"', "]", "}", "]]", '"]', '"}', "null", "none"):
        bias[tokenizer.encode(text)] = liking
    matcher, mask, tokens = grammars.matcher(answer_schema(task)), grammars.allocate(1, pinned=False), []

    while not matcher.is_stopped() and len(tokens) < 1500:
        grammars.fill(mask, [(matcher, 0)])
        logits = torch.randn(1, vocab_size, generator=generator) * 2 + bias
        token = int(choose(logits, mask, Controls()).tokens[0])
        assert matcher.consume_token(token)
        tokens.append(token)

    text = tokenizer.decode(tokens, skip_special_tokens=True)
    if matcher.is_stopped():
        model.model_validate_json(text)
    escapes = {text[at + 1] for at in range(len(text) - 1) if text[at] == "\\" and (at - len(text[:at].rstrip("\\"))) % 2 == 0}
    assert escapes <= set('n"\\')
