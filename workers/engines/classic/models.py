"""The networks of PP-OCR: rapidocr's own, or those of a folder; what identifies them, and how they are loaded."""

import hashlib
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from workers.engines.engine import EngineStartError

MODELS = {"Det": "PP-OCRv6_det_small.onnx", "Cls": "ch_ppocr_mobile_v2.0_cls_mobile.onnx", "Rec": "PP-OCRv6_rec_small.onnx"}
_GRAPH, _INITIALIZER, _DATA_TYPE, _RAW_DATA = 7, 5, 2, 9
"""Field numbers of onnx.proto: ModelProto.graph, GraphProto.initializer, TensorProto.data_type and .raw_data."""
_FLOAT = 1


def rapidocr_version() -> str:
    """Of the installed package; "" where there is none."""
    try:
        return version("rapidocr")
    except PackageNotFoundError:
        return ""


def model_paths(folder: Path | None = None) -> dict[str, Path]:
    """Detection (`Det`), which way up (`Cls`), recognition (`Rec`): of `folder` the files with `det`, `cls` and `rec` in their
    names, and of rapidocr's wheel what is not there. Raises EngineStartError when one is missing, or two are meant."""
    spec = find_spec("rapidocr")
    if spec is None or not spec.submodule_search_locations:
        raise EngineStartError("The engine `classic` needs rapidocr: pip install rapidocr.")
    wheel = Path(spec.submodule_search_locations[0]) / "models"
    own = _own_models(folder) if folder else {}
    paths = {part: own.get(part, wheel / name) for part, name in MODELS.items()}
    missing = [path.name for path in paths.values() if not path.is_file()]
    if missing:
        raise EngineStartError(
            f"rapidocr {rapidocr_version()} lacks {', '.join(missing)}: install the version named in constraints.txt."
        )
    return paths


def _own_models(folder: Path) -> dict[str, Path]:
    found = {part: sorted(path for path in folder.glob("*.onnx") if part.lower() in path.name.lower()) for part in MODELS}
    if not any(found.values()):
        raise EngineStartError(f"engine.classic.models_dir: {folder} has no file *det*.onnx, *cls*.onnx or *rec*.onnx.")
    if several := [paths for paths in found.values() if len(paths) > 1]:
        names = ", ".join(path.name for path in several[0])
        raise EngineStartError(f"engine.classic.models_dir: {folder} has {names}; it is open which of them is meant.")
    return {part: paths[0] for part, paths in found.items() if paths}


def characters_path(folder: Path | None) -> Path | None:
    """The one `*.txt` beside one's own models: the recognition model's characters, a line each, where it lacks them itself."""
    found = sorted(folder.glob("*.txt")) if folder else []
    return found[0] if len(found) == 1 else None


def fingerprints(folder: Path) -> dict[str, str]:
    """Name -> size and SHA-256 (16 digits), of one's own models and their characters."""
    paths = [path for path in model_paths(folder).values() if path.parent == folder]
    if characters := characters_path(folder):
        paths.append(characters)
    return {path.name: f"{path.stat().st_size}-{_sha256(path)[:16]}" for path in sorted(paths)}


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def session_without_denormals(path: Path, num_threads: int) -> Any:
    """An onnxruntime session whose weights below the smallest normal float are 0.

    PP-OCRv6's detection has 255,958 of them, and a processor takes some hundred cycles for each product: 0.79 s for 0.75 megapixels
    with them, 0.26 without, and the same answer bit for bit. onnxruntime's own switch (`session.set_denormal_as_zero`) binds only
    the thread that makes a process's first session.
    """
    from onnxruntime import InferenceSession, SessionOptions

    options = SessionOptions()
    options.log_severity_level = 4
    options.enable_cpu_mem_arena = False  # it never gives back what its largest page took; 15 % of the time
    options.intra_op_num_threads = num_threads
    options.inter_op_num_threads = 1
    return InferenceSession(without_denormals(path.read_bytes()), options, providers=["CPUExecutionProvider"])


def without_denormals(model: bytes) -> bytes:
    """An ONNX file with its denormal float32 weights set to 0."""
    flushed = bytearray(model)
    for number, start, end in _fields(model, 0, len(model)):
        if number != _GRAPH:
            continue
        for tensor, tensor_start, tensor_end in _fields(model, start, end):
            if tensor == _INITIALIZER:
                _flush(model, flushed, tensor_start, tensor_end)
    return bytes(flushed)


def _flush(model: bytes, flushed: bytearray, start: int, end: int) -> None:
    fields = {number: (start, end) for number, start, end in _fields(model, start, end)}
    if _RAW_DATA not in fields or _DATA_TYPE not in fields or _varint(model, fields[_DATA_TYPE][0])[0] != _FLOAT:
        return
    start, end = fields[_RAW_DATA]
    weights = np.frombuffer(flushed, "<f4", (end - start) // 4, start)
    weights[np.abs(weights) < np.finfo(np.float32).tiny] = 0


def _fields(message: bytes, place: int, end: int) -> Iterator[tuple[int, int, int]]:
    """(number, start, end) of each field of a protobuf message."""
    while place < end:
        key, place = _varint(message, place)
        match key & 7:
            case 0:
                after = _varint(message, place)[1]
            case 1:
                after = place + 8
            case 2:
                length, place = _varint(message, place)
                after = place + length
            case 5:
                after = place + 4
            case kind:
                raise ValueError(f"no protobuf message: field of kind {kind}")
        yield key >> 3, place, after
        place = after


def _varint(message: bytes, place: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = message[place]
        place += 1
        value |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            return value, place
