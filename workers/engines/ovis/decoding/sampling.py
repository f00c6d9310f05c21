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


@dataclass(frozen=True)
class Heat:
    """The rows that are sampled, and how. A field has one number for each of them."""

    rows: Tensor
    temperature: Tensor
    """Above 0."""
    top_k: Tensor
    """0 for all tokens."""
    most_k: int
    """The largest of `top_k`; 0 if one of them is 0, and all tokens must be sorted."""
    top_p: Tensor
    min_p: Tensor
    """Least probability of a token, relative to the best one's; 0 for all tokens."""
    uniform: Tensor
    """A number in [0, 1), so that the choice depends on the request alone and not on the rest of the batch."""


@dataclass
class Controls:
    """Controls of the rows, on the device. A field is None if no row uses it, which saves its work."""

    heat: Heat | None = None
    """None if every row takes its best token."""
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
    if (heat := controls.heat) is not None:
        tokens = tokens.index_copy(0, heat.rows, _sampled(scores.index_select(0, heat.rows), heat))
    logprobs = logits.gather(1, tokens[:, None])[:, 0] - logits.logsumexp(-1)
    return Choice(tokens, logprobs, overridden)


def unpack_bits(mask: Tensor, vocab_size: int) -> Tensor:
    """[rows, words] int32 -> [rows, vocab_size] bool."""
    bits = torch.arange(32, device=mask.device, dtype=torch.int32)
    return ((mask[:, :, None] >> bits) & 1).bool().flatten(1)[:, :vocab_size]


def _sampled(scores: Tensor, heat: Heat) -> Tensor:
    """Sampled tokens: temperature, top-k, top-p and min-p in the order of transformers, then the token at which the cumulated
    probability passes the row's uniform number. In float64, so that a sum does not depend on how many tokens were sorted."""
    scores = scores / heat.temperature[:, None]
    if 0 < heat.most_k < scores.shape[1]:
        ordered, order = scores.topk(heat.most_k, dim=-1)
    else:
        ordered, order = scores.sort(dim=-1, descending=True)
    rank = torch.arange(ordered.shape[1], device=scores.device)
    ordered = ordered.masked_fill((heat.top_k[:, None] > 0) & (rank >= heat.top_k[:, None]), float("-inf"))
    probabilities = ordered.double().softmax(-1)
    before = probabilities.cumsum(-1) - probabilities
    is_out = (before >= heat.top_p[:, None]) | (probabilities < heat.min_p[:, None] * probabilities[:, :1])
    probabilities = probabilities.masked_fill(is_out & (rank > 0), 0.0)
    cumulated = probabilities.cumsum(-1)
    passed = torch.searchsorted(cumulated, heat.uniform[:, None].double() * cumulated[:, -1:], right=True)
    possible = (probabilities > 0).sum(-1, keepdim=True)  # rounding must not reach a token of probability 0
    return order.gather(1, passed.clamp(max=possible - 1))[:, 0]
