"""One small store for local folders and S3. Paths are relative POSIX strings below the root.

boto3 alone, not obstore: the lease needs the `Date` of a response, which obstore does not hand out; obstore's local store has no
If-Match, so that half is ours anyway; and there is one credential chain for listing, fetching and storing.
"""

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import NamedTuple, Protocol
from uuid import uuid4


class StoreError(Exception):
    """The output cannot be used as it is. One sentence for the operator."""


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
    """Picklable: clients are made anew in each process."""

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
        """Write if that version is still there; gives the new ETag. Raises Conflict."""

    def list(self, prefix: str) -> Iterator[Stored]:
        """All objects whose path starts with `prefix`, in the order of their paths."""

    def delete(self, paths: Iterable[str]) -> None:
        """What is not there is no error."""

    def uri(self, path: str) -> str:
        """`s3://…` or an absolute path."""


def open_store(output: str, *, timeout_s: float = 60, max_tries: int = 5) -> Store:
    """`s3://bucket/prefix` or a local folder, made when the first object is written. Raises StoreError."""
    if output.startswith("s3://"):
        from pipeline.s3_store import S3Store

        return S3Store(output, timeout_s=timeout_s, max_tries=max_tries)
    if "://" in output:
        raise StoreError(f"The output {output} is neither a local folder nor s3://bucket/prefix.")
    from pipeline.local_store import LocalStore

    return LocalStore(output)


_RACERS = 4


def probe_store(store: Store) -> None:
    """Racing creates and replaces must have one winner each. Raises StoreError, with a clear sentence, where they have not."""
    path = f"_pagefold/probe-{uuid4().hex}"
    try:
        with ThreadPoolExecutor(_RACERS) as pool:
            created = list(pool.map(lambda number: _wins(store, path, number, None), range(_RACERS)))
            if sum(created) == 1:
                etag = store.get_versioned(path).etag
                replaced = list(pool.map(lambda number: _wins(store, path, number, etag), range(_RACERS)))
    finally:
        store.delete([path])
    broken = "If-None-Match" if sum(created) != 1 else "If-Match" if sum(replaced) != 1 else None
    if broken:
        raise StoreError(
            f"{store.root} does not honour conditional writes ({broken}), so two runs could overwrite each other: use a store that "
            "does, or promise that one run at a time writes there with --unsafe-single-writer."
        )


def _wins(store: Store, path: str, number: int, etag: str | None) -> bool:
    body = f"{number} {etag}".encode()
    try:
        if etag is None:
            store.create(path, body)
        else:
            store.replace(path, body, etag)
    except (Exists, Conflict):
        return False
    return True
