"""Which kernel decodes. The paged one runs here in Triton's interpreter, where Triton is installed, and in `tests/gpu` for real."""

import importlib.util
import os
import subprocess
import sys
import types
from pathlib import Path

import pytest
import torch

from workers.engines.ovis import kernels
from workers.engines.ovis.attention import Step, Workspace, attend_uniform
from workers.engines.ovis.kernels import choose_kernel, largest_error


def right(query, keys, values, tables, lengths, scale):
    step = Step(keys[None], values[None], tables[:, 0], tables, [1] * len(query), lengths.tolist(), Workspace())
    return attend_uniform(query, keys, values, step, scale, None)


def on_cuda(block=32):
    """What `choose_kernel` looks at, of a cache on a GPU."""
    cache = torch.zeros(1, 2, block, 2, 16)
    return types.SimpleNamespace(device=torch.device("cuda"), shape=cache.shape, dtype=cache.dtype)


@pytest.fixture
def paged(monkeypatch):
    """Puts a stand-in where Triton's kernel is; gives the module."""
    module = types.ModuleType("workers.engines.ovis.paged_attention")
    module.BLOCK_TOKENS, module.attend_decode = (16, 32, 64), right
    monkeypatch.setitem(sys.modules, module.__name__, module)
    return module


def test_the_cpu_has_the_reference():
    assert choose_kernel(torch.zeros(1, 2, 32, 2, 16), 4) is None


def test_a_kernel_that_agrees_is_used_unless_the_reference_is_wanted(paged, monkeypatch):
    monkeypatch.setattr(kernels, "largest_error", lambda kernel, cache, heads: 0.0)
    assert choose_kernel(on_cuda(), 4) is paged.attend_decode
    assert choose_kernel(on_cuda(), 4, wanted="reference") is None
    assert choose_kernel(on_cuda(block=48), 4) is None


@pytest.mark.parametrize("error", [0.1, float("nan"), float("inf")])
def test_a_kernel_that_is_off_is_not_used_and_the_log_says_so(paged, monkeypatch, caplog, error):
    monkeypatch.setattr(kernels, "largest_error", lambda kernel, cache, heads: error)
    assert choose_kernel(on_cuda(), 4) is None
    assert "is off by" in caplog.text


def test_a_kernel_that_does_not_run_is_not_used_but_a_dead_device_flies(paged, monkeypatch, caplog):
    def raises(error):
        def kernel(*given):
            raise error

        monkeypatch.setattr(kernels, "largest_error", kernel)

    raises(RuntimeError("no compiler"))
    assert choose_kernel(on_cuda(), 4) is None
    assert "no compiler" in caplog.text
    raises(torch.AcceleratorError("CUDA error: an illegal memory access"))
    with pytest.raises(torch.AcceleratorError):
        choose_kernel(on_cuda(), 4)


def test_the_check_sees_what_is_wrong():
    cache = torch.zeros(1, 2, 32, 2, 16)
    assert largest_error(right, cache, 6) < 1e-5
    assert largest_error(lambda *given: right(*given) * 1.01, cache, 6) > 1e-4
    assert largest_error(lambda q, k, v, t, lengths, s: right(q, k, v, t, (lengths - 1).clamp(min=1), s), cache, 6) > 1e-3


@pytest.mark.skipif(importlib.util.find_spec("triton") is None, reason="Triton is not installed: it comes with torch for CUDA")
def test_the_paged_kernel_agrees_with_the_reference_in_the_interpreter():
    code = """
import torch
from workers.engines.ovis.kernels import largest_error
from workers.engines.ovis.paged_attention import attend_decode
for dtype, gate in ((torch.float32, 1e-4), (torch.float16, 5e-3)):
    for heads, kv_heads, head_dim, block in ((16, 8, 128, 32), (32, 8, 128, 64), (6, 1, 40, 16), (4, 4, 16, 32)):
        assert largest_error(attend_decode, torch.zeros(1, 2, block, kv_heads, head_dim, dtype=dtype), heads) < gate
"""
    environment = {**os.environ, "TRITON_INTERPRET": "1"}
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[4], env=environment, timeout=600)
