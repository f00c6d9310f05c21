"""The border of a page: an exception inside costs that page only, and is logged once.

Each step for a page (fetch, probe, draw, read, check, encode) is wrapped in one `except Exception`, which calls `page_error`.
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
    """The error as a PageError: `internal_error` with class and message, unless it is a PageError already.

    Raises `error` itself if it is no page's fault (EndsRun).
    """
    if isinstance(error, EndsRun):
        raise error
    if isinstance(error, PageError):
        return error
    _report(error, stage)
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
    """The error as a Failure. `said`: the engine's answer, if there was one; a text is kept as evidence."""
    failure = page_error(error, stage).failure(stage, task=task, page_index=page_index, region_index=region_index)
    return failure.model_copy(update={"raw_text": said}) if isinstance(said, str) and said else failure


def sentence(error: BaseException) -> str:
    """The class and message of an error, on one line."""
    try:
        text = str(error)
    except Exception:  # noqa: BLE001 - a library's exception may fail to give its message
        text = "(it has no message)"
    name = type(error).__name__
    return clean_message(f"{name}: {text}" if text else name)


@contextlib.contextmanager
def panics_raised() -> Iterator[None]:
    """Turns a panic of a Rust library, which PyO3 raises as a BaseException, into a RuntimeError, so that it costs one page
    only."""
    try:
        yield
    except BaseException as error:
        if type(error).__name__ != "PanicException":
            raise
        raise RuntimeError(f"panic: {error}") from error


def _report(error: Exception, stage: Stage) -> None:
    """Logs the traceback of the first error of a kind, and later only the count, ever more rarely. A kind is a class, a line of our
    code and a stage."""
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


def take_reports() -> tuple[str, ...]:
    """The reports since the last call, for the driver's log, because Ray keeps the logs of its workers to itself."""
    with _lock:
        reports = tuple(_untaken)
        _untaken.clear()
    return reports


def _place(error: Exception) -> str:
    """File and line of the innermost frame in our code, or of the innermost frame if none is ours."""
    frames = [(frame.f_code.co_filename, line) for frame, line in traceback.walk_tb(error.__traceback__)]
    ours = [place for place in frames if place[0].startswith(_OURS)]
    if not frames:
        return "an unknown line"
    file, line = (ours or frames)[-1]
    return f"{Path(file).name}:{line}"
