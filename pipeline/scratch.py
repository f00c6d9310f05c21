"""Temporary folders of this program: removed by their process at its end, or by the next start where it was killed.

The process holds a lock (flock) on a file inside, which the kernel lets go of when it dies: no process id is compared, which
another process, or another container over the same folder, could have.
"""

import contextlib
import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from io import BufferedWriter
from pathlib import Path

PREFIX = "pagefold-"
RAY_PREFIX = "pf-"
"""Short: the paths of Ray's sockets must fit into 107 bytes."""
_OWNER, _KEPT = "owner", "kept"
_SOON_S = 0.3
_KEPT_FOR_S = 7 * 24 * 3600.0
"""What was kept for a person (`keep`) is removed by a start after so long."""


class Scratch:
    """A new folder below `base` (the system's temporary folder), for this user alone. What killed processes left there is removed.

    Raises OSError where none can be made.
    """

    def __init__(self, prefix: str = PREFIX, base: str | None = None) -> None:
        base = base or tempfile.gettempdir()
        sweep(base)
        self.folder = Path(tempfile.mkdtemp(prefix=prefix, dir=base))
        self._owner = _claim(self.folder)

    def remove(self) -> None:
        """A process that still writes there (Ray's, for a moment) leaves it to the next start."""
        with contextlib.suppress(OSError):
            if not _remove(self.folder):
                time.sleep(_SOON_S)
                _remove(self.folder)
        self._owner.close()

    def keep(self) -> None:
        """Leave it to a person, for a week."""
        with contextlib.suppress(OSError):
            os.utime(self.folder / _OWNER)
            (self.folder / _OWNER).rename(self.folder / _KEPT)
        self._owner.close()


def sweep(base: str) -> None:
    """Remove this user's folders whose process is dead."""
    with contextlib.suppress(OSError):
        for entry in list(os.scandir(base)):
            if entry.name.startswith((PREFIX, RAY_PREFIX)) and entry.is_dir(follow_symlinks=False):
                _sweep(Path(entry.path))


def _sweep(folder: Path) -> None:
    """A folder without either file is none of ours, or its process has not claimed it yet."""
    with contextlib.suppress(OSError):
        if folder.stat().st_uid != os.getuid():
            return
        if (kept := folder / _KEPT).exists():
            if time.time() - kept.stat().st_mtime > _KEPT_FOR_S:
                _remove(folder)
            return
        with (folder / _OWNER).open("rb") as owner:
            fcntl.flock(owner, fcntl.LOCK_EX | fcntl.LOCK_NB)
            _remove(folder)


def _remove(folder: Path) -> bool:
    """All in it, and then the file that says whose it was: what could not be removed is found again. True if nothing is left."""
    for entry in list(os.scandir(folder)):
        if entry.name in (_OWNER, _KEPT):
            continue
        if entry.is_dir(follow_symlinks=False):
            shutil.rmtree(entry.path, ignore_errors=True)
        else:
            with contextlib.suppress(OSError):
                os.unlink(entry.path)
    left = [name for name in os.listdir(folder) if name not in (_OWNER, _KEPT)]
    if not left:
        shutil.rmtree(folder, ignore_errors=True)
    return not left


def _claim(folder: Path) -> BufferedWriter:
    """The lock is held before the file has the name that `sweep` looks for."""
    unnamed = folder / f".{_OWNER}"
    file = unnamed.open("wb")
    fcntl.flock(file, fcntl.LOCK_EX)
    unnamed.rename(folder / _OWNER)
    return file


@contextlib.contextmanager
def scratch(prefix: str = PREFIX, base: str | None = None) -> Iterator[Path]:
    """The folder, gone when the context closes."""
    made = Scratch(prefix, base)
    try:
        yield made.folder
    finally:
        made.remove()
