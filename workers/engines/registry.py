"""Chooses the engine by `settings.name` and imports its module only when it is needed.

An engine's module offers these functions:
- `describe(settings) -> EngineInfo`, pure and light, for recipes and `pagefold plan`;
- `make(settings) -> Engine`, which is not started yet;
- `portable(settings)`, if its settings may name a file of this machine;
- `check(settings, runs_here=...)`, if it can find mistakes before it starts.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Protocol, cast

from schemas.settings import EngineName, EngineSettings
from workers.engines.engine import Engine, EngineInfo, EngineStartError


class _EngineModule(Protocol):
    def describe(self, settings: EngineSettings) -> EngineInfo: ...
    def make(self, settings: EngineSettings) -> Engine: ...


MODULES: dict[EngineName, str] = {
    "classic": "workers.engines.classic",
    "server": "workers.engines.server",
    "ovis": "workers.engines.ovis",
    "scripted": "workers.engines.scripted",
}

# Modules of the extra `ovis`. Any other missing module is a bug of ours, and the error is raised as it is.
_EXTRA_OVIS = frozenset({"torch", "transformers", "safetensors", "llguidance"})


def describe_engine(settings: EngineSettings) -> EngineInfo:
    """What identifies the engine in recipes and rows. It loads no model. Raises EngineStartError."""
    with _missing_extra_explained(settings.name):
        return _module(settings.name).describe(settings)


def check_engine(settings: EngineSettings, *, runs_here: bool) -> None:
    """Raises EngineStartError for every mistake of the operator's that can be found without starting anything.

    runs_here: True if the readers run on this machine, False if on nodes of a cluster, whose files and packages are not visible
    here.
    """
    module = _module(settings.name)
    if hasattr(module, "check"):
        module.check(settings, runs_here=runs_here)


def make_engine(settings: EngineSettings) -> Engine:
    """The engine, which `await engine.start()` starts. Raises EngineStartError."""
    with _missing_extra_explained(settings.name):
        return _module(settings.name).make(settings)


def describe_layers() -> EngineInfo:
    """What reads text layers in place of a model."""
    from workers.engines.classic.layers import INFO

    return INFO


def make_layers(settings: EngineSettings) -> Engine:
    from workers.engines.classic.layers import TextLayers

    return TextLayers(settings.timeout_s)


def portable(settings: EngineSettings) -> EngineSettings:
    """The settings for other machines: they contain the content of files that exist on this machine alone. Raises
    EngineStartError."""
    module = _module(settings.name)
    return module.portable(settings) if hasattr(module, "portable") else settings


def _module(name: EngineName) -> _EngineModule:
    return cast(_EngineModule, import_module(MODULES[name]))


@contextmanager
def _missing_extra_explained(name: EngineName) -> Iterator[None]:
    try:
        yield
    except ModuleNotFoundError as error:
        missing = (error.name or "").partition(".")[0]
        if name == "ovis" and missing in _EXTRA_OVIS:
            raise EngineStartError(f"The engine `ovis` needs {missing}: pip install 'pagefold[ovis]'.") from error
        if error.name == MODULES[name]:
            raise EngineStartError(f"This version of pagefold has no engine `{name}` yet.") from error
        raise
