"""How a run is told to stop: SIGTERM and Ctrl-C."""

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator
from types import FrameType

_SIGNALS = (signal.SIGTERM, signal.SIGINT)


class Interrupted(Exception):
    """What is staged stays, the same command goes on."""


class Stop:
    """A request to stop, to be looked at between two steps."""

    def __init__(self, *, is_second_raised: bool = False) -> None:
        self._is_second_raised = is_second_raised
        self._reason: str | None = None
        self.is_urgent = False
        """Asked more than once: what may be left undone is left."""

    @property
    def is_asked(self) -> bool:
        return self._reason is not None

    def check(self) -> None:
        """Raises Interrupted once a signal came."""
        if self._reason is not None:
            raise Interrupted(self._reason)

    def _note(self, number: int, _: FrameType | None) -> None:
        self.is_urgent = self._reason is not None
        self._reason = self._reason or _name(number)
        if self.is_urgent and self._is_second_raised:
            raise KeyboardInterrupt


@contextlib.contextmanager
def signals_raise() -> Iterator[None]:
    """Both signals raise Interrupted wherever the run is: for listing and planning."""

    def interrupt(number: int, _: FrameType | None) -> None:
        raise Interrupted(_name(number))

    with _handled_by(interrupt):
        yield


@contextlib.contextmanager
def signals_noted(*, is_second_raised: bool = False) -> Iterator[Stop]:
    """Both signals are noted only, however often they come: an exception out of the middle of Ray's own code leaves it in disorder.
    Where no Ray is at work, a second one may raise KeyboardInterrupt.

    To be entered once Ray has started: it brings a SIGTERM handler of its own, in C++, that aborts the process.
    """
    stop = Stop(is_second_raised=is_second_raised)
    with _handled_by(stop._note):
        yield stop


@contextlib.contextmanager
def _handled_by(handler: Callable[[int, FrameType | None], None]) -> Iterator[None]:
    """Only in the main thread; elsewhere signals are not ours."""
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
