"""Notices that a turn of the scheduler never ends. A GPU that hangs keeps the engine's thread waiting inside CUDA, and with it the
deadlines of all requests, which that thread looks at."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class Watchdog:
    """`expired` is called once, on a thread of its own, if a turn takes longer than `bound_s`."""

    def __init__(self, bound_s: float, expired: Callable[[], None]) -> None:
        self._bound_s, self._expired = bound_s, expired
        self._since: float | None = None
        self._is_over = threading.Event()
        threading.Thread(target=self._watch, name="ovis-watchdog", daemon=True).start()

    @contextmanager
    def turn(self) -> Iterator[None]:
        self._since = time.monotonic()
        try:
            yield
        finally:
            self._since = None

    def close(self) -> None:
        self._is_over.set()

    def _watch(self) -> None:
        while not self._is_over.wait(self._bound_s / 10):
            since = self._since
            if since is not None and time.monotonic() - since > self._bound_s:
                self._expired()
                return
