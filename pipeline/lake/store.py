"""One small store for local folders and S3. Paths are relative POSIX strings below the root.

boto3 alone, not obstore: the lease needs the `Date` of a response, which obstore does not hand out; obstore's local store has no
If-Match, so that half is ours anyway; and there is one credential chain for listing, fetching and storing.
"""

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import datetime
from threading import Barrier
from typing import NamedTuple, Protocol
from uuid import uuid4

from pipeline.lake.paths import PROBES
from schemas.failure import EndsRun


class StoreError(EndsRun):
    """The output cannot be used as it is. One sentence for the operator."""


class StoreUnavailable(StoreError):
    """Not now: the store does not answer, or asks to come back. The same command may do later."""


class Damaged(StoreError):
    """An object of the output is not what it was written as. The sentence names it and says what to do: going on would not help."""


class Exists(Exception):
    """`create` met an object that stands there already."""


class Conflict(Exception):
    """`replace` met another version."""


class Stored(NamedTuple):
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

    def list(self, prefix: str) -> Iterator[Stored]:
        """All objects whose path starts with `prefix` (no folder is implied), in the order of their paths."""

    def delete(self, paths: Iterable[str]) -> None:
        """What is not there is no error."""

    def uri(self, path: str) -> str:
        """`s3://…` or an absolute path."""

    def limited(self, *, timeout_s: float, max_tries: int) -> "Store":
        """The same store with other limits for one request: a lease cannot wait as long as a table may."""

    def sweep(self) -> None:
        """Remove what killed processes left half-written an hour ago."""


def open_store(output: str, *, timeout_s: float = 60, max_tries: int = 5, unsafe_single_writer: bool = False) -> Store:
    """`s3://bucket/prefix` or a local folder, made when the first object is written. Raises StoreError.

    unsafe_single_writer: conditions are looked up before writing instead of being left to the store.
    """
    if output.startswith("s3://"):
        from pipeline.lake.s3_store import S3Store

        return S3Store(output, timeout_s=timeout_s, max_tries=max_tries, unsafe_single_writer=unsafe_single_writer)
    if "://" in output:
        raise StoreError(f"The output {output} is neither a local folder nor s3://bucket/prefix.")
    from pipeline.lake.local_store import LocalStore

    return LocalStore(output, unsafe_single_writer=unsafe_single_writer)


_RACERS = 8
_CLOCKS_APART_S = 30


def probe_store(store: Store) -> None:
    """Racing creates and replaces must have one winner each, and an old ETag must lose. Raises StoreError with a clear sentence.
    Sweeps what killed runs left half-written.

    A store that looks before it writes, but not in one step, may pass by luck: the race is run twice.
    """
    paths = [f"{PROBES}{uuid4().hex}" for _ in range(2)]
    store.sweep()
    try:
        with ThreadPoolExecutor(_RACERS) as pool:
            broken = [condition for path in paths for condition in _broken_conditions(store, path, pool)]
        versioned = store.get_versioned(paths[0])
    finally:
        with suppress(StoreError):  # of no interest beside the first one
            store.delete(paths)
    if broken:
        raise StoreError(
            f"{store.root} does not honour conditional writes ({broken[0]}), so two runs could overwrite each other: use a store "
            "that does, or promise that one run at a time writes there with --unsafe-single-writer."
        )
    apart_s = abs((versioned.server_now - versioned.last_modified).total_seconds())
    if apart_s > _CLOCKS_APART_S:
        raise StoreError(
            f"{store.root} answers with a Date {apart_s:.0f} s away from the Last-Modified of what was just written, so a lease "
            "cannot be timed there: mend the clock of the store, or of the proxy before it."
        )


def _broken_conditions(store: Store, path: str, pool: ThreadPoolExecutor) -> Iterator[str]:
    start = Barrier(_RACERS, timeout=60)

    def wins(number: int, etag: str | None) -> bool:
        start.wait()
        body = f"{number} {etag}".encode()
        try:
            if etag is None:
                store.create(path, body)
            else:
                store.replace(path, body, etag)
        except (Exists, Conflict):
            return False
        return True

    if sum(pool.map(lambda number: wins(number, None), range(_RACERS))) != 1:
        yield "If-None-Match"
        return
    old_etag = store.get_versioned(path).etag
    if sum(pool.map(lambda number: wins(number, old_etag), range(_RACERS))) != 1:
        yield "If-Match"
        return
    try:
        store.replace(path, b"late", old_etag)
    except Conflict:
        return
    yield "If-Match"
