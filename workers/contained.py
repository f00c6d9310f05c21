"""The border of a page: what is raised inside costs that page, and is told once.

Around what is done for a page (fetch, probe, draw, read, check, encode) stands one `except Exception`, and it calls `page_error`.
"""

import contextlib
import logging
import threading
import traceback
from collections import Counter, deque
from collections.abc import Iterator
from pathlib import Path

from schemas.errors import EndsRun
from schemas.failure import Failure, FailureKind, PageError, Stage, Task, clean_message, storable_text

_log = logging.getLogger(__name__)

_OURS = tuple(str(Path(__file__).parents[1] / package) for package in ("schemas", "workers", "pipeline"))
_MAX_TRACE_CHARS = 8000
_counts: Counter[tuple[str, str, str]] = Counter()
_untaken: deque[str] = deque(maxlen=100)
_lock = threading.Lock()


def page_error(error: Exception, stage: Stage) -> PageError:
    """The error as a page's own: `internal_error` with class and message, unless it is a PageError already.

    Raises `error` itself where no page can be blamed for it (EndsRun).
    """
    if isinstance(error, EndsRun):
        raise error
    if isinstance(error, PageError):
        return error
    _tell(error, stage)
    return PageError(FailureKind.internal_error, sentence(error))


def page_failure(
    error: Exception,
    stage: Stage,
    *,
    task: Task | None = None,
    page_index: int | None = None,
    region_index: int | None = None,
    said: object = None,
) -> Failure:
    """The same as a Failure. `said`: what the engine answered, where it did; kept as evidence if it is a text."""
    failure = page_error(error, stage).failure(stage, task=task, page_index=page_index, region_index=region_index)
    return failure.model_copy(update={"raw_text": said}) if isinstance(said, str) and said else failure


def sentence(error: BaseException) -> str:
    """Class and message, on one line."""
    try:
        text = str(error)
    except Exception:  # noqa: BLE001 - an exception of somebody else's, which cannot even say what it is
        text = "(it has no message)"
    name = type(error).__name__
    return clean_message(f"{name}: {text}" if text else name)


@contextlib.contextmanager
def panics_raised() -> Iterator[None]:
    """A panic of a library in Rust is no Exception to PyO3; to a page it is one."""
    try:
        yield
    except BaseException as error:
        if type(error).__name__ != "PanicException":
            raise
        raise RuntimeError(f"panic: {error}") from error


def _tell(error: Exception, stage: Stage) -> None:
    """The traceback of the first of its kind; of the others their number, ever more rarely. A kind is a class, a line of ours and a
    stage."""
    kind = (type(error).__name__, _place(error), stage)
    with _lock:
        _counts[kind] += 1
        count = _counts[kind]
    what = f"{kind[0]} at {kind[1]} ({stage})"
    if count == 1:
        trace = storable_text("".join(traceback.format_exception(error)))
        text = f"{what}, contained: it costs its page\n{trace[-_MAX_TRACE_CHARS:]}"
    elif count in (10, 100, 1000) or count % 10_000 == 0:
        text = f"{what}: {count} times so far in one process"
    else:
        return
    _log.error(text)
    with _lock:
        _untaken.append(text)


def take_told() -> tuple[str, ...]:
    """What was told since this was last asked: for a log in another process, for Ray keeps those of its workers to itself."""
    with _lock:
        told = tuple(_untaken)
        _untaken.clear()
    return told


def _place(error: Exception) -> str:
    """File and line of the innermost frame of ours; of the innermost of all where none is ours."""
    frames = [(frame.f_code.co_filename, line) for frame, line in traceback.walk_tb(error.__traceback__)]
    ours = [place for place in frames if place[0].startswith(_OURS)]
    if not frames:
        return "an unknown line"
    file, line = (ours or frames)[-1]
    return f"{Path(file).name}:{line}"
