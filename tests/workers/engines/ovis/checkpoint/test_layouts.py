"""Checkpoints in the layout of transformers' own class for Ovis2.5: the same model under other names."""

import json
import re
import shutil

import pytest
import torch
from safetensors.torch import load_file

from tests.workers.engines.ovis.tiny import save_weights, write_json
from workers.engines.ovis.checkpoint.bucket import BucketFile, check_listing
from workers.engines.ovis.checkpoint.files import CheckpointError, check_files
from workers.engines.ovis.checkpoint.layouts import as_the_authors
from workers.engines.ovis.checkpoint.loading import load_model, read_config
from workers.engines.ovis.processor import Ovis2_5Processor

NAMES = {
    "llm.model.": "model.language_model.",
    "llm.lm_head.": "lm_head.",
    "vte.": "model.visual_embeddings_table.",
}
NOW = {
    "visual_tokenizer.vit.vision_model.": "model.vision_tower.",
    "visual_tokenizer.head.0.": "model.visual_tokenizer.head_linear.",
    "visual_tokenizer.head.1.": "model.visual_tokenizer.head_norm.",
}
IN_REVIEW = {
    "visual_tokenizer.vit.vision_model.": "model.vision_tower.transformer.",
    "visual_tokenizer.head.0.": "model.vision_tower.head_linear.",
    "visual_tokenizer.head.1.": "model.vision_tower.head_norm.",
}


def converted(folder, target, names):
    """`folder`, rewritten as transformers' converter writes it."""
    shutil.copytree(folder, target)
    weights = {}
    for path in target.glob("*.safetensors*"):
        if path.suffix == ".safetensors":
            weights |= load_file(path)
        path.unlink()
    save_weights(target, {renamed(name, names): tensor for name, tensor in weights.items()})
    fields = json.loads((target / "config.json").read_text())
    vision, text = fields["vit_config"], fields["llm_config"]
    full = vision.pop("fullatt_block_indexes")
    blocks = range(vision["num_hidden_layers"])
    vision["layer_types"] = [
        "full_attention" if full is None or str(index) in full.split("|") else "sliding_attention" for index in blocks
    ]
    vision["spatial_merge_size"] = vision.pop("hidden_stride")
    vision |= {"model_type": "ovis2_5_vision", "vocab_size": fields["visual_vocab_size"], "num_visual_indicator_tokens": 4}
    vision |= {"rope_parameters": {"rope_theta": 10000.0, "rope_type": "default"}, "max_position_embeddings": 1024}
    for key in ("preserve_original_pe", "use_rope"):
        del vision[key]
    text["rope_parameters"] = {"rope_theta": text.pop("rope_theta"), "rope_type": "default"}
    write_json(
        target / "config.json",
        {
            "architectures": ["Ovis2_5ForConditionalGeneration"], "dtype": "float32", "model_type": "ovis2_5",
            "image_token_id": 151669, "tie_word_embeddings": text["tie_word_embeddings"], "text_config": text,
            "transformers_version": "5.25.0", "vision_config": vision,
        },
    )  # fmt: skip
    preprocessor = json.loads((target / "preprocessor_config.json").read_text())
    (target / "preprocessor_config.json").unlink()
    write_json(target / "processor_config.json", {"image_processor": preprocessor, "processor_class": "Ovis2_5Processor"})
    return target


def renamed(name, names):
    before, after = next(pair for pair in (NAMES | names).items() if name.startswith(pair[0]))
    return after + name.removeprefix(before)


@pytest.mark.parametrize("names", [NOW, IN_REVIEW], ids=["now", "in review"])
@pytest.mark.parametrize("made", ["checkpoint", "untied_checkpoint"])
@pytest.mark.slow
def test_the_same_model_comes_of_both_layouts(made, names, tmp_path, request):
    folder = request.getfixturevalue(made)
    other = converted(folder, tmp_path / "other", names)
    check_files(other)
    mine, theirs = (load_model(each, dtype=torch.float32, device="cpu") for each in (folder, other))
    assert mine.config.llm_config.to_dict() == theirs.config.llm_config.to_dict()
    for key in ("fullatt_block_indexes", "hidden_stride", "patch_size", "num_patches"):
        assert getattr(mine.config.vit_config, key) == getattr(theirs.config.vit_config, key), key
    before, after = mine.state_dict(), theirs.state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)
    images = [Ovis2_5Processor.from_pretrained(each).images for each in (folder, other)]
    assert (images[0].levels == images[1].levels).all()
    assert images[0].resample == images[1].resample


def test_a_tensor_of_a_name_that_nobody_knows_is_named(checkpoint, tmp_path):
    other = converted(checkpoint, tmp_path / "other", NOW | {"visual_tokenizer.head.1.": "model.vision_tower.head_scale."})
    with pytest.raises(CheckpointError, match=r"2 missing: visual_tokenizer\.head\.1\..*2 unexpected: model\.vision_tower\.head"):
        load_model(other, dtype=torch.float32, device="cpu")


@pytest.mark.parametrize(
    ("vision", "what"),
    [
        ({"num_visual_indicator_tokens": 6}, "num_visual_indicator_tokens is 6"),
        ({"rope_parameters": {"rope_theta": 500.0}}, "rope_parameters"),
        ({"layer_types": ["sliding_attention"] * 2}, "no block of the vision tower"),
    ],
)
def test_what_the_authors_layout_cannot_say_is_refused(vision, what):
    with pytest.raises(ValueError, match=what):
        as_the_authors({"text_config": {}, "vision_config": vision})


@pytest.mark.parametrize("model_type", ["ovis2_6_moe", "ovis2_6_next", "ovis2_6"])
def test_ovis_2_6_is_refused_by_its_name(model_type, checkpoint, tmp_path, monkeypatch):
    folder = shutil.copytree(checkpoint, tmp_path / "copy")
    fields = json.loads((folder / "config.json").read_text()) | {"model_type": model_type}
    write_json(folder / "config.json", fields)
    said = re.escape(f"holds Ovis2.6 ({model_type!r}), which this engine does not read")
    for check in (check_files, read_config):
        with pytest.raises(CheckpointError, match=said):
            check(folder)
    monkeypatch.setattr("workers.engines.ovis.checkpoint.bucket._read_json", lambda *_: fields)
    with pytest.raises(CheckpointError, match=said):
        check_listing("s3://bucket/model", [BucketFile("config.json", 1, "etag")])
