"""The rewrite of groups of files, one after the other, under the lease. A group's plan is created before its files, a state after.

The state is the commit: readers that ask for it see the old files before it and the new ones after it. Engines that read folders
see the new rows once `documents` has them, which is written last, and the views of `views.sql` then no longer count the old ones.
After a kill the plan says which files are joined, so the same call writes the same bytes again, and creates the state. The old
files stay until `pagefold gc` removes them, so that whoever reads them may finish.
"""

import socket
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from pipeline.lake.garbage import check_output
from pipeline.lake.lease import Lease, LeaseLost
from pipeline.lake.paths import day_prefix, file_name, rewrite_plan_path, rewrite_state_path, rewritten_name
from pipeline.lake.rewriting.groups import TableFiles, choose_groups, find_units
from pipeline.lake.rewriting.sorted_files import read_rows, repeated_sources, split, write_rows
from pipeline.lake.rewriting.state import read_live_files, unfinished_plan
from pipeline.lake.tables.backfill import backfill
from pipeline.object_store.store import Damaged, Exists, Store
from pipeline.signals import Interrupted, signals_raise
from schemas.plan import CommittedFile
from schemas.rewrite import Rewrite, RewritePlan, RewriteState
from schemas.settings import OutputSettings
from schemas.tables import TABLES

_DOCUMENT_KEYS = ["source_id", "document_id", "uri"]


@dataclass
class Optimized:
    """What a call came to."""

    output: str
    is_dry_run: bool
    num_groups: int = 0
    num_files_before: int = 0
    num_files_after: int = 0
    num_bytes_before: int = 0
    num_bytes_after: int = 0
    """Of the files that were joined, and of those that stand for them."""
    message: str | None = None
    """Why the call ended early; None if it did not."""


OnProgress = Callable[[Optimized], None]


def look(store: Store, settings: OutputSettings) -> Optimized:
    """What `optimize` would join. It takes no lease and writes nothing."""
    check_output(store)
    live = read_live_files(store)
    files = TableFiles(store, live)
    done = Optimized(store.root, is_dry_run=True)
    for group in choose_groups(find_units(store, live, files), settings.optimized_file_mb * 1e6):
        names = {name for unit in group for name in unit.names}
        sizes = [size for sizes in files.sizes.values() for path, size in sizes.items() if file_name(path) in names]
        done.num_groups += 1
        done.num_files_before += len(sizes)
        done.num_bytes_before += sum(sizes)
    return done


def optimize(store: Store, settings: OutputSettings, *, run_id: str, on_progress: OnProgress = lambda done: None) -> Optimized:
    """Raises LeaseHeld while a run is at work, LeaseLost, Damaged, StoreError; OperatorError if OUT is no output."""
    check_output(store)
    done = Optimized(store.root, is_dry_run=False)
    with Lease.acquire(store, owner=socket.gethostname(), run_id=run_id, ttl_s=settings.lease_ttl_s) as lease:
        try:
            with signals_raise():
                store.sweep()
                optimize_under(store, settings, lease.check, done, on_progress)
        except (Interrupted, KeyboardInterrupt) as stop:
            done.message = str(stop) or "interrupted"
    return done


def optimize_under(
    store: Store, settings: OutputSettings, check: Callable[[], None], done: Optimized, on_progress: OnProgress = lambda done: None
) -> None:
    """The same without a lease of its own; `check` raises if the caller's is lost."""
    if plan := unfinished_plan(store):
        _carry_out(store, plan, check, done)
        on_progress(done)
    for _ in backfill(store, settings):  # it would not find the tables of files that are joined
        check()
    live = read_live_files(store)
    files = TableFiles(store, live)
    groups = list(choose_groups(find_units(store, live, files), settings.optimized_file_mb * 1e6))
    if not groups:
        return
    documents = sorted(files.sizes["documents"])
    repeated = repeated_sources(read_rows(store, "documents", documents, _DOCUMENT_KEYS))
    number = live.state.number
    for group in groups:
        names = [name for unit in group for name in unit.names]
        paths = [path for path in documents if file_name(path) in set(names)]
        sources = read_rows(store, "documents", paths, _DOCUMENT_KEYS)["source_id"].to_pylist()
        number += 1
        plan = RewritePlan(
            number=number,
            ingest_date=group[0].ingest_date,
            names=names,
            repeated=sorted(repeated.intersection(sources)),
            compression_level=settings.compression_level,
            row_group_rows=settings.row_group_rows,
        )
        check()
        _create(store, rewrite_plan_path(number), plan)
        _carry_out(store, plan, check, done)
        on_progress(done)


def _carry_out(store: Store, plan: RewritePlan, check: Callable[[], None], done: Optimized) -> None:
    """Writes the plan's files, `documents` last, and then the state."""
    live = read_live_files(store)
    if live.state.number >= plan.number:
        return
    names, before, after = set(plan.names), 0, []
    for table in sorted(TABLES, key=lambda table: table == "documents"):
        old = [stored for stored in store.list(day_prefix(table, plan.ingest_date)) if file_name(stored.path) in names]
        if table == "documents" and {file_name(stored.path) for stored in old} != names:
            raise Damaged(
                f"{store.uri(rewrite_plan_path(plan.number))} names files that are gone; remove it, and optimize plans anew."
            )
        before += len(old)
        done.num_bytes_before += sum(stored.size_bytes for stored in old)
        after += _join(store, plan, table, sorted(stored.path for stored in old), check)
    _commit(store, plan, live.state, after, check)
    done.num_groups += 1
    done.num_files_before += before
    done.num_files_after += len(after)
    done.num_bytes_after += sum(file.size_bytes for file in after)


def _join(store: Store, plan: RewritePlan, table: str, paths: list[str], check: Callable[[], None]) -> list[CommittedFile]:
    """The files of a table in place of those at `paths`."""
    if not paths:
        return []
    rows, written = read_rows(store, table, paths), []
    for is_repeated, part in zip((False, True), split(rows, plan.repeated), strict=True):
        check()
        if (made := write_rows(table, part, plan)) is None:
            continue
        path = f"{day_prefix(table, plan.ingest_date)}{rewritten_name(plan.number, is_repeated=is_repeated)}.parquet"
        check()
        _check_open(store, plan)
        store.put(path, made.body)
        written.append(CommittedFile(path=path, size_bytes=len(made.body), rows=made.rows))
    assert sum(file.rows for file in written) == rows.num_rows
    return written


def _check_open(store: Store, plan: RewritePlan) -> None:
    """No file is written once the state stands: gc may have removed it since. Raises LeaseLost."""
    with suppress(FileNotFoundError):
        store.get(rewrite_state_path(plan.number))
        raise _at_work(store, rewrite_state_path(plan.number))


def _commit(store: Store, plan: RewritePlan, state: RewriteState, files: list[CommittedFile], check: Callable[[], None]) -> None:
    """Creates the state in which this rewrite stands, and those that it replaced no longer do."""
    names = set(plan.names)
    kept, replaced = [], list(plan.names)
    for rewrite in state.rewrites:
        if names.isdisjoint(file_name(file.path) for file in rewrite.files):
            kept.append(rewrite)
        else:
            replaced += rewrite.replaced
    rewrite = Rewrite(
        number=plan.number,
        ingest_date=plan.ingest_date,
        made_at=store.get_versioned(rewrite_plan_path(plan.number)).server_now,
        replaced=replaced,
        files=files,
    )
    check()
    _create(store, rewrite_state_path(plan.number), RewriteState(rewrites=[*kept, rewrite]))


def _create(store: Store, path: str, model: RewritePlan | RewriteState) -> None:
    try:
        store.create(path, model.model_dump_json().encode())
    except Exists:
        raise _at_work(store, path) from None


def _at_work(store: Store, path: str) -> LeaseLost:
    return LeaseLost(f"{store.uri(path)} exists already: another optimize has taken over.")
