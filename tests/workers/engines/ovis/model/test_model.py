from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import AutoConfig, AutoModelForImageTextToText, AutoProcessor

import workers.engines.ovis.auto  # noqa: F401  # registers
from workers.engines.ovis.model.prompt import Turn, question


def picture(width, height, seed=0):
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8))


@pytest.fixture(params=["checkpoint", "untied_checkpoint"])
def parts(request):
    folder = request.getfixturevalue(request.param)
    model = AutoModelForImageTextToText.from_pretrained(folder).eval()
    return model, AutoProcessor.from_pretrained(folder, min_pixels=64 * 64, max_pixels=256 * 256)


def test_the_auto_classes_load_official_files_without_asking_for_remote_code(checkpoint):
    config = AutoConfig.from_pretrained(checkpoint)
    assert type(config).__name__ == "Ovis2_5Config"
    assert config.llm_config.rope_parameters["rope_theta"] == 1_000_000
    assert type(AutoProcessor.from_pretrained(checkpoint)).__name__ == "Ovis2_5Processor"


SHARED = Path(__file__).parents[6] / "shared" / "ovis" / "conformance" / "checkpoint"


@pytest.mark.parametrize("thinking", [False, True])
@pytest.mark.parametrize("where", ["tiny", "shared"])
def test_the_checkpoints_own_template_and_ours_write_the_same_prompt(checkpoint, where, thinking):
    if where == "shared" and not SHARED.is_dir():
        pytest.skip("the reference data (../shared/ovis/conformance) is not here")
    processor = AutoProcessor.from_pretrained(checkpoint if where == "tiny" else SHARED)
    image = {"type": "image"}
    conversation = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": [image, image, {"type": "text", "text": "Compare."}]},
        {"role": "assistant", "content": "<think>\nhm\n</think>\n\nThey differ."},
        {"role": "user", "content": "How?"},
    ]
    turns = [
        Turn("system", "Be brief."),
        question("Compare.", 2),
        Turn("assistant", conversation[2]["content"]),
        Turn("user", "How?"),
    ]
    said = processor.apply_chat_template(conversation, add_generation_prompt=True, enable_thinking=thinking)
    assert said == processor.render(turns, thinking=thinking)


@pytest.mark.slow
def test_a_conversation_with_pictures_becomes_what_the_model_takes(parts):
    _, processor = parts
    first, second = picture(90, 130), picture(60, 200, 1)
    content = [{"type": "image", "image": first}, {"type": "image", "image": second}, {"type": "text", "text": "Compare."}]
    given = {"add_generation_prompt": True, "enable_thinking": False, "tokenize": True}
    inputs = processor.apply_chat_template([{"role": "user", "content": content}], **given)
    expected = processor(processor.render([question("Compare.", 2)]), [first, second])
    assert inputs.keys() == expected.keys()
    assert all(torch.equal(inputs[name], expected[name]) for name in expected)
    with pytest.raises(ValueError, match="PIL image"):
        processor.apply_chat_template([{"role": "user", "content": [{"type": "image", "url": "a.png"}]}], **given)


@pytest.mark.slow
def test_left_padded_rows_say_what_each_says_alone(parts):
    model, processor = parts
    prompts = [processor.render([question("Read all the text in the image.")]), processor.render([Turn("user", "Describe")])]
    image = picture(90, 130)
    both = model.generate(**processor(prompts, image), max_new_tokens=12, pad_token_id=0).tolist()
    alone = [
        model.generate(**processor(prompts[0], image), max_new_tokens=12, pad_token_id=0)[0].tolist(),
        model.generate(**processor(prompts[1]), max_new_tokens=12, pad_token_id=0)[0].tolist(),
    ]
    for padded, single in zip(both, alone, strict=True):
        assert padded[: len(single)] == single


def test_an_image_changes_what_is_said(parts):
    model, processor = parts
    prompt = processor.render([question("Read all the text in the image.")])
    with torch.no_grad():
        first, second = (model(**processor(prompt, picture(96, 96, seed))).logits[0, -1] for seed in (1, 2))
    assert float((first - second).abs().max()) > 1e-3


@pytest.mark.slow
def test_a_saved_model_is_the_same_model(parts, tmp_path):
    model, processor = parts
    model.save_pretrained(tmp_path)
    again = AutoModelForImageTextToText.from_pretrained(tmp_path).eval()
    inputs = processor(processor.render([question("a")]), picture(70, 70))
    with torch.no_grad():
        assert torch.equal(model(**inputs).logits, again(**inputs).logits)


def test_too_few_atoms_for_the_prompt_are_refused(parts):
    model, processor = parts
    inputs = processor(processor.render([question("a")]), picture(70, 70))
    inputs["input_ids"] = torch.cat([inputs["input_ids"], torch.tensor([[-300]])], dim=1)
    with pytest.raises(ValueError, match="room for"):
        model(**inputs)


def test_rotation_frequencies_stay_float32_in_a_bfloat16_model(checkpoint):
    model = AutoModelForImageTextToText.from_pretrained(checkpoint, dtype=torch.bfloat16).eval()
    assert model.llm.model.rotary_emb.inv_freq.dtype == torch.float32
    assert model.vte.weight.dtype == torch.bfloat16
