"""A run from Python: `run(input, output, settings)`; the CLI does nothing else."""

import contextlib
import os
import secrets
import socket
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Literal

from pipeline.cluster.session import check_room, check_start, forget_fetched, keep_to_loopback
from pipeline.lake.commit import commit_disappearances, commit_whole
from pipeline.lake.lease import Lease, LeaseLost
from pipeline.lake.ledger import Ledger
from pipeline.lake.missing_files import find_missing
from pipeline.lake.opening import open_store, probe_store
from pipeline.lake.paths import plan_number, run_path
from pipeline.lake.plans import Unfinished, abandon, find_unfinished, is_outdated, is_superseded, list_plan_numbers, write_plan
from pipeline.lake.shard_progress import read_progress
from pipeline.lake.snapshots import write_snapshots
from pipeline.object_store.patience import Result, patiently
from pipeline.object_store.store import Damaged, Store, StoreError
from pipeline.planning.recipes import make_recipes
from pipeline.planning.todo import LakeState, Todo, failed_work, is_unchanged, new_work, read_lake
from pipeline.reporting.observer import Observer, Several, Silent
from pipeline.reporting.progress import Progress
from pipeline.reporting.summary import PlanReport, Summary, SummaryStatus, waiting_text
from pipeline.reporting.totals import Counting, Totals, parquet_bytes
from pipeline.signals import Interrupted, signals_noted, signals_raise
from schemas.errors import BugEverywhere, DiskFull, EngineDies, OperatorError, RayEnds
from schemas.failure import FailureKind, Task
from schemas.plan import CommittedCounts, Plan, PlannedSource, Recipe
from schemas.records import RunStatus
from schemas.settings import Redo, Settings
from schemas.tables import TABLES
from workers.engines.engine import EngineInfo
from workers.engines.registry import check_engine, describe_engine

Choose = Callable[[Ledger, dict[Task, Recipe], Settings], Todo]
"""What to read, given what is done."""


def run(input: str, output: str, settings: Settings | None = None, *, observer: Observer | None = None) -> Summary:
    """Read what is new or changed under `input` into the tables under `output`.

    Failures of pages are rows, not exceptions. Raises OperatorError (and the StoreError, InputError, EngineStartError it stands
    for) before any work when something is set up wrong, LeaseHeld when another run is at work on the same output.
    """

    def choose(ledger: Ledger, recipes: dict[Task, Recipe], settings: Settings) -> Todo:
        return new_work(input, ledger, recipes, settings)

    with _failure_told(observer or Silent()) as told:
        return _Run(input, output, settings or Settings(), told).run(choose)


def retry(
    output: str,
    settings: Settings | None = None,
    *,
    kinds: Sequence[FailureKind] | None = None,
    observer: Observer | None = None,
) -> Summary:
    """Read again what failed (`kinds` None: for any reason), under the recipes of `settings`: another engine may be tried."""

    def choose(ledger: Ledger, recipes: dict[Task, Recipe], settings: Settings) -> Todo:
        return failed_work(ledger, recipes, settings, kinds)

    with _failure_told(observer or Silent()) as told:
        return _Run("", output, settings or Settings(), told).run(choose)


@contextlib.contextmanager
def _failure_told(observer: Observer) -> Iterator[Observer]:
    try:
        yield observer
    except BaseException as error:
        observer.failed(error)
        raise


def plan(input: str, output: str, settings: Settings | None = None) -> PlanReport:
    """What `run` would do. Reads listings and manifests, writes nothing, starts nothing."""
    settings = settings or Settings()
    _refuse_output_in_input(input, output)
    info = describe_engine(settings.engine)
    check_engine(settings.engine, runs_here=False)
    recipes = _recipes(settings, info)
    store = open_output(output, settings)

    def look() -> tuple[LakeState, Todo]:
        found = read_lake(store)
        return found, new_work(input, found.ledger, recipes, settings)

    found, todo = patiently(look, max_tries=settings.fetch.max_tries, say=lambda _: None)
    unfinished = found.unfinished
    outdated = unfinished is not None and is_outdated(store, unfinished.plan, recipes, found.plan_numbers)
    counts = todo.counts
    from pipeline.planning.forecast import forecast  # DuckDB takes its time, and a run needs none

    planned = [item for shard in todo.shards for item in shard]
    return PlanReport(
        num_sources_found=counts.num_listed,
        num_done=counts.num_done,
        num_new=counts.num_new,
        num_changed=counts.num_changed,
        num_redone=counts.num_redone,
        num_retried=counts.num_retried,
        num_stale_left=counts.num_stale_left,
        num_left_for_limit=counts.num_left_for_limit,
        num_left_out=counts.left_out,
        num_waiting=todo.waiting.num_sources if todo.waiting else 0,
        waiting_until=todo.waiting.until if todo.waiting else None,
        num_deleted=sum(change.is_deleted for change in todo.disappearances),
        num_restored=sum(not change.is_deleted for change in todo.disappearances),
        num_not_taken_for_deleted=todo.num_not_taken_for_deleted,
        empty_input=todo.empty_input,
        num_bytes=counts.num_bytes,
        num_shards=len(todo.shards),
        recipes={task: recipe.recipe_id for task, recipe in recipes.items()},
        forecast=forecast(output, store, found.ledger, planned, recipes, settings) if planned else (),
        unfinished_plan_id=unfinished.plan.plan_id if unfinished else None,
        num_unfinished_sources=_num_sources(unfinished) if unfinished else 0,
        abandons_unfinished=outdated,
        tasks_left_out=tuple(task for task in settings.read.tasks if task not in recipes),
        missing_files=find_missing(store, found.ledger.files),
    )


def about_to_close(output: str, settings: Settings) -> str | None:
    """In a sentence or two, the unfinished plan that a run with these settings would close; None where there is none.

    Reads listings and the newest plan, changes nothing.
    """
    recipes = _recipes(settings, describe_engine(settings.engine))
    store = open_output(output, settings)
    numbers = list_plan_numbers(store)
    unfinished = find_unfinished(store, numbers)
    if unfinished is None or not unfinished.pending or not is_outdated(store, unfinished.plan, recipes, numbers):
        return None
    plan = unfinished.plan
    num_read = sum(shard.num_complete for shard in read_progress(store, plan, unfinished.pending).values())
    days = settings.output.keep_answers_days
    then, now = _asked_of(plan.recipes), _asked_of(recipes)
    return (
        f"Plan {plan_number(plan.plan_id)} is unfinished ({num_read} of its {_num_sources(unfinished)} open documents are read). "
        f"It asks for {then}; these settings ask for {now}, so it would be closed. What was read in full is committed; single "
        f"pages are kept for {days:g} days, for a run that asks for the same again."
    )


def _asked_of(recipes: Mapping[Task, Recipe]) -> str:
    asked = sorted({f"{recipe.engine} {recipe.model or ''}".strip() for recipe in recipes.values()})
    return f"{' and '.join(recipes)} by {' and '.join(asked)}"


def _num_sources(unfinished: Unfinished) -> int:
    return sum(len(unfinished.plan.shards[index]) for index in unfinished.pending)


def _recipes(settings: Settings, info: EngineInfo) -> dict[Task, Recipe]:
    recipes = make_recipes(settings, info, settings.read.tasks)
    if not recipes:
        asked, known = ", ".join(settings.read.tasks), ", ".join(info.tasks)
        raise OperatorError(f"The engine `{info.name}` does {known} only, and only {asked} is asked for.")
    return recipes


def open_output(output: str, settings: Settings) -> Store:
    """The output's store, with the limits and promises of the settings."""
    return open_store(
        output,
        timeout_s=settings.fetch.timeout_s,
        max_tries=settings.fetch.max_tries,
        unsafe_single_writer=settings.output.unsafe_single_writer,
    )


def _refuse_output_in_input(input: str, output: str) -> None:
    """An output below the input would be read by the next run."""
    inner, outer = (_comparable(place) for place in (output, input))
    if inner == outer or inner.startswith(outer + "/"):
        raise OperatorError(f"The output {output} lies inside the input {input}: its files would be read as input.")


def _refuse_tables_of_no_plan(store: Store) -> None:
    """Where plans and manifests were removed and tables stay, every document would be there twice. Raises OperatorError."""
    for table in TABLES:
        for stored in store.list(f"{table}/"):
            raise OperatorError(
                f"{store.root} holds {stored.path} and no plan that it could be of: remove its tables as well, or restore its "
                "folder _pagefold."
            )


def _comparable(place: str) -> str:
    return place.rstrip("/") if "://" in place else os.path.realpath(place)


def new_run_id() -> str:
    """Sorts by start, to the second."""
    return f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{secrets.token_hex(3)}"


@dataclass(frozen=True)
class _Look:
    """What lies in the output and what of the input is left to do."""

    output: LakeState
    todo: Todo

    @property
    def has_work(self) -> bool:
        return self.output.unfinished is not None or self.todo.has_work


class _Run:
    """One run: lease, unfinished plan first, then a new one; a row in `runs` at start and end."""

    def __init__(self, input: str, output: str, settings: Settings, observer: Observer) -> None:
        self.input, self.output, self.settings = input, output, settings
        self.progress = Progress()
        self.observer: Observer = Several(observer, self.progress)
        self.info = describe_engine(settings.engine)
        check_start(settings)
        self.recipes = _recipes(settings, self.info)
        if input:
            _refuse_output_in_input(input, output)
        self.store = open_output(output, settings)
        self.run_id = new_run_id()
        self.started_at = datetime.now(UTC)
        self.started = time.monotonic()
        self.totals = Totals()
        self._todo: Todo | None = None
        """Of the plan it made, if it came to that."""

    def run(self, choose: Choose) -> Summary:
        self.observer.phase("listing", self.input)
        look = self._patiently(lambda: self._look(choose))  # before the lease and before Ray: most scheduled runs find nothing
        for sentence in find_missing(self.store, look.output.ledger.files).sentences:
            self.observer.message(sentence)
        if not look.has_work:
            self._tell(look.todo)
            with contextlib.suppress(StoreError):  # they only spare reading
                write_snapshots(self.store, look.output.manifests)
            return self._end("nothing_to_do", todo=look.todo)
        check_room(self.settings.ray)
        if not self.settings.output.unsafe_single_writer:
            self._patiently(lambda: probe_store(self.store))
        ttl_s = self.settings.output.lease_ttl_s
        owner, tell = socket.gethostname(), self.progress.heartbeat
        with Lease.acquire(self.store, owner=owner, run_id=self.run_id, ttl_s=ttl_s, tell=tell) as lease:
            self.observer.started(self.run_id, self.info.name, lease)
            return self._run_under(lease, choose, look)

    def _patiently(self, step: Callable[[], Result]) -> Result:
        return patiently(step, max_tries=self.settings.fetch.max_tries, say=self.observer.message)

    def _look(self, choose: Choose, settings: Settings | None = None) -> "_Look":
        output = read_lake(self.store)
        return _Look(output, choose(output.ledger, self.recipes, settings or self.settings))

    def _look_again(self, choose: Choose, look: "_Look") -> "_Look":
        """Under the lease: the same, unless another run has planned or committed in between."""
        return look if is_unchanged(self.store, look.output) else self._look(choose)

    def _tell(self, todo: Todo) -> None:
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
        except (Interrupted, KeyboardInterrupt, LeaseLost, StoreError, EngineDies, BugEverywhere, DiskFull, RayEnds) as stop:
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
        """What to work on: an unfinished plan as it stands, then a new one."""
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
            self._tell(todo)
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
            _refuse_tables_of_no_plan(self.store)
        lease.check()
        plan = write_plan(
            self.store,
            self._with_places(todo.shards),
            self.recipes,
            self.settings.plan,
            input=self.input,
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

    def _with_places(self, shards: list[list[PlannedSource]]) -> list[list[PlannedSource]]:
        if not any(item.tasks == ["chart"] for shard in shards for item in shard):
            return shards
        from pipeline.planning.chart_places import with_places  # DuckDB takes its time, and most runs need none

        return with_places(self.output, shards, self.recipes)

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
        keep_to_loopback(self.settings.ray)
        from pipeline.execute import execute  # Ray is imported only where there is work

        execute(
            unfinished.plan,
            unfinished.pending,
            settings=self.settings,
            run_id=self.run_id,
            store=self.store,
            check_lease=lease.check,
            observer=Counting(self.observer, self.totals),
        )
        forget_fetched(self.settings)  # not of a run that was cut short: the one that goes on asks for the same

    def _write_row(self, status: RunStatus, message: str | None = None) -> None:
        record = self.totals.record(
            self.settings,
            run_id=self.run_id,
            status=status,
            started_at=self.started_at,
            ended_at=None if status == "running" else datetime.now(UTC),
            input=self.input,
            output=self.output,
            engine=self.info.name,
            model=self.info.model,
            model_revision=self.info.revision,
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
    """What was to be read again whatever is done is so once its plan is: the run that goes on with it asks for the rest alone."""
    then: Redo = {"all": "stale", "failed": "none"}.get(plan.redo, settings.plan.redo)  # type: ignore[assignment]
    if plan.redo != settings.plan.redo:
        return settings
    return settings.model_copy(update={"plan": settings.plan.model_copy(update={"redo": then})})
