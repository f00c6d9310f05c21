import json
import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file

from tests.workers.engines.ovis.tiny import make_checkpoint, save_weights
from workers.engines.ovis.checkpoint.files import CheckpointError, fingerprint
from workers.engines.ovis.checkpoint.loading import load_model, read_config, read_tokenizer
from workers.engines.ovis.checkpoint.locate import locate


@pytest.fixture
def copy(checkpoint, tmp_path):
    return shutil.copytree(checkpoint, tmp_path / "copy")


def load(folder):
    return load_model(folder, dtype=torch.float32, device="cpu")


def rewrite(folder, change):
    weights = load_file(folder / "model.safetensors")
    change(weights)
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})


@pytest.mark.slow
def test_every_stored_number_arrives(checkpoint, untied_checkpoint):
    for folder in (checkpoint, untied_checkpoint):
        loaded = load(folder).state_dict()
        stored = {}
        for path in folder.glob("*.safetensors"):
            stored |= load_file(path)
        compared = [name for name in stored if "post_layernorm" not in name]
        assert len(compared) == len(stored) - 2
        assert all(torch.equal(loaded[name], stored[name]) for name in compared)


@pytest.mark.slow
def test_a_tied_head_is_the_embedding_and_an_untied_one_is_not(checkpoint, untied_checkpoint):
    tied, untied = load(checkpoint).llm, load(untied_checkpoint).llm
    assert tied.lm_head.weight.data_ptr() == tied.model.embed_tokens.weight.data_ptr()
    assert not torch.equal(untied.lm_head.weight, untied.model.embed_tokens.weight)


@pytest.mark.slow
def test_one_file_and_shards_hold_the_same_model(copy):
    weights = load_file(copy / "model.safetensors")
    before = load(copy).state_dict()
    (copy / "model.safetensors").unlink()
    save_weights(copy, weights, num_shards=4)
    after = load(copy).state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_a_tied_checkpoint_that_stores_its_head_is_taken_too(copy):
    rewrite(copy, lambda weights: weights.update({"llm.lm_head.weight": weights["llm.model.embed_tokens.weight"].clone()}))
    load(copy)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda w: w.pop("vte.weight"), "1 missing: vte.weight"),
        (lambda w: [w.pop(name) for name in list(w) if ".encoder." in name], r"missing: .* and \d+ more"),
        (lambda w: w.update({"llm.model.layers.7.mlp.up_proj.weight": torch.zeros(2, 2)}), "1 unexpected: llm.model.layers.7.mlp"),
        (lambda w: w.update({"vte.weight": torch.zeros(3, 64)}), r"of another shape: vte.weight \[3, 64\] instead of \[96, 64\]"),
    ],
)
def test_weights_that_do_not_fit_the_config_are_refused_by_name(copy, change, message):
    rewrite(copy, change)
    with pytest.raises(CheckpointError, match=message):
        load(copy)


def test_a_missing_shard_is_refused_by_name(untied_checkpoint, tmp_path):
    folder = shutil.copytree(untied_checkpoint, tmp_path / "copy")
    (folder / "model-00002-of-00003.safetensors").unlink()
    with pytest.raises(CheckpointError, match="lacks model-00002-of-00003"):
        load(folder)


def test_a_file_cut_short_is_refused(copy):
    whole = (copy / "model.safetensors").read_bytes()
    (copy / "model.safetensors").write_bytes(whole[:-100])
    with pytest.raises(CheckpointError, match="no whole safetensors file"):
        load(copy)


def test_pickled_weights_are_never_opened(copy):
    (copy / "model.safetensors").rename(copy / "pytorch_model.bin")
    with pytest.raises(CheckpointError, match=r"pytorch_model\.bin may hold code and is not opened"):
        load(copy)


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("model_type", "llava", "'llava' model"),
        ("llm_config", {"model_type": "llama"}, "takes 'qwen3'"),
        ("hidden_size", 32, "hidden_size"),
    ],
)
def test_another_model_is_refused(copy, field, value, message):
    config = json.loads((copy / "config.json").read_text())
    (copy / "config.json").write_text(json.dumps(config | {field: value}))
    with pytest.raises(CheckpointError, match=message):
        read_config(copy)


def test_a_folder_that_is_not_there_is_one_sentence():
    with pytest.raises(CheckpointError, match="no folder /nowhere/model"):
        locate("/nowhere/model")


def test_a_hub_id_that_cannot_be_had_is_one_sentence(monkeypatch, tmp_path):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(CheckpointError, match=r"nobody/nothing .revision main. cannot be fetched") as raised:
        locate("nobody/nothing")
    assert "\n" not in str(raised.value)


def test_the_tokenizer_is_the_same_from_either_file(checkpoint, tmp_path):
    folder = shutil.copytree(checkpoint, tmp_path / "copy")
    tokenizer = read_tokenizer(folder)
    tokenizer.save_pretrained(folder)
    (folder / "vocab.json").unlink()
    text = 'Größe 表格 "a\\n" <|im_end|> <think> 12,345'
    assert read_tokenizer(folder).encode(text) == tokenizer.encode(text)
    assert tokenizer.decode(tokenizer.encode(text)) == text


def test_the_fingerprint_sees_one_changed_number_in_a_small_file_and_other_weights(checkpoint, copy, tmp_path):
    assert fingerprint(checkpoint) == fingerprint(copy)
    assert fingerprint(make_checkpoint(tmp_path / "other", seed=5)) != fingerprint(copy)
    config = (copy / "config.json").read_text().replace('"rms_norm_eps": 1e-06', '"rms_norm_eps": 1e-05')
    (copy / "config.json").write_text(config)
    assert fingerprint(checkpoint) != fingerprint(copy)


def test_a_commit_of_the_hub_is_found_in_its_cache_without_a_network(checkpoint, tmp_path, monkeypatch):
    # given the hub's cache as it lays it out, and no network
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    commit = "0123456789" * 4
    shutil.copytree(checkpoint, tmp_path / "models--owner--name" / "snapshots" / commit)
    folder = locate("owner/name", commit)
    assert load(folder).config.model_type == "ovis2_5"
    with pytest.raises(CheckpointError, match="cannot be fetched"):
        locate("owner/name", "f" * 40)
