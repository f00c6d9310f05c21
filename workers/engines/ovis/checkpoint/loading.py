"""Loads a checkpoint from a folder into a model, and checks that every tensor of both fits.

It reads only data: JSON, tokenizer files and safetensors. Code beside the weights is never run, and pickles are never opened.
"""

import hashlib
import json
import struct
from collections.abc import Collection
from pathlib import Path
from typing import Any

from workers.engines.engine import EngineStartError

SMALL_FILES = ("*.json", "*.txt", "*.jinja")
WEIGHT_FILES = ("*.safetensors",)
SINGLE, INDEX = "model.safetensors", "model.safetensors.index.json"
NAMES_SHOWN = 6


class CheckpointError(EngineStartError):
    """The checkpoint cannot be used. The message is one sentence that names the files or tensors."""


def read_json(path: Path) -> dict[str, Any]:
    """The JSON object in a file. Raises CheckpointError if the file is missing or holds something else."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise CheckpointError(f"The checkpoint {path.parent} has no {path.name}.") from error
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{path} cannot be read: {first_line(error)}") from error
    if not isinstance(content, dict):
        raise CheckpointError(f"{path} holds no JSON object.")
    return content


def read_config(folder: Path) -> Any:
    """The Ovis2_5Config of a folder. Raises CheckpointError."""
    from workers.engines.ovis.model.configuration import Ovis2_5Config

    fields = read_json(folder / "config.json")
    if (model_type := fields.pop("model_type", None)) != Ovis2_5Config.model_type:
        raise CheckpointError(f"{folder} holds a {model_type!r} model; this engine reads {Ovis2_5Config.model_type!r}.")
    try:
        return Ovis2_5Config(**fields)
    except (TypeError, ValueError) as error:  # huggingface_hub's validation errors are ValueErrors
        raise CheckpointError(f"{folder / 'config.json'} describes no model we can build: {first_line(error)}") from error


def check_files(folder: Path) -> None:
    """Checks without torch that the files exist and belong to an Ovis2.5. Raises CheckpointError."""
    if (model_type := read_json(folder / "config.json").get("model_type")) != "ovis2_5":
        raise CheckpointError(f"{folder} holds a {model_type!r} model; this engine reads 'ovis2_5'.")
    read_json(folder / "preprocessor_config.json")
    _check_tokenizer(folder)
    for path in weight_files(folder):
        read_header(path)


def _check_tokenizer(folder: Path) -> None:
    if missing := missing_tokenizer({path.name for path in folder.iterdir()}):
        raise CheckpointError(f"The checkpoint {folder} has {missing}.")


def missing_tokenizer(names: Collection[str]) -> str | None:
    """What is missing of the tokenizer among these file names, as a clause; None if it is complete."""
    is_there = "tokenizer.json" in names or {"vocab.json", "merges.txt"} <= set(names)
    return None if is_there else "neither tokenizer.json nor vocab.json with merges.txt"


def read_tokenizer(folder: Path) -> Any:
    """The checkpoint's tokenizer, which pads on the left as generation needs it. AutoTokenizer is not used, because it would ask on
    the terminal whether to run the checkpoint's code."""
    from transformers import Qwen2Tokenizer

    _check_tokenizer(folder)
    return Qwen2Tokenizer.from_pretrained(str(folder), padding_side="left")


def load_model(folder: Path, *, dtype: Any, device: Any) -> Any:
    """The model in eval mode on `device`. Its files are checked against the config first. Raises CheckpointError."""
    from transformers.utils import logging as transformers_logging

    from workers.engines.ovis.model.model import Ovis2_5ForConditionalGeneration

    config = read_config(folder)
    check_tensors(folder, config)
    transformers_logging.disable_progress_bar()  # it would draw over the run's own display
    model = Ovis2_5ForConditionalGeneration.from_pretrained(
        str(folder), config=config, dtype=dtype, use_safetensors=True, local_files_only=True, attn_implementation="sdpa"
    )
    return model.eval().to(device)


def check_tensors(folder: Path, config: Any) -> None:
    """Compares the names and shapes in the weight files with those of the config, without loading tensors.

    Raises CheckpointError with the names of tensors that are missing, unexpected or of another shape.
    """
    import re

    import torch

    from workers.engines.ovis.model.model import Ovis2_5ForConditionalGeneration as Model

    stored = stored_shapes(folder)
    with torch.device("meta"):
        wanted = {name: tuple(tensor.shape) for name, tensor in Model(config).state_dict().items()}
    optional = set(Model._tied_weights_keys) if config.llm_config.tie_word_embeddings else set()
    ignored = re.compile("|".join(Model._keys_to_ignore_on_load_unexpected))
    missing = sorted(wanted.keys() - stored.keys() - optional)
    unexpected = sorted(name for name in stored.keys() - wanted.keys() if not ignored.search(name))
    reshaped = sorted(
        f"{name} {list(stored[name])} instead of {list(wanted[name])}"
        for name in wanted.keys() & stored.keys()
        if wanted[name] != stored[name]
    )
    problems = [
        f"{len(names)} {what}: {some(names)}"
        for what, names in (("missing", missing), ("unexpected", unexpected), ("of another shape", reshaped))
        if names
    ]
    if problems:
        raise CheckpointError(f"The weights in {folder} do not fit their config.json: {'; '.join(problems)}.")


def stored_shapes(folder: Path) -> dict[str, tuple[int, ...]]:
    """Tensor names and shapes of all weight files, from their headers. Raises CheckpointError."""
    shapes: dict[str, tuple[int, ...]] = {}
    for path in weight_files(folder):
        shapes |= {name: tuple(entry["shape"]) for name, entry in read_header(path).items() if name != "__metadata__"}
    return shapes


def weight_files(folder: Path) -> list[Path]:
    """The single weight file, or the shards that the index names. Raises CheckpointError if one is missing."""
    if (folder / SINGLE).is_file():
        return [folder / SINGLE]
    if not (folder / INDEX).is_file():
        others = [path.name for path in folder.glob("*.bin")]
        hint = f" ({some(others)} may hold code and is not opened)" if others else ""
        raise CheckpointError(f"The checkpoint {folder} has neither {SINGLE} nor {INDEX}{hint}.")
    names = sorted(set(read_json(folder / INDEX).get("weight_map", {}).values()))
    if absent := [name for name in names if not (folder / name).is_file()]:
        raise CheckpointError(f"The checkpoint {folder} lacks {some(absent)}, which {INDEX} names.")
    return [folder / name for name in names]


def read_header(path: Path) -> dict[str, Any]:
    """A safetensors file's header: tensor names with dtype, shape and data_offsets. Raises CheckpointError."""
    try:
        with path.open("rb") as file:
            (size,) = struct.unpack("<Q", file.read(8))
            if not 2 <= size <= min(path.stat().st_size - 8, 100 * 2**20):
                raise ValueError("its header is longer than the file")
            header = json.loads(file.read(size))
            end = max((entry["data_offsets"][1] for name, entry in header.items() if name != "__metadata__"), default=0)
            if 8 + size + end != path.stat().st_size:
                raise ValueError(f"{path.stat().st_size} bytes instead of {8 + size + end}: it was cut short")
    except (OSError, ValueError, struct.error, KeyError, TypeError) as error:
        raise CheckpointError(f"{path} is no whole safetensors file: {first_line(error)}") from error
    if not isinstance(header, dict):
        raise CheckpointError(f"{path} is no whole safetensors file: its header is no JSON object")
    return header


def fingerprint(folder: Path) -> str:
    """The identity of a local checkpoint, 16 hex digits, from the small files, and from the header, size and 64 samples of 4 KiB of
    each weight file. It reads megabytes, where a full hash would read gigabytes, and needs no torch."""
    digest = hashlib.sha256()
    for path in sorted(path for pattern in SMALL_FILES for path in folder.glob(pattern)):
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    for path in weight_files(folder):
        size = path.stat().st_size
        digest.update(f"{path.name}\0{size}\0{json.dumps(read_header(path), sort_keys=True)}".encode())
        with path.open("rb") as file:
            for sample in range(64):
                file.seek(max(0, (size - 4096) * sample // 63))
                digest.update(file.read(4096))
    return digest.hexdigest()[:16]


def some(names: list[str]) -> str:
    shown = ", ".join(names[:NAMES_SHOWN])
    return shown if len(names) <= NAMES_SHOWN else f"{shown} and {len(names) - NAMES_SHOWN} more"


def first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
