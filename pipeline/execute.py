"""Carries out a plan: streams its sources through the graph, and commits each shard as soon as its chunks cover it."""

import contextlib
import gc
import logging
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager

from pipeline.breaker import Breaker
from pipeline.cluster.readiness import Readers
from pipeline.committer import Committer
from pipeline.lake.paths import ChunkName
from pipeline.lake.reopening import reopen
from pipeline.lake.shard_progress import ShardProgress, read_progress
from pipeline.object_store.store import Store
from pipeline.planning.carry_over import carry_over
from pipeline.planning.portions import portions
from pipeline.reporting.observer import Observer, ShardCommit
from pipeline.reporting.receipts import Bugs
from pipeline.signals import Interrupted, Stop, signals_noted
from pipeline.stages.context import Context
from pipeline.ways.way import TICK_S, Way
from schemas.errors import BugEverywhere, EngineDies
from schemas.failure import FailureKind
from schemas.plan import Plan
from schemas.receipt import Receipt
from schemas.settings import Settings

_log = logging.getLogger(__name__)

_MAX_DEATHS = 8
"""Number of pages in a row, none read in between, that kill the reader process before the engine is held responsible. Each has
killed it twice while it was read alone, and each death costs a start of the engine."""
_REPORT_EVERY_S = 2.0


def execute(
    plan: Plan,
    pending: Sequence[int],
    *,
    settings: Settings,
    run_id: str,
    store: Store,
    check_lease: Callable[[], None],
    observer: Observer,
    way: AbstractContextManager[Way],
) -> None:
    """Works on the plan's pending shards until all are committed.

    Raises EngineStartError if the engine cannot start. After any other early end, the same call goes on from there.
    """
    num_sources, num_bytes = (sum(map(of, pending)) for of in (plan.shards.num_sources_of, plan.shards.size_bytes_of))
    observer.planned(plan.plan_id, num_sources, num_bytes)
    progress = read_progress(store, plan, pending)
    if num_pages := carry_over(store, plan, progress, check_lease):
        observer.message(f"{num_pages} pages that an earlier plan left behind are taken over: they are not read again")
    breaker = Breaker(settings.read.max_internal_errors)
    with (
        way as taken,
        signals_noted() as stop,
        Committer(plan, progress, store, settings, run_id, check_lease, taken.compactor, is_held=breaker.holds) as committer,
    ):
        context = Context(settings, plan.recipes, run_id, store, taken.num_cpus, plan.known, num_bytes)
        execution = _Execution(plan, progress, taken, context, committer, breaker, stop, check_lease, observer)
        try:
            execution.read_and_commit()
            while committer.num_strangers:  # staged chunks that were not the plan's own are removed by now: read their pages
                committer.num_strangers = 0
                execution.read_and_commit()
        except BugEverywhere:
            reopen(store, plan, breaker.streak, progress)
            raise
        except Interrupted:
            observer.phase("stopping", "what is whole is committed, the rest stays staged")
            execution.commit_whole(settings.ray.grace_s)
            raise
    if left := [index for index, shard in progress.items() if not shard.is_committed]:
        raise RuntimeError(f"the graph ended with shards {left} of plan {plan.plan_id} not covered by their chunks")


class _Execution:
    """The state of one call of `execute`."""

    def __init__(
        self,
        plan: Plan,
        progress: Mapping[int, ShardProgress],
        way: Way,
        context: Context,
        committer: Committer,
        breaker: Breaker,
        stop: Stop,
        check_lease: Callable[[], None],
        observer: Observer,
    ) -> None:
        self._plan, self._progress, self._context, self._committer = plan, progress, context, committer
        self._stop, self._check_lease, self._observer = stop, check_lease, observer
        self._way, self._breaker = way, breaker
        self._reported_s = time.monotonic()
        self._num_committed_before = len(plan.shards) - len(progress)
        """Shards of the plan that were committed before this call."""

    def read_and_commit(self) -> None:
        """Reads what is not staged and commits meanwhile; then commits the rest. Raises Interrupted."""
        for shard in self._progress.values():
            if shard.is_complete:
                self._committer.start(shard)
        if not all(shard.is_complete for shard in self._progress.values()):
            self._read()
        self._observer.phase("committing")
        self._committer.look(is_end=True)
        while self._committer.is_busy:
            self._commit(TICK_S)
            self._stop.check()

    def commit_whole(self, most_s: float) -> None:
        """Commits the documents that are whole, for at most `most_s` seconds, and until the stop is urgent."""
        deadline = time.monotonic() + most_s
        self._committer.look(is_end=True)
        while self._committer.is_busy and time.monotonic() < deadline and not self._stop.is_urgent:
            self._commit(TICK_S)

    def _rows(self) -> Iterator[str]:
        """What is left to read, in rows for the first stage."""
        for portion in portions(self._plan, self._progress, self._context.num_cpus):
            yield portion.model_dump_json()

    def _read(self) -> None:
        gc.freeze()  # what was imported stays: the driver need not look at it again with every block
        self._observer.phase("reading")
        deaths, bugs = _Deaths(), Bugs()
        readers = Readers(self._way.readers, self._observer)
        num_complete = sum(shard.num_complete for shard in self._progress.values())
        with contextlib.closing(self._way.receipts(self._rows, self._context)) as receipts:
            for receipt in receipts:
                if receipt is not None:
                    deaths.add(receipt)
                    bugs.report(receipt)
                    shard = self._progress[receipt.shard_index]
                    num_complete += shard.add(ChunkName.parse(receipt.name))
                    self._observer.chunk_done(receipt, num_complete)
                    self._start_complete(self._breaker.add(receipt))
                readers.look()
                self._commit(timeout_s=0)
                self._stop.check()
        self._start_complete(self._breaker.end())
        readers.look_a_last_time()
        self._way.forget()

    def _start_complete(self, shard_indexes: Iterable[int]) -> None:
        """Starts the commit of those of the shards that are complete."""
        for index in shard_indexes:
            if self._progress[index].is_complete:
                self._committer.start(self._progress[index])

    def _commit(self, timeout_s: float) -> None:
        """Commits what is compacted by now, or within `timeout_s`."""
        self._committer.look()
        for done in self._committer.finished(timeout_s):
            num_committed = self._num_committed_before + self._committer.num_shards
            self._observer.shard_committed(
                ShardCommit(
                    plan_id=self._plan.plan_id,
                    shard_index=done.shard_index,
                    num_documents=done.num_documents,
                    num_committed=num_committed,
                    num_shards=len(self._plan.shards),
                    compact_s=done.compact_s,
                    is_last=done.is_last,
                    counts=done.counts,
                )
            )
        self._check_lease()
        self._way.check()
        if time.monotonic() - self._reported_s > _REPORT_EVERY_S:
            self._reported_s = time.monotonic()
            self._observer.stages([*self._way.loads(), self._committer.load])


class _Deaths:
    """Ends a run whose reader process dies at every page, because each death costs a start of the engine."""

    def __init__(self) -> None:
        self._in_a_row = 0
        self._charts_in_a_row = 0
        """Those of readers of charts alone."""

    def add(self, receipt: Receipt) -> None:
        deaths = [trouble for trouble in receipt.troubles if trouble.kind is FailureKind.crashed_worker]
        of_charts = sum(trouble.task == "chart" for trouble in deaths)
        self._in_a_row = 0 if receipt.num_ok + receipt.num_partial else self._in_a_row + len(deaths) - of_charts
        self._charts_in_a_row = 0 if receipt.num_charts else self._charts_in_a_row + of_charts
        num_deaths = max(self._in_a_row, self._charts_in_a_row)
        if num_deaths >= _MAX_DEATHS:
            raise EngineDies(
                f"the reader process died, twice, at each of the last {num_deaths} pages: the engine is broken, or this "
                "machine too small; what it said is in the log, and the pages are failures `crashed_worker`, for `pagefold retry`"
            )
