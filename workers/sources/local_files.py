"""Local files that are used in place: their identity, and errors of the operating system as PageErrors."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from schemas.failure import FailureKind, PageError
from schemas.source import FileIdentity


def identity_of(status: os.stat_result) -> FileIdentity:
    return FileIdentity(status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)


def look_at(path: Path) -> FileIdentity:
    """The identity of the file that the path names now. Raises PageError: see `explained`."""
    with explained():
        return identity_of(path.stat())


@contextmanager
def explained() -> Iterator[None]:
    """Turns an OSError about a file into a PageError: gone, access_denied, fetch_failed."""
    try:
        yield
    except (FileNotFoundError, NotADirectoryError):
        raise PageError(FailureKind.gone, "the file is no longer there") from None
    except PermissionError:
        raise PageError(FailureKind.access_denied, "permission denied") from None
    except OSError as error:
        raise PageError(FailureKind.fetch_failed, f"the file cannot be read: {error.strerror}") from error
