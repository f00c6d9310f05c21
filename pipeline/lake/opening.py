"""Opens the store that the output's name stands for, and checks that the store keeps its promises before a run uses it."""

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from threading import Barrier
from uuid import uuid4

from pipeline.lake.paths import PROBES
from pipeline.object_store.local_store import LocalStore
from pipeline.object_store.store import Conflict, Exists, Store, StoreError
from schemas.errors import OperatorError
from schemas.settings import Settings


def open_store(output: str, *, timeout_s: float = 60, max_tries: int = 5, unsafe_single_writer: bool = False) -> Store:
    """The store for `s3://bucket/prefix` or a local folder, which is made when the first object is written. Raises StoreError.

    With `unsafe_single_writer` conditions are checked before writing instead of being left to the store.
    """
    if output.startswith("s3://"):
        from pipeline.object_store.s3_store import S3Store

        return S3Store(output, timeout_s=timeout_s, max_tries=max_tries, unsafe_single_writer=unsafe_single_writer)
    if "://" in output:
        raise StoreError(f"The output {output} is neither a local folder nor s3://bucket/prefix.")
    return LocalStore(output, unsafe_single_writer=unsafe_single_writer)


_RACERS = 8
_CLOCKS_APART_S = 30


def probe_store(store: Store) -> None:
    """Checks that of racing creates and replaces exactly one wins, and that an old ETag loses. Raises StoreError with a clear
    sentence. It also removes what killed runs left half-written.

    The race is run twice, because a store that checks and writes in two steps may pass once by luck.
    """
    paths = [f"{PROBES}{uuid4().hex}" for _ in range(2)]
    store.sweep()
    try:
        with ThreadPoolExecutor(_RACERS) as pool:
            broken = [condition for path in paths for condition in _broken_conditions(store, path, pool)]
        versioned = store.get_versioned(paths[0])
    finally:
        with suppress(StoreError):  # the first error matters more
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


def open_output(output: str, settings: Settings) -> Store:
    """The output's store, with the limits and promises of the settings."""
    return open_store(
        output,
        timeout_s=settings.fetch.timeout_s,
        max_tries=settings.fetch.max_tries,
        unsafe_single_writer=settings.output.unsafe_single_writer,
    )


def open_target(target: str, output: str, settings: Settings) -> Store:
    """The store for what is written of a lake elsewhere: documents, a report. Raises OperatorError if it is the lake itself."""
    if comparable(target) == comparable(output):
        raise OperatorError(f"{target} is the lake itself: name another folder.")
    return open_output(target, settings)


def comparable(place: str) -> str:
    """A name that is equal for two names of one place, such as `out`, `./out/` and a link to it."""
    return place.rstrip("/") if "://" in place else os.path.realpath(os.path.expanduser(place))
