"""What stands in an output and what a run would add: for `pagefold plan`, `status` and `failures`."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

import pyarrow as pa
from rich.console import Console
from rich.table import Table
from rich.text import Text

from pipeline.analytics.duckdb_tables import connected
from pipeline.analytics.result_formats import as_text
from pipeline.lake.garbage import Sweep, check_output
from pipeline.lake.lease import is_held, read_lease
from pipeline.lake.ledger import list_manifests
from pipeline.lake.opening import open_store
from pipeline.lake.plans import find_unfinished, list_plan_numbers
from pipeline.lake.rewriting.optimize import Optimized
from pipeline.lake.shard_progress import read_progress
from pipeline.lake.snapshots import read_commits
from pipeline.lake.tables.missing_files import MissingFiles, find_missing
from pipeline.object_store.store import Store
from pipeline.reporting.figures import counted, duration, pace, size
from pipeline.reporting.terminal import failures_table
from schemas.failure import FailureKind, clean_message
from schemas.lease import Heartbeat

NUM_RUNS = 5
SILENT_S = 120.0
"""Without a page for longer, a run at work is called silent: alive, and yet it may hang."""


@dataclass(frozen=True, kw_only=True)
class OutputStatus:
    """Where an output stands."""

    output: str
    state: Literal["running", "dead", "idle"]
    """dead: a run was gone before it gave its lease back (it ran out, or its process is dead); the next run takes over."""
    run_id: str | None = None
    """Of the lease's holder, now or last."""
    owner: str | None = None
    lease_age_s: float | None = None
    heartbeat: Heartbeat | None = None
    """Of the run at work, when it last renewed its lease."""
    num_plans: int = 0
    unfinished_plan_id: str | None = None
    num_shards: int = 0
    """Of the unfinished plan; so are the counts below."""
    num_shards_committed: int = 0
    num_sources: int = 0
    num_sources_done: int = 0
    """Staged in full, or committed."""
    is_brief: bool = False
    """What follows was not asked for."""
    documents: Mapping[str, int] = field(default_factory=dict)
    """Current documents by status."""
    open_failures: Mapping[str, int] = field(default_factory=dict)
    """By kind."""
    missing_files: MissingFiles = field(default_factory=MissingFiles)
    """Table files that manifests name and that are not there as they were written."""
    runs: Sequence[Mapping[str, Any]] = ()
    """The last ones, newest first."""


def read_status(output: str, *, is_brief: bool = False) -> OutputStatus:
    """From the lease, the plans, the staged chunks and, unless it shall be brief, the tables; changes nothing.

    Raises OperatorError, StoreError: no such folder or bucket, or, where it is brief, nothing was ever planned there.
    """
    tables = {} if is_brief else _status_of_tables(output)
    store = open_store(output)
    if not is_brief:
        tables["missing_files"] = find_missing(store, _named_files(store))
    if is_brief:
        check_output(store)
    numbers = list_plan_numbers(store)
    unfinished = find_unfinished(store, numbers)
    shards = sources = shards_done = sources_done = 0
    if unfinished is not None:
        plan, pending = unfinished.plan, unfinished.pending
        shards, sources = len(plan.shards), plan.shards.num_sources
        shards_done = shards - len(pending)
        staged = sum(progress.num_complete for progress in read_progress(store, plan, pending).values())
        sources_done = sources - sum(map(plan.shards.num_sources_of, pending)) + staged
    lease = read_lease(store)
    is_running = lease is not None and is_held(*lease)
    return OutputStatus(
        output=output,
        state="running" if is_running else "idle" if lease is None or lease[0].is_released else "dead",
        run_id=lease[0].run_id if lease else None,
        owner=lease[0].owner if lease else None,
        lease_age_s=lease[1] if lease else None,
        heartbeat=lease[0].heartbeat if lease and is_running else None,
        num_plans=len(numbers),
        unfinished_plan_id=unfinished.plan.plan_id if unfinished else None,
        num_shards=shards,
        num_shards_committed=shards_done,
        num_sources=sources,
        num_sources_done=sources_done,
        is_brief=is_brief,
        **tables,
    )


def _named_files(store: Store) -> dict[str, int]:
    """Size in bytes by path, of every file that a manifest names."""
    commits = read_commits(store, list_manifests(store))
    return {file["path"]: file["size_bytes"] for commit in commits for file in commit.get("files", ())}


def _status_of_tables(output: str) -> dict[str, Any]:
    with connected(output, "runs current_documents open_failures") as connection:
        runs = connection.sql(
            "SELECT run_id, status, started_at, seconds, num_documents, num_pages, num_failures, pages_per_s, engine, "
            f"cost, currency, message FROM runs ORDER BY started_at DESC LIMIT {NUM_RUNS}"
        )
        kinds = connection.sql("SELECT kind, count(*) FROM open_failures GROUP BY 1 ORDER BY 2 DESC, 1")
        return {
            "documents": dict(connection.sql("SELECT status, count(*) FROM current_documents GROUP BY 1 ORDER BY 1").fetchall()),
            "open_failures": dict(kinds.fetchall()),
            "runs": runs.to_arrow_table().to_pylist(),
        }


def print_status(console: Console, status: OutputStatus) -> None:
    who = Text(f"run {clean_message(status.run_id or '')} on {clean_message(status.owner or '')}")
    if status.state == "running":
        console.print(
            Text.assemble(("Running: ", "bold green"), who, f", last sign of life {duration(status.lease_age_s or 0)} ago")
        )
        if status.heartbeat is not None:
            console.print(_progress_line(status.heartbeat, status.lease_age_s or 0))
    elif status.state == "dead":
        console.print(
            Text.assemble(("Dead: ", "bold red"), who, f" was last seen {duration(status.lease_age_s or 0)} ago; run again")
        )
    else:
        console.print(Text("Idle: no run is at work here.", "bold"))
    if status.unfinished_plan_id:
        done = (
            f"{status.num_sources_done}/{status.num_sources} sources read, {status.num_shards_committed}/{status.num_shards} shards"
        )
        console.print(Text(f"Plan {status.unfinished_plan_id} is unfinished: {done} committed."))
    if status.is_brief:
        return
    documents = ", ".join(f"{count} {kind}" for kind, count in status.documents.items())
    console.print(Text(f"Documents: {documents or 'none yet'}."))
    kinds = ", ".join(f"{kind} {count}" for kind, count in status.open_failures.items())
    console.print(Text(f"Open failures: {kinds or 'none'}."))
    for sentence in status.missing_files.sentences:
        console.print(Text(f"Mind: {sentence}.", "yellow"))
    if not status.runs:
        return
    names = ("run", "status", "started", "took", "documents", "pages", "failures", "engine", "cost")
    table = Table(*names, box=None, header_style="bold")
    for run in status.runs:
        started: datetime = run["started_at"]
        is_over = run["status"] != "running"
        took = duration(run["seconds"]) if is_over else ""
        state = run["status"] if is_over or (run["run_id"] == status.run_id and status.state == "running") else "killed"
        cost = "" if run["cost"] is None else f"{run['cost']:.2f} {run['currency']}"
        counts = [str(run[name]) for name in ("num_documents", "num_pages", "num_failures")]
        table.add_row(run["run_id"], state, f"{started:%Y-%m-%d %H:%M:%S}", took, *counts, run["engine"], cost)
    console.print()
    console.print(table)


def _progress_line(beat: Heartbeat, age_s: float) -> Text:
    """The time left is the run's own estimate, less what has passed since it said so."""
    silent_s = beat.silent_s + age_s
    parts = [
        f"{beat.num_documents_done}/{beat.num_documents} documents",
        counted(beat.num_pages, "page"),
        counted(beat.num_failures, "failure"),
    ]
    parts += [f"{pace(beat.pages_per_s)} pages/s"] if beat.pages_per_s is not None else []
    parts += [f"about {duration(max(0.0, beat.left_s - age_s))} left"] if beat.left_s is not None else []
    parts += [f"{beat.num_requests} requests at once"] if beat.num_requests is not None else []
    line = Text(f"{clean_message(beat.phase)}: " + ", ".join(parts) + ".")
    if silent_s > SILENT_S:
        at_hand = f" ({clean_message(beat.stages)})" if beat.stages else ""
        line.append(f" Nothing has come for {duration(silent_s)}{at_hand}.", "yellow")
    return line


def open_failures(output: str, kinds: Sequence[FailureKind] | None) -> pa.Table:
    """Open failures, by kind, document and page; of these kinds only, and not of what was deleted."""
    chosen = "" if kinds is None else f"AND kind IN ({', '.join(repr(kind.value) for kind in kinds)})"
    with connected(output, "open_failures current_sources") as connection:
        return connection.sql(
            "SELECT kind, uri, page_index, region_index, task, stage, message, is_transient, attempt, failed_at, source_id "
            "FROM open_failures WHERE source_id NOT IN (SELECT source_id FROM current_sources WHERE deleted_at IS NOT NULL) "
            f"{chosen} ORDER BY kind, uri, page_index NULLS FIRST, region_index NULLS FIRST"
        ).to_arrow_table()


def print_failures(console: Console, rows: pa.Table, output: str) -> None:
    if rows.num_rows == 0:
        console.print("No open failures.")
        return
    console.print(failures_table(Counter(FailureKind(kind) for kind in rows.column("kind").to_pylist())))
    console.print()
    table = Table("kind", "file", "page", "message", box=None, padding=(0, 2, 0, 0), header_style="bold")
    shown = 50
    for row in rows.slice(0, shown).to_pylist():
        page = "" if row["page_index"] is None else str(row["page_index"] + 1)
        region = "" if row["region_index"] is None else f", chart {row['region_index'] + 1}"
        table.add_row(row["kind"], Text(as_text(row["uri"])), page + region, Text(as_text(row["message"])))
    console.print(table)
    if rows.num_rows > shown:
        console.print(f"… and {rows.num_rows - shown} more; --json has them all.")
    console.print()
    console.print(Text(f"Read them again: pagefold retry {clean_message(output)} [--kind KIND]"))


def print_optimized(console: Console, done: Optimized) -> None:
    if not done.num_groups and not done.message:
        console.print("Nothing to join: the files are few or large already.")
        return
    before = f"{done.num_files_before} files ({size(done.num_bytes_before)})"
    if done.is_dry_run:
        console.print(Text(f"{before} would be joined into {done.num_groups} of each table. Nothing was written: a dry run."))
        return
    console.print(Text(f"Joined {before} into {done.num_files_after} ({size(done.num_bytes_after)})."))
    if done.message:
        console.print(Text(f"Incomplete: {clean_message(done.message)}. The same command goes on.", "bold red"))
    elif done.num_groups:
        console.print(Text(f"The old files stay for those who read them now; in an hour: pagefold gc {done.output} --tables"))


def print_sweep(console: Console, sweep: Sweep) -> None:
    """Each object on a dry run, else sums; and what is left in the tables."""
    if sweep.is_dry_run:
        for garbage in sweep.found:
            console.print(Text(f"{garbage.size_bytes:>12}  {garbage.what:<12}  {clean_message(garbage.path)}"), soft_wrap=True)
    kinds = Counter(garbage.what for garbage in sweep.found)
    found = ", ".join(f"{count} {what}{'s' * (count > 1)}" for what, count in kinds.items()) or "nothing"
    console.print(Text(f"Found {found}: {size(sum(garbage.size_bytes for garbage in sweep.found))}."))
    if sweep.is_dry_run:
        console.print("Nothing was removed: a dry run.")
        return
    console.print(Text(f"Removed {sweep.num_removed}: {size(sweep.num_bytes_removed)}."))
    if sweep.message:
        console.print(Text(f"Incomplete: {clean_message(sweep.message)}. The same command goes on.", "bold red"))
    elif sweep.num_removed < len(sweep.found):
        console.print("Table files are left where they are; with --tables they go, too.")
