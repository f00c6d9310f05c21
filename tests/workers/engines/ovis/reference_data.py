"""Reference data like `../shared/ovis/conformance` for a checkpoint of any shape, from the plain implementation beside this.

python -m tests.workers.engines.ovis.reference_data FOLDER    # with FOLDER/checkpoint; writes golden.json, golden.npz, images/
"""

import hashlib
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from tests.workers.engines.ovis.reference import ATOM, EARLY_STOP, IMAGE_MARKS, VIDEO_MARKS, Reference, smart_resize

NUM_GREEDY = 24
MIN_MARGIN = 1e-4
"""A greedy choice closer than this could fall either way in float32; the data is made with another seed then."""


def make_data(folder: Path) -> None:
    """Images of 4 to 24 cells. Raises ValueError where a choice is too close for float32."""
    reference = Reference(folder / "checkpoint", min_cells=4, max_cells=24)
    arrays: dict[str, Any] = {}
    images = _make_images(folder / "images")
    visuals: dict[str, tuple[Any, tuple[int, int, int], Any]] = {}
    golden: dict[str, Any] = {
        "min_pixels": reference.min_pixels,
        "max_pixels": reference.max_pixels,
        "special_ids": reference.tokenizer.get_added_vocab(),
        "vocab_size": reference.llm["vocab_size"],
        "tokenizer_len": len(reference.tokenizer),
        "placeholder_ids": {"ATOM": ATOM, "INDICATORS": [*IMAGE_MARKS, *VIDEO_MARKS]},
        "state_dict_shapes": {name: list(tensor.shape) for name, tensor in reference.stored.items()},
        "early_stop_ids": reference.encode(EARLY_STOP),
        "smart_resize": _resizes(reference),
        "images": {},
        "cases": {},
    }
    for name, image in images.items():
        golden["images"][name], visuals[name] = _image(reference, name, image, arrays)
    for name, case in CASES.items():
        golden["cases"][name] = _case(reference, name, case, images, visuals, arrays)
    golden["left_padded_batch"] = {
        "cases": ["ocr", "history"],
        "greedy24": [golden["cases"][name]["greedy24"] for name in ("ocr", "history")],
    }
    golden["chat"] = {"budget": _chat(reference, visuals["doc"])}
    golden["variants"] = {
        name: _variant(reference, name, override, visuals, arrays)
        for name, override in {
            "window": {"fullatt_block_indexes": "1"},
            "no_rope": {"use_rope": False},
            "no_abs_pe": {"preserve_original_pe": False},
        }.items()
    }
    (folder / "golden.json").write_text(json.dumps(golden), encoding="utf-8")
    np.savez(folder / "golden.npz", **arrays)


CASES: dict[str, dict[str, Any]] = {
    "ocr": {"conversation": [{"from": "human", "value": "<image>\nRead all the text."}], "think": False, "images": ["doc"]},
    "thinking": {"conversation": [{"from": "human", "value": "<image>\nWhy? 表格"}], "think": True, "images": ["strip"]},
    "two": {"conversation": [{"from": "human", "value": "<image>\n<image>\nCompare."}], "think": False, "images": ["row", "rgba"]},
    "history": {
        "conversation": [
            {"from": "system", "value": "Be brief."},
            {"from": "human", "value": "<image>\nWhat?"},
            {"from": "gpt", "value": "<think>\nhm\n</think>\n\nA table."},
            {"from": "human", "value": "Sure?"},
        ],
        "think": False,
        "images": ["gray"],
    },
    "text": {"conversation": [{"from": "human", "value": "total value 2024"}], "think": False, "images": []},
    "video": {
        "conversation": [{"from": "human", "value": "<video>\nDescribe."}],
        "think": False,
        "images": [],
        "video": ["doc"] * 2,
    },
}


def _make_images(folder: Path) -> dict[str, Image.Image]:
    folder.mkdir(parents=True)
    rng = np.random.default_rng(3)
    made = {
        "doc": Image.fromarray(rng.integers(0, 256, (130, 170, 3), dtype=np.uint8)),
        "gray": Image.fromarray(rng.integers(0, 256, (90, 61), dtype=np.uint8)),
        "rgba": Image.fromarray(rng.integers(0, 256, (70, 100, 4), dtype=np.uint8)),
        "strip": Image.fromarray(rng.integers(0, 256, (5, 120, 3), dtype=np.uint8)),
        "row": Image.fromarray(rng.integers(0, 256, (1, 7, 3), dtype=np.uint8)),
    }
    for name, image in made.items():
        image.save(folder / f"{name}.png")
    return made


def _resizes(reference: Reference) -> list[list[Any]]:
    f, rng = reference.patch * reference.merge, np.random.default_rng(5)
    sides = [1, 2, f - 1, f, f + 1, f * 3 // 2, f * 5 // 2, *(int(side) for side in rng.integers(1, 4000, 12))]
    return [
        [h, w, f, low, high, list(smart_resize(h, w, f, low, high))]
        for h in sides
        for w in sides
        for low, high in ((reference.min_pixels, reference.max_pixels), (448 * 448, 1792 * 1792))
    ]


def _image(reference: Reference, name: str, image: Image.Image, arrays: dict[str, Any]) -> tuple[dict[str, Any], Any]:
    (resized,) = frames = reference.resized([image])
    pixels, grid = reference.pixel_values(frames)
    states = reference.layers(pixels, grid)
    features = states[-1].reshape(len(states[-1]) // reference.merge**2, -1)
    atoms = reference.visual_embeds(features)
    rows = np.unique(np.linspace(0, len(atoms) - 1, 9).astype(np.int64))
    key = f"img/{name}"
    arrays |= {
        f"{key}/pixel_values": pixels,
        f"{key}/patch_plus_pos_first8": states[0][:8],
        f"{key}/row_index": rows,
        f"{key}/vit_features": features[rows],
        f"{key}/vit_features_absmean": np.abs(features).mean(-1),
        f"{key}/visual_probs": reference.visual_probs(features)[rows],
        f"{key}/visual_embeds": atoms[rows],
    }
    if reference.vit["use_rope"]:
        arrays[f"{key}/rope_freqs"] = reference.angles(grid, reference.vit)
    if not reference.vit["fullatt_block_indexes"]:
        arrays |= {f"{key}/layer{index}_first8": state[:8] for index, state in enumerate(states[1:])}
    facts = {
        "file": f"images/{name}.png",
        "grid_thw": list(grid),
        "num_atoms": len(atoms),
        "resized_hw": list(resized.shape[:2]),
        "resized_rgb_sha256": hashlib.sha256(resized.tobytes()).hexdigest(),
        "pixel_values_sha256": hashlib.sha256(pixels.tobytes()).hexdigest(),
    }
    return facts, (pixels, grid, atoms)


def _case(
    reference: Reference,
    name: str,
    case: dict[str, Any],
    images: dict[str, Image.Image],
    visuals: dict[str, Any],
    arrays: dict[str, Any],
) -> dict[str, Any]:
    parts = [visuals[image] for image in case["images"]]
    if frames := case.get("video"):
        pixels, grid = reference.pixel_values(reference.resized([images[frame] for frame in frames]))
        parts.append((pixels, grid, reference.visual_embeds(reference.features(pixels, grid))))
    prompt = reference.prompt(case["conversation"], case["think"])
    ids = reference.ids(prompt, [len(atoms) for _, _, atoms in parts])
    embeds = reference.inputs_embeds(ids, [atom for _, _, atoms in parts for atom in atoms])
    said, margin, last = reference.greedy(embeds, NUM_GREEDY)
    if margin < MIN_MARGIN:
        raise ValueError(f"case {name}: a margin of {margin:.1e}; use another seed")
    rows = np.unique(np.linspace(0, len(ids) - 1, 20).astype(np.int64))
    key = f"case/{name}"
    arrays |= {
        f"{key}/embed_rows": rows,
        f"{key}/inputs_embeds": embeds[rows],
        f"{key}/embeds_absmean": np.abs(embeds).mean(-1),
        f"{key}/final_logits": reference.logits(embeds)[-1],
        f"{key}/step_logits_last": last,
    }
    return case | {
        "formatted_prompt": prompt,
        "input_ids": ids,
        "grid_thws": [list(grid) for _, grid, _ in parts] or None,
        "greedy24": said,
        "min_greedy_margin": margin,
    }


def _chat(reference: Reference, doc: Any) -> dict[str, Any]:
    """Thinking with a budget that is used up: both phases."""
    question, budget = "<image>\nRead all the text.", 6
    longest = budget + len(reference.encode(EARLY_STOP)) + 8
    _, _, atoms = doc
    prompt = reference.ids(reference.prompt([{"from": "human", "value": question}], True), [len(atoms)])
    end = reference.tokenizer.convert_tokens_to_ids("</think>")
    first, margin, _ = reference.greedy(reference.inputs_embeds(prompt, atoms), budget)
    if reference.llm["eos_token_id"] in first or end in first:
        raise ValueError("the thought ends by itself; use another seed")
    thought = first + reference.encode(EARLY_STOP)
    second, margin_2, _ = reference.greedy(reference.inputs_embeds(prompt + thought, atoms), longest - len(thought))
    if min(margin, margin_2) < MIN_MARGIN:
        raise ValueError("a chat's margin is too small; use another seed")
    output = thought + second
    cut = output.index(end) + 1
    return {
        "prompt": question,
        "image": "doc",
        "thinking_budget": budget,
        "max_new_tokens": longest,
        "thinking": reference.tokenizer.decode(output[:cut], skip_special_tokens=True).strip(),
        "response": reference.tokenizer.decode(output[cut:], skip_special_tokens=True).strip(),
        "phases": [
            {"input_len": len(prompt), "input_tail": prompt[-20:], "output": first},
            {"input_len": len(prompt + thought), "input_tail": (prompt + thought)[-20:], "output": second},
        ],
    }


def _variant(
    reference: Reference, name: str, override: dict[str, Any], visuals: dict[str, Any], arrays: dict[str, Any]
) -> dict[str, Any]:
    vit = reference.vit | override
    parts = [reference.features(visuals[image][0], visuals[image][1], vit) for image in ("doc", "gray")]
    features = np.concatenate(parts)
    arrays |= {
        f"variant/{name}/features_first6": features[:6],
        f"variant/{name}/features_last6": features[-6:],
        f"variant/{name}/absmean": np.abs(features).mean(-1),
    }
    return {"override": override, "images": ["doc", "gray"]}


if __name__ == "__main__":
    make_data(Path(sys.argv[1]))
