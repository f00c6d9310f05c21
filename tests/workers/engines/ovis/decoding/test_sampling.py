from dataclasses import replace

import pytest
import torch
from transformers import LogitsProcessorList, MinPLogitsWarper, RepetitionPenaltyLogitsProcessor, TopKLogitsWarper, TopPLogitsWarper

from workers.engines.ovis.decoding.sampling import Controls, Heat, choose, unpack_bits


def bits(allowed, vocab_size):
    words = [0] * -(-vocab_size // 32)
    for token in allowed:
        words[token // 32] |= 1 << (token % 32)
    return torch.tensor([word - 2**32 if word >= 2**31 else word for word in words], dtype=torch.int32)


def test_bits_are_read_as_they_are_written():
    mask = bits([0, 31, 32, 39], 40)[None]
    assert unpack_bits(mask, 40).nonzero()[:, 1].tolist() == [0, 31, 32, 39]


def test_a_forbidden_best_token_is_replaced_and_counted():
    logits = torch.tensor([[0.0, 3.0, 1.0], [0.0, 3.0, 1.0]])
    choice = choose(logits, torch.stack([bits([0, 2], 3), bits([0, 1, 2], 3)]), Controls())
    assert choice.tokens.tolist() == [2, 1]
    assert choice.overridden.tolist() == [True, False]
    # the log-probability is the model's own: of the unmasked distribution
    assert choice.logprobs[0].item() == pytest.approx(torch.log_softmax(logits[0], 0)[2].item())


def controls(rows, **given):
    plain = {"temperature": 1.0, "top_k": 0, "top_p": 1.0, "min_p": 0.0, "uniform": 0.5}
    each = {name: torch.tensor([given.get(name, value)] * rows) for name, value in plain.items()}
    return Controls(heat=Heat(rows=torch.arange(rows), most_k=given.get("most_k", given.get("top_k", 0)), **each))


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"uniform": 0.0}, 2),
        ({"uniform": 0.49}, 2),  # probabilities, best first: 0.5, 0.3, 0.2
        ({"uniform": 0.51}, 0),
        ({"uniform": 0.81}, 1),
        ({"uniform": 0.999999}, 1),
        ({"uniform": 0.99, "top_k": 2}, 0),
        ({"uniform": 0.99, "top_k": 1}, 2),
        ({"uniform": 0.99, "top_p": 0.6}, 0),  # the token that passes 0.6 is the last one in
        ({"uniform": 0.99, "top_p": 0.4}, 2),
        ({"uniform": 0.99, "min_p": 0.5}, 0),  # 0.3 is more than half of 0.5, and 0.2 is not
        ({"uniform": 0.99, "min_p": 1.0}, 2),
        ({"uniform": 0.99, "top_k": 2, "most_k": 3}, 0),  # another row asks for more
    ],
)
def test_the_token_is_where_the_cumulated_probability_passes_the_number(given, expected):
    logits = torch.tensor([[0.3, 0.2, 0.5]]).log()
    assert choose(logits, None, controls(1, **given)).tokens.tolist() == [expected]


@pytest.mark.parametrize("most_k", [0, 20, 30])
def test_sampling_agrees_with_transformers_distribution(most_k):
    torch.manual_seed(0)
    logits = torch.randn(1, 50)
    warped = LogitsProcessorList([TopKLogitsWarper(20), TopPLogitsWarper(0.95), MinPLogitsWarper(0.1)])(None, logits / 0.7)
    expected = warped.softmax(-1)[0]
    assert 3 <= int((expected > 0).sum()) < 20
    rows = 20_000
    asked = controls(rows, temperature=0.7, top_k=20, top_p=0.95, min_p=0.1, most_k=most_k)
    asked.heat = replace(asked.heat, uniform=(torch.arange(rows) + 0.5) / rows)
    counts = torch.bincount(choose(logits.repeat(rows, 1), None, asked).tokens, minlength=50) / rows
    assert float((counts - expected).abs().max()) < 1e-3


def test_rows_that_are_not_hot_take_their_best_token_and_are_not_sorted():
    logits = torch.tensor([[0.3, 0.2, 0.5], [0.6, 0.3, 0.1], [0.1, 0.2, 0.7]]).log()
    asked = controls(1, uniform=0.9)
    asked.heat = replace(asked.heat, rows=torch.tensor([1]))
    assert choose(logits, None, asked).tokens.tolist() == [2, 1, 2]


def test_the_penalty_is_transformers_and_sees_the_whole_output():
    torch.manual_seed(0)
    logits = torch.randn(1, 30)
    said = torch.tensor([[3, 7, int(logits.argmax())]])
    expected = RepetitionPenaltyLogitsProcessor(1.3)(said, logits.clone()).argmax(-1)
    seen = torch.zeros(1, 30, dtype=torch.bool)
    seen[0, said[0]] = True
    assert choose(logits, None, Controls(penalty=torch.tensor([1.3]), seen=seen)).tokens.tolist() == expected.tolist()
