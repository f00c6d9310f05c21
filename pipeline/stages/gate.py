"""A gate for readings that stand beside each other, and for those that must stand alone."""

import asyncio
import contextlib
from typing import Any

LINGER_S = 1.0
"""Pause after a chunk that was read alone, so that its receipt has left the process before the next chunk may crash it."""


class Gate:
    """Lets in many readers, or one alone. A reader that waits to be alone holds back those that come after it."""

    def __init__(self) -> None:
        self._turnstile = asyncio.Lock()
        self._num_inside = 0
        self._empty = asyncio.Event()
        self._empty.set()

    @contextlib.asynccontextmanager
    async def shared(self) -> Any:
        async with self._turnstile:
            self._num_inside += 1
            self._empty.clear()
        try:
            yield
        finally:
            self._num_inside -= 1
            if not self._num_inside:
                self._empty.set()

    @contextlib.asynccontextmanager
    async def alone(self) -> Any:
        await self._turnstile.acquire()
        try:
            await self._empty.wait()
            yield
        finally:
            asyncio.get_running_loop().call_later(LINGER_S, self._turnstile.release)
