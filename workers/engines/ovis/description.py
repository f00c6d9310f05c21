"""Which model it is, and in which numbers: known before any work and without torch, because answers depend on it."""

import ctypes
import re
from pathlib import Path
from typing import Literal

from schemas.settings import EngineSettings
from workers.engines.engine import EngineInfo, EngineStartError
from workers.engines.ovis.checkpoint.bucket import check_listing, identity, list_checkpoint
from workers.engines.ovis.checkpoint.loading import check_files, fingerprint

IMPLEMENTATION = 2
"""Part of the recipe: raised when the same weights and settings would answer differently."""


def describe(settings: EngineSettings) -> EngineInfo:
    """Loads nothing; what a folder or a prefix holds is looked at, so that another checkpoint in its place is another recipe.

    Raises EngineStartError when the model is not named well, or is not whole: before any work.
    """
    model = model_of(settings)
    return EngineInfo(
        name="ovis",
        model=model,
        revision=settings.revision,
        takes_prefix=True,
        options={
            "checkpoint": _checkpoint(model),
            "dtype": number_format(settings),
            "implementation": IMPLEMENTATION,
        },
        chart_options={"chart_thinking_tokens": settings.ovis.chart_thinking_tokens},
    )


def number_format(settings: EngineSettings) -> Literal["bfloat16", "float32"]:
    """What `engine.ovis.dtype` amounts to, told without torch: it changes answers, and so must be known before any work."""
    if settings.ovis.dtype != "auto":
        return settings.ovis.dtype
    if settings.ovis.device != "auto":
        return "float32" if settings.ovis.device == "cpu" else "bfloat16"
    return "bfloat16" if settings.num_gpus > 0 or has_cuda() else "float32"


def has_cuda() -> bool:
    """By CUDA's own driver, which heeds CUDA_VISIBLE_DEVICES."""
    try:
        cuda = ctypes.CDLL("libcuda.so.1")
    except OSError:
        return False
    count = ctypes.c_int()
    return cuda.cuInit(0) == 0 and cuda.cuDeviceGetCount(ctypes.byref(count)) == 0 and count.value > 0


def model_of(settings: EngineSettings) -> str:
    """Refuses what could mean one model today and another tomorrow."""
    model = settings.model
    if not model:
        raise EngineStartError(
            "The engine `ovis` needs a model: a folder, an `s3://` prefix, or a hub id such as AIDC-AI/Ovis2.5-2B."
        )
    is_path = model.startswith(("s3://", ".", "/", "~")) or Path(model).is_dir()
    if not is_path and not re.fullmatch("[0-9a-f]{40}", settings.revision or ""):
        raise EngineStartError(
            f"Pin the revision of {model} (engine.revision, a commit of the hub, 40 hex digits): a hub id, a branch or a tag can "
            "change its weights."
        )
    return model


def _checkpoint(model: str) -> str | None:
    """Which one it is; None for the hub's, whose commit says it."""
    if model.startswith("s3://"):
        files = list_checkpoint(model)
        check_listing(model, files)
        return identity(files)
    if (folder := Path(model).expanduser()).is_dir():
        check_files(folder)
        return fingerprint(folder)
    return None
