"""The engine `ovis` runs Ovis2.5 in this process: our own implementation on the official weights, with continuous batching.

Only `make` imports torch. `import workers.engines.ovis.auto` makes transformers' Auto classes know the model, for use outside
Pagefold.
"""

from pathlib import Path

from schemas.settings import EngineSettings
from workers.engines.engine import Engine, EngineStartError
from workers.engines.ovis.description import describe, has_cuda, model_of

__all__ = ["check", "describe", "make"]


def check(settings: EngineSettings, *, runs_here: bool) -> None:
    """Raises EngineStartError if a package, the folder of the model or the device is missing on this machine. It does not import
    torch."""
    if not runs_here:
        return
    from workers.engines.ovis.doctor import packages

    for name, is_fine, detail in packages():
        if not is_fine:
            raise EngineStartError(f"The engine `ovis` needs {name}: {detail}.")
    model = model_of(settings)
    if model.startswith((".", "/", "~")) and not Path(model).expanduser().is_dir():
        raise EngineStartError(f"There is no folder {model} with a model for the engine `ovis`.")
    if settings.ovis.device.startswith("cuda") and not has_cuda():
        raise EngineStartError(f"engine.ovis.device is {settings.ovis.device}, and there is no CUDA device here.")


def make(settings: EngineSettings) -> Engine:
    """The engine, not started yet: `start` fetches and loads the model. Raises EngineStartError, and ModuleNotFoundError without
    the extra `ovis`."""
    from workers.engines.ovis.engine import OvisEngine

    model_of(settings)
    return OvisEngine(settings)
