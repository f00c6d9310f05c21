"""Describes the model and its number format for recipes, before any work and without torch, because answers depend on both."""

import ctypes
import re
from pathlib import Path
from typing import Literal

from schemas.settings import EngineSettings
from workers.engines.engine import EngineInfo, EngineStartError
from workers.engines.ovis.checkpoint.bucket import check_listing, identity, list_checkpoint
from workers.engines.ovis.checkpoint.files import check_files, fingerprint

IMPLEMENTATION = 2
"""Part of the recipe. It is raised when the same weights and settings give other answers."""


def describe(settings: EngineSettings) -> EngineInfo:
    """Describes the engine without loading the model. It reads what a folder or prefix holds, so that another checkpoint in the
    same place is another recipe.

    Raises EngineStartError if the model's name is not usable or its files are not complete.
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
    """The number format for `engine.ovis.dtype`, found without torch. It changes answers, so it must be known before any work."""
    if settings.ovis.dtype != "auto":
        return settings.ovis.dtype
    if settings.ovis.device != "auto":
        return "float32" if settings.ovis.device == "cpu" else "bfloat16"
    return "bfloat16" if settings.num_gpus > 0 or has_cuda() else "float32"


def has_cuda() -> bool:
    """True if CUDA's driver finds a device. The driver respects CUDA_VISIBLE_DEVICES."""
    try:
        cuda = ctypes.CDLL("libcuda.so.1")
    except OSError:
        return False
    count = ctypes.c_int()
    return cuda.cuInit(0) == 0 and cuda.cuDeviceGetCount(ctypes.byref(count)) == 0 and count.value > 0


def model_of(settings: EngineSettings) -> str:
    """The model's name. Raises EngineStartError for a name that may stand for other weights tomorrow."""
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
    """The checkpoint's identity; None for a hub id, whose commit identifies it."""
    if model.startswith("s3://"):
        files = list_checkpoint(model)
        check_listing(model, files)
        return identity(files)
    if (folder := Path(model).expanduser()).is_dir():
        check_files(folder)
        return fingerprint(folder)
    return None
