"""SIGTERM and Ctrl-C, which ask a run to stop."""

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator
from types import FrameType

_SIGNALS = (signal.SIGTERM, signal.SIGINT)


class Interrupted(Exception):
    """A signal ended the run. What is staged stays, and the same command goes on."""


class Stop:
    """A request to stop, which the run checks between two steps."""

    def __init__(self, *, is_second_raised: bool = False) -> None:
        self._is_second_raised = is_second_raised
        self._reason: str | None = None
        self.is_urgent = False
        """True after a second signal: the run skips what need not be done."""

    @property
    def is_asked(self) -> bool:
        return self._reason is not None

    def check(self) -> None:
        """Raises Interrupted if a signal came."""
        if self._reason is not None:
            raise Interrupted(self._reason)

    def _note(self, number: int, _: FrameType | None) -> None:
        self.is_urgent = self._reason is not None
        self._reason = self._reason or _name(number)
        if self.is_urgent and self._is_second_raised:
            raise KeyboardInterrupt


@contextlib.contextmanager
def signals_raise() -> Iterator[None]:
    """Makes both signals raise Interrupted wherever the run is. This is safe while it lists and plans."""

    def interrupt(number: int, _: FrameType | None) -> None:
        raise Interrupted(_name(number))

    with _handled_by(interrupt):
        yield


@contextlib.contextmanager
def signals_noted(*, is_second_raised: bool = False) -> Iterator[Stop]:
    """Makes both signals only set the Stop, however often they come, because an exception in the middle of Ray's code breaks Ray.
    With `is_second_raised` a second signal raises KeyboardInterrupt, for work without Ray.

    Enter this context after Ray has started: Ray installs a SIGTERM handler of its own, in C++, that aborts the process.
    """
    stop = Stop(is_second_raised=is_second_raised)
    with _handled_by(stop._note):
        yield stop


@contextlib.contextmanager
def _handled_by(handler: Callable[[int, FrameType | None], None]) -> Iterator[None]:
    """Handles both signals, and restores the handlers after. Does nothing outside the main thread, which alone may set handlers."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, handler) for number in _SIGNALS}
    try:
        yield
    finally:
        for number, earlier in before.items():
            signal.signal(number, earlier)


def _name(number: int) -> str:
    return f"stopped by {signal.Signals(number).name}"
