"""Compares the implementation with a folder of reference data: `python -m workers.engines.ovis.conformance DIR`.

DIR holds `golden.json`, `golden.npz`, `images/` and `checkpoint/`. The program prints a row per check with its largest error and
its limit (gate), and exits with 1 if a limit is exceeded or a check could not run. Everything is float32 on the CPU. The drift of
bfloat16 is recorded without a limit.
"""

import hashlib
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property, partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from workers.engines.ovis.answers.thinking import close_thinking, split_thinking
from workers.engines.ovis.checkpoint.files import read_preprocessor, stored_shapes
from workers.engines.ovis.checkpoint.loading import load_model, read_tokenizer
from workers.engines.ovis.conformance.comparison import (
    EXACT,
    GATE_EMBEDDED,
    GATE_FEATURES,
    GATE_INPUTS,
    GATE_LOGITS,
    GATE_PROBABILITIES,
    Arrays,
    ComparisonRow,
    Drift,
    close,
    differing,
    exact,
)
from workers.engines.ovis.model.configuration import NUM_INDICATORS, Ovis2_5VisionConfig
from workers.engines.ovis.model.image_processor import ImageProcessor, Patches, as_rgb, smart_resize
from workers.engines.ovis.model.prompt import ATOM, END_OF_THINKING, INDICATORS, OUT_OF_THINKING_BUDGET, Turn, render, tokenise
from workers.engines.ovis.model.vision import rotation_of
from workers.engines.ovis.model.visual_tokenizer import VisualTokenizer

NUM_GREEDY = 24
ROLES: dict[str, Literal["system", "user", "assistant"]] = {"human": "user", "gpt": "assistant", "system": "system"}


class Conformance:
    """One folder of reference data and the model in its checkpoint."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.golden = json.loads((folder / "golden.json").read_text(encoding="utf-8"))
        self.arrays = Arrays(folder / "golden.npz")

    @cached_property
    def model(self) -> Any:
        return load_model(self.folder / "checkpoint", dtype=torch.float32, device="cpu")

    @cached_property
    def tokenizer(self) -> Any:
        return read_tokenizer(self.folder / "checkpoint")

    @cached_property
    def images(self) -> ImageProcessor:
        limits = {key: self.golden[key] for key in ("min_pixels", "max_pixels") if key in self.golden}
        return ImageProcessor(self.model.config.vit_config, read_preprocessor(self.folder / "checkpoint"), **limits)

    def rows(self) -> Iterator[ComparisonRow]:
        """Runs all checks, one by one. A check that breaks gives a row that did not run, and data without a check are an error."""
        yield from self._run("checkpoint", self.checkpoint)
        yield from self._run("smart_resize", self.resizes)
        for kind in ("images", "cases"):
            if not self.golden[kind]:
                yield ComparisonRow(kind, None, EXACT, "the data holds none")
        for name in self.golden["images"]:
            yield from self._run(f"image {name}", partial(self.image, name))
        for name in self.golden["cases"]:
            yield from self._run(f"case {name}", partial(self.case, name))
        for name in self.golden.get("chat", {}):
            yield from self._run(f"chat {name}", partial(self.chat, name))
        if "left_padded_batch" in self.golden:
            yield from self._run("left-padded batch", self.batch)
        for name in self.golden.get("variants", {}):
            yield from self._run(f"variant {name}", partial(self.variant, name))
        yield from self._run("bfloat16", self.bfloat16)
        unseen = self.arrays.unseen
        yield exact("arrays that no check compares", len(unseen), ", ".join(unseen[:4]))

    def _run(self, name: str, check: Callable[[], Iterator[ComparisonRow]]) -> Iterator[ComparisonRow]:
        try:
            with torch.no_grad():
                rows = list(check())
            yield from rows or [ComparisonRow(name, None, EXACT, "nothing to compare with")]
        except Exception as error:  # noqa: BLE001  # a check that breaks is a failed check, and the others still run
            yield ComparisonRow(name, None, EXACT, f"{type(error).__name__}: {error}")

    def checkpoint(self) -> Iterator[ComparisonRow]:
        golden = self.golden
        stored = {name: list(shape) for name, shape in stored_shapes(self.folder / "checkpoint").items()}
        tied = {"llm.lm_head.weight"} if self.model.config.llm_config.tie_word_embeddings else set()
        wanted = golden["state_dict_shapes"]
        yield exact(
            "checkpoint tensors", sum(stored.get(n) != shape for n, shape in wanted.items() if n not in tied or n in stored)
        )
        yield exact("vocabulary", int(golden["vocab_size"] != self.model.config.llm_config.vocab_size))
        yield exact("tokenizer length", int(golden["tokenizer_len"] != len(self.tokenizer)))
        ids = golden["special_ids"]
        yield exact("special tokens", sum(self.tokenizer.convert_tokens_to_ids(token) != index for token, index in ids.items()))
        if marks := golden.get("placeholder_ids"):
            known = {"IMAGE": None, "VIDEO": None, "ATOM": ATOM}
            wrong = [name for name, mark in marks.items() if known.get(name, list(INDICATORS)) not in (None, mark)]
            yield exact("marks", len(wrong), ", ".join(wrong))
        if "early_stop_ids" in golden:
            yield exact("out-of-budget text", int(self._encode(OUT_OF_THINKING_BUDGET) != golden["early_stop_ids"]))

    def resizes(self) -> Iterator[ComparisonRow]:
        """Compares sizes. If the reference gives 0 (and then crashes), ours must be at least one cell and fit the area."""
        wrong, clamped, unfit = 0, 0, 0
        for height, width, factor, min_pixels, max_pixels, expected in self.golden["smart_resize"]:
            got = smart_resize(height, width, factor, min_pixels, max_pixels)
            if 0 in expected:
                clamped += 1
                fits = (
                    got[0] * got[1] <= max(max_pixels, factor**2)
                    and min(got) >= factor
                    and not (got[0] % factor or got[1] % factor)
                )
                unfit += not fits
            else:
                wrong += list(got) != list(expected)
        yield exact("smart_resize", wrong, f"{len(self.golden['smart_resize'])} sizes")
        if clamped:
            yield exact("smart_resize, where the reference gives 0", unfit, f"{clamped} sizes")

    def image(self, name: str) -> Iterator[ComparisonRow]:
        golden, known = self.golden["images"][name], self.arrays
        label, key = f"image {name}", f"img/{name}"
        picture = Image.open(self.folder / golden["file"])
        patches = self.images.patches([picture])
        pixels = self.images.normalise(patches.levels)
        height, width = golden["resized_hw"]
        resized = np.asarray(as_rgb(picture).resize((width, height), self.images.resample))
        yield exact(f"{label}: grid", list(patches.grid) != golden["grid_thw"] or patches.num_atoms != golden["num_atoms"])
        yield exact(f"{label}: resized pixels", hashlib.sha256(resized.tobytes()).hexdigest() != golden["resized_rgb_sha256"])
        yield exact(f"{label}: patches", hashlib.sha256(pixels.tobytes()).hexdigest() != golden["pixel_values_sha256"])
        for part, rows in (("pixel_values", pixels), ("pixel_values_head", pixels), ("pixel_values_tail", pixels[::-1])):
            if f"{key}/{part}" in known:
                wanted = known[f"{key}/{part}"]
                wanted = wanted[::-1] if part == "pixel_values_tail" else wanted
                yield exact(f"{label}: {part}", int((rows[: len(wanted)] != wanted).sum()))
        if f"{key}/pixel_values_rowmean" in known:
            mean = torch.from_numpy(pixels.mean(-1))
            yield close(f"{label}: mean of each patch", mean, known[f"{key}/pixel_values_rowmean"], GATE_EMBEDDED)

        tower = self.model.visual_tokenizer.vit.vision_model
        grids = [patches.grid]
        embedded = tower.embeddings(torch.from_numpy(pixels), grids)
        if f"{key}/patch_plus_pos_first8" in known:
            yield close(f"{label}: patches + positions", embedded[:8], known[f"{key}/patch_plus_pos_first8"], GATE_EMBEDDED)
        if f"{key}/rope_freqs" in known:
            cos, sin = rotation_of(grids, self.model.config.vit_config, embedded.device)
            angles = torch.from_numpy(known[f"{key}/rope_freqs"])
            yield close(
                f"{label}: rotation", torch.cat((cos[:, 0], sin[:, 0])), torch.cat((angles.cos(), angles.sin())), GATE_EMBEDDED
            )
        yield from self._layers(label, key, embedded, grids)

        tokenizer = self.model.visual_tokenizer
        features = tokenizer.features(torch.from_numpy(pixels), grids)
        at = torch.from_numpy(known[f"{key}/row_index"])
        yield close(f"{label}: features", features[at], known[f"{key}/vit_features"], GATE_FEATURES)
        yield close(f"{label}: features, all", features.abs().mean(-1), known[f"{key}/vit_features_absmean"], GATE_FEATURES)
        words = torch.nn.functional.pad(tokenizer.probabilities(features), (0, NUM_INDICATORS))
        yield close(f"{label}: visual words", words[at], known[f"{key}/visual_probs"], GATE_PROBABILITIES)
        atoms = tokenizer.embed(features, self.model.vte.weight)
        yield close(f"{label}: embeddings", atoms[at], known[f"{key}/visual_embeds"], GATE_INPUTS)

    def _layers(self, label: str, key: str, hidden: Tensor, grids: list[Any]) -> Iterator[ComparisonRow]:
        vit = self.model.config.vit_config
        if vit.fullatt_block_indexes:
            return  # rows are permuted between the blocks; the features are still compared
        rotation = rotation_of(grids, vit, hidden.device) if vit.use_rope else None
        encoder = self.model.visual_tokenizer.vit.vision_model.encoder
        attend = encoder.within([h * w for t, h, w in grids for _ in range(t)], hidden.device)
        for index, layer in enumerate(encoder.layers):
            hidden = layer(hidden, rotation, attend)
            if (wanted := f"{key}/layer{index}_first8") in self.arrays:
                yield close(f"{label}: block {index}", hidden[:8], self.arrays[wanted], GATE_FEATURES)

    def case(self, name: str) -> Iterator[ComparisonRow]:
        golden, known = self.golden["cases"][name], self.arrays
        label, key = f"case {name}", f"case/{name}"
        text, ids, visuals = self._prompt(golden)
        yield exact(f"{label}: prompt", text != golden["formatted_prompt"])
        yield exact(f"{label}: ids", sum(a != b for a, b in zip(ids, golden["input_ids"], strict=True)))
        grids = [list(patches.grid) for patches in visuals] or None
        yield exact(f"{label}: grids", grids != golden["grid_thws"])
        embedded = self._embed(self.model, ids, visuals)
        rows = torch.from_numpy(known[f"{key}/embed_rows"])
        yield close(f"{label}: inputs", embedded[0, rows], known[f"{key}/inputs_embeds"], GATE_INPUTS)
        yield close(f"{label}: inputs, all", embedded[0].abs().mean(-1), known[f"{key}/embeds_absmean"], GATE_INPUTS)
        logits = self.model(inputs_embeds=embedded).logits[0, -1]
        yield close(f"{label}: logits", logits, known[f"{key}/final_logits"], GATE_LOGITS)
        said = self._generate(embedded, NUM_GREEDY, output_logits=True, return_dict_in_generate=True)
        yield exact(
            f"{label}: greedy",
            differing(said.sequences[0].tolist(), golden["greedy24"]),
            f"margin {golden['min_greedy_margin']:.1e}",
        )
        yield close(f"{label}: last step's logits", said.logits[-1][0], known[f"{key}/step_logits_last"], GATE_LOGITS)

    def chat(self, name: str) -> Iterator[ComparisonRow]:
        golden = self.golden["chat"][name]
        budget = golden.get("thinking_budget")
        turn = {
            "conversation": [{"from": "human", "value": golden["prompt"]}],
            "think": budget is not None,
            "images": [golden["image"]],
        }
        _, ids, visuals = self._prompt(turn)
        end = self.tokenizer.convert_tokens_to_ids(END_OF_THINKING)
        phases: list[tuple[list[int], list[int]]] = []

        def phase(so_far: list[int], num_tokens: int) -> list[int]:
            said = self._generate(self._embed(self.model, so_far, visuals), num_tokens)[0].tolist()
            phases.append((so_far, said))
            return list(said)

        output = phase(ids, budget or golden["max_new_tokens"])
        if budget is not None:
            stop = self.model.config.llm_config.eos_token_id
            thought = close_thinking(output, end=end, stops=[stop], out_of_budget=self._encode(OUT_OF_THINKING_BUDGET))
            if thought is not None:
                left = golden["max_new_tokens"] - len(thought)
                output = thought + (phase(ids + thought, left) if left > 0 else [])
        thinking, response = split_thinking(
            output, end=end, decode=lambda ids: self.tokenizer.decode(ids, skip_special_tokens=True)
        )
        yield exact(f"chat {name}: thinking", thinking != golden["thinking"])
        yield exact(f"chat {name}: response", response != golden["response"])
        for index, wanted in enumerate(golden.get("phases", [])):
            so_far, said = phases[index]
            tail = so_far[-len(wanted["input_tail"]) :]
            wrong = differing(said, wanted["output"]) + differing(tail, wanted["input_tail"]) + (len(so_far) != wanted["input_len"])
            yield exact(f"chat {name}: phase {index}", wrong)
        yield exact(f"chat {name}: phases", len(phases) != len(golden.get("phases", phases)))

    def batch(self) -> Iterator[ComparisonRow]:
        golden = self.golden["left_padded_batch"]
        rows = []
        for name in golden["cases"]:
            _, ids, visuals = self._prompt(self.golden["cases"][name])
            rows.append(self._embed(self.model, ids, visuals)[0])
        longest = max(len(row) for row in rows)
        padded = torch.stack([torch.nn.functional.pad(row, (0, 0, longest - len(row), 0)) for row in rows])
        mask = torch.tensor([[0] * (longest - len(row)) + [1] * len(row) for row in rows])
        said = self._generate(padded, NUM_GREEDY, attention_mask=mask).tolist()
        for name, got, wanted in zip(golden["cases"], said, golden["greedy24"], strict=True):
            yield exact(f"left-padded batch: {name}", differing(got, wanted))

    def variant(self, name: str) -> Iterator[ComparisonRow]:
        """The same weights under a changed vision config; packed features of several images."""
        golden = self.golden["variants"][name]
        config = self.model.config.__class__.from_dict(self.model.config.to_dict())
        config.vit_config = Ovis2_5VisionConfig(**(config.vit_config.to_dict() | golden["override"]))
        tokenizer = VisualTokenizer(config).eval()
        weights = self.model.visual_tokenizer.state_dict()
        if absent := tokenizer.load_state_dict(
            {k: v for k, v in weights.items() if k in tokenizer.state_dict()}, strict=False
        ).missing_keys:
            raise ValueError(f"the checkpoint lacks {absent}")
        patches = [self._patches([image]) for image in golden["images"]]
        pixels = np.concatenate([self.images.normalise(one.levels) for one in patches])
        features = tokenizer.features(torch.from_numpy(pixels), [one.grid for one in patches])
        first, last = (self.arrays[f"variant/{name}/features_{which}6"] for which in ("first", "last"))
        yield close(f"variant {name}: first features", features[: len(first)], first, GATE_FEATURES)
        yield close(f"variant {name}: last features", features[-len(last) :], last, GATE_FEATURES)
        yield close(f"variant {name}: all features", features.abs().mean(-1), self.arrays[f"variant/{name}/absmean"], GATE_FEATURES)

    def bfloat16(self) -> Iterator[ComparisonRow]:
        """Records the drift of bfloat16 from the float32 reference, without a limit."""
        rounded = load_model(self.folder / "checkpoint", dtype=torch.bfloat16, device="cpu")
        features = Drift()
        for name in self.golden["images"]:
            patches = self._patches([name])
            pixels = torch.from_numpy(self.images.normalise(patches.levels))
            got = rounded.visual_tokenizer.features(pixels, [patches.grid])
            features.add(got[torch.from_numpy(self.arrays[f"img/{name}/row_index"])], self.arrays[f"img/{name}/vit_features"])
        yield ComparisonRow("bfloat16: features", features.largest, None, features.note)
        logits = Drift()
        same = 0
        for name, golden in self.golden["cases"].items():
            _, ids, visuals = self._prompt(golden)
            got = rounded(inputs_embeds=self._embed(rounded, ids, visuals)).logits[0, -1]
            wanted = self.arrays[f"case/{name}/final_logits"]
            logits.add(got, wanted)
            same += int(got.argmax()) == int(wanted.argmax())
        first = f"first token same in {same} of {len(self.golden['cases'])}"
        yield ComparisonRow("bfloat16: logits", logits.largest, None, f"{logits.note}; {first}")

    def _prompt(self, golden: dict[str, Any]) -> tuple[str, list[int], list[Patches]]:
        turns = [Turn(ROLES[turn["from"]], turn["value"]) for turn in golden["conversation"]]
        visuals = [self._patches([image]) for image in golden["images"]]
        if golden.get("video"):
            visuals.append(self._patches(golden["video"]))
        text = render(turns, thinking=golden["think"])
        return text, tokenise(text, self.tokenizer, [patches.num_atoms for patches in visuals]), visuals

    def _patches(self, names: Sequence[str]) -> Patches:
        return self.images.patches([Image.open(self.folder / self.golden["images"][name]["file"]) for name in names])

    def _embed(self, model: Any, ids: list[int], visuals: list[Patches]) -> Tensor:
        atoms = None
        if visuals:
            pixels = torch.from_numpy(np.concatenate([self.images.normalise(patches.levels) for patches in visuals]))
            atoms = model.embed_images(pixels, [patches.grid for patches in visuals])
        return model.embed_prompt(torch.tensor([ids]), atoms)

    def _generate(self, embedded: Tensor, num_tokens: int, **kwargs: Any) -> Any:
        pad = self.tokenizer.pad_token_id
        return self.model.generate(inputs_embeds=embedded, max_new_tokens=num_tokens, do_sample=False, pad_token_id=pad, **kwargs)

    def _encode(self, text: str) -> list[int]:
        return list(self.tokenizer.encode(text, add_special_tokens=False))


def main(arguments: list[str]) -> int:
    if len(arguments) != 1:
        sys.stderr.write("usage: python -m workers.engines.ovis.conformance DIR\n")
        return 2
    try:
        rows = list(Conformance(Path(arguments[0])).rows())
    except (OSError, ValueError, KeyError) as error:
        sys.stderr.write(f"{arguments[0]} holds no conformance data: {error}\n")
        return 1
    sys.stdout.write("".join(f"{row}\n" for row in rows))
    failed = [row for row in rows if not row.ok]
    sys.stdout.write(f"{len(rows)} checks, {len(failed)} failed\n")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
