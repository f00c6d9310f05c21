"""One small store for local folders and S3. Paths are relative POSIX strings below the root.

boto3 alone, not obstore: the lease needs the `Date` of a response, which obstore does not hand out; obstore's local store has no
If-Match, so that half is ours anyway; and there is one credential chain for listing, fetching and storing.
"""

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import NamedTuple, Protocol

from schemas.errors import EXIT_INCOMPLETE, EndsRun


class StoreError(EndsRun):
    """The output cannot be used as it is. One sentence for the operator."""


class StoreUnavailable(StoreError):
    """Not now: the store does not answer, or asks to come back. The same command may do later."""

    exit_code = EXIT_INCOMPLETE


class Damaged(StoreError):
    """An object of the output is not what it was written as. The sentence names it and says what to do: going on would not help."""


class Exists(Exception):
    """`create` met an object that stands there already."""


class Conflict(Exception):
    """`replace` met another version."""


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
    """Picklable: clients are made anew in each process. All but the documented exceptions are StoreError."""

    root: str
    """As given, normalised; for messages."""

    def create(self, path: str, body: bytes) -> str:
        """Write if nothing is there; gives the ETag. Raises Exists. A lost reply to a successful write is success."""

    def put(self, path: str, body: bytes) -> None:
        """Write in one step, over whatever is there."""

    def get(self, path: str) -> bytes:
        """Raises FileNotFoundError."""

    def get_versioned(self, path: str) -> Versioned:
        """Raises FileNotFoundError."""

    def replace(self, path: str, body: bytes, etag: str) -> str:
        """Write if that version is still there; gives the new ETag. Raises Conflict. `etag` is what `create`, `replace` or
        `get_versioned` gave (a local listing has another, cheaper one)."""

    def list(self, prefix: str) -> Iterator[StoredObject]:
        """All objects whose path starts with `prefix` (no folder is implied), in the order of their paths."""

    def delete(self, paths: Iterable[str]) -> None:
        """What is not there is no error."""

    def uri(self, path: str) -> str:
        """`s3://…` or an absolute path."""

    def limited(self, *, timeout_s: float, max_tries: int) -> "Store":
        """The same store with other limits for one request: a lease cannot wait as long as a table may."""

    def sweep(self) -> None:
        """Remove what killed processes left half-written an hour ago."""
