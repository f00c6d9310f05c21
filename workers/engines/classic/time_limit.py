"""A page's time limit. What reads it is one thread, which nothing can stop from outside: long loops ask whether time is left."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_end: ContextVar[float] = ContextVar("end of the page's time", default=float("inf"))


class OutOfTimeError(Exception):
    """The page takes longer than it may."""


@contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """`check_time` raises inside, once the time is over."""
    token = _end.set(time.monotonic() + seconds)
    try:
        yield
    finally:
        _end.reset(token)


def check_time() -> None:
    """Raises OutOfTimeError."""
    if time.monotonic() > _end.get():
        raise OutOfTimeError
