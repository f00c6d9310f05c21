"""The order of the work and the place where it runs. From Python, `pipeline.run(input, output, settings)` returns the summary."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pipeline.runner import retry, run

__all__ = ["retry", "run"]


def __getattr__(name: str) -> Any:
    """The two functions are imported on first use, so that `pagefold --help` does not wait for Arrow."""
    if name in __all__:
        from importlib import import_module

        return getattr(import_module("pipeline.runner"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
