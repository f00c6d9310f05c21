"""Chooses the device and the memory of the key/value cache."""

import logging
import os
from typing import Any

import torch

from schemas.settings import EngineSettings, OvisSettings
from workers.engines.engine import EngineStartError
from workers.engines.ovis.decoding.decoder import block_bytes

log = logging.getLogger(__name__)

CUDA_SHARE = 0.9
"""Share of the GPU's memory (or of this actor's part) that is used. The rest is for the driver and fragmentation."""
CUDA_WORK_BYTES = 3 * 2**30
"""Memory for activations: one vision pass of 16,384 patches, a packed prefill, logits of a full batch."""
CPU_SHARE = 0.25
"""Share of the free memory at the start that the cache may take."""
CPU_MAX_BYTES = 4 * 2**30


def choose_device(wanted: str) -> torch.device:
    """The device for `engine.ovis.device`. Raises EngineStartError if a GPU is asked for and there is none."""
    if wanted == "auto":
        if not torch.cuda.is_available():
            log.warning("no GPU here: Ovis2.5 runs on the CPU, which is right for trying things out and slow for anything else")
            return torch.device("cpu")
        return torch.device("cuda")
    try:
        device = torch.device(wanted)
    except RuntimeError as error:
        raise EngineStartError(f"engine.ovis.device is {wanted!r}; auto, cuda and cpu are known.") from error
    if device.type == "cuda" and not torch.cuda.is_available():
        raise EngineStartError("engine.ovis.device is cuda, but torch sees no CUDA device here.")
    if device.type not in ("cuda", "cpu"):
        raise EngineStartError(f"engine.ovis.device is {wanted!r}; auto, cuda and cpu are known.")
    return device


def device_of(settings: EngineSettings) -> torch.device:
    """The device of a reader. Raises EngineStartError if the reader has a GPU that torch does not see."""
    device = choose_device(settings.ovis.device)
    if device.type == "cpu" and settings.ovis.device == "auto" and settings.num_gpus > 0:
        raise EngineStartError(f"engine.num_gpus is {settings.num_gpus:g}, but torch sees no CUDA device here.")
    return device


def device_name(device: torch.device) -> str:
    """The device's name for a person: the card's, or that it is the CPU, and why."""
    if device.type == "cuda":
        return str(torch.cuda.get_device_name(device))
    return "on the CPU" if torch.cuda.is_available() else "on the CPU, for there is no GPU"


def num_blocks(config: Any, settings: OvisSettings, device: torch.device, dtype: torch.dtype, gpu_share: float) -> int:
    """Number of blocks of the key/value cache: as many as the setting or the free memory allows, at most what a full batch can use.

    Raises EngineStartError if not even one short request would fit.
    """
    size = block_bytes(config, settings.kv_block_tokens, dtype)
    most = settings.max_batch * -(-int(config.max_position_embeddings) // settings.kv_block_tokens)
    given = settings.kv_cache_bytes if settings.kv_cache_bytes is not None else free_bytes(device, gpu_share)
    blocks = min(given // size, most)
    if blocks * settings.kv_block_tokens < 1024:
        raise EngineStartError(
            f"{given / 2**20:.0f} MiB are left for the key/value cache: {blocks * settings.kv_block_tokens} tokens, and a page "
            "needs thousands; use a larger GPU, a smaller model, or raise engine.ovis.kv_cache_bytes."
        )
    return int(blocks)


def free_bytes(device: torch.device, gpu_share: float) -> int:
    """Bytes that the cache may take. The weights must be loaded already."""
    if device.type == "cuda":
        free, total = torch.cuda.mem_get_info(device)
        ours = int(total * min(1.0, gpu_share) * CUDA_SHARE) - torch.cuda.memory_allocated(device)
        return max(0, min(ours, int(free * CUDA_SHARE)) - CUDA_WORK_BYTES)
    return min(int(available_memory() * CPU_SHARE), CPU_MAX_BYTES)


def available_memory() -> int:
    """Bytes of host memory that are available without swapping."""
    try:
        with open("/proc/meminfo", encoding="ascii") as file:
            fields = dict(line.split(":", 1) for line in file)
        return int(fields["MemAvailable"].split()[0]) * 1024
    except (OSError, KeyError, ValueError):
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2


def synchronise(device: torch.device) -> None:
    """Waits for all queued work of the device."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def still_works(device: torch.device) -> bool:
    """True if the device still computes after an error that may have broken it, such as one while recording."""
    try:
        synchronise(device)
        return bool(torch.ones(1, device=device).item() == 1)
    except RuntimeError:
        return False


def is_sticky(error: BaseException) -> bool:
    """True for a CUDA error after which this process can compute nothing any more. Out of memory is not one."""
    if isinstance(error, torch.OutOfMemoryError):
        return False
    return isinstance(error, getattr(torch, "AcceleratorError", ())) or "CUDA error" in str(error)
