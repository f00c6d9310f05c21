"""The files of a checkpoint, read without torch: whether they are complete, what they hold, and which checkpoint they are.

Only data is read: JSON, tokenizer files and safetensors. Code beside the weights is never run, and pickles are never opened.
"""

import hashlib
import json
import struct
from collections.abc import Collection
from pathlib import Path
from typing import Any

from workers.engines.engine import EngineStartError
from workers.engines.ovis.checkpoint.layouts import NO_PREPROCESSOR, PREPROCESSORS, preprocessor_of, unread_model

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


def check_files(folder: Path) -> None:
    """Checks without torch that the files exist and belong to an Ovis2.5. Raises CheckpointError."""
    if what := unread_model(read_json(folder / "config.json").get("model_type")):
        raise CheckpointError(f"{folder} holds {what}.")
    read_preprocessor(folder)
    check_tokenizer(folder)
    for path in weight_files(folder):
        read_header(path)


def read_preprocessor(folder: Path) -> dict[str, Any]:
    """How pixels become numbers. Raises CheckpointError if no file says it."""
    found = {name: read_json(folder / name) for name in PREPROCESSORS if (folder / name).is_file()}
    if (preprocessor := preprocessor_of(found)) is None:
        raise CheckpointError(f"The checkpoint {folder} has {NO_PREPROCESSOR}.")
    return preprocessor


def check_tokenizer(folder: Path) -> None:
    if missing := missing_tokenizer({path.name for path in folder.iterdir()}):
        raise CheckpointError(f"The checkpoint {folder} has {missing}.")


def missing_tokenizer(names: Collection[str]) -> str | None:
    """What is missing of the tokenizer among these file names, as a clause; None if it is complete."""
    is_there = "tokenizer.json" in names or {"vocab.json", "merges.txt"} <= set(names)
    return None if is_there else "neither tokenizer.json nor vocab.json with merges.txt"


def stored_shapes(folder: Path) -> dict[str, tuple[int, ...]]:
    """Names, as they are stored, and shapes of the tensors of all weight files, from their headers. Raises CheckpointError."""
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
