"""Attention over a paged key/value cache: one small interface, and a reference in SDPA that runs everywhere.

Other kernels replace the reference if they are faster (`Kernels`). The module `kernels` chooses them and compares them with it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import Tensor

from workers.engines.ovis.attention.packed import PackedAttention, Segments, sdpa
from workers.engines.ovis.attention.splits import Splits

MAX_QUERIES = 8
"""Most new tokens of a row in one decode step: its last token and up to 7 tokens of a draft."""

DecodeAttention = Callable[[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Splits, float], Tensor]
"""(query, keys, values, tables, firsts, lengths, splits, scale) -> [rows, queries, heads, head_dim]: see `paged.attend_decode`."""


@dataclass(frozen=True)
class Kernels:
    """The functions that compute attention, one for each of its three shapes here."""

    vision: PackedAttention = sdpa
    prompts: PackedAttention = sdpa
    decode: DecodeAttention | None = None
    """For up to MAX_QUERIES new tokens per row and no window; None for the reference."""

    def __str__(self) -> str:
        """The names of the kernels for vision, prompts and decoding."""
        names = [self.vision.__name__, self.prompts.__name__, "reference" if self.decode is None else "paged"]
        return "/".join(names)


class Workspace:
    """Buffers in which a step's keys and values are gathered. All layers and steps share them, because the page faults of new
    memory cost the CPU more than the copy (16 rows of 700 tokens: 2.6 ms with them, 0.12 ms without)."""

    def __init__(self) -> None:
        self._buffers: dict[str, Tensor] = {}

    def gather(self, name: str, cache: Tensor, tables: Tensor) -> Tensor:
        """[rows, tokens of whole blocks, key/value heads, head_dim], copied from the blocks; valid until the next call of this
        name. index_select copies whole blocks in 0.07 ms; indexing took 0.74 ms."""
        rows, num_blocks = tables.shape
        flat = cache.flatten(1)
        needed = rows * num_blocks
        buffer = self._buffers.get(name)
        if buffer is None or len(buffer) < needed or buffer.shape[1] != flat.shape[1]:
            self._buffers[name] = buffer = flat.new_empty(needed + needed // 4, flat.shape[1])
        torch.index_select(flat, 0, tables.flatten(), out=buffer[:needed])
        return buffer[:needed].view(rows, num_blocks * cache.shape[1], *cache.shape[2:])


@dataclass(frozen=True)
class Padding:
    """Packed tokens as rows of equal length. A row that is shorter repeats its last token."""

    of_packed: Tensor
    """[rows * queries] int64: for each padded place its packed token."""
    of_padded: Tensor
    """[num_tokens] int64: for each packed token its padded place."""


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
    firsts: Tensor
    """[rows] int64: the position of each row's first new token."""
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
    padding: Padding | None = None
    """For a short step whose rows differ in their number of new tokens."""
    splits: Splits | None = None
    """For a short step with a kernel that decodes."""
    _masks: dict[tuple[int | None, int], Tensor] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.queries, self.all_keys = (Segments(numbers, self.slots.device) for numbers in (self.num_new, self.lengths))
        self.is_short = is_short(self.num_new)

    def mask(self, window: int | None, group: int) -> Tensor:
        """[rows, 1, group * queries, tokens] for a short step: 0 where a new token may look, -inf elsewhere. It is made once for
        all layers, because SDPA would convert a bool mask in each of them."""
        if (window, group) not in self._masks:
            offsets = torch.arange(max(self.num_new), device=self.slots.device)
            query_at = torch.minimum(self.firsts[:, None] + offsets, self.num_tokens[:, None] - 1)
            key_at = torch.arange(max(self.lengths), device=self.slots.device)
            allowed = key_at <= query_at[:, :, None]
            if window is not None:
                allowed &= key_at > query_at[:, :, None] - window
            mask = torch.zeros(allowed.shape, dtype=self.keys.dtype, device=self.slots.device)
            mask = mask.masked_fill_(~allowed, float("-inf"))[:, None]
            self._masks[window, group] = mask.repeat(1, 1, group, 1) if len(offsets) > 1 else mask
        return self._masks[window, group]


def is_short(num_new: Sequence[int]) -> bool:
    """True if every row has few new tokens, as in decoding and in checking drafts."""
    return max(num_new) <= MAX_QUERIES


def attend(layer: int, query: Tensor, key: Tensor, value: Tensor, step: Step, *, scale: float, window: int | None = None) -> Tensor:
    """[num_tokens, heads, head_dim] for query of this shape and [num_tokens, key/value heads, head_dim] key and value, which are
    written to the cache first. Each row attends to its own past."""
    keys, values = step.keys[layer], step.values[layer]
    of_token = [cache.view(-1, *cache.shape[2:]) for cache in (keys, values)]
    of_token[0].index_copy_(0, step.slots, key)
    of_token[1].index_copy_(0, step.slots, value)
    if step.is_short:
        if step.padding is not None:
            query = query.index_select(0, step.padding.of_packed)
        rows = query.view(len(step.num_new), -1, *query.shape[1:])
        if step.kernels.decode is not None and step.splits is not None and window is None:
            out = step.kernels.decode(rows, keys, values, step.tables, step.firsts, step.num_tokens, step.splits, scale)
        else:
            out = attend_rows(rows, keys, values, step, scale, window)
        out = out.flatten(0, 1)
        return out if step.padding is None else out.index_select(0, step.padding.of_padded)
    if step.past is not None:
        key, value = (cache.index_select(0, step.past) for cache in of_token)
    if window is not None:
        return sdpa(query, key, value, step.queries, step.all_keys, is_causal=True, scale=scale, window=window)
    return step.kernels.prompts(query, key, value, step.queries, step.all_keys, is_causal=True, scale=scale)


def attend_rows(query: Tensor, keys: Tensor, values: Tensor, step: Step, scale: float, window: int | None) -> Tensor:
    """Attention of all rows at once: query [rows, queries, heads, head_dim], and so is the result. The queries that share a
    key/value head are put side by side, so that no key is repeated, and each row's keys are read once for all its queries."""
    rows, queries, heads, head_dim = query.shape
    longest, kv_heads = max(step.lengths), keys.shape[2]
    group = heads // kv_heads
    k, v = (
        step.workspace.gather(name, cache, step.tables)[:, :longest].transpose(1, 2)
        for name, cache in (("keys", keys), ("values", values))
    )
    q = query.view(rows, queries, kv_heads, group, head_dim).permute(0, 2, 3, 1, 4).reshape(rows, kv_heads, -1, head_dim)
    out = F.scaled_dot_product_attention(q, k, v, attn_mask=step.mask(window, group), scale=scale)
    return out.view(rows, kv_heads, group, queries, head_dim).permute(0, 3, 1, 2, 4).reshape(query.shape)
