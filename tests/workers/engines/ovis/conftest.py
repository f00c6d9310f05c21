"""Tiny checkpoints, made once per session."""

from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="the extra `ovis` (torch, transformers, llguidance) is not installed")
torch.set_num_threads(1)  # tiny models; on a busy machine threads wait for each other more than they work

from tests.workers.engines.ovis.tiny import make_checkpoint  # noqa: E402  # it imports torch


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_checkpoint(tmp_path_factory.mktemp("tiny"))


@pytest.fixture(scope="session")
def untied_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Another shape in every respect the config knows: patch, stride, heads, activation, windows, shards, head, levels."""
    return make_checkpoint(
        tmp_path_factory.mktemp("untied"),
        vit={
            "patch_size": 14, "hidden_stride": 3, "hidden_size": 40, "num_attention_heads": 5, "num_hidden_layers": 3,
            "hidden_act": "relu", "layer_norm_eps": 1e-5, "image_size": 70, "fullatt_block_indexes": "0|2", "window_size": 84,
            "num_patches": 4096,
        },
        llm={
            "tie_word_embeddings": False, "hidden_size": 56, "num_attention_heads": 6, "num_key_value_heads": 3, "head_dim": 8,
            "num_hidden_layers": 3, "rope_theta": 10_000, "rms_norm_eps": 1e-5, "hidden_act": "gelu", "attention_bias": True,
        },
        preprocessor={"resample": 3, "image_mean": [0.4, 0.5, 0.6], "image_std": [0.2, 0.3, 0.4]},
        visual_vocab_size=70,
        num_shards=3,
        seed=1,
    )  # fmt: skip
