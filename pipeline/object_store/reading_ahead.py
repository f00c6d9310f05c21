"""Reads many objects of a store in their order, some of them ahead, so that a store that takes its time is not waited for each
time."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

AT_ONCE = 16
"""Objects that are read at once. All that has been read and not been taken yet is in memory."""


def read_ahead(read: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
    """Gives `read(item)` for each item, in order. An exception is raised in its place, and nothing is read after it."""
    with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="ahead") as pool:
        running: deque[Future[Result]] = deque()
        try:
            for item in items:
                running.append(pool.submit(read, item))
                if len(running) == AT_ONCE:
                    yield running.popleft().result()
            while running:
                yield running.popleft().result()
        finally:
            for future in running:
                future.cancel()
