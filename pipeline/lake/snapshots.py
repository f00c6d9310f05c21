"""Snapshots: the manifests of a past date joined in one object, so that reading a year takes 365 requests, not one per shard.

A snapshot is made of manifests alone and named after a digest of their names. It can be deleted, or made twice. When a manifest is
added or removed the name no longer fits, and the snapshot is not used. It has a line with the digest of its content and then a line
of JSON for each manifest, compressed with zstd. A snapshot that is damaged is not used: the manifests themselves are read.
"""

import contextlib
import hashlib
import logging
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from itertools import groupby
from typing import Any

import pyarrow as pa
from pydantic_core import from_json, to_json

from pipeline.lake.paths import SNAPSHOTS, ManifestName, snapshot_path
from pipeline.object_store.reading_ahead import read_ahead
from pipeline.object_store.store import Exists, Store
from pipeline.object_store.stored_objects import read_object

_log = logging.getLogger(__name__)

MIN_MANIFESTS = 8
"""A date with fewer manifests gets no snapshot."""
_KEPT = ("plan_id", "recipe_ids", "page_range", "files", "counts", "sources", "disappearances")

Listed = Sequence[tuple[ManifestName, str]]
"""(name, path) of manifests, in the order of plans and shards."""
Commit = dict[str, Any]
"""A manifest's JSON, or at least the part that the ledger reads."""


def read_commits(store: Store, listed: Listed) -> Iterator[Commit]:
    """The contents of the manifests, in their order, from snapshots where they exist."""
    dates = _by_date(listed)
    snapshots = {stored.path for stored in store.list(SNAPSHOTS)} if any(map(_is_worth_it, dates)) else set()
    for manifests in dates:
        path = _path(manifests)
        joined = _read_snapshot(store, path, len(manifests)) if path in snapshots else None
        yield from joined if joined is not None else _read_manifests(store, [path for _, path in manifests])


def write_snapshots(store: Store, listed: Listed) -> int:
    """Makes a snapshot of each past date that has none yet. Gives how many were made."""
    today = datetime.now(UTC).date().isoformat()
    over = [manifests for manifests in _by_date(listed) if manifests[0][0].ingest_date < today and _is_worth_it(manifests)]
    if not over:
        return 0
    made = 0
    there = {stored.path for stored in store.list(SNAPSHOTS)}
    for manifests in over:
        if _path(manifests) in there:
            continue
        commits = _read_manifests(store, [path for _, path in manifests])
        body = b"\n".join(to_json({key: commit[key] for key in _KEPT if key in commit}) for commit in commits)
        head = _digest(body).encode()
        with contextlib.suppress(Exists):  # another run was faster and wrote the same bytes
            store.create(_path(manifests), _compressed(head + b"\n" + body))
            made += 1
    return made


def fitting(listed: Listed) -> set[str]:
    """Paths of the snapshots that these manifests have, or would have. No other snapshot is ever read."""
    return {_path(manifests) for manifests in _by_date(listed)}


def _by_date(listed: Listed) -> list[Listed]:
    """Groups of neighbours with one date. A date comes twice if a clock was set back between two plans."""
    return [list(group) for _, group in groupby(listed, key=lambda item: item[0].ingest_date)]


def _is_worth_it(manifests: Listed) -> bool:
    return len(manifests) >= MIN_MANIFESTS


def _path(manifests: Listed) -> str:
    names = "\n".join(path for _, path in manifests)
    return snapshot_path(manifests[0][0].ingest_date, _digest(names.encode()))


def _digest(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()[:32]


def _read_snapshot(store: Store, path: str, num_manifests: int) -> Iterator[Commit] | None:
    """The commits in a snapshot; None if its content does not match its digest or its name."""
    try:
        head, _, body = _decompressed(store.get(path)).partition(b"\n")
        if head != _digest(body).encode() or body.count(b"\n") + 1 != num_manifests:
            raise ValueError("its content is not what it was written with")
        return map(from_json, _lines(body))
    except (FileNotFoundError, ValueError, OSError) as error:
        _log.warning("the snapshot %s is not used: %s", store.uri(path), error)
        return None


def _lines(body: bytes) -> Iterator[bytes]:
    """The lines of the body, one at a time: `split` would hold a day's manifests in memory twice."""
    start = 0
    while start <= len(body):
        end = body.find(b"\n", start)
        end = len(body) if end < 0 else end
        yield body[start:end]
        start = end + 1


def _read_manifests(store: Store, paths: Sequence[str]) -> Iterator[Commit]:
    """The manifests in their order. Only a few are read ahead, because all at once would be the lake's whole history in memory."""
    for path, body in zip(paths, read_ahead(store.get, paths), strict=True):
        yield read_object(store, path, _commit, "a manifest", "restore it, or remove it to have its sources read again", body=body)


def _commit(body: bytes) -> Commit:
    commit = from_json(body)
    if isinstance(commit, dict) and commit.keys() >= {"plan_id", "recipe_ids", "sources"}:
        return commit
    raise ValueError("columns are missing")


def _compressed(body: bytes) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.CompressedOutputStream(sink, "zstd") as stream:
        stream.write(body)
    return sink.getvalue().to_pybytes()


def _decompressed(body: bytes) -> bytes:
    read: bytes = pa.CompressedInputStream(pa.BufferReader(body), "zstd").read()
    return read
