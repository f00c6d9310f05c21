import pytest
import torch
from transformers import LogitsProcessorList, RepetitionPenaltyLogitsProcessor, TopKLogitsWarper, TopPLogitsWarper

from workers.engines.ovis.batching.sampling import Controls, choose, unpack_bits


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
    plain = {"temperature": 1.0, "top_k": 0, "top_p": 1.0, "uniform": 0.5}
    return Controls(**{name: torch.tensor([given.get(name, value)] * rows) for name, value in plain.items()})


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
        ({"uniform": 0.99, "temperature": 0.0}, 2),
    ],
)
def test_the_token_is_where_the_cumulated_probability_passes_the_number(given, expected):
    logits = torch.tensor([[0.3, 0.2, 0.5]]).log()
    assert choose(logits, None, controls(1, **given)).tokens.tolist() == [expected]


def test_sampling_agrees_with_transformers_distribution():
    torch.manual_seed(0)
    logits = torch.randn(1, 50) * 2
    warped = LogitsProcessorList([TopKLogitsWarper(20), TopPLogitsWarper(0.8)])(None, logits / 0.7)
    expected = warped.softmax(-1)[0]
    rows = 20_000
    asked = controls(rows, temperature=0.7, top_k=20, top_p=0.8)
    asked.uniform = (torch.arange(rows) + 0.5) / rows
    counts = torch.bincount(choose(logits.repeat(rows, 1), None, asked).tokens, minlength=50) / rows
    assert float((counts - expected).abs().max()) < 1e-3


def test_the_penalty_is_transformers_and_sees_the_whole_output():
    torch.manual_seed(0)
    logits = torch.randn(1, 30)
    said = torch.tensor([[3, 7, int(logits.argmax())]])
    expected = RepetitionPenaltyLogitsProcessor(1.3)(said, logits.clone()).argmax(-1)
    seen = torch.zeros(1, 30, dtype=torch.bool)
    seen[0, said[0]] = True
    assert choose(logits, None, Controls(penalty=torch.tensor([1.3]), seen=seen)).tokens.tolist() == expected.tolist()
