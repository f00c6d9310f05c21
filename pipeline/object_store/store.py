"""One small store for local folders and S3. Paths are relative POSIX strings below the root.

The S3 side uses boto3 and not obstore, because the lease needs the `Date` of a response, which obstore does not give, and because
listing, fetching and storing then share one credential chain. obstore's local store has no If-Match, so it would not help there.
"""

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import NamedTuple, Protocol

from schemas.errors import EXIT_INCOMPLETE, EndsRun


class StoreError(EndsRun):
    """The output cannot be used as it is. The message is one sentence for the operator."""


class StoreUnavailable(StoreError):
    """The store does not answer, or asks to come back later. The same command may succeed then."""

    exit_code = EXIT_INCOMPLETE


class Damaged(StoreError):
    """An object of the output is damaged. The message names it and says what to do; trying again would not help."""


class Exists(Exception):
    """`create` found that the object exists already."""


class Conflict(Exception):
    """`replace` found another version of the object."""


class StoredObject(NamedTuple):
    path: str
    size_bytes: int
    etag: str
    last_modified: datetime


class Versioned(NamedTuple):
    body: bytes
    etag: str
    last_modified: datetime
    server_now: datetime
    """The store's own clock when it answered (S3: the `Date` header)."""


class Store(Protocol):
    """A store can be pickled; each process makes its own clients. Its methods raise StoreError beside the exceptions they
    document."""

    root: str
    """The output's name in normal form, for messages."""

    def create(self, path: str, body: bytes) -> str:
        """Writes if nothing is there, and gives the ETag. Raises Exists. A write that succeeded and whose reply was lost is a
        success."""

    def put(self, path: str, body: bytes) -> None:
        """Writes in one step, over whatever is there."""

    def get(self, path: str) -> bytes:
        """Raises FileNotFoundError."""

    def get_versioned(self, path: str) -> Versioned:
        """Raises FileNotFoundError."""

    def replace(self, path: str, body: bytes, etag: str) -> str:
        """Writes if that version is still there, and gives the new ETag. Raises Conflict. `etag` comes from `create`, `replace` or
        `get_versioned`; a local listing has another, cheaper one."""

    def list(self, prefix: str) -> Iterator[StoredObject]:
        """All objects whose path starts with `prefix`, which need not be a folder, sorted by path."""

    def delete(self, paths: Iterable[str]) -> None:
        """Deletes the objects. A path without an object is no error."""

    def uri(self, path: str) -> str:
        """The object's full name: `s3://…` or an absolute path."""

    def limited(self, *, timeout_s: float, max_tries: int) -> "Store":
        """The same store with other limits for each request, because a lease cannot wait as long as a table can."""

    def sweep(self) -> None:
        """Removes what killed processes left half-written an hour ago or earlier."""
