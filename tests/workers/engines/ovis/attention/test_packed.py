"""Attention inside packed segments, against arithmetic written out here."""

import sys
import types

import pytest
import torch

from workers.engines.ovis.attention import packed as packed_attention
from workers.engines.ovis.attention.packed import Segments, sdpa, varlen

CPU = torch.device("cpu")


def written_out(query, key, value, num_queries, num_keys, *, is_causal, scale, window=None):
    outputs = []
    group = query.shape[1] // key.shape[1]
    for q, k, v in zip(*(torch.split(x, n) for x, n in ((query, num_queries), (key, num_keys), (value, num_keys))), strict=True):
        k, v = (x.repeat_interleave(group, dim=1) for x in (k, v))
        scores = torch.einsum("qhd,khd->hqk", q.double(), k.double()) * scale
        if is_causal:
            query_at = torch.arange(len(k) - len(q), len(k))[:, None]
            key_at = torch.arange(len(k))
            unseen = key_at > query_at
            if window is not None:
                unseen |= key_at <= query_at - window
            scores = scores.masked_fill(unseen, float("-inf"))
        outputs.append(torch.einsum("hqk,khd->qhd", scores.softmax(-1), v.double()))
    return torch.cat(outputs).float()


def numbers(num_queries, num_keys, heads, kv_heads):
    generator = torch.Generator().manual_seed(0)
    return [
        torch.randn(sum(lengths), count, 8, generator=generator)
        for lengths, count in ((num_queries, heads), (num_keys, kv_heads), (num_keys, kv_heads))
    ]


@pytest.mark.parametrize(
    ("num_queries", "num_keys"), [([5], [5]), ([4, 4, 9, 1], [4, 4, 9, 1]), ([3, 1, 6], [7, 4, 6]), ([2, 2], [9, 9])]
)
@pytest.mark.parametrize("heads", [(4, 4), (6, 2)])
@pytest.mark.parametrize(("is_causal", "window"), [(False, None), (True, None), (True, 3)])
def test_each_segment_sees_itself_alone(num_queries, num_keys, heads, is_causal, window):
    query, key, value = numbers(num_queries, num_keys, *heads)
    segments = Segments(num_queries, CPU), Segments(num_keys, CPU)
    out = sdpa(query, key, value, *segments, is_causal=is_causal, scale=0.3, window=window)
    expected = written_out(query, key, value, num_queries, num_keys, is_causal=is_causal, scale=0.3, window=window)
    assert torch.allclose(out, expected, atol=1e-5)


@pytest.fixture
def torch_varlen(monkeypatch):
    """A stand-in for torch's function of a given signature, which computes what that one documents."""

    def put(*, has_enable_gqa):
        def computed(query, key, value, cu_seq_q, cu_seq_k, max_q, max_k, scale, window_size, enable_gqa):
            assert enable_gqa or query.shape[1] == key.shape[1]
            assert cu_seq_q.dtype == cu_seq_k.dtype == torch.int32
            num_queries, num_keys = (bounds.diff().tolist() for bounds in (cu_seq_q, cu_seq_k))
            assert (max_q, max_k) == (max(num_queries), max(num_keys))
            is_causal = {(-1, 0): True, (-1, -1): False}[window_size]
            return written_out(query, key, value, num_queries, num_keys, is_causal=is_causal, scale=scale)

        def old(query, key, value, cu_seq_q, cu_seq_k, max_q, max_k, *, return_aux=None, scale=None, window_size=(-1, -1)):
            return computed(query, key, value, cu_seq_q, cu_seq_k, max_q, max_k, scale, window_size, enable_gqa=True)

        def new(q, k, v, cu_q, cu_k, max_q, max_k, *, scale=None, window_size=(-1, -1), enable_gqa=False, block_table=None):
            return computed(q, k, v, cu_q, cu_k, max_q, max_k, scale, window_size, enable_gqa)

        module = types.ModuleType("torch.nn.attention.varlen")
        module.varlen_attn = new if has_enable_gqa else old
        monkeypatch.setitem(sys.modules, module.__name__, module)

    packed_attention._grouped.cache_clear()
    yield put
    packed_attention._grouped.cache_clear()


@pytest.mark.parametrize("has_enable_gqa", [False, True], ids=["torch 2.11", "torch 2.13"])
@pytest.mark.parametrize("is_causal", [False, True])
@pytest.mark.parametrize("heads", [(4, 4), (6, 2)])
def test_torch_is_asked_for_the_same(torch_varlen, has_enable_gqa, is_causal, heads):
    torch_varlen(has_enable_gqa=has_enable_gqa)
    num_queries, num_keys = [3, 1, 6], [7, 4, 6]
    query, key, value = numbers(num_queries, num_keys, *heads)
    segments = Segments(num_queries, CPU), Segments(num_keys, CPU)
    out = varlen(query, key, value, *segments, is_causal=is_causal, scale=0.3)
    assert torch.allclose(out, sdpa(query, key, value, *segments, is_causal=is_causal, scale=0.3), atol=1e-5)


@pytest.mark.slow
def test_torch_has_the_function_with_the_arguments_that_are_given():
    import inspect

    from torch.nn.attention.varlen import varlen_attn

    parameters = list(inspect.signature(varlen_attn).parameters)
    assert parameters[:7] == ["query", "key", "value", "cu_seq_q", "cu_seq_k", "max_q", "max_k"]
    assert {"scale", "window_size"} <= set(parameters)
