"""The store in a local folder, for one machine: `link(2)` creates, `flock` guards replacing."""

import fcntl
import hashlib
import os
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

from pipeline.store import Conflict, Exists, Stored, StoreError, Versioned

_TEMPORARY = "_tmp-"


class LocalStore:
    """A file appears under its name complete or not at all: it is written, and synced, under a name that starts with `_tmp-`."""

    def __init__(self, root: str) -> None:
        self.root = os.path.abspath(os.path.expanduser(root))
        if os.path.exists(self.root) and not os.path.isdir(self.root):
            raise StoreError(f"The output {root} is a file, not a folder.")

    def create(self, path: str, body: bytes) -> str:
        target = self._target(path)
        temporary = self._write(target, body)
        try:
            os.link(temporary, target)
        except FileExistsError:
            raise Exists(path) from None
        finally:
            os.unlink(temporary)
        _sync_folder(target.parent)
        return _etag(body)

    def put(self, path: str, body: bytes) -> None:
        target = self._target(path)
        os.replace(self._write(target, body), target)
        _sync_folder(target.parent)

    def get(self, path: str) -> bytes:
        return self._target(path).read_bytes()

    def get_versioned(self, path: str) -> Versioned:
        target = self._target(path)
        with target.open("rb") as file:
            body, status = file.read(), os.fstat(file.fileno())
        return Versioned(body, _etag(body), _time(status.st_mtime), datetime.now(UTC))

    def replace(self, path: str, body: bytes, etag: str) -> str:
        target = self._target(path)
        with self._lock():
            try:
                current = _etag(target.read_bytes())
            except FileNotFoundError:
                raise Conflict(path) from None
            if current != etag:
                raise Conflict(path)
            os.replace(self._write(target, body), target)
        _sync_folder(target.parent)
        return _etag(body)

    def list(self, prefix: str) -> Iterator[Stored]:
        folder = Path(self.root, prefix.rpartition("/")[0])
        found = []
        for parent, _, names in os.walk(folder):
            relative = os.path.relpath(parent, self.root).replace(os.sep, "/")
            for name in names:
                path = name if relative == "." else f"{relative}/{name}"
                if path.startswith(prefix) and not name.startswith(_TEMPORARY):
                    found.append(path)
        for path in sorted(found):
            try:
                status = os.stat(os.path.join(self.root, path))
            except FileNotFoundError:
                continue  # deleted meanwhile
            yield Stored(path, status.st_size, f"{status.st_mtime_ns}-{status.st_ino}", _time(status.st_mtime))

    def delete(self, paths: Iterable[str]) -> None:
        for path in paths:
            target = self._target(path)
            target.unlink(missing_ok=True)
            self._prune(target.parent)

    def uri(self, path: str) -> str:
        return os.path.join(self.root, path)

    def _target(self, path: str) -> Path:
        if path.startswith("/") or ".." in path.split("/"):
            raise ValueError(f"not a path below the root: {path}")
        return Path(self.root, path)

    def _write(self, target: Path, body: bytes) -> Path:
        """A synced temporary file beside `target`."""
        temporary = target.parent / f"{_TEMPORARY}{uuid4().hex}"
        try:
            for _ in range(3):
                try:
                    target.parent.mkdir(parents=True, exist_ok=True)
                    file = temporary.open("xb")
                    break
                except FileNotFoundError:
                    continue  # a neighbour's delete pruned the empty folder between the two steps
            else:
                raise StoreError(f"The folder {target.parent} cannot be made.")
            with file:
                file.write(body)
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            temporary.unlink(missing_ok=True)
            raise StoreError(f"Cannot write below {self.root}: {error.strerror or error}.") from error
        return temporary

    def _lock(self) -> "_Flock":
        folder = Path(self.root, "_pagefold")
        folder.mkdir(parents=True, exist_ok=True)
        return _Flock(folder / f"{_TEMPORARY}lock")

    def _prune(self, folder: Path) -> None:
        """Drop folders below `_pagefold` that are empty now."""
        top = Path(self.root, "_pagefold")
        while folder != top and top in folder.parents:
            try:
                folder.rmdir()
            except OSError:
                return
            folder = folder.parent


class _Flock:
    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> None:
        self._file = self._path.open("a")
        fcntl.flock(self._file, fcntl.LOCK_EX)

    def __exit__(self, *_: object) -> None:
        self._file.close()


def _etag(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()[:32]


def _time(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def _sync_folder(folder: Path) -> None:
    """The new name survives a power cut, not only the bytes."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
