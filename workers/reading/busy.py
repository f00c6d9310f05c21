"""Measures how long an engine was at work, however many requests it had at once."""

import time
from types import TracebackType


class Busy:
    """A context that each request enters, all on one thread. `seconds` is the time in which at least one request was inside."""

    def __init__(self) -> None:
        self._num_inside = 0
        self._since = self._before = 0.0

    @property
    def seconds(self) -> float:
        return self._before + (time.monotonic() - self._since if self._num_inside else 0.0)

    def __enter__(self) -> None:
        if not self._num_inside:
            self._since = time.monotonic()
        self._num_inside += 1

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._num_inside -= 1
        if not self._num_inside:
            self._before += time.monotonic() - self._since
