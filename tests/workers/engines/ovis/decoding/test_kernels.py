"""Which attention is used. The paged kernel runs here in Triton's interpreter and is compiled for GPUs, where Triton is installed;
`tests/gpu` runs it for real."""

import importlib.util
import os
import subprocess
import sys
import types
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn.functional import scaled_dot_product_attention

from workers.engines.ovis.attention.cache_attention import Kernels, Step, Workspace, attend_rows
from workers.engines.ovis.attention.packed import sdpa
from workers.engines.ovis.decoding import kernels
from workers.engines.ovis.decoding.kernels import choose_decode, choose_kernels, fastest, largest_error

ROOT = Path(__file__).parents[5]
HAS_TRITON = importlib.util.find_spec("triton") is not None


def right(query, keys, values, tables, firsts, lengths, splits, scale):
    """A stand-in for a kernel: the reference, given what a kernel is given."""
    num_new = [query.shape[1]] * len(query)
    step = Step(keys[None], values[None], tables[:, 0], tables, firsts, lengths, num_new, lengths.tolist(), Workspace())
    return attend_rows(query, keys, values, step, scale, None)


def error_of(kernel, heads=6):
    return largest_error(kernel, 32, heads, 2, 16, torch.float32, torch.device("cpu"))


@pytest.fixture
def paged(monkeypatch):
    """Puts a stand-in where Triton's kernel is; gives the module."""
    module = types.ModuleType("workers.engines.ovis.attention.paged")
    module.BLOCK_TOKENS, module.attend_decode = (16, 32, 64), right
    monkeypatch.setitem(sys.modules, module.__name__, module)
    return module


@pytest.fixture
def cache():
    return [torch.zeros(2, 12, 32, 2, 16) for _ in range(2)]


def paces(monkeypatch, *seconds):
    """What the clock says of one candidate after the other."""
    said = iter(seconds)
    monkeypatch.setattr(kernels, "clocked", lambda run, device: next(said))


def test_the_cpu_has_the_references():
    decoder = types.SimpleNamespace(device=torch.device("cpu"))
    assert choose_kernels(decoder, None) == Kernels()
    assert choose_kernels(types.SimpleNamespace(device=torch.device("cuda")), None, wanted="reference") == Kernels()


@pytest.mark.parametrize(("seconds", "expected"), [((2.0, 1.0), "b"), ((1.0, 2.0), "a")])
def test_the_faster_of_two_right_ones_is_chosen(monkeypatch, seconds, expected):
    paces(monkeypatch, *seconds)
    assert fastest("a test", {"a": lambda: torch.ones(2), "b": lambda: torch.ones(2)}, torch.float32) == expected


@pytest.mark.parametrize("wrong", [1.1, float("nan"), float("inf")])
def test_one_that_is_off_is_not_chosen_however_fast_and_the_log_says_so(monkeypatch, caplog, wrong):
    paces(monkeypatch, 9.0)
    assert fastest("a test", {"a": lambda: torch.ones(2), "b": lambda: torch.tensor([1.0, wrong])}, torch.bfloat16) == "a"
    assert "b of a test is off by" in caplog.text


def test_one_that_does_not_run_is_not_chosen_but_a_dead_device_flies(monkeypatch, caplog):
    def raises(error):
        def run():
            raise error

        return run

    paces(monkeypatch, 9.0, 9.0)
    assert fastest("a test", {"a": lambda: torch.ones(2), "b": raises(RuntimeError("no kernel image"))}, torch.float32) == "a"
    assert "no kernel image" in caplog.text
    dead = raises(torch.AcceleratorError("CUDA error: misaligned address"))
    with pytest.raises(torch.AcceleratorError):
        fastest("a test", {"a": lambda: torch.ones(2), "b": dead}, torch.float32)


def test_torchs_packed_attention_is_dropped_where_it_does_not_run(caplog):
    problem = kernels.Problem([5, 3], 4, 2, 8, torch.float32, torch.device("cpu"))
    candidates = {name: problem.run(one, is_causal=True) for name, one in (("sdpa", sdpa), ("varlen", kernels.varlen))}
    assert fastest("prompts", candidates, torch.float32) == "sdpa"
    assert "varlen of prompts does not run here" in caplog.text


def test_packed_attention_that_takes_new_tokens_for_a_prompts_first_is_not_used(caplog):
    """Causal masks may begin at the first key or end at the last: that differs where a prompt's beginning is in the cache."""

    def first(query, key, value, queries, keys, *, is_causal, scale):
        heads = zip(*(torch.split(x, each.lengths) for x, each in ((query, queries), (key, keys), (value, keys))), strict=True)
        own = [(x.transpose(0, 1) for x in segment) for segment in heads]
        return torch.cat([scaled_dot_product_attention(*x, is_causal=is_causal, scale=scale).transpose(0, 1) for x in own])

    for num_new, expected in (([8, 5], ""), ([8, 2], "first of prompts is off by")):
        problem = kernels.Problem([8, 5], 2, 2, 8, torch.float32, torch.device("cpu"), num_new=num_new)
        candidates = {name: problem.run(one, is_causal=True) for name, one in (("sdpa", sdpa), ("first", first))}
        fastest("prompts", candidates, torch.float32)
        assert expected in caplog.text
        assert bool(expected) == ("off by" in caplog.text)


def test_a_paged_kernel_that_agrees_and_is_faster_decodes_and_the_cache_is_left_empty(paged, cache, monkeypatch):
    paces(monkeypatch, 2.0, 1.0)
    assert choose_decode(*cache, 4) is paged.attend_decode
    assert not any(numbers.any() for numbers in cache)
    paces(monkeypatch, 1.0, 2.0)
    assert choose_decode(*cache, 4) is None


def test_blocks_that_the_paged_kernel_does_not_know_are_left_to_the_reference(paged, caplog):
    assert choose_decode(torch.zeros(1, 2, 48, 2, 16), torch.zeros(1, 2, 48, 2, 16), 4) is None
    assert "48 tokens fit no kernel" in caplog.text


@pytest.mark.parametrize("factor", [1.1, float("nan")])
def test_a_paged_kernel_that_is_off_is_not_used_and_the_log_says_so(paged, cache, caplog, factor):
    paged.attend_decode = lambda *given: right(*given) * factor
    assert choose_decode(*cache, 4) is None
    assert "is off by" in caplog.text


def test_a_paged_kernel_that_does_not_run_is_not_used_but_a_dead_device_flies(paged, cache, caplog):
    def raises(error):
        def kernel(*given):
            raise error

        return kernel

    paged.attend_decode = raises(RuntimeError("no compiler"))
    assert choose_decode(*cache, 4) is None
    assert "no compiler" in caplog.text
    paged.attend_decode = raises(torch.AcceleratorError("CUDA error: an illegal memory access"))
    with pytest.raises(torch.AcceleratorError):
        choose_decode(*cache, 4)


def test_the_check_sees_what_is_wrong():
    assert error_of(right) < 1e-5
    assert error_of(lambda *given: right(*given) * 1.01) > 5e-3
    assert error_of(lambda q, k, v, t, firsts, lengths, *rest: right(q, k, v, t, firsts, (lengths - 1).clamp(min=1), *rest)) > 1e-2
    assert error_of(lambda q, k, v, t, firsts, lengths, *rest: right(q, k, v, t, firsts + 1, lengths, *rest)) > 1e-2
    assert error_of(lambda q, k, v, tables, *rest: right(q, k, v, tables.roll(1, 0), *rest)) > 1e-2


SHAPES = "((16, 8, 128, 32), (32, 8, 128, 64), (6, 1, 40, 16), (4, 4, 16, 32))"
FEW_HEADS = "((2, 1, 128, 32), (4, 1, 128, 64), (6, 1, 40, 16), (2, 2, 16, 32))"
"""The same numbers of queries per key/value head, for the interpreter, which takes 2 ms for each program and block."""
INTERPRETED = f"""
import numpy as np
import torch
from triton.runtime import interpreter
from workers.engines.ovis.decoding.kernels import TOLERANCE, largest_error
from workers.engines.ovis.attention import paged, splits

# The interpreter keeps bfloat16 as its 16 bits and multiplies those as if they were numbers: they are widened for it.
multiply = interpreter.InterpreterBuilder.create_dot
def create_dot(self, a, b, *rest):
    for x in (a, b):
        if x.data.dtype == np.uint16:
            x.data = (x.data.astype(np.uint32) << 16).view(np.float32)
    return multiply(self, a, b, *rest)
interpreter.InterpreterBuilder.create_dot = create_dot

for dtype in (torch.float32, torch.bfloat16):
    for heads, kv_heads, head_dim, block in {FEW_HEADS}:
        for programs in (1, 512):  # one split of each row; as many as there are blocks
            splits.NUM_PROGRAMS = programs
            error = largest_error(
                paged.attend_decode, block, heads, kv_heads, head_dim, dtype, torch.device("cpu"), num_rows=4
            )
            assert error < TOLERANCE[dtype] / 3, (dtype, heads, programs, error)
"""
COMPILED = f"""
import triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource
from workers.engines.ovis.attention.paged import MAX_SPLITS, _attend_split, _join_splits

numbers = dict.fromkeys(("tables", "firsts", "lengths", "rows", "starts", "ends", "bounds"), "*i64")
types = numbers | {{"partial": "*fp32", "weights": "*fp32", "scale": "fp32"}}

def compiled(kernel, known, constants, capability):
    known = known | dict.fromkeys(constants, "constexpr")
    signature = {{name: known.get(name, "i32") for name in kernel.arg_names}}
    at = {{(kernel.arg_names.index(name),): value for name, value in constants.items()}}
    return triton.compile(ASTSource(fn=kernel, signature=signature, constexprs=at), target=GPUTarget("cuda", capability, 32))

for number in ("bf16", "fp16", "fp32"):
    for heads, kv_heads, head_dim, block in {SHAPES}:
        group = heads // kv_heads
        for queries in (1, 4, 8):
            head = dict(HEAD_DIM=head_dim, HEAD_TILE=max(16, triton.next_power_of_2(head_dim)))
            tile = dict(QUERIES=queries, GROUP=group, TILE=max(16, triton.next_power_of_2(queries * group)), BLOCK=block)
            known = types | {{name: "*" + number for name in ("query", "keys", "values", "out")}}
            for capability in (80, 90) if queries != 4 else (90,):
                made = compiled(_attend_split, known, tile | head, capability)
                assert len(made.asm["cubin"]) > 1000
                assert made.metadata.shared < 99 * 1024  # of what every GPU since 8.0 gives a program
                if number != "fp32":
                    assert "mma.sync" in made.asm["ptx"] or "wgmma" in made.asm["ptx"], "the tensor cores are not used"
        assert len(compiled(_join_splits, known, head | dict(MOST=MAX_SPLITS), 80).asm["cubin"]) > 1000
"""


def run_apart(code, **environment):
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT, env={**os.environ, **environment}, timeout=3600)


@pytest.mark.skipif(not HAS_TRITON, reason="Triton is not installed: it comes with torch for CUDA")
def test_the_paged_kernel_agrees_with_the_reference_in_the_interpreter():
    if tuple(map(int, version("triton").split(".")[:2])) < (3, 7) and np.lib.NumpyVersion(np.__version__) >= "2.4.0":
        pytest.skip("the interpreter of Triton before 3.7 does not run with NumPy 2.4")
    run_apart(INTERPRETED, TRITON_INTERPRET="1")


@pytest.mark.skipif(not HAS_TRITON, reason="Triton is not installed: it comes with torch for CUDA")
def test_the_paged_kernel_compiles_for_gpus_and_uses_their_tensor_cores(tmp_path):
    run_apart(COMPILED, TRITON_CACHE_DIR=str(tmp_path))
