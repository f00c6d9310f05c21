"""Notices that a turn of the scheduler never ends. A GPU that hangs keeps the engine's thread waiting inside CUDA, and with it the
deadlines of all requests, which that thread looks at."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class Watchdog:
    """`expired` is called once, on a thread of its own, if a turn takes longer than `bound_s`."""

    def __init__(self, bound_s: float, expired: Callable[[], None], clock: Callable[[], float] = time.monotonic) -> None:
        self._bound_s, self._expired, self._clock = bound_s, expired, clock
        self._since: float | None = None
        self._is_over = threading.Event()
        threading.Thread(target=self._watch, name="ovis-watchdog", daemon=True).start()

    @contextmanager
    def turn(self) -> Iterator[None]:
        self._since = self._clock()
        try:
            yield
        finally:
            self._since = None

    def hangs(self) -> bool:
        """True if the turn that runs now has lasted too long."""
        now, since = self._clock(), self._since  # in this order: a turn that begins in between is younger than `now`
        return since is not None and now - since > self._bound_s

    def close(self) -> None:
        self._is_over.set()

    def _watch(self) -> None:
        while not self._is_over.wait(self._bound_s / 10):
            if self.hangs():
                self._expired()
                return
