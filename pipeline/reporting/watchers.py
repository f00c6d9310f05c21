"""The observers of a command that reads documents: for a person or a log collector, and for Prometheus if the settings ask for
it."""

import contextlib
from collections.abc import Iterator
from typing import TextIO

from pipeline.reporting.json_log import EventLog, json_log
from pipeline.reporting.observer import Observer, Several
from pipeline.reporting.terminal import show_progress
from schemas.settings import Settings


@contextlib.contextmanager
def watched(settings: Settings, stream: TextIO, *, quiet: bool = False) -> Iterator[Observer]:
    """An observer for any number of runs, one after the other. Raises OperatorError if the metrics cannot be published."""
    with contextlib.ExitStack() as stack:
        observers: list[Observer] = []
        if settings.metrics.port is not None or settings.metrics.file is not None:
            from pipeline.reporting.metrics import published

            observers.append(stack.enter_context(published(settings.metrics, settings.engine)))
        if settings.log.format == "json":
            stack.enter_context(json_log(stream))
            observers.append(EventLog())
        else:
            observers.append(stack.enter_context(show_progress(stream, quiet=quiet)))
        yield Several(*observers)
