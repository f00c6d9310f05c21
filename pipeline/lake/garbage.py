"""`pagefold gc` removes what no run will read again.

Below `_pagefold/`, where the role of a run may delete:
- staged chunks and covers of shards that a manifest commits, and of closed plans (only the newest plan can be open). Staged chunks
  of an abandoned plan are kept for `output.keep_answers_days`, because a later plan may take them over;
- staged chunks of plans that are not there: a worker wrote them after its lake was removed and made again;
- begin markers, if no run is at work, because they count within one run only;
- snapshots of manifests that have changed since, which no run reads;
- states and plans of rewrites that a newer state has followed;
- probes of a start that was killed.

In the tables, and only with `--tables`:
- files of a closed plan's shards that no manifest commits, as a run that was taken for dead leaves if it wakes late;
- files that `pagefold optimize` has replaced.

Everything else stays: plans, manifests and rows of `runs` are history.
"""

import socket
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Literal, NamedTuple

from pipeline.lake.lease import LEASE, Lease, is_held, read_lease
from pipeline.lake.ledger import list_manifests
from pipeline.lake.paths import (
    BEGINS,
    PLANS,
    PROBES,
    REWRITES,
    SNAPSHOTS,
    STAGING,
    begun_shard,
    chunk_name,
    day_prefix,
    file_name,
    is_cover,
    is_snapshot,
    plan_number,
    plan_of_sources,
    rewrite_number,
    staged_shard,
    table_part,
    table_prefix,
)
from pipeline.lake.plans import list_plan_numbers, read_plan_head
from pipeline.lake.rewriting.state import read_live_files
from pipeline.lake.snapshots import fitting
from pipeline.object_store.store import Store, StoredObject
from pipeline.signals import Interrupted, signals_raise
from schemas.errors import OperatorError
from schemas.tables import TABLES

_BATCH = 500
"""Objects deleted between two checks of the lease."""

What = Literal[
    "staged chunk", "cover", "begin marker", "snapshot", "sources", "rewrite record", "probe", "table file", "replaced file"
]


_IN_TABLES = ("table file", "replaced file")


class Garbage(NamedTuple):
    path: str
    size_bytes: int
    what: What


def _unmade(store: Store, numbers: Sequence[str]) -> Iterator[StoredObject]:
    """Sources whose plan was never made, because its run was killed before, or another run got the number."""
    written: dict[str, dict[str, StoredObject]] = {}
    for stored in store.list(PLANS):
        if plan_id := plan_of_sources(stored.path):
            written.setdefault(plan_number(plan_id), {})[plan_id] = stored
    for number, by_plan in written.items():
        is_made = number in numbers
        if is_made and len(by_plan) > 1:
            by_plan.pop(read_plan_head(store, number).plan_id, None)
        elif is_made:
            continue
        yield from by_plan.values()


@dataclass(frozen=True, kw_only=True)
class Sweep:
    """The garbage that was found, and how much of it was removed."""

    output: str
    is_dry_run: bool
    found: list[Garbage] = field(default_factory=list)
    num_removed: int = 0
    num_bytes_removed: int = 0
    message: str | None = None
    """Why the sweep ended early; None if it did not."""


def check_output(store: Store) -> None:
    """Raises OperatorError if the place holds no plan, so that a mistyped OUT is neither created nor reported as idle."""
    if not list_plan_numbers(store):
        raise OperatorError(f"{store.root} holds no plan of pagefold: is it the right place?")


def find_garbage(store: Store, *, before: datetime, is_idle: bool, keep_answers: timedelta = timedelta()) -> Iterator[Garbage]:
    """All garbage that was last written before the moment `before`. `is_idle`: no run is at work, so begin markers are garbage too.
    `keep_answers`: how much longer staged chunks of abandoned plans are kept."""
    numbers = list_plan_numbers(store)
    manifests = list_manifests(store)
    names = [name for name, _ in manifests]
    committed = {name.shard for name in names if name.part is None}
    abandoned = {name.plan_id: name.ingest_date for name in names if name.shard_index is None}
    newest = read_plan_head(store, numbers[-1]).plan_id if numbers else None
    for what, prefix, shard_of in (("staged chunk", STAGING, staged_shard), ("begin marker", BEGINS, begun_shard)):
        for stored in store.list(prefix):
            shard = shard_of(stored.path)
            if shard is None or stored.last_modified >= before:
                continue
            is_open = shard[0] == newest and shard[0] not in abandoned and shard not in committed
            if is_open and not (what == "begin marker" and is_idle):
                continue
            is_answer = shard[0] in abandoned and shard not in committed and chunk_name(stored.path) is not None
            kept = keep_answers if is_answer else timedelta()
            if stored.last_modified < before - kept:
                yield Garbage(stored.path, stored.size_bytes, "cover" if is_cover(stored.path) else what)  # type: ignore[arg-type]
    standing = fitting(manifests)
    for stored in store.list(SNAPSHOTS):
        if is_snapshot(stored.path) and stored.path not in standing and stored.last_modified < before:
            yield Garbage(stored.path, stored.size_bytes, "snapshot")
    for stored in _unmade(store, numbers):
        if stored.last_modified < before:
            yield Garbage(stored.path, stored.size_bytes, "sources")
    for stored in store.list(PROBES):
        if stored.last_modified < before:
            yield Garbage(stored.path, stored.size_bytes, "probe")
    yield from _of_rewrites(store, before)
    parts = {(name.plan_id, name.shard_index, name.part) for name in names}
    for plan_id, ingest_date in abandoned.items():  # all shards of any other closed plan are committed
        for table in TABLES:
            for stored in store.list(table_prefix(table, ingest_date, plan_id)):
                part = table_part(stored.path)
                if part is not None and part not in parts and stored.last_modified < before:
                    yield Garbage(stored.path, stored.size_bytes, "table file")


def _of_rewrites(store: Store, before: datetime) -> Iterator[Garbage]:
    """Records that a newer state has followed, and files that were replaced before the moment. A plan without a state stays: its
    optimize goes on with it."""
    state = read_live_files(store).state
    for stored in store.list(REWRITES):
        found = rewrite_number(stored.path)
        if found is None or stored.last_modified >= before:
            continue
        number, is_plan = found
        if number < state.number or (is_plan and number == state.number):
            yield Garbage(stored.path, stored.size_bytes, "rewrite record")
    for rewrite in state.rewrites:
        if rewrite.made_at >= before:
            continue
        replaced = set(rewrite.replaced)
        for table in TABLES:
            for stored in store.list(day_prefix(table, rewrite.ingest_date)):
                if file_name(stored.path) in replaced:
                    yield Garbage(stored.path, stored.size_bytes, "replaced file")


def look(store: Store, *, min_age_s: float, keep_answers: timedelta = timedelta()) -> Sweep:
    """Gives what `sweep` would find. It takes no lease and removes nothing."""
    check_output(store)
    held = read_lease(store)
    is_idle = held is None or not is_held(*held)
    now = store.get_versioned(LEASE).server_now if held else datetime.now(UTC)
    found = list(find_garbage(store, before=now - timedelta(seconds=min_age_s), is_idle=is_idle, keep_answers=keep_answers))
    return Sweep(output=store.root, is_dry_run=True, found=found)


def sweep(
    store: Store, *, min_age_s: float, in_tables: bool, ttl_s: float, run_id: str, keep_answers: timedelta = timedelta()
) -> Sweep:
    """Removes the garbage under the lease, so that no run is at work meanwhile. After a kill the same call goes on.

    Raises LeaseHeld while a run is at work, LeaseLost, StoreError; OperatorError if OUT is no output.
    """
    check_output(store)
    found: list[Garbage] = []
    removed: list[Garbage] = []
    message = None
    with Lease.acquire(store, owner=socket.gethostname(), run_id=run_id, ttl_s=ttl_s) as lease:
        try:
            with signals_raise():
                store.sweep()
                before = store.get_versioned(LEASE).server_now - timedelta(seconds=min_age_s)
                found += find_garbage(store, before=before, is_idle=True, keep_answers=keep_answers)
                wanted = [garbage for garbage in found if in_tables or garbage.what not in _IN_TABLES]
                for batch in _batches(wanted):
                    lease.check()
                    store.delete([garbage.path for garbage in batch])
                    removed += batch
        except (Interrupted, KeyboardInterrupt) as stop:
            message = str(stop) or "interrupted"
    return Sweep(
        output=store.root,
        is_dry_run=False,
        found=found,
        num_removed=len(removed),
        num_bytes_removed=sum(garbage.size_bytes for garbage in removed),
        message=message,
    )


def _batches(garbage: Sequence[Garbage]) -> Iterator[Sequence[Garbage]]:
    for start in range(0, len(garbage), _BATCH):
        yield garbage[start : start + _BATCH]
