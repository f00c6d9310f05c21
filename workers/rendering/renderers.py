"""Renderers that the stages of one process share, each with a sandboxed child of its own."""

import contextlib
import threading
from collections.abc import Callable, Iterator

from workers.rendering.renderer import Renderer


class Renderers:
    """Lends a renderer to one thread at a time. The one that was used last goes out first, because it has the document open."""

    def __init__(self, make: Callable[[], Renderer], most: int) -> None:
        self._make = make
        self._free = threading.Semaphore(most)
        self._idle: list[Renderer] = []

    @contextlib.contextmanager
    def lent(self) -> Iterator[Renderer]:
        """A renderer for as long as the context is open. Waits while all are out."""
        with self._free:
            renderer = self._idle.pop() if self._idle else self._make()
            try:
                yield renderer
            finally:
                self._idle.append(renderer)

    def add(self, renderer: Renderer) -> None:
        """Adds a renderer that was made elsewhere."""
        self._idle.append(renderer)

    def next(self) -> Renderer:
        """The renderer that goes out next."""
        if not self._idle:
            self._idle.append(self._make())
        return self._idle[-1]
