"""Ovis2.5 in this process: our own implementation on the official weights, batched continuously. torch is imported by `make` only.

`import workers.engines.ovis.auto` makes transformers' Auto classes know the model, for use outside Pagefold.
"""

from pathlib import Path

from schemas.settings import EngineSettings
from workers.engines.engine import Engine, EngineInfo, EngineStartError

IMPLEMENTATION = 2
"""Part of the recipe: raised when the same weights and settings would answer differently."""


def describe(settings: EngineSettings) -> EngineInfo:
    """Loads nothing; of a local checkpoint it samples the files, so that other weights are another recipe.

    Raises EngineStartError when the model is not named well, or a local one is incomplete: before any work.
    """
    from workers.engines.ovis.loading import check_files, fingerprint

    model = _model_of(settings)
    is_local = not model.startswith("s3://") and Path(model).expanduser().is_dir()
    if is_local:
        check_files(Path(model).expanduser())
    ovis = settings.ovis
    return EngineInfo(
        name="ovis",
        model=model,
        revision=settings.revision,
        takes_prefix=True,
        options={
            "checkpoint": fingerprint(Path(model).expanduser()) if is_local else None,
            "dtype": ovis.dtype,
            "implementation": IMPLEMENTATION,
        },
        chart_options={"chart_thinking_tokens": ovis.chart_thinking_tokens},
    )


def make(settings: EngineSettings) -> Engine:
    """Not started: `start` fetches and loads the model. Raises EngineStartError; ModuleNotFoundError without the extra `ovis`."""
    from workers.engines.ovis.engine import OvisEngine

    _model_of(settings)
    return OvisEngine(settings)


def _model_of(settings: EngineSettings) -> str:
    """Refuses what could mean one model today and another tomorrow."""
    model = settings.model
    if not model:
        raise EngineStartError(
            "The engine `ovis` needs a model: a folder, an `s3://` prefix, or a hub id such as AIDC-AI/Ovis2.5-2B."
        )
    is_path = model.startswith(("s3://", ".", "/", "~")) or Path(model).is_dir()
    if not is_path and settings.revision is None:
        raise EngineStartError(
            f"Pin the revision of {model} (engine.revision, a commit of the hub): a hub id alone can change its weights."
        )
    return model
