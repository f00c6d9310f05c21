"""The checks of `pagefold doctor` for this engine: versions, device, memory, number format, kernels and model files."""

import os
import sysconfig
from importlib.metadata import PackageNotFoundError, version
from math import prod
from pathlib import Path
from shutil import which
from typing import Any

from schemas.settings import EngineSettings
from workers.engines.engine import EngineStartError

Check = tuple[str, bool, str]
"""(name, whether it is fine, what was found and will be used)."""

MINIMUM = {"torch": (2, 11), "transformers": (5, 10), "safetensors": (0, 6), "llguidance": (1, 7)}


def checks(settings: EngineSettings, *, runs_here: bool = True) -> list[Check]:
    """All checks. They load no weights. A check that cannot run is not fine, and says why. `runs_here`: True if the readers run on
    this machine, False if on nodes of a cluster, whose devices are not visible here."""
    found = packages()
    if not all(ok for _, ok, _ in found):
        return found
    device = _device(settings) if runs_here else _elsewhere(settings)
    has_device = runs_here and all(ok for name, ok, _ in device if name == "device")
    return [*found, *device, *_model(settings, has_device)]


def packages() -> list[Check]:
    """Checks the versions of packages without importing them."""
    return [_package(name, minimum) for name, minimum in MINIMUM.items()]


def _package(name: str, minimum: tuple[int, int]) -> Check:
    wanted = ".".join(map(str, minimum))
    try:
        installed = version(name)
    except PackageNotFoundError:
        return name, False, f"not installed; pip install 'pagefold[ovis]' brings {name} >= {wanted}"
    numbers = tuple(int(part) for part in installed.split("+")[0].split(".")[:2])
    return name, numbers >= minimum, installed if numbers >= minimum else f"{installed}, but {wanted} or later is needed"


def _elsewhere(settings: EngineSettings) -> list[Check]:
    from workers.engines.ovis.description import number_format

    gpus = f"{settings.num_gpus:g} GPUs of a node for each reader" if settings.num_gpus else "whatever the nodes have"
    return [("device", True, f"{gpus}; the nodes themselves are not looked at"), ("dtype", True, number_format(settings))]


def _device(settings: EngineSettings) -> list[Check]:
    import torch

    from workers.engines.ovis.decoding.device import available_memory, device_of
    from workers.engines.ovis.description import number_format

    try:
        device = device_of(settings)
    except EngineStartError as error:
        return [("device", False, str(error))]
    dtype = number_format(settings)
    if device.type == "cpu":
        threads = settings.ovis.num_threads or torch.get_num_threads()
        return [
            ("device", True, f"cpu, {threads} threads; slow, for trying things out"),
            ("dtype", True, dtype),
            ("memory", True, f"{available_memory() / 2**30:.1f} GiB free"),
            ("attention", True, "SDPA over the paged cache (reference)"),
        ]
    free, total = torch.cuda.mem_get_info(device)
    capability = torch.cuda.get_device_capability(device)
    is_new = capability >= (8, 0)
    attention, recorded, lacks = "the references in SDPA, as set", "not recorded: the reference cannot be", None
    if settings.ovis.attention == "auto":
        attention = f"SDPA, varlen, {_paged()}: the fastest that agrees with SDPA, measured at the start"
        lacks = _lacks_compiler()
        recorded = "CUDA graphs, where they measure faster" if settings.ovis.decode_graphs else "not recorded, as set"
    return [
        ("device", True, f"{torch.cuda.get_device_name(device)}, compute capability {capability[0]}.{capability[1]}"),
        ("dtype", is_new or dtype != "bfloat16", dtype if is_new else f"{dtype}; bfloat16 needs compute capability 8.0"),
        ("memory", free > 4 * 2**30, f"{free / 2**30:.1f} of {total / 2**30:.1f} GiB free"),
        ("attention", True, attention),
        *([("kernels", False, lacks)] if lacks else []),
        ("decode steps", True, recorded),
    ]


def _lacks_compiler() -> str | None:
    """What Triton lacks to compile the small C module by which it starts a kernel; None if nothing."""
    named = os.environ.get("CC")
    if not (which(named) if named else which("gcc") or which("clang")):
        missing = f"CC names {named}, which is not here" if named else "there is no C compiler (gcc or clang) here"
    elif not (Path(sysconfig.get_path("include")) / "Python.h").is_file():
        missing = f"Python's headers are not in {sysconfig.get_path('include')}"
    else:
        return None
    return f"{missing}: the paged kernel cannot be compiled and no decode step recorded, so decoding is slow"


def _paged() -> str:
    try:
        return f"paged (Triton {version('triton')})"
    except PackageNotFoundError:
        return "no paged kernel (Triton is not installed)"


def _model(settings: EngineSettings, has_device: bool) -> list[Check]:
    from workers.engines.ovis.checkpoint.loading import check_tensors, read_config, read_tokenizer
    from workers.engines.ovis.description import describe

    name = str(settings.model)
    try:
        describe(settings)
        if name.startswith("s3://"):
            return [("model", True, _in_bucket(name))]
        folder = _folder_of(name, settings.revision)
        if folder is None:
            return [("model", True, f"{name} at {settings.revision}: not here yet; from the hub when a run starts")]
        config = read_config(folder)
        check_tensors(folder, config)
        tokenizer = read_tokenizer(folder)
    except EngineStartError as error:
        return [("model", False, str(error))]
    found = ("model", True, f"{name}: {_size(config)}, {len(tokenizer)} tokens; every tensor is there")
    return [found, *([_weights(settings, folder)] if has_device else []), _cache(settings, config)]


def _in_bucket(uri: str) -> str:
    from workers.engines.ovis.checkpoint.bucket import identity, list_checkpoint

    files = list_checkpoint(uri)
    gigabytes = sum(file.size_bytes for file in files) / 1e9
    return f"{uri}: {len(files)} files, {gigabytes:.1f} GB, as {identity(files)}; fetched once per node when a run starts"


def _folder_of(name: str, revision: str | None) -> Path | None:
    """The model's folder, or the hub's cache of that commit; None if it is not on this machine."""
    if (folder := Path(name).expanduser()).is_dir():
        return folder
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    try:
        return Path(snapshot_download(name, revision=revision, local_files_only=True))
    except LocalEntryNotFoundError:
        return None


def _weights(settings: EngineSettings, folder: Path) -> Check:
    """Checks that the weights fit into the free memory."""
    import torch

    from workers.engines.ovis.checkpoint.files import stored_shapes
    from workers.engines.ovis.decoding.device import available_memory, device_of
    from workers.engines.ovis.description import number_format

    device, dtype = device_of(settings), number_format(settings)
    num_bytes = sum(prod(shape) for shape in stored_shapes(folder).values()) * getattr(torch, dtype).itemsize
    free = torch.cuda.mem_get_info(device)[0] if device.type == "cuda" else available_memory()
    fits = num_bytes < free
    where = "the GPU" if device.type == "cuda" else "this machine"
    said = f"{num_bytes / 1e9:.1f} GB in {dtype}, {free / 1e9:.1f} GB are free on {where}"
    return "weights", fits, said if fits else f"{said}: they do not fit"


def _size(config: Any) -> str:
    llm, vit = config.llm_config, config.vit_config
    return f"language model {llm.num_hidden_layers} x {llm.hidden_size}, vision {vit.num_hidden_layers} x {vit.hidden_size}"


def _cache(settings: EngineSettings, config: Any) -> Check:
    import torch

    from workers.engines.ovis.decoding.decoder import block_bytes
    from workers.engines.ovis.description import number_format

    per_token = block_bytes(config.llm_config, 1, getattr(torch, number_format(settings)))
    return "cache", True, f"{per_token / 1024:.0f} KiB a token; a page of 3,000 tokens takes {3000 * per_token / 2**20:.0f} MiB"
