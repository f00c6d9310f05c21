"""Carry out a plan: stream its sources through the graph, commit each shard as soon as its chunks cover it."""

import contextlib
import gc
import logging
import queue
import re
import threading
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence

import pyarrow as pa
import ray
from ray.data._internal.execution.streaming_executor import StreamingExecutor
from ray.exceptions import RayError

from pipeline.breaker import Breaker
from pipeline.cluster.readiness import Readers
from pipeline.cluster.session import RoomLeft, check_gpus, cluster
from pipeline.committer import Committer
from pipeline.graph import Context, build, configure
from pipeline.lake.paths import ChunkName
from pipeline.lake.reopening import reopen
from pipeline.lake.shard_progress import ShardProgress, read_progress
from pipeline.object_store.store import Store, StoreError, StoreUnavailable
from pipeline.planning.carry_over import carry_over
from pipeline.planning.chunks import Work
from pipeline.planning.duplicates import group_twins
from pipeline.reporting.observer import Observer, ShardCommit, StageLoad, StageName
from pipeline.reporting.receipts import Bugs
from pipeline.signals import Interrupted, Stop, signals_noted
from pipeline.stages import WORKS
from schemas.errors import BugEverywhere, EngineDies, RayEnds
from schemas.failure import FailureKind, clean_message
from schemas.plan import Plan
from schemas.receipt import Receipt
from schemas.settings import Settings
from workers.engines.engine import EngineStartError
from workers.rendering.renderer import RenderStartError
from workers.sources.cache import CacheError

_log = logging.getLogger(__name__)

_TICK_S = 0.2
_MAX_DEATHS = 8
"""Pages in a row that cost the reader process its life, none read in between: it is not the pages. Each has killed it twice, alone,
and each death costs a start of the engine."""
_TELL_EVERY_S = 2.0
_END_S = 20.0
"""What a stream that was left early may take to end."""
_MAX_BLOCKS = 400
_BLOCKS_PER_CPU = 8
"""Blocks that the sources enter the graph in: one source each in small runs, so that all processes find work at once; more in
larger ones, so that small documents can share a row."""


def execute(
    plan: Plan,
    pending: Sequence[int],
    *,
    settings: Settings,
    run_id: str,
    store: Store,
    check_lease: Callable[[], None],
    observer: Observer,
) -> None:
    """Work on the plan's pending shards until all are committed.

    Raises EngineStartError when the engine cannot start; whatever else ends it early, the same call goes on from there.
    """
    sources = [planned for index in pending for planned in plan.shards[index]]
    observer.planned(plan.plan_id, len(sources), sum(planned.source.size_bytes for planned in sources))
    progress = read_progress(store, plan, pending)
    if num_pages := carry_over(store, plan, progress, check_lease):
        observer.message(f"{num_pages} pages that an earlier plan left behind are taken over: they are not read again")
    breaker = Breaker(settings.read.max_internal_errors)
    with (
        cluster(settings.ray, observer) as num_cpus,
        signals_noted() as stop,
        Committer(plan, progress, store, settings, run_id, check_lease, is_held=breaker.holds) as committer,
    ):
        context = Context(settings, plan.recipes, run_id, store, num_cpus, plan.known)
        execution = _Execution(plan, progress, context, committer, breaker, stop, check_lease, observer)
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
    """What one call of `execute` works with."""

    def __init__(
        self,
        plan: Plan,
        progress: Mapping[int, ShardProgress],
        context: Context,
        committer: Committer,
        breaker: Breaker,
        stop: Stop,
        check_lease: Callable[[], None],
        observer: Observer,
    ) -> None:
        self._plan, self._progress, self._context, self._committer = plan, progress, context, committer
        self._stop, self._check_lease, self._observer = stop, check_lease, observer
        self._breaker = breaker
        self._room = RoomLeft(context.settings.ray, observer)
        self._told_s = time.monotonic()
        self._num_committed_before = len(plan.shards) - len(progress)
        """Shards."""

    def read_and_commit(self) -> None:
        """Read what is not staged, committing on the way; then commit the rest. Raises Interrupted."""
        for shard in self._progress.values():
            if shard.is_complete:
                self._committer.start(shard)
        rows = [WORKS.dump_json(row).decode() for shard in self._progress.values() for row in _work_left(self._plan, shard)]
        if rows:
            self._read(rows)
        self._observer.phase("committing")
        self._committer.look(is_end=True)
        while self._committer.is_busy:
            self._commit(_TICK_S)
            self._stop.check()

    def commit_whole(self, most_s: float) -> None:
        """Commit the documents that are whole, for as long as that and until the stop is urgent."""
        deadline = time.monotonic() + most_s
        self._committer.look(is_end=True)
        while self._committer.is_busy and time.monotonic() < deadline and not self._stop.is_urgent:
            self._commit(_TICK_S)

    def _read(self, rows: list[str]) -> None:
        check_gpus(self._context.settings, self._observer)
        configure()
        gc.freeze()  # Ray and Arrow stay: the driver need not look at them again with every block
        self._observer.phase("reading")
        deaths, bugs = _Deaths(), Bugs()
        readers = Readers(self._context.run_id, self._observer)
        num_complete = sum(shard.num_complete for shard in self._progress.values())
        with contextlib.closing(_ticking(_receipts(rows, self._context))) as receipts:
            for receipt in receipts:
                if receipt is not None:
                    deaths.add(receipt)
                    bugs.tell(receipt)
                    shard = self._progress[receipt.shard_index]
                    num_complete += shard.add(ChunkName.parse(receipt.name))
                    self._observer.chunk_done(receipt, num_complete)
                    self._start_complete(self._breaker.add(receipt))
                readers.look()
                self._commit(timeout_s=0)
                self._stop.check()
        self._start_complete(self._breaker.end())
        readers.forget()

    def _start_complete(self, shard_indexes: Iterable[int]) -> None:
        """Commit those of these shards that are complete."""
        for index in shard_indexes:
            if self._progress[index].is_complete:
                self._committer.start(self._progress[index])

    def _commit(self, timeout_s: float) -> None:
        """What is compacted by now, or within `timeout_s`."""
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
        self._room.check()
        if time.monotonic() - self._told_s > _TELL_EVERY_S:
            self._told_s = time.monotonic()
            self._observer.stages(_loads(self._committer))


class _Deaths:
    """Ends a run whose reader process dies at every page: each death costs a start of the engine, the night a thousand."""

    def __init__(self) -> None:
        self._in_a_row = 0

    def add(self, receipt: Receipt) -> None:
        died = receipt.failures.get(FailureKind.crashed_worker, 0)
        self._in_a_row = 0 if receipt.num_ok + receipt.num_partial else self._in_a_row + died
        if self._in_a_row >= _MAX_DEATHS:
            raise EngineDies(
                f"the reader process died, twice, at each of the last {self._in_a_row} pages: the engine is broken, or this "
                "machine too small; what Ray said is in the log, and the pages are failures `crashed_worker`, for `pagefold retry`"
            )


def _loads(committer: Committer) -> list[StageLoad]:
    """Ray Data's own counts; without its stages where this Ray keeps them elsewhere."""
    names: dict[str, StageName] = {"ProbeDocuments": "probe", "RenderPages": "render", "ReadPages": "read"}
    loads = []
    with contextlib.suppress(AttributeError, RuntimeError):  # an internal of Ray, read while its own thread changes it
        for thread in threading.enumerate():
            topology = getattr(thread, "_topology", None) if isinstance(thread, StreamingExecutor) else None
            for operator, state in (topology or {}).items():
                if stage := next((stage for name, stage in names.items() if name in operator.name), None):
                    loads.append(StageLoad(stage, operator.num_active_tasks(), state.total_enqueued_input_blocks()))
    return [*loads, committer.load]


def _work_left(plan: Plan, shard: ShardProgress) -> Iterator[list[Work]]:
    """Sources that may have the same bytes together, as long as one of them is not staged in full."""
    for group in group_twins(plan.shards[shard.shard_index]):
        left = [index for index in group if not shard.is_source_complete(index)]
        if left:
            yield [_work(plan, shard, index) for index in group if index <= left[-1]]


def _work(plan: Plan, shard: ShardProgress, source_index: int) -> Work:
    return Work(
        plan_id=plan.plan_id,
        shard_index=shard.shard_index,
        source_index=source_index,
        planned=plan.shards[shard.shard_index][source_index],
        chunk_pages=plan.chunk_pages,
        page_range=plan.page_range,
        max_pages=plan.max_pages,
        staged=shard.sources[source_index].staged(),
        is_done=shard.is_source_complete(source_index),
    )


def _receipts(rows: list[str], context: Context) -> Iterator[Receipt]:
    per_block = -(-len(rows) // min(_MAX_BLOCKS, _BLOCKS_PER_CPU * context.num_cpus))
    blocks = [pa.table({"work": rows[start : start + per_block]}) for start in range(0, len(rows), per_block)]
    receipts = build(ray.data.from_arrow(blocks), context)
    try:
        for batch in receipts.iter_batches(batch_size=None, batch_format="pyarrow", prefetch_batches=0):
            for bodies in batch.column("receipts").to_pylist():
                yield from map(Receipt.model_validate_json, bodies)
    except RayError as error:
        # an actor hands on what its constructor or a method raised as text only
        for kind in (EngineStartError, CacheError, RenderStartError, StoreError, StoreUnavailable):
            if sentence := re.search(rf"{kind.__name__}: (.+)", str(error)):
                raise kind(sentence[1]) from None
        _log.error("Ray ended the graph", exc_info=error)
        raise RayEnds(_last_words(error)) from error


def _last_words(error: RayError) -> str:
    """What Ray raised, in one sentence: of a task, what was raised in it, which is the last line of its traceback."""
    lines = [line for line in map(clean_message, str(error).splitlines()) if line]
    return f"Ray ended the run by {type(error).__name__}: {lines[-1] if lines else 'it does not say why'}"


def _ticking(receipts: Iterator[Receipt]) -> Generator[Receipt | None, None, None]:
    """The receipts, and None several times a second while there is none: commits, the lease and signals do not wait for pages.

    They are drawn in a thread of their own. Closing ends the stream, so that nothing of it meets a Ray that is gone: Ray ends
    the whole process for that.
    """
    drawn: queue.SimpleQueue[Receipt | BaseException | None] = queue.SimpleQueue()

    def draw() -> None:
        try:
            for receipt in receipts:
                drawn.put(receipt)
            drawn.put(None)
        except BaseException as error:  # noqa: BLE001 - handed to the main thread
            drawn.put(error)

    others = set(threading.enumerate())
    drawer = threading.Thread(target=draw, daemon=True, name="receipts")
    drawer.start()
    try:
        while True:
            try:
                item = drawn.get(timeout=_TICK_S)
            except queue.Empty:
                yield None
                continue
            if item is None:
                return
            if isinstance(item, BaseException):
                raise item
            yield item
    finally:
        _end_stream(drawer, others)


def _end_stream(drawer: threading.Thread, others: set[threading.Thread]) -> None:
    """Wait until the drawing thread and the executors that it has started are gone."""
    deadline = time.monotonic() + _END_S
    while time.monotonic() < deadline:
        executors = [thread for thread in set(threading.enumerate()) - others if isinstance(thread, StreamingExecutor)]
        if not executors and not drawer.is_alive():
            return
        for executor in executors:  # in each round: one that is about to start ignores it
            executor.shutdown(force=True)
        (executors or [drawer])[0].join(_TICK_S)
