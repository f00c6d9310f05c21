"""Attention inside segments that are packed one after the other: the patches of images, or the tokens of prompts.

`sdpa` runs everywhere and is the reference. `varlen` is torch's flash attention over packed segments, on CUDA in half precision.
The module `kernels` measures both and chooses.
"""

import inspect
from collections.abc import Callable, Sequence
from functools import cached_property, lru_cache
from itertools import groupby
from typing import Protocol

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from workers.engines.ovis.attention.transfer import to_device


class Segments:
    """The lengths and bounds of the segments in a packed tensor. They are made once per forward for all layers."""

    def __init__(self, lengths: Sequence[int], device: torch.device) -> None:
        self.lengths, self._device = lengths, device

    @property
    def longest(self) -> int:
        return max(self.lengths)

    @cached_property
    def bounds(self) -> Tensor:
        """[segments + 1] int32 on the device: 0, and the end of each segment."""
        (bounds,) = to_device(self._device, np.concatenate([[0], np.cumsum(self.lengths)]).astype(np.int32))
        return bounds


class PackedAttention(Protocol):
    __name__: str

    def __call__(
        self, query: Tensor, key: Tensor, value: Tensor, queries: Segments, keys: Segments, *, is_causal: bool, scale: float | None
    ) -> Tensor:
        """[queries, heads, head_dim] of query [queries, heads, head_dim] against key and value [keys, key/value heads, head_dim].

        Causal: a segment's queries are the last of its keys. `scale` None: 1 / sqrt(head_dim).
        """


def sdpa(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    queries: Segments,
    keys: Segments,
    *,
    is_causal: bool,
    scale: float | None = None,
    window: int | None = None,
) -> Tensor:
    """Attention by SDPA. Neighbouring segments of the same lengths form one batch. `window`: number of keys that a causal query
    sees, itself included."""
    outputs = []
    query_at = key_at = 0
    is_grouped = query.shape[1] != key.shape[1]
    for (num_queries, num_keys), run in groupby(zip(queries.lengths, keys.lengths, strict=True)):
        count = sum(1 for _ in run)
        q = _batch(query, query_at, count, num_queries)
        k, v = (_batch(x, key_at, count, num_keys) for x in (key, value))
        query_at, key_at = query_at + count * num_queries, key_at + count * num_keys
        mask = None
        if is_causal and (num_queries != num_keys or window is not None):
            mask = _causal_mask(num_queries, num_keys, window, query.device)
        out = F.scaled_dot_product_attention(
            q, k, v, attn_mask=mask, is_causal=is_causal and mask is None, scale=scale, enable_gqa=is_grouped
        )
        outputs.append(out.transpose(1, 2).flatten(0, 1))
    return torch.cat(outputs) if len(outputs) > 1 else outputs[0]


def _batch(x: Tensor, start: int, count: int, length: int) -> Tensor:
    """[count, heads, length, head_dim]"""
    return x[start : start + count * length].view(count, length, *x.shape[1:]).transpose(1, 2)


def _causal_mask(num_queries: int, num_keys: int, window: int | None, device: torch.device) -> Tensor:
    query_at = torch.arange(num_keys - num_queries, num_keys, device=device)[:, None]
    key_at = torch.arange(num_keys, device=device)
    mask = key_at <= query_at
    return mask if window is None else mask & (key_at > query_at - window)


def varlen(
    query: Tensor, key: Tensor, value: Tensor, queries: Segments, keys: Segments, *, is_causal: bool, scale: float | None = None
) -> Tensor:
    """Attention of all segments in one call. Raises torch's error if it does not run (another device, float32)."""
    from torch.nn.attention.varlen import varlen_attn

    attention: Callable[..., Tensor] = varlen_attn  # type: ignore[assignment]  # more is given back only if asked for
    return attention(
        query, key, value, queries.bounds, keys.bounds, queries.longest, keys.longest,
        scale=scale, window_size=(-1, 0) if is_causal else (-1, -1), **_grouped(attention),
    )  # fmt: skip


@lru_cache
def _grouped(varlen_attn: Callable[..., Tensor]) -> dict[str, bool]:
    """The argument for queries that share key/value heads. torch 2.13 needs it, and 2.11 does not know it."""
    return {"enable_gqa": True} if "enable_gqa" in inspect.signature(varlen_attn).parameters else {}
