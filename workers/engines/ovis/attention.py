"""Attention over a paged key/value cache: one small interface, and a reference in SDPA that runs everywhere.

A decode step may go through another kernel (`Step.kernel`), which `kernels` chooses and checks against the reference.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import torch
import torch.nn.functional as F
from torch import Tensor

DecodeKernel = Callable[[Tensor, Tensor, Tensor, Tensor, Tensor, float], Tensor]
"""(query, keys, values, tables, lengths, scale) -> [rows, heads, head_dim]: see `paged_attention.attend_decode`."""


class Workspace:
    """Where a step's keys and values are gathered, the same bytes in every layer and step: fresh memory costs the CPU more than
    the copy itself (16 rows of 700 tokens: 2.6 ms with its page faults, 0.12 ms without)."""

    def __init__(self) -> None:
        self._buffers: dict[str, Tensor] = {}

    def gather(self, name: str, cache: Tensor, tables: Tensor) -> Tensor:
        """[rows, tokens of whole blocks, key/value heads, head_dim] out of the blocks; good until the next call of this name.
        Whole blocks are copied by index_select: 0.07 ms where the same by indexing took 0.74 ms."""
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
    """[num_tokens] int64: where each new token's key and value go, as block * block_tokens + offset."""
    tables: Tensor
    """[rows, blocks] int64: each row's blocks, padded with any valid block."""
    num_new: Sequence[int]
    """New tokens of each row."""
    lengths: Sequence[int]
    """Tokens of each row, the new ones included."""
    workspace: Workspace
    kernel: DecodeKernel | None = None
    """For one new token a row and no window; None: the reference."""
    _masks: dict[int | None, Tensor] = field(default_factory=dict)

    @property
    def is_uniform(self) -> bool:
        """All rows have the same number of new tokens, and few of them: decoding, or verifying drafts."""
        return len(set(self.num_new)) == 1 and self.num_new[0] <= 8

    @cached_property
    def lengths_here(self) -> Tensor:
        """`lengths` on the device, copied once: pinned where there is one."""
        return torch.tensor(self.lengths, pin_memory=self.slots.is_cuda).to(self.slots.device, non_blocking=True)

    def mask(self, window: int | None) -> Tensor:
        """[rows, 1, new, tokens] for a uniform step, 0 where a new token may look and -inf elsewhere. Same for all layers, so made
        once; SDPA would turn a bool mask into this in each of them."""
        if window not in self._masks:
            new = self.num_new[0]
            lengths = self.lengths_here
            query_at = lengths[:, None] - new + torch.arange(new, device=lengths.device)
            key_at = torch.arange(max(self.lengths), device=lengths.device)
            allowed = key_at <= query_at[:, :, None]
            if window is not None:
                allowed &= key_at > query_at[:, :, None] - window
            mask = torch.zeros(allowed.shape, dtype=self.keys.dtype, device=lengths.device)
            self._masks[window] = mask.masked_fill_(~allowed, float("-inf"))[:, None]
        return self._masks[window]


def attend(layer: int, query: Tensor, key: Tensor, value: Tensor, step: Step, *, scale: float, window: int | None = None) -> Tensor:
    """[num_tokens, heads, head_dim] from query and [num_tokens, key/value heads, head_dim] key and value, which are written
    to the cache first. Each row attends to its own past."""
    keys, values = step.keys[layer], step.values[layer]
    keys.view(-1, *keys.shape[2:]).index_copy_(0, step.slots, key)
    values.view(-1, *values.shape[2:]).index_copy_(0, step.slots, value)
    if step.is_uniform:
        if step.kernel is not None and step.num_new[0] == 1 and window is None:
            return step.kernel(query, keys, values, step.tables, step.lengths_here, scale)
        return attend_uniform(query, keys, values, step, scale, window)
    outputs = []
    start = 0
    for row, (new, length) in enumerate(zip(step.num_new, step.lengths, strict=True)):
        span = slice(start, start + new)
        start += new
        if new == length:
            own_keys, own_values = key[span], value[span]
        else:
            own_keys, own_values = (
                step.workspace.gather(name, cache, step.tables[row : row + 1, : -(-length // cache.shape[1])])[0, :length]
                for name, cache in (("keys", keys), ("values", values))
            )
        outputs.append(_attend_one(query[span], own_keys, own_values, scale, window))
    return torch.cat(outputs)


def _attend_one(query: Tensor, key: Tensor, value: Tensor, scale: float, window: int | None) -> Tensor:
    """One row's new tokens against all its tokens."""
    new, length = len(query), len(key)
    mask = None
    if new != length or window is not None:
        query_at = torch.arange(length - new, length, device=query.device)[:, None]
        key_at = torch.arange(length, device=query.device)
        mask = key_at <= query_at
        if window is not None:
            mask &= key_at > query_at - window
    q, k, v = (x.transpose(0, 1)[None] for x in (query, key, value))
    out = F.scaled_dot_product_attention(q, k, v, attn_mask=mask, is_causal=mask is None, scale=scale, enable_gqa=True)
    return out[0].transpose(0, 1)


def attend_uniform(query: Tensor, keys: Tensor, values: Tensor, step: Step, scale: float, window: int | None) -> Tensor:
    """All rows at once: the queries that share a key/value head become its queries, so that no key is repeated."""
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
