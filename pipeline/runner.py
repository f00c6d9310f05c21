"""A run from Python: `run(input, output, settings)`. The command line calls the same functions."""

import contextlib
import secrets
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from typing import TYPE_CHECKING, Literal

from pipeline.cluster.session import check_room, check_start, forget_fetched
from pipeline.lake.commit import commit_disappearances, commit_whole
from pipeline.lake.lease import Lease, LeaseLost
from pipeline.lake.ledger import Ledger
from pipeline.lake.opening import open_output, probe_store
from pipeline.lake.paths import plan_number, run_path
from pipeline.lake.plans import (
    Unfinished,
    abandon,
    is_outdated,
    is_superseded,
    refuse_tables_of_no_plan,
    write_plan,
)
from pipeline.lake.rewriting.state import read_live_files
from pipeline.lake.shard_progress import read_progress
from pipeline.lake.snapshots import write_snapshots
from pipeline.lake.tables.missing_files import find_missing
from pipeline.object_store.patience import Result, patiently
from pipeline.object_store.store import Damaged, StoreError
from pipeline.planning.engines import check_engines, describe_engines, engine_columns, names
from pipeline.planning.intake import refuse_output_in_input
from pipeline.planning.recipes import asked_recipes
from pipeline.planning.todo import LakeState, Todo, amount_to_read, failed_work, is_unchanged, new_work, read_lake
from pipeline.reporting.observer import Observer, Several, Silent
from pipeline.reporting.progress import Progress
from pipeline.reporting.summary import Summary, SummaryStatus, waiting_text
from pipeline.reporting.totals import Counting, Totals, parquet_bytes
from pipeline.signals import Interrupted, signals_noted, signals_raise
from pipeline.ways.choice import choose_way, open_way, started_early, way_asked_for
from schemas.errors import BugEverywhere, DiskFull, EngineDies, OperatorError, StagesEnd
from schemas.failure import FailureKind, Task
from schemas.plan import CommittedCounts, Plan, Recipe
from schemas.planned import Shards
from schemas.records import RunStatus
from schemas.settings import Redo, Settings
from workers.sources.listing import storable

if TYPE_CHECKING:
    from pipeline.ways.here import Worker

Choose = Callable[[Ledger, dict[Task, Recipe], Settings], Todo]
"""Chooses what to read, given what is done."""


def run(input: str, output: str, settings: Settings | None = None, *, observer: Observer | None = None) -> Summary:
    """Reads what is new or changed below `input` into the tables below `output`.

    Failures of pages are rows, not exceptions. Raises OperatorError, StoreError, InputError or EngineStartError before any work if
    something is set up wrong, and LeaseHeld if another run is at work on the same output.
    """

    def choose(ledger: Ledger, recipes: dict[Task, Recipe], settings: Settings) -> Todo:
        return new_work(input, ledger, recipes, settings)

    with _failure_reported(observer or Silent()) as reported:
        return _Run(input, output, settings or Settings(), reported).run(choose)


def retry(
    output: str,
    settings: Settings | None = None,
    *,
    kinds: Sequence[FailureKind] | None = None,
    observer: Observer | None = None,
) -> Summary:
    """Reads again what failed (`kinds` None: for any reason), under the recipes of `settings`, which may name another engine.

    Raises as `run` does, and OperatorError if nothing was ever planned in `output`, which may be a typo.
    """

    def choose(ledger: Ledger, recipes: dict[Task, Recipe], settings: Settings) -> Todo:
        return failed_work(ledger, recipes, settings, kinds)

    with _failure_reported(observer or Silent()) as reported:
        return _Run("", output, settings or Settings(), reported).run(choose)


@contextlib.contextmanager
def _failure_reported(observer: Observer) -> Iterator[Observer]:
    try:
        yield observer
    except BaseException as error:
        observer.failed(error)
        raise


def new_run_id() -> str:
    """A new id. Ids sort by start, to the second."""
    return f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{secrets.token_hex(3)}"


@dataclass(frozen=True)
class _Look:
    """The state of the output, and what is left to do of the input."""

    output: LakeState
    todo: Todo

    @property
    def has_work(self) -> bool:
        return self.output.unfinished is not None or self.todo.has_work


class _Run:
    """One run. It takes the lease, finishes an unfinished plan, then makes a new one. It writes a row in `runs` at its start and
    end."""

    def __init__(self, input: str, output: str, settings: Settings, observer: Observer) -> None:
        self.input, self.output, self.settings = input, output, settings
        self.progress = Progress()
        self.observer: Observer = Several(observer, self.progress)
        self.engines = describe_engines(settings.engine, settings.read.tasks)
        self._choice = way_asked_for(settings)
        self._check_start()
        self.recipes = asked_recipes(settings, self.engines)
        if input:
            refuse_output_in_input(input, output)
        self.store = open_output(output, settings)
        self.run_id = new_run_id()
        self.started_at = datetime.now(UTC)
        self.started = time.monotonic()
        self.totals = Totals()
        self._worker: Worker | None = None
        self._todo: Todo | None = None
        """The content of the plan that the run has made; None if it has made none."""

    def run(self, choose: Choose) -> Summary:
        self.observer.phase("listing", self.input)
        look = self._patiently(lambda: self._look(choose))  # before the lease and any process: most scheduled runs find nothing
        for sentence in find_missing(self.store, read_live_files(self.store).sizes(look.output.ledger.files)).sentences:
            self.observer.message(sentence)
        if not look.has_work:
            self._announce(look.todo)
            with contextlib.suppress(StoreError):  # they only spare reading
                write_snapshots(self.store, look.output.manifests)
            return self._end("nothing_to_do", todo=look.todo)
        num_sources, num_bytes = amount_to_read(look.output, look.todo)
        if self._choice is None:
            self._choice = choose_way(self.settings, num_sources, num_bytes)
            self._check_start()
        if self._choice.way == "ray":
            check_room(self.settings.ray)
        early = started_early(self._choice.way, self.input, self.settings, self.recipes, self.run_id, self.store)
        with early if num_sources else contextlib.nullcontext() as self._worker:
            return self._run_leased(choose, look)

    def _run_leased(self, choose: Choose, look: "_Look") -> Summary:
        if not self.settings.output.unsafe_single_writer:
            self._patiently(lambda: probe_store(self.store))
        ttl_s = self.settings.output.lease_ttl_s
        owner, beat = socket.gethostname(), self.progress.heartbeat
        with Lease.acquire(self.store, owner=owner, run_id=self.run_id, ttl_s=ttl_s, beat=beat) as lease:
            self.observer.started(self.run_id, names(self.engines), lease)
            return self._run_under(lease, choose, look)

    def _check_start(self) -> None:
        """Checks for what would stop every run on this way, or on any way while it is not chosen."""
        if self._choice is not None and self._choice.way == "ray":
            check_start(self.settings)
        else:
            check_engines(self.settings.engine, self.settings.read.tasks, runs_here=True)

    def _patiently(self, step: Callable[[], Result]) -> Result:
        return patiently(step, max_tries=self.settings.fetch.max_tries, say=self.observer.message)

    def _look(self, choose: Choose, settings: Settings | None = None) -> "_Look":
        output = read_lake(self.store)
        if not self.input and output.last_plan_number is None:
            raise OperatorError(f"{self.output} holds no plan, so nothing can have failed there: is it the right place?")
        return _Look(output, choose(output.ledger, self.recipes, settings or self.settings))

    def _look_again(self, choose: Choose, look: "_Look") -> "_Look":
        """`look`, or a new one if another run has planned or committed since. Call it under the lease."""
        return look if is_unchanged(self.store, look.output) else self._look(choose)

    def _announce(self, todo: Todo) -> None:
        if todo.waiting:
            self.observer.message(waiting_text(todo.waiting.num_sources, todo.waiting.until))
        if todo.empty_input:
            self.observer.message(todo.empty_input)

    def _run_under(self, lease: Lease, choose: Choose, look: "_Look") -> Summary:
        self._write_row("running")
        status: Literal["finished", "incomplete"] = "finished"
        message: str | None = None
        at_work: Unfinished | None = None
        try:
            with signals_raise():
                for plan in self._plans(lease, choose, self._look_again(choose, look)):
                    self.totals.plan_ids.append(plan.plan.plan_id)
                    at_work = plan
                    self._execute(plan, lease)
                    at_work = None
        except Damaged as error:  # a StoreError that will not pass
            self._write_row("failed", str(error))
            raise
        except (Interrupted, KeyboardInterrupt, LeaseLost, StoreError, EngineDies, BugEverywhere, DiskFull, StagesEnd) as stop:
            status, message = "incomplete", str(stop) or "interrupted"
            with signals_noted(), contextlib.suppress(StoreError):
                self.totals.num_pages_waiting = self._num_pages_waiting(at_work)
        except BaseException as error:
            with contextlib.suppress(StoreError):  # the error itself says more
                self._write_row("failed", f"{type(error).__name__}: {error}")
            raise
        if status == "finished" and (message := self.totals.trouble(self.settings.run.fail_above)):
            with signals_noted(), contextlib.suppress(StoreError):
                self._write_row("failed", message)
            return self._end("too_many_failed", message, todo=self._todo)
        # a further Ctrl-C shall not leave the row at `running`; a store that is out of reach is why the run is incomplete
        with signals_noted(), contextlib.suppress(StoreError):
            self._write_row(status, message)
        return self._end(status, message, todo=self._todo)

    def _num_pages_waiting(self, at_work: Unfinished | None) -> int:
        if at_work is None:
            return 0
        return sum(shard.num_pages_waiting for shard in read_progress(self.store, at_work.plan, at_work.pending).values())

    def _plans(self, lease: Lease, choose: Choose, look: "_Look") -> Iterator[Unfinished]:
        """The plans to work on: an unfinished plan as it is, then a new one."""
        if unfinished := look.output.unfinished:
            plan = unfinished.plan
            if unfinished.owes_disappearances:
                commit_disappearances(self.store, plan, self.run_id, lease.check)
            settings = self.settings
            if is_outdated(self.store, plan, self.recipes, look.output.plan_numbers):
                self._close(unfinished, look.output.plan_numbers, lease)
            else:
                self.observer.message(f"plan {plan_number(plan.plan_id)} is unfinished: going on with it")
                settings = _asked_once(settings, plan)
                self.totals.resumed(look.output.ledger.counts.get(plan.plan_id, CommittedCounts()))
                yield unfinished
            self.observer.phase("planning")
            look = self._look(choose, settings)
        write_snapshots(self.store, look.output.manifests)
        while True:
            todo = self._todo = look.todo
            self._announce(todo)
            if not todo.has_work:
                return
            yield self._new_plan(look, lease)
            if not todo.counts.num_in_two:
                return
            self.observer.phase("planning")
            look = self._look(choose, settings)

    def _new_plan(self, look: "_Look", lease: Lease) -> Unfinished:
        todo = look.todo
        if look.output.last_plan_number is None:
            refuse_tables_of_no_plan(self.store)
        lease.check()
        plan = write_plan(
            self.store,
            self._with_places(todo),
            self.recipes,
            self.settings.plan,
            input=storable(self.input),
            epoch=lease.epoch,
            page_range=self.settings.input.pages if self.input else None,
            max_pages=self.settings.render.max_pages,
            last_plan_id=look.output.last_plan_number,
            known=todo.known,
            disappearances=todo.disappearances,
        )
        if plan.disappearances:
            commit_disappearances(self.store, plan, self.run_id, lease.check)
        return Unfinished(plan, list(range(len(plan.shards))))

    def _with_places(self, todo: Todo) -> Shards:
        if not todo.counts.num_charts_alone:
            return todo.shards
        from pipeline.planning.chart_places import with_places  # DuckDB takes its time, and most runs need none

        return with_places(self.output, todo.shards)

    def _close(self, unfinished: Unfinished, numbers: list[str], lease: Lease) -> None:
        plan, kept = unfinished.plan, 0
        if not is_superseded(self.store, plan, numbers):
            counts = commit_whole(self.store, plan, unfinished.pending, self.run_id, self.settings.output, lease.check)
            self.totals.landed(counts)
            kept = counts.num_documents
        abandon(self.store, plan, self.run_id)
        what = f"{kept} documents that were read in full are committed" if kept else "none of its documents was read in full"
        days = self.settings.output.keep_answers_days
        self.observer.message(
            f"plan {plan_number(plan.plan_id)} asked for other answers: closed; {what}, pages of others are kept for {days:g} days "
            "and are not asked again under the same recipes"
        )

    def _execute(self, unfinished: Unfinished, lease: Lease) -> None:
        if not unfinished.pending:  # it only noted what is gone
            return
        from pipeline.execute import execute  # imported only where there is work

        assert self._choice is not None
        observer = Counting(self.observer, self.totals)
        worker, self._worker = self._worker, None  # it works on one plan
        execute(
            unfinished.plan,
            unfinished.pending,
            settings=self.settings,
            run_id=self.run_id,
            store=self.store,
            check_lease=lease.check,
            observer=observer,
            way=open_way(self._choice.way, self.settings, self.run_id, observer, worker),
        )
        forget_fetched(self.settings)  # not of a run that was cut short: the one that goes on asks for the same

    def _write_row(self, status: RunStatus, message: str | None = None) -> None:
        record = self.totals.record(
            self.settings,
            run_id=self.run_id,
            status=status,
            started_at=self.started_at,
            ended_at=None if status == "running" else datetime.now(UTC),
            input=storable(self.input),
            output=self.output,
            **engine_columns(self.engines),
            host=socket.gethostname(),
            version=version("pagefold"),
            settings_json=self.settings.model_dump_json(),
            seconds=time.monotonic() - self.started,
            message=message,
        )
        self.store.put(run_path(self.run_id), parquet_bytes(record))

    def _end(self, status: SummaryStatus, message: str | None = None, *, todo: Todo | None = None) -> Summary:
        waiting = todo and todo.waiting
        known = {
            "run_id": self.run_id,
            "status": status,
            "output": self.output,
            "message": message,
            "num_deleted": sum(change.is_deleted for change in todo.disappearances) if todo else 0,
            "num_waiting": waiting.num_sources if waiting else 0,
            "waiting_until": waiting.until if waiting else None,
        }
        summary = self.totals.summary(self.settings, seconds=time.monotonic() - self.started, **known)
        self.observer.ended(summary)
        return summary


def _asked_once(settings: Settings, plan: Plan) -> Settings:
    """The settings for planning after `plan`. `--redo all` or `failed` applies to one plan; a run that resumes it must not redo
    everything again."""
    then: Redo = {"all": "stale", "failed": "none"}.get(plan.redo, settings.plan.redo)  # type: ignore[assignment]
    if plan.redo != settings.plan.redo:
        return settings
    return settings.model_copy(update={"plan": settings.plan.model_copy(update={"redo": then})})
