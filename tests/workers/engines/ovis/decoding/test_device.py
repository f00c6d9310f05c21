from types import SimpleNamespace

import pytest
import torch

from schemas.settings import EngineSettings, OvisSettings
from workers.engines.engine import EngineStartError
from workers.engines.ovis import description as ovis
from workers.engines.ovis.decoding import device

# Ovis2.5-2B's language model: 112 KiB of keys and values a token in bfloat16
CONFIG_2B = SimpleNamespace(num_hidden_layers=28, num_key_value_heads=8, head_dim=128, max_position_embeddings=40_960)
CPU = torch.device("cpu")


def blocks(gibibytes, **given):
    settings = OvisSettings(kv_cache_bytes=int(gibibytes * 2**30), **given)
    return device.num_blocks(CONFIG_2B, settings, CPU, torch.bfloat16, 1.0)


def test_the_cache_holds_as_many_blocks_as_its_bytes():
    # 32 tokens x 112 KiB = 3.5 MiB a block
    assert blocks(7) == 2048
    assert blocks(7, kv_block_tokens=64) == 1024


def test_the_cache_is_no_larger_than_a_full_batch_can_use():
    assert blocks(1000, max_batch=2) == 2 * 1280


def test_a_cache_that_holds_no_page_is_refused():
    with pytest.raises(EngineStartError, match="64 MiB are left for the key/value cache: 576 tokens"):
        blocks(1 / 16)


def test_the_cpu_takes_a_part_of_what_is_free(monkeypatch):
    monkeypatch.setattr(device, "available_memory", lambda: 8 * 2**30)
    assert device.free_bytes(CPU, 1.0) == 2 * 2**30
    monkeypatch.setattr(device, "available_memory", lambda: 800 * 2**30)
    assert device.free_bytes(CPU, 1.0) == device.CPU_MAX_BYTES


@pytest.mark.parametrize(
    ("used", "share", "expected_gib"), [(10, 1.0, 80 * 0.9 - 10 - 3), (10, 0.5, 80 * 0.5 * 0.9 - 10 - 3), (79, 1.0, 0)]
)
def test_a_gpu_gives_what_weights_and_activations_leave(monkeypatch, used, share, expected_gib):
    gib = 2**30
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _: ((80 - used) * gib, 80 * gib))
    monkeypatch.setattr(torch.cuda, "memory_allocated", lambda _: used * gib)
    free = device.free_bytes(torch.device("cuda"), share)
    assert free <= max(0, (80 - used) * 0.9 * gib)
    assert abs(free / gib - min(expected_gib, max(0, (80 - used) * 0.9 - 3))) < 0.01


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, "float32"),
        ({"num_gpus": 0.5}, "bfloat16"),
        ({"ovis": {"device": "cuda"}}, "bfloat16"),
        ({"ovis": {"device": "cuda:1"}}, "bfloat16"),
        ({"ovis": {"device": "cpu"}, "num_gpus": 1}, "float32"),
        ({"ovis": {"device": "cpu", "dtype": "bfloat16"}}, "bfloat16"),
        ({"ovis": {"dtype": "float32"}, "num_gpus": 1}, "float32"),
    ],
)
def test_the_format_is_told_before_any_work_from_what_is_asked_for(monkeypatch, given, expected):
    monkeypatch.setattr(ovis, "has_cuda", lambda: False)
    assert ovis.number_format(EngineSettings.model_validate({"name": "ovis", **given})) == expected


def test_a_gpu_that_nobody_asked_for_is_used_all_the_same(monkeypatch):
    monkeypatch.setattr(ovis, "has_cuda", lambda: True)
    assert ovis.number_format(EngineSettings(name="ovis")) == "bfloat16"
