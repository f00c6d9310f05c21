"""The store in a local folder, for one machine. `link(2)` creates files, and `flock` guards their replacement.

A file appears under its name complete or not at all: it is written under a name that starts with `_tmp-`, which listings and query
engines skip. The file is synced before it gets its name, and its folder after, so that a power cut leaves no manifest without its
files. What a killed process leaves behind is removed an hour later.
"""

import contextlib
import errno
import fcntl
import hashlib
import os
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import BinaryIO
from uuid import uuid4

from pipeline.object_store.store import Conflict, Exists, StoredObject, StoreError, Versioned

_TEMPORARY = "_tmp-"
_SWEPT_AFTER_S = 3600
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class LocalStore:
    def __init__(self, root: str, *, unsafe_single_writer: bool = False) -> None:
        self.root = os.path.abspath(os.path.expanduser(root))
        self._unsafe = unsafe_single_writer
        if os.path.exists(self.root) and not os.path.isdir(self.root):
            raise StoreError(f"The output {root} is a file, not a folder.")
        if any("\ud800" <= char <= "\udfff" for char in self.root):
            raise StoreError(f"The output {root} has a name that is not UTF-8, which DuckDB does not open: name another folder.")

    def limited(self, *, timeout_s: float, max_tries: int) -> "LocalStore":
        return self

    def create(self, path: str, body: bytes) -> str:
        target = self._target(path)

        def link(temporary: Path) -> None:
            if self._unsafe:  # for file systems without hard links
                if target.exists():
                    raise Exists(path)
                os.replace(temporary, target)
                return
            try:
                os.link(temporary, target)
            except FileExistsError:
                raise Exists(path) from None

        self._write(target, body, link)
        return _etag(body)

    def put(self, path: str, body: bytes) -> None:
        target = self._target(path)
        self._write(target, body, lambda temporary: os.replace(temporary, target))

    def get(self, path: str) -> bytes:
        return self._read(path)[0]

    def get_versioned(self, path: str) -> Versioned:
        body, status = self._read(path)
        return Versioned(body, _etag(body), _time(status.st_mtime_ns), self._now())

    def replace(self, path: str, body: bytes, etag: str) -> str:
        target = self._target(path)
        with self._lock():
            try:
                current = _etag(self.get(path))
            except FileNotFoundError:
                raise Conflict(path) from None
            if current != etag:
                raise Conflict(path)
            self._write(target, body, lambda temporary: os.replace(temporary, target))
        return _etag(body)

    def list(self, prefix: str) -> Iterator[StoredObject]:
        for path in sorted(path for path in self._walk(prefix) if not path.rpartition("/")[2].startswith(_TEMPORARY)):
            try:
                status = os.stat(os.path.join(self.root, path))
            except FileNotFoundError:
                continue  # deleted meanwhile
            yield StoredObject(path, status.st_size, f"{status.st_mtime_ns}-{status.st_ino}", _time(status.st_mtime_ns))

    def delete(self, paths: Iterable[str]) -> None:
        for path in paths:
            target = self._target(path)
            try:
                target.unlink(missing_ok=True)
            except OSError as error:
                raise self._explained("delete", error) from error

    def uri(self, path: str) -> str:
        return os.path.join(self.root, path)

    def sweep(self) -> None:
        """Removes what killed processes left half-written, and folders that have been empty for an hour. No write takes an hour."""
        oldest = (self._now() - timedelta(seconds=_SWEPT_AFTER_S)).timestamp() if os.path.isdir(self.root) else 0
        for path in self._walk(""):
            if path.rpartition("/")[2].startswith(_TEMPORARY) and not path.endswith(_LOCK):
                target = Path(self.root, path)
                with contextlib.suppress(OSError):
                    if target.stat().st_mtime < oldest:
                        target.unlink()
        # `delete` leaves folders, because another writer may be about to create a file in one that has just become empty.
        for folder, _, _ in os.walk(os.path.join(self.root, "_pagefold"), topdown=False):
            with contextlib.suppress(OSError):
                if os.stat(folder).st_mtime < oldest:
                    os.rmdir(folder)

    def _walk(self, prefix: str) -> Iterator[str]:
        """Paths of all files below the root that start with `prefix`, temporary ones too."""
        for parent, _, names in os.walk(os.path.join(self.root, prefix.rpartition("/")[0]), onerror=self._raise):
            relative = os.path.relpath(parent, self.root).replace(os.sep, "/")
            for name in names:
                path = name if relative == "." else f"{relative}/{name}"
                if path.startswith(prefix):
                    yield path

    def _raise(self, error: OSError) -> None:
        if not isinstance(error, FileNotFoundError):  # a folder that is not there yet, or was deleted meanwhile, is no error
            raise self._explained("list", error) from error

    def _target(self, path: str) -> Path:
        if path.startswith("/") or not {"", ".", ".."}.isdisjoint(path.split("/")) or "\0" in path:
            raise ValueError(f"not a path below the root: {path!r}")
        return Path(self.root, path)

    def _read(self, path: str) -> tuple[bytes, os.stat_result]:
        try:
            with self._target(path).open("rb") as file:
                return file.read(), os.fstat(file.fileno())
        except FileNotFoundError:
            raise
        except OSError as error:
            raise self._explained("read", error) from error

    def _write(self, target: Path, body: bytes, publish: Callable[[Path], None]) -> None:
        """Writes a synced temporary file beside `target` and passes it to `publish`, which gives it its name."""
        temporary = target.parent / f"{_TEMPORARY}{uuid4().hex}"
        try:
            with _new_file(temporary) as file:
                file.write(body)
                file.flush()
                os.fsync(file.fileno())
            publish(temporary)
            _sync_folder(target.parent)
        except OSError as error:
            raise self._explained("write", error) from error
        finally:
            with contextlib.suppress(OSError):
                temporary.unlink()

    def _explained(self, verb: str, error: OSError) -> StoreError:
        if error.errno in (errno.EPERM, errno.EOPNOTSUPP, errno.EMLINK) and error.filename2:
            why = "this file system has no hard links; use another, or promise one run at a time with --unsafe-single-writer"
        else:
            why = error.strerror or str(error)
        return StoreError(f"Cannot {verb} below {self.root}: {why}.")

    def _now(self) -> datetime:
        """The time by the file system's clock, which also sets `st_mtime`; on a network mount it is not this machine's clock.

        A process that may only read gets the time of this machine. It cannot take over a lease anyway.
        """
        touched = Path(self.root, f"{_TEMPORARY}{uuid4().hex}")
        try:
            with _new_file(touched) as file:
                return _time(os.fstat(file.fileno()).st_mtime_ns)
        except OSError:
            return datetime.now(UTC)
        finally:
            with contextlib.suppress(OSError):
                touched.unlink()

    @contextlib.contextmanager
    def _lock(self) -> Iterator[None]:
        folder = Path(self.root, "_pagefold")
        try:
            folder.mkdir(parents=True, exist_ok=True)
            file = (folder / _LOCK).open("a")
        except OSError as error:
            raise self._explained("write", error) from error
        with file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield


_LOCK = f"{_TEMPORARY}lock"


def _new_file(path: Path) -> BinaryIO:
    """Opens a new file for writing and makes its folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    return path.open("xb")


def _etag(body: bytes) -> str:
    """A digest of the content. Inode and time would not do, because they can repeat under fast rewrites."""
    return hashlib.sha256(body).hexdigest()[:32]


def _time(nanoseconds: int) -> datetime:
    return _EPOCH + timedelta(microseconds=nanoseconds // 1000)


def _sync_folder(folder: Path) -> None:
    with contextlib.suppress(FileNotFoundError):  # the file was deleted meanwhile, and its folder swept
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
