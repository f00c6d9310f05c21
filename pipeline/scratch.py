"""Temporary folders of this program. A process removes its folder at its end; the folder of a killed process is removed by the
next.

A process holds a lock (flock) on a file in its folder, and the kernel releases the lock when the process dies. Process ids are not
compared, because another process, or a container with the same folder, may have the same id.
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
"""Short, because the paths of Ray's sockets must fit into 107 bytes."""
_OWNER, _KEPT = "owner", "kept"
_PAUSES_S = (0.1, 0.2, 0.4, 0.8, 1.6, 0.0)
_KEPT_FOR_S = 7 * 24 * 3600.0
"""Seconds after which the next start removes a folder that was kept for a person (`keep`)."""


class Scratch:
    """A new folder below `base` (default: the system's temporary folder) for this user alone. Folders of dead processes are
    removed.

    Raises OSError if no folder can be made.
    """

    def __init__(self, prefix: str = PREFIX, base: str | None = None) -> None:
        base = base or tempfile.gettempdir()
        sweep(base)
        self.folder = Path(tempfile.mkdtemp(prefix=prefix, dir=base))
        self._owner = _claim(self.folder)

    def remove(self) -> None:
        """Removes the folder, or leaves it to the next start if a process (one of Ray's, for a moment) still writes there."""
        with contextlib.suppress(OSError):
            for pause_s in _PAUSES_S:
                if _remove(self.folder):
                    break
                time.sleep(pause_s)
        self._owner.close()

    def keep(self) -> None:
        """Keeps the folder for a week, so that a person can read it."""
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
    """Removes the folder if its process is dead. A folder without either file is not ours, or its process has not locked it yet."""
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
    """Removes the folder; True if nothing is left. The owner file goes last, so that the next start finds what could not be
    removed."""
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
    """Makes the locked owner file. It gets the name that `sweep` looks for only after it is locked."""
    unnamed = folder / f".{_OWNER}"
    file = unnamed.open("wb")
    fcntl.flock(file, fcntl.LOCK_EX)
    unnamed.rename(folder / _OWNER)
    return file


@contextlib.contextmanager
def scratch(prefix: str = PREFIX, base: str | None = None) -> Iterator[Path]:
    """A folder that is removed when the context closes."""
    made = Scratch(prefix, base)
    try:
        yield made.folder
    finally:
        made.remove()
