"""Reads objects that the output keeps as JSON or Arrow. A damaged object is an error that names its path and what to do."""

import contextlib
import time
from collections.abc import Callable
from typing import TypeVar

from pydantic import BaseModel

from pipeline.object_store.store import Damaged, Store

Parsed = TypeVar("Parsed")
Model = TypeVar("Model", bound=BaseModel)

_NOT_PARSED = (ValueError, KeyError, TypeError, OSError)
"""Exceptions of Pydantic, Arrow and JSON for bytes that they cannot parse."""
_AGAIN_AFTER_S = 0.5
"""Pause before a second try, which succeeds if the body was only cut in transfer or the store was repairing itself."""


def read_object(
    store: Store, path: str, parse: Callable[[bytes], Parsed], what: str, remedy: str, *, body: bytes | None = None
) -> Parsed:
    """Gives what `parse` makes of the object at `path`. The object is fetched once more before it is called damaged.

    `body` is its content where that has been fetched already, `what` names the object (`a plan`), and `remedy` says what the
    operator can do. Raises FileNotFoundError, Damaged.
    """
    body = store.get(path) if body is None else body
    with contextlib.suppress(*_NOT_PARSED):
        return parse(body)
    time.sleep(_AGAIN_AFTER_S)
    body = store.get(path)
    try:
        return parse(body)
    except _NOT_PARSED as error:
        reason = (str(error).splitlines() or [""])[0][:200]
        raise Damaged(f"{store.uri(path)} is damaged and no longer {what} ({type(error).__name__}: {reason}); {remedy}.") from None


def read_model(store: Store, path: str, model: type[Model], what: str, remedy: str) -> Model:
    """The same for the JSON of a Pydantic model."""
    return read_object(store, path, model.model_validate_json, what, remedy)
