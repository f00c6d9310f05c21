"""Ovis2.5 once more, written plainly from its specification: numpy in float64, loops where loops are clearer, and not a line
of the engine's own."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from safetensors.numpy import load_file
from transformers import Qwen2Tokenizer

EARLY_STOP = (
    "\n\nConsidering the limited time by the user, I have to give the solution based on the thinking directly now.\n</think>\n\n"
)
ATOM, IMAGE_MARKS, VIDEO_MARKS = -300, (-301, -302), (-303, -304)


# --- pixels


def smart_resize(h: float, w: float, f: int, min_pixels: int, max_pixels: int) -> tuple[int, int]:
    if h < f or w < f:
        h, w = (f, round(f / h * w)) if h < w else (round(f / w * h), f)
    elif max(h, w) / min(h, w) > 200:
        h, w = (200 * w, w) if h > w else (h, 200 * h)
    rows, columns = round(h / f) * f, round(w / f) * f
    if rows * columns > max_pixels:
        beta = math.sqrt(h * w / max_pixels)
        rows, columns = math.floor(h / beta / f) * f, math.floor(w / beta / f) * f
    elif rows * columns < min_pixels:
        beta = math.sqrt(min_pixels / (h * w))
        rows, columns = math.ceil(h * beta / f) * f, math.ceil(w * beta / f) * f
    return rows, columns


class Reference:
    def __init__(self, checkpoint: Path, *, min_cells: int, max_cells: int) -> None:
        self.config = json.loads((checkpoint / "config.json").read_text())
        self.vit, self.llm = self.config["vit_config"], self.config["llm_config"]
        self.pre = json.loads((checkpoint / "preprocessor_config.json").read_text())
        self.stored: dict[str, Any] = {}
        for path in checkpoint.glob("*.safetensors"):
            self.stored |= load_file(path)
        self.w = {name: tensor.astype(np.float64) for name, tensor in self.stored.items()}
        self.tokenizer = Qwen2Tokenizer.from_pretrained(str(checkpoint))
        self.patch, self.merge = self.vit["patch_size"], self.vit["hidden_stride"]
        self.min_pixels, self.max_pixels = (cells * (self.patch * self.merge) ** 2 for cells in (min_cells, max_cells))

    def encode(self, text: str) -> list[int]:
        return list(self.tokenizer.encode(text, add_special_tokens=False))

    def resized(self, images: list[Image.Image]) -> list[Any]:
        first = images[0]
        h, w = smart_resize(first.height, first.width, self.patch * self.merge, self.min_pixels, self.max_pixels)
        return [np.asarray(image.convert("RGB").resize((w, h), Image.Resampling(self.pre["resample"]))) for image in images]

    def pixel_values(self, frames: list[Any]) -> tuple[Any, tuple[int, int, int]]:
        """[patches, 3 * p * p] float32, cell by cell, and the grid."""
        mean, std = (np.array(self.pre[key], dtype=np.float32) for key in ("image_mean", "image_std"))
        p, m = self.patch, self.merge
        rows = []
        for frame in frames:
            x = (frame.astype(np.float64) * self.pre["rescale_factor"]).astype(np.float32)
            x = (x - mean) / std
            gh, gw = x.shape[0] // p, x.shape[1] // p
            for r, c in self.cell_order(gh, gw):
                rows.append(x[r * p : r * p + p, c * p : c * p + p].transpose(2, 0, 1).reshape(-1))
        assert m * m * (len(rows) // (m * m)) == len(rows)
        return np.stack(rows).astype(np.float32), (len(frames), gh, gw)

    def cell_order(self, gh: int, gw: int) -> list[tuple[int, int]]:
        """(row, column) of every patch, in the order of the packed sequence."""
        m = self.merge
        return [
            (cell_row * m + r, cell_column * m + c)
            for cell_row in range(gh // m)
            for cell_column in range(gw // m)
            for r in range(m)
            for c in range(m)
        ]

    # --- vision

    def patch_plus_pos(self, pixels: Any, grid: tuple[int, int, int], vit: dict[str, Any]) -> Any:
        name = "visual_tokenizer.vit.vision_model.embeddings."
        weight = self.w[f"{name}patch_embedding.weight"]
        x = pixels.astype(np.float64) @ weight.reshape(weight.shape[0], -1).T + self.w[f"{name}patch_embedding.bias"]
        if vit["preserve_original_pe"]:
            t, gh, gw = grid
            side = vit["image_size"] // vit["patch_size"]
            table = self.w[f"{name}position_embedding.weight"].reshape(side, side, -1)
            grown = _bicubic(_bicubic(table, gh, 0), gw, 1)
            x = x + np.concatenate([np.stack([grown[r, c] for r, c in self.cell_order(gh, gw)])] * t)
        return x

    def angles(self, grid: tuple[int, int, int], vit: dict[str, Any]) -> Any:
        head = vit["hidden_size"] // vit["num_attention_heads"]
        inverse = np.array([10000.0 ** (-2 * k / (head / 2)) for k in range(head // 4)])
        one = np.stack([np.concatenate([r * inverse, c * inverse]) for r, c in self.cell_order(grid[1], grid[2])])
        return np.concatenate([one] * grid[0])

    def segments(self, grid: tuple[int, int, int], vit: dict[str, Any]) -> list[list[int]]:
        """Windows of one image: which rows see each other."""
        t, gh, gw = grid
        side = vit["window_size"] // self.merge // self.patch
        order = self.cell_order(gh, gw)
        found = []
        for frame in range(t):
            windows: dict[tuple[int, int], list[int]] = {}
            for index, (r, c) in enumerate(order):
                windows.setdefault((r // self.merge // side, c // self.merge // side), []).append(frame * gh * gw + index)
            found += list(windows.values())
        return found

    def layers(self, pixels: Any, grid: tuple[int, int, int], vit: dict[str, Any] | None = None) -> list[Any]:
        """Patches with positions, then the output of every block."""
        vit = vit or self.vit
        x = self.patch_plus_pos(pixels, grid, vit)
        frames = [list(range(f * grid[1] * grid[2], (f + 1) * grid[1] * grid[2])) for f in range(grid[0])]
        full = [int(index) for index in vit["fullatt_block_indexes"].split("|")] if vit["fullatt_block_indexes"] else None
        states = [x]
        for index in range(vit["num_hidden_layers"]):
            segments = frames if full is None or index in full else self.segments(grid, vit)
            x = self._block(x, f"visual_tokenizer.vit.vision_model.encoder.layers.{index}.", segments, grid, vit)
            states.append(x)
        return states

    def _block(self, x: Any, name: str, segments: list[list[int]], grid: tuple[int, int, int], vit: dict[str, Any]) -> Any:
        def linear(part: str, given: Any) -> Any:
            return given @ self.w[f"{name}{part}.weight"].T + self.w[f"{name}{part}.bias"]

        def norm(part: str, given: Any) -> Any:
            return _layer_norm(given, self.w[f"{name}{part}.weight"], self.w[f"{name}{part}.bias"], vit["layer_norm_eps"])

        heads = vit["num_attention_heads"]
        normed = norm("layer_norm1", x)
        q, k, v = (linear(f"self_attn.{part}_proj", normed).reshape(len(x), heads, -1) for part in "qkv")
        if vit["use_rope"]:
            angles = self.angles(grid, vit)[:, None]
            q, k = _rotated(q, angles), _rotated(k, angles)
        mixed = np.zeros_like(q)
        for segment in segments:
            for head in range(heads):
                scores = q[segment, head] @ k[segment, head].T / math.sqrt(q.shape[-1])
                mixed[segment, head] = _softmax(scores) @ v[segment, head]
        x = x + linear("self_attn.out_proj", mixed.reshape(len(x), -1))
        return x + linear("mlp.fc2", _activation(vit["hidden_act"], linear("mlp.fc1", norm("layer_norm2", x))))

    def features(self, pixels: Any, grid: tuple[int, int, int], vit: dict[str, Any] | None = None) -> Any:
        last = self.layers(pixels, grid, vit)[-1]
        return last.reshape(len(last) // self.merge**2, -1)

    def visual_probs(self, features: Any) -> Any:
        logits = _layer_norm(
            features @ self.w["visual_tokenizer.head.0.weight"].T,
            self.w["visual_tokenizer.head.1.weight"],
            self.w["visual_tokenizer.head.1.bias"],
            1e-5,
        )
        return np.concatenate([_softmax(logits), np.zeros((len(logits), 4))], axis=1)

    def visual_embeds(self, features: Any) -> Any:
        return self.visual_probs(features) @ self.w["vte.weight"]

    # --- language

    def prompt(self, turns: list[dict[str, str]], think: bool) -> str:
        roles = {"human": "user", "gpt": "assistant", "system": "system"}
        text = ""
        for turn in turns:
            said = turn["value"].split("</think>")[-1].lstrip("\n") if turn["from"] == "gpt" else turn["value"]
            text += f"<|im_start|>{roles[turn['from']]}\n{said}<|im_end|>\n"
        return text + "<|im_start|>assistant\n" + ("" if think else "<think>\n\n</think>\n\n")

    def ids(self, prompt: str, atoms: list[int]) -> list[int]:
        left, ids = list(atoms), []
        rest = prompt
        while rest:
            at = min((rest.find(mark) for mark in ("<image>", "<video>") if mark in rest), default=len(rest))
            ids += self.encode(rest[:at]) if at else []
            rest = rest[at:]
            if rest:
                marks = IMAGE_MARKS if rest.startswith("<image>") else VIDEO_MARKS
                ids += [marks[0], *[ATOM] * left.pop(0), marks[1]]
                rest = rest[len("<image>") :]
        return ids

    def inputs_embeds(self, ids: list[int], atoms: Any) -> Any:
        table, visual = self.w["llm.model.embed_tokens.weight"], self.w["vte.weight"]
        left = iter(atoms)
        rows = []
        for token in ids:
            if token == ATOM:
                rows.append(next(left))
            elif token < 0:
                rows.append(visual[len(visual) - 4 + (-301 - token)])
            else:
                rows.append(table[token])
        return np.stack(rows)

    def logits(self, embeds: Any) -> Any:
        """[tokens, vocabulary] of Qwen3."""
        llm, x = self.llm, embeds
        eps, heads, kv, size = llm["rms_norm_eps"], llm["num_attention_heads"], llm["num_key_value_heads"], llm["head_dim"]
        inverse = np.array([llm["rope_theta"] ** (-2 * k / size) for k in range(size // 2)])
        angles = (np.arange(len(x))[:, None] * inverse)[:, None]
        allowed = np.tril(np.ones((len(x), len(x)), dtype=bool))
        for index in range(llm["num_hidden_layers"]):
            name = f"llm.model.layers.{index}."

            def linear(part: str, given: Any, name: str = name) -> Any:
                out = given @ self.w[f"{name}{part}.weight"].T
                return out + self.w[f"{name}{part}.bias"] if f"{name}{part}.bias" in self.w else out

            def norm(part: str, given: Any, name: str = name) -> Any:
                return _rms_norm(given, self.w[f"{name}{part}.weight"], eps)

            normed = norm("input_layernorm", x)
            q = norm("self_attn.q_norm", linear("self_attn.q_proj", normed).reshape(len(x), heads, size))
            k = norm("self_attn.k_norm", linear("self_attn.k_proj", normed).reshape(len(x), kv, size))
            v = linear("self_attn.v_proj", normed).reshape(len(x), kv, size)
            q, k = _rotated(q, angles), _rotated(k, angles)
            mixed = np.zeros_like(q)
            for head in range(heads):
                of_group = head // (heads // kv)
                scores = q[:, head] @ k[:, of_group].T / math.sqrt(size)
                mixed[:, head] = _softmax(np.where(allowed, scores, -np.inf)) @ v[:, of_group]
            x = x + linear("self_attn.o_proj", mixed.reshape(len(x), -1))
            normed = norm("post_attention_layernorm", x)
            gated = _activation(llm["hidden_act"], linear("mlp.gate_proj", normed)) * linear("mlp.up_proj", normed)
            x = x + linear("mlp.down_proj", gated)
        x = _rms_norm(x, self.w["llm.model.norm.weight"], eps)
        head_name = "llm.model.embed_tokens.weight" if llm["tie_word_embeddings"] else "llm.lm_head.weight"
        return x @ self.w[head_name].T

    def greedy(self, embeds: Any, num_tokens: int) -> tuple[list[int], float, Any]:
        """Tokens up to the end token, the smallest lead of a choice, and the logits that the last was chosen by."""
        said: list[int] = []
        margin = math.inf
        last: Any = None
        while len(said) < num_tokens:
            last = self.logits(embeds)[-1]
            second, first = np.argsort(last)[-2:]
            margin = min(margin, last[first] - last[second])
            said.append(int(first))
            if first == self.llm["eos_token_id"]:
                break
            embeds = np.concatenate([embeds, self.w["llm.model.embed_tokens.weight"][first][None]])
        return said, float(margin), last


def _bicubic(grid: Any, size: int, axis: int) -> Any:
    """torch's interpolate(mode="bicubic", align_corners=False) along one axis: a = -0.75, edges repeated."""
    a = -0.75
    length = grid.shape[axis]
    rows = []
    for index in range(size):
        at = (index + 0.5) * length / size - 0.5
        base = math.floor(at)
        total = 0.0
        for tap in range(base - 1, base + 3):
            d = abs(at - tap)
            near, far = (a + 2) * d**3 - (a + 3) * d**2 + 1, a * d**3 - 5 * a * d**2 + 8 * a * d - 4 * a
            weight = near if d <= 1 else far
            total = total + weight * np.take(grid, min(max(tap, 0), length - 1), axis=axis)
        rows.append(total)
    return np.stack(rows, axis=axis)


def _rotated(x: Any, angles: Any) -> Any:
    half = x.shape[-1] // 2
    first, second = x[..., :half], x[..., half:]
    return np.concatenate(
        [first * np.cos(angles) - second * np.sin(angles), second * np.cos(angles) + first * np.sin(angles)], axis=-1
    )


def _softmax(x: Any) -> Any:
    e = np.exp(x - x.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def _layer_norm(x: Any, weight: Any, bias: Any, eps: float) -> Any:
    centred = x - x.mean(-1, keepdims=True)
    return centred / np.sqrt((centred**2).mean(-1, keepdims=True) + eps) * weight + bias


def _rms_norm(x: Any, weight: Any, eps: float) -> Any:
    return x / np.sqrt((x**2).mean(-1, keepdims=True) + eps) * weight


def _activation(name: str, x: Any) -> Any:
    match name:
        case "relu":
            return np.maximum(x, 0)
        case "silu":
            return x / (1 + np.exp(-x))
        case "gelu":
            return x * 0.5 * (1 + np.vectorize(math.erf)(x / math.sqrt(2)))
        case "gelu_pytorch_tanh":
            return 0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))
    raise ValueError(name)
