import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.workers.engines.ovis.tiny import make_checkpoint
from workers.engines.ovis.conformance import __main__ as conformance

SHARED = Path(__file__).parents[6] / "shared" / "ovis" / "conformance"
needs_data = pytest.mark.skipif(not SHARED.is_dir(), reason="the reference data (../shared/ovis/conformance) is not here")


SHAPES = {
    "windows, Linear patches, shards, untied": {
        "vit": {
            "patch_size": 14, "hidden_stride": 3, "hidden_size": 40, "num_attention_heads": 5, "num_hidden_layers": 3,
            "hidden_act": "relu", "layer_norm_eps": 1e-5, "image_size": 70, "fullatt_block_indexes": "0|2", "window_size": 84,
            "num_patches": 4096,
        },
        "llm": {
            "tie_word_embeddings": False, "hidden_size": 56, "num_attention_heads": 6, "num_key_value_heads": 3, "head_dim": 8,
            "num_hidden_layers": 3, "rope_theta": 10_000, "rms_norm_eps": 1e-5, "hidden_act": "gelu", "attention_bias": True,
        },
        "preprocessor": {"resample": 3, "image_mean": [0.4, 0.5, 0.6], "image_std": [0.2, 0.3, 0.4]},
        "visual_vocab_size": 70, "num_shards": 3, "seed": 3,
    },
    "stride 1, one layer, Lanczos": {
        "vit": {
            "hidden_stride": 1, "hidden_size": 32, "num_attention_heads": 2, "hidden_act": "gelu", "image_size": 48,
            "window_size": 48,
        },
        "llm": {"head_dim": 16, "num_hidden_layers": 1},
        "preprocessor": {"resample": 1},
        "visual_vocab_size": 200, "seed": 1,
    },
    "stride 4, heads wider than hidden, Hamming": {
        "vit": {
            "patch_size": 8, "hidden_stride": 4, "hidden_size": 24, "num_attention_heads": 3, "hidden_act": "silu",
            "image_size": 128,
        },
        "llm": {"tie_word_embeddings": False, "num_key_value_heads": 4, "head_dim": 32},
        "preprocessor": {"resample": 5, "rescale_factor": 1 / 128},
        "visual_vocab_size": 50, "num_shards": 2, "seed": 1,
    },
}  # fmt: skip
"""Seeds are such that no greedy choice is close."""


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Data of a shape, made once, by an implementation that shares no line with the engine's."""
    folders = {}

    def make(shape):
        if shape not in folders:
            folders[shape] = folder = tmp_path_factory.mktemp("data")
            make_checkpoint(folder / "checkpoint", **SHAPES[shape])
            command = [sys.executable, "-m", "tests.workers.engines.ovis.reference_data", str(folder)]
            # of its own: BLAS threads on tiny matrices wait for each other, and their number is fixed at the start
            subprocess.run(command, check=True, env=os.environ | {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"})
        return folders[shape]

    return make


@pytest.mark.slow
@pytest.mark.parametrize("shape", SHAPES)
def test_every_check_passes_on_checkpoints_of_other_shapes(made, shape):
    rows = list(conformance.Conformance(made(shape)).rows())
    assert len(rows) >= 120
    assert [str(row) for row in rows if not row.ok] == []


@pytest.mark.slow
@pytest.mark.parametrize(
    ("file", "part", "field", "value", "found_by"),
    [
        ("config.json", "vit_config", "layer_norm_eps", 1e-4, "features"),
        ("config.json", "vit_config", "hidden_act", "gelu_pytorch_tanh", "features"),
        ("config.json", "vit_config", "window_size", 42, "features"),
        ("config.json", "vit_config", "fullatt_block_indexes", "1|2", "features"),
        ("config.json", "llm_config", "rope_theta", 20_000, "logits"),
        ("config.json", "llm_config", "rms_norm_eps", 3e-5, "logits"),
        ("preprocessor_config.json", None, "resample", 2, "patches"),
        ("preprocessor_config.json", None, "image_std", [0.2, 0.3, 0.41], "patches"),
    ],
)
def test_a_size_that_was_not_read_from_the_checkpoint_would_be_found(made, tmp_path, file, part, field, value, found_by):
    folder = shutil.copytree(made(next(iter(SHAPES))), tmp_path / "data")
    content = json.loads((folder / "checkpoint" / file).read_text())
    (content[part] if part else content)[field] = value
    (folder / "checkpoint" / file).write_text(json.dumps(content))
    golden = json.loads((folder / "golden.json").read_text())
    golden |= {"images": {"doc": golden["images"]["doc"]}, "cases": {"ocr": golden["cases"]["ocr"]}, "chat": {}, "variants": {}}
    del golden["left_padded_batch"]
    (folder / "golden.json").write_text(json.dumps(golden))

    failed = [row.name for row in conformance.Conformance(folder).rows() if not row.ok]

    assert any(name.endswith(found_by) for name in failed)
    assert "arrays that no check compares" in failed  # those of what was taken out


@pytest.mark.slow
@needs_data
def test_every_check_of_the_reference_data_passes_its_gate():
    rows = list(conformance.Conformance(SHARED).rows())
    assert len(rows) >= 180
    assert [str(row) for row in rows if not row.ok] == []


@pytest.mark.slow
@needs_data
def test_a_wrong_number_a_missing_image_and_a_missing_array_are_each_found(tmp_path, capsys):
    # given reference data with one token changed and one image gone
    folder = shutil.copytree(SHARED, tmp_path / "data")
    for path in folder.rglob("*"):
        path.chmod(0o755 if path.is_dir() else 0o644)
    golden = json.loads((folder / "golden.json").read_text())
    golden["cases"]["text_only"]["greedy24"][3] += 1
    golden["images"]["unheard"] = golden["images"]["doc"]
    (folder / "golden.json").write_text(json.dumps(golden))
    (folder / "images" / "strip.png").unlink()

    assert conformance.main([str(folder)]) == 1

    failed = [line for line in capsys.readouterr().out.splitlines() if "FAILED" in line]
    assert {line.split("  ")[0] for line in failed} == {
        "image strip",
        "image unheard",
        "case ocr_strip",
        "case text_only: greedy",
        "bfloat16",
        "arrays that no check compares",
    }


def test_a_folder_without_reference_data_is_an_error(tmp_path, capsys):
    assert conformance.main([str(tmp_path)]) == 1
    assert "holds no conformance data" in capsys.readouterr().err
