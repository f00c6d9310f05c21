"""In what order, and where. From Python: `pipeline.run(input, output, settings)` returns the run's summary,
`pipeline.document(output, name)` what was read of a document."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pipeline.documents.reading import document, read_documents
    from pipeline.runner import retry, run

__all__ = ["document", "read_documents", "retry", "run"]
_PLACES = {"document": "documents.reading", "read_documents": "documents.reading", "retry": "runner", "run": "runner"}


def __getattr__(name: str) -> Any:
    """Imported on first use: `pagefold --help` shall not wait for Arrow."""
    if name in __all__:
        from importlib import import_module

        return getattr(import_module(f"pipeline.{_PLACES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
