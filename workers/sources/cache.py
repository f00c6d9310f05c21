"""A node-local, size-capped folder of fetched objects, shared by all processes of a node.

An entry is one file, named by its object and version. `flock` coordinates the processes, and the kernel releases a lock when its
process ends. A process that writes an entry locks `<name>.part` exclusively; others that want the entry wait for it. A process that
uses an entry holds a shared lock on `<name>`; eviction needs an exclusive lock, and leaves the entry otherwise. A lock counts only
while its file still has its name, so no files but the entries are needed.
"""

import contextlib
import fcntl
import hashlib
import os
import re
import stat
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from io import RawIOBase
from pathlib import Path
from typing import BinaryIO

from schemas.errors import EndsRun

_LOW_SHARE = 0.8
"""Share of the cap to which a full cache is emptied, because going through all entries for each new one costs too much."""
_USED_S = 60.0
"""Shortest time between two updates of an entry's mtime. A renderer takes a file with a new mtime for another and opens it
again."""
_NOTE = "_note-"
_NOTE_S = 7 * 86400
_ENTRY = re.compile(r"[0-9a-f]{64}(\.part)?")


class CacheError(EndsRun):
    """The cache folder cannot be used. The message is one sentence for the operator."""


class Cache:
    def __init__(self, folder: Path | None, max_bytes: int) -> None:
        """With folder None the cache lies below the system's temporary folder. It is made on first use, for its user alone."""
        self.folder = folder or Path(tempfile.gettempdir(), f"pagefold-cache-{os.getuid()}")
        self._max_bytes = max_bytes

    @contextmanager
    def open(self, name: str, size_bytes: int, fill: Callable[[RawIOBase], None]) -> Iterator[Path]:
        """The path of an entry (name: 64 hex digits), valid while the context is open. `fill` writes a missing entry. Exceptions of
        `fill` and OSErrors of the disk are raised.

        Entries in use at the same time may exceed the cap. An entry larger than the cap is removed when it is closed.
        """
        self._make_folder()
        path = self.folder / name
        while (file := _lock_existing(path)) is None:
            self._fill(path, size_bytes, fill)
        try:
            _mark_used(path)
            yield path
        finally:
            _unlock(file)
            if size_bytes > self._max_bytes:
                _evict(path)

    def empty(self) -> None:
        """Evicts every entry that nobody has open, for a disk that is full although the cap is not reached."""
        with self._tally() as tally:
            tally.write(self._evict_to(0))

    @contextmanager
    def read_note(self, *of: str) -> Iterator[BinaryIO]:
        """Opens the note of that name for reading. Raises OSError if there is none."""
        with self._note(of).open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH)
            if os.fstat(file.fileno()).st_uid != os.getuid():
                raise PermissionError("written by somebody else")
            yield file

    @contextmanager
    def write_note(self, *of: str) -> Iterator[BinaryIO]:
        """Opens the note of that name, locked, to be read and rewritten. A note is a small file beside the entries. It is kept for
        a week after the last write."""
        self._make_folder()
        path = self._note(of)
        if not path.exists():
            self._forget_notes()
        with path.open("a+b") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            file.seek(0)
            yield file

    def _note(self, of: Sequence[str]) -> Path:
        return self.folder / f"{_NOTE}{hashlib.sha256(chr(0).join(of).encode()).hexdigest()[:32]}"

    def _forget_notes(self) -> None:
        for path in self.folder.glob(f"{_NOTE}*"):
            with contextlib.suppress(FileNotFoundError):
                if time.time() - path.stat().st_mtime > _NOTE_S:
                    path.unlink()

    def _fill(self, path: Path, size_bytes: int, fill: Callable[[RawIOBase], None]) -> None:
        part = path.with_name(f"{path.name}.part")
        with part.open("a+b", buffering=0) as file:  # unbuffered, so that close does not write again what a full disk has refused
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:  # another process writes it: wait with a shared lock, which later readers do not delay
                fcntl.flock(file, fcntl.LOCK_SH)
                return
            if not _is_named(file, part):
                return  # the part was renamed, or its writer failed and removed it
            if path.exists():  # finished after we looked for it and before we made a part
                part.unlink()
                return
            try:
                self._reserve(size_bytes)
                file.truncate(0)
                fill(file)
                os.rename(part, path)
            except BaseException:
                part.unlink(missing_ok=True)
                raise

    def _reserve(self, num_bytes: int) -> None:
        """Adds `num_bytes` to the tally and evicts entries if they do not fit. Bytes of a fill that fails stay counted until the
        entries are counted again."""
        with self._tally() as tally:
            total = tally.read() + num_bytes
            if total > self._max_bytes:
                total = self._evict_to(max(0, self._max_bytes * _LOW_SHARE - num_bytes)) + num_bytes
            tally.write(total)

    def _evict_to(self, num_bytes: float) -> int:
        """Evicts the least recently used entries down to `num_bytes`. Gives the bytes that are left."""
        entries = []
        for entry in os.scandir(self.folder):
            with contextlib.suppress(FileNotFoundError):
                if _ENTRY.fullmatch(entry.name):  # the folder may hold other files
                    status = entry.stat(follow_symlinks=False)
                    entries.append((status.st_mtime_ns, status.st_size, Path(entry.path)))
        left = sum(size for _, size, _ in entries)
        for _, size, path in sorted(entries):
            if left <= num_bytes:
                break
            if _evict(path):
                left -= size
        return left

    def _make_folder(self) -> None:
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            status = self.folder.lstat()
        except OSError as error:
            raise CacheError(f"The cache folder {self.folder} cannot be made: {error.strerror}.") from error
        if stat.S_ISLNK(status.st_mode) and status.st_uid == os.getuid():
            status = self.folder.stat()
        if status.st_uid != os.getuid() or not stat.S_ISDIR(status.st_mode):
            raise CacheError(f"The cache folder {self.folder} belongs to somebody else: name another with fetch.cache_dir.")

    @contextmanager
    def _tally(self) -> Iterator["_Tally"]:
        with (self.folder / _Tally.NAME).open("a+b") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield _Tally(file)


class _Tally:
    """The size of all entries when they were last counted, plus all that was added since. It is never too small."""

    NAME = "_tally"

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def read(self) -> int:
        self._file.seek(0)
        text = self._file.read(32)
        return int(text) if text.isdigit() else 2**62  # unknown: makes the caller count the entries

    def write(self, num_bytes: int) -> None:
        self._file.truncate(0)
        self._file.write(b"%d" % num_bytes)
        self._file.flush()


def _mark_used(path: Path) -> None:
    """Updates the entry's mtime, by which the least recently used entries are evicted. File systems may not keep access times."""
    if abs(time.time() - path.stat().st_mtime) > _USED_S:
        os.utime(path)


def _lock_existing(path: Path) -> BinaryIO | None:
    """The entry, opened with a shared lock; None if there is none."""
    while True:
        try:
            file = path.open("rb")
        except FileNotFoundError:
            return None
        fcntl.flock(file, fcntl.LOCK_SH)
        if _is_named(file, path):
            return file
        file.close()  # evicted between opening and locking


def _unlock(file: BinaryIO) -> None:
    fcntl.flock(file, fcntl.LOCK_UN)  # closing would not release the lock if a forked child holds the same descriptor
    file.close()


def _is_named(file: BinaryIO | RawIOBase, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.lstat())
    except FileNotFoundError:
        return False


def _evict(path: Path) -> bool:
    """Removes the entry. False if a process has it open or writes it."""
    try:
        with path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if _is_named(file, path):
                path.unlink()
            return True
    except FileNotFoundError:
        return True
    except OSError:
        return False
