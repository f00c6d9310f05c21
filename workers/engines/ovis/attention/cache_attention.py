"""Attention over a paged key/value cache: one small interface, and a reference in SDPA that runs everywhere.

Other kernels replace the reference if they are faster (`Kernels`). The module `kernels` chooses them and compares them with it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import Tensor

from workers.engines.ovis.attention.packed import PackedAttention, Segments, sdpa

DecodeAttention = Callable[[Tensor, Tensor, Tensor, Tensor, Tensor, float], Tensor]
"""(query, keys, values, tables, lengths, scale) -> [rows, heads, head_dim]: see `paged_attention.attend_decode`."""


@dataclass(frozen=True)
class Kernels:
    """The functions that compute attention, one for each of its three shapes here."""

    vision: PackedAttention = sdpa
    prompts: PackedAttention = sdpa
    decode: DecodeAttention | None = None
    """For one new token per row and no window; None for the reference."""

    def __str__(self) -> str:
        """The names of the kernels for vision, prompts and decoding."""
        names = [self.vision.__name__, self.prompts.__name__, "reference" if self.decode is None else "paged"]
        return "/".join(names)


class Workspace:
    """Buffers in which a step's keys and values are gathered. All layers and steps share them, because the page faults of new
    memory
    cost the CPU more than the copy (16 rows of 700 tokens: 2.6 ms with them, 0.12 ms without)."""

    def __init__(self) -> None:
        self._buffers: dict[str, Tensor] = {}

    def gather(self, name: str, cache: Tensor, tables: Tensor) -> Tensor:
        """[rows, tokens of whole blocks, key/value heads, head_dim], copied from the blocks; valid until the next call of this
        name.
        index_select copies whole blocks in 0.07 ms; indexing took 0.74 ms."""
        rows, num_blocks = tables.shape
        flat = cache.flatten(1)
        needed = rows * num_blocks
        buffer = self._buffers.get(name)
        if buffer is None or len(buffer) < needed or buffer.shape[1] != flat.shape[1]:
            self._buffers[name] = buffer = flat.new_empty(needed + needed // 4, flat.shape[1])
        torch.index_select(flat, 0, tables.flatten(), out=buffer[:needed])
        return buffer[:needed].view(rows, num_blocks * cache.shape[1], *cache.shape[2:])


@dataclass
class Step:
    """The layout of one forward: rows of requests, each with some new tokens, packed one after the other."""

    keys: Tensor
    """[layers, blocks, block_tokens, key/value heads, head_dim]"""
    values: Tensor
    slots: Tensor
    """[num_tokens] int64: the place of each new token's key and value, as block * block_tokens + offset."""
    tables: Tensor
    """[rows, blocks] int64: each row's blocks, padded with any valid block."""
    num_tokens: Tensor
    """[rows] int64: `lengths`, on the device."""
    num_new: Sequence[int]
    """New tokens of each row."""
    lengths: Sequence[int]
    """Tokens of each row, the new ones included."""
    workspace: Workspace
    kernels: Kernels = Kernels()
    past: Tensor | None = None
    """[sum of lengths] int64: the slots of all tokens of all rows; None if every token is new, or no kernel needs it."""
    _masks: dict[int | None, Tensor] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.queries, self.all_keys = (Segments(numbers, self.slots.device) for numbers in (self.num_new, self.lengths))

    @property
    def is_uniform(self) -> bool:
        """True if all rows have the same small number of new tokens, as in decoding or verifying drafts."""
        return is_uniform(self.num_new)

    def mask(self, window: int | None) -> Tensor:
        """[rows, 1, new, tokens] for a uniform step: 0 where a new token may look, -inf elsewhere. It is made once for all layers,
        because SDPA would convert a bool mask in each of them."""
        if window not in self._masks:
            new = self.num_new[0]
            query_at = self.num_tokens[:, None] - new + torch.arange(new, device=self.slots.device)
            key_at = torch.arange(max(self.lengths), device=self.slots.device)
            allowed = key_at <= query_at[:, :, None]
            if window is not None:
                allowed &= key_at > query_at[:, :, None] - window
            mask = torch.zeros(allowed.shape, dtype=self.keys.dtype, device=self.slots.device)
            self._masks[window] = mask.masked_fill_(~allowed, float("-inf"))[:, None]
        return self._masks[window]


def is_uniform(num_new: Sequence[int]) -> bool:
    return len(set(num_new)) == 1 and num_new[0] <= 8


def attend(layer: int, query: Tensor, key: Tensor, value: Tensor, step: Step, *, scale: float, window: int | None = None) -> Tensor:
    """[num_tokens, heads, head_dim] for query of this shape and [num_tokens, key/value heads, head_dim] key and value, which are
    written to the cache first. Each row attends to its own past."""
    keys, values = step.keys[layer], step.values[layer]
    of_token = [cache.view(-1, *cache.shape[2:]) for cache in (keys, values)]
    of_token[0].index_copy_(0, step.slots, key)
    of_token[1].index_copy_(0, step.slots, value)
    if step.is_uniform:
        if step.kernels.decode is not None and step.num_new[0] == 1 and window is None:
            return step.kernels.decode(query, keys, values, step.tables, step.num_tokens, scale)
        return attend_uniform(query, keys, values, step, scale, window)
    if step.past is not None:
        key, value = (cache.index_select(0, step.past) for cache in of_token)
    if window is not None:
        return sdpa(query, key, value, step.queries, step.all_keys, is_causal=True, scale=scale, window=window)
    return step.kernels.prompts(query, key, value, step.queries, step.all_keys, is_causal=True, scale=scale)


def attend_uniform(query: Tensor, keys: Tensor, values: Tensor, step: Step, scale: float, window: int | None) -> Tensor:
    """Attention of all rows at once. The queries that share a key/value head are put side by side, so that no key is repeated."""
    rows, new, longest = len(step.num_new), step.num_new[0], max(step.lengths)
    heads, head_dim = query.shape[1:]
    kv_heads = keys.shape[2]
    group = heads // kv_heads
    k, v = (
        step.workspace.gather(name, cache, step.tables)[:, :longest].transpose(1, 2)
        for name, cache in (("keys", keys), ("values", values))
    )
    q = query.view(rows, new, kv_heads, group, head_dim).permute(0, 2, 3, 1, 4).reshape(rows, kv_heads, group * new, head_dim)
    mask = step.mask(window)
    if new > 1:
        mask = mask.repeat(1, 1, group, 1)
    out = F.scaled_dot_product_attention(q, k, v, attn_mask=mask, scale=scale)
    out = out.view(rows, kv_heads, group, new, head_dim).permute(0, 3, 1, 2, 4)
    return out.reshape(rows * new, heads, head_dim)
