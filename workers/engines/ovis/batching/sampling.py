"""Chooses the next token of all rows at once on the device, without handling rows in Python."""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass
class Choice:
    """For each row the token, its log probability in the model's own distribution (unmasked, before penalty and temperature), and
    whether the grammar forbade the model's best token."""

    tokens: Tensor
    logprobs: Tensor
    overridden: Tensor


@dataclass
class Controls:
    """Sampling controls of each row, on the device. A field is None if no row uses it, which saves its work."""

    temperature: Tensor | None = None
    """0 for greedy."""
    top_k: Tensor | None = None
    """0 for all tokens."""
    top_p: Tensor | None = None
    uniform: Tensor | None = None
    """One number in [0, 1) per row, so that the choice depends on the request alone and not on the rest of the batch."""
    penalty: Tensor | None = None
    seen: Tensor | None = None
    """[rows, vocabulary] bool: tokens that the row has produced so far, for the penalty."""


def choose(logits: Tensor, mask: Tensor | None, controls: Controls) -> Choice:
    """The next tokens for `logits` [rows, vocabulary] float32. `mask` [rows, ceil(vocabulary / 32)] int32 has a set bit for each
    allowed token (llguidance's layout)."""
    scores = logits
    best = logits.argmax(-1)
    if controls.penalty is not None and controls.seen is not None:
        penalty = controls.penalty[:, None]
        scores = torch.where(controls.seen, torch.where(scores < 0, scores * penalty, scores / penalty), scores)
    overridden = torch.zeros(len(logits), dtype=torch.bool, device=logits.device)
    if mask is not None:
        scores = scores.masked_fill(~unpack_bits(mask, logits.shape[1]), float("-inf"))
        word = mask.gather(1, (best // 32)[:, None])[:, 0]
        overridden = ((word >> (best % 32).int()) & 1) == 0
    tokens = scores.argmax(-1)
    if controls.temperature is not None:
        tokens = torch.where(controls.temperature > 0, _sampled(scores, controls), tokens)
    logprobs = logits.gather(1, tokens[:, None])[:, 0] - logits.logsumexp(-1)
    return Choice(tokens, logprobs, overridden)


def unpack_bits(mask: Tensor, vocab_size: int) -> Tensor:
    """[rows, words] int32 -> [rows, vocab_size] bool."""
    bits = torch.arange(32, device=mask.device, dtype=torch.int32)
    return ((mask[:, :, None] >> bits) & 1).bool().flatten(1)[:, :vocab_size]


def _sampled(scores: Tensor, controls: Controls) -> Tensor:
    """Sampled tokens: temperature, top-k and top-p in the order of transformers, then the token at which the cumulated probability
    passes the row's uniform number. Greedy rows get any token."""
    assert controls.temperature is not None
    assert controls.top_k is not None
    assert controls.top_p is not None
    assert controls.uniform is not None
    heat = torch.where(controls.temperature > 0, controls.temperature, 1.0)[:, None]
    ordered, order = (scores / heat).sort(dim=-1, descending=True)
    rank = torch.arange(scores.shape[1], device=scores.device)
    ordered = ordered.masked_fill((controls.top_k[:, None] > 0) & (rank >= controls.top_k[:, None]), float("-inf"))
    probabilities = ordered.softmax(-1)
    before = probabilities.cumsum(-1) - probabilities
    probabilities = probabilities.masked_fill((before >= controls.top_p[:, None]) & (rank > 0), 0.0)
    cumulated = probabilities.double().cumsum(-1)
    passed = torch.searchsorted(cumulated, controls.uniform[:, None].double() * cumulated[:, -1:], right=True)
    possible = (probabilities > 0).sum(-1, keepdim=True)  # rounding must not reach a token of probability 0
    return order.gather(1, passed.clamp(max=possible - 1))[:, 0]
