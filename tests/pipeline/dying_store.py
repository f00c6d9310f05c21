"""A store whose user is killed at one of its writes."""

from collections.abc import Iterable
from typing import Any

from pipeline.object_store.store import Store


class Killed(BaseException):
    """Stands for SIGKILL. It is a BaseException, so that no code catches it."""


class DyingStore:
    """A store that dies at its write number `at`, before or after it; `at` 3.5 is after the third and before the fourth. A deletion
    of several objects may also die in the middle."""

    def __init__(self, store: Store, at: float) -> None:
        self._store, self._at = store, at
        self.num_writes = 0

    def _write(self, name: str, *arguments: Any) -> Any:
        self.num_writes += 1
        if self._at == self.num_writes - 0.5:
            raise Killed
        result = getattr(self._store, name)(*arguments)
        if self._at == self.num_writes:
            raise Killed
        return result

    def create(self, path: str, body: bytes) -> Any:
        return self._write("create", path, body)

    def put(self, path: str, body: bytes) -> Any:
        return self._write("put", path, body)

    def delete(self, paths: Iterable[str]) -> None:
        for path in paths:
            self._write("delete", [path])

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)
