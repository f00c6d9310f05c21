"""Attention for decoding in Triton. It reads keys and values in place from the cache's blocks, and each byte once. That holds also
for a row whose draft is checked, which has several queries: 8 queries of the 2B and 4 of the 9B fill one tile of 16 rows.

Triton comes with torch for CUDA. The reference in `cache_attention` gathers first, which moves the same bytes three times. The keys
of a row are cut into splits that run in parallel (see `splits`); their results are joined by softmax weights.
"""

import torch
import triton
import triton.language as tl
from torch import Tensor

from workers.engines.ovis.attention.splits import MAX_SPLITS, Splits

BLOCK_TOKENS = (16, 32, 64)
"""Allowed tokens per block. A block is one tile of the kernel, whose sides must be powers of two and at least 16."""


@triton.jit  # type: ignore[untyped-decorator]
def _attend_split(  # type: ignore[no-untyped-def]
    query, keys, values, tables, firsts, lengths, rows, starts, ends, partial, weights, scale,
    query_row, query_token, query_head, key_block, key_token, key_head, value_block, value_token, value_head, table_row,
    QUERIES: tl.constexpr, GROUP: tl.constexpr, TILE: tl.constexpr, HEAD_DIM: tl.constexpr, HEAD_TILE: tl.constexpr,
    BLOCK: tl.constexpr,
):  # fmt: skip
    split, kv_head = tl.program_id(0), tl.program_id(1)
    row = tl.load(rows + split)
    length = tl.load(lengths + row)
    first = tl.load(starts + split)
    last = tl.load(ends + split)

    # The tile's rows: all heads of the group for the first query, then for the second, and so on.
    each = tl.arange(0, TILE)
    at_query = each // GROUP
    own = kv_head * GROUP + each % GROUP
    dims = tl.arange(0, HEAD_TILE)
    tokens = tl.arange(0, BLOCK)
    is_real = (each[:, None] < QUERIES * GROUP) & (dims[None, :] < HEAD_DIM)
    those = query + row * query_row + at_query[:, None] * query_token + own[:, None] * query_head + dims[None, :]
    q = tl.load(those, mask=is_real, other=0.0)
    sees = tl.minimum(tl.load(firsts + row) + at_query, length - 1)

    best = tl.full([TILE], float("-inf"), tl.float32)
    total = tl.zeros([TILE], tl.float32)
    mixed = tl.zeros([TILE, HEAD_TILE], tl.float32)
    for index in range(first, last):
        block = tl.load(tables + row * table_row + index)
        place = index * BLOCK + tokens
        is_read = (place < length)[:, None] & (dims[None, :] < HEAD_DIM)
        at = keys + block * key_block + tokens[:, None] * key_token + kv_head * key_head + dims[None, :]
        key = tl.load(at, mask=is_read, other=0.0)
        scores = tl.dot(q, tl.trans(key), input_precision="ieee") * scale
        scores = tl.where(place[None, :] <= sees[:, None], scores, float("-inf"))
        higher = tl.maximum(best, tl.max(scores, 1))
        # A query that has seen no key yet has no maximum: -inf - -inf would be NaN.
        finite = tl.where(higher == float("-inf"), 0.0, higher)
        shares = tl.exp(scores - finite[:, None])
        faded = tl.exp(best - finite)
        at = values + block * value_block + tokens[:, None] * value_token + kv_head * value_head + dims[None, :]
        value = tl.load(at, mask=is_read, other=0.0)
        mixed = mixed * faded[:, None] + tl.dot(shares.to(value.dtype), value, input_precision="ieee")
        total = total * faded + tl.sum(shares, 1)
        best = higher

    # A split without keys for a query has weight exp(-inf) and a mix of zeros.
    has_none = total == 0.0
    mixed = mixed / tl.where(has_none, 1.0, total)[:, None]
    weight = tl.where(has_none, float("-inf"), best + tl.log(tl.where(has_none, 1.0, total)))
    place = (split * QUERIES + at_query) * tl.num_programs(1) * GROUP + own
    tl.store(partial + place[:, None] * HEAD_DIM + dims[None, :], mixed, mask=is_real)
    tl.store(weights + place, weight, mask=each < QUERIES * GROUP)


@triton.jit  # type: ignore[untyped-decorator]
def _join_splits(  # type: ignore[no-untyped-def]
    partial, weights, bounds, out, HEAD_DIM: tl.constexpr, HEAD_TILE: tl.constexpr, MOST: tl.constexpr
):  # fmt: skip
    row, own, width = tl.program_id(0), tl.program_id(1), tl.num_programs(1)
    first = tl.load(bounds + row)
    count = tl.load(bounds + row + 1) - first
    each = tl.arange(0, MOST)
    dims = tl.arange(0, HEAD_TILE)
    place = (first + each) * width + own
    weight = tl.load(weights + place, mask=each < count, other=float("-inf"))
    best = tl.max(weight, 0)
    share = tl.exp(weight - tl.where(best == float("-inf"), 0.0, best))
    total = tl.sum(share, 0)
    is_real = (each < count)[:, None] & (dims < HEAD_DIM)[None, :]
    mixed = tl.load(partial + place[:, None] * HEAD_DIM + dims[None, :], mask=is_real, other=0.0)
    mixed = tl.sum(mixed * share[:, None], 0) / tl.where(total == 0.0, 1.0, total)
    tl.store(out + (row * width + own) * HEAD_DIM + dims, mixed.to(out.dtype.element_ty), mask=dims < HEAD_DIM)


def attend_decode(
    query: Tensor, keys: Tensor, values: Tensor, tables: Tensor, firsts: Tensor, lengths: Tensor, splits: Splits, scale: float
) -> Tensor:
    """[rows, queries, heads, head_dim], as query: the last tokens of each row, whose keys and values are in the cache already.

    `keys` and `values` [blocks, block_tokens, key/value heads, head_dim]; `tables` [rows, blocks], `firsts` and `lengths` [rows]
    int64: the position of the first query, and the number of keys. Query i looks at the keys up to `firsts` + i. A row without
    splits is zeros.
    """
    rows, queries, heads, head_dim = query.shape
    block, kv_heads = keys.shape[1:3]
    group, head_tile, num_splits = heads // kv_heads, max(16, triton.next_power_of_2(head_dim)), len(splits.rows)
    partial = torch.empty(num_splits, queries, heads, head_dim, dtype=torch.float32, device=query.device)
    weights = torch.empty(num_splits, queries, heads, dtype=torch.float32, device=query.device)
    out = torch.empty(query.shape, dtype=query.dtype, device=query.device)
    _attend_split[(num_splits, kv_heads)](
        query, keys, values, tables, firsts, lengths, splits.rows, splits.starts, splits.ends, partial, weights, scale,
        *query.stride()[:3], *keys.stride()[:3], *values.stride()[:3], tables.stride(0),
        QUERIES=queries, GROUP=group, TILE=max(16, triton.next_power_of_2(queries * group)),
        HEAD_DIM=head_dim, HEAD_TILE=head_tile, BLOCK=block,
    )  # fmt: skip
    _join_splits[(rows, queries * heads)](
        partial, weights, splits.bounds, out, HEAD_DIM=head_dim, HEAD_TILE=head_tile, MOST=MAX_SPLITS
    )
    return out
