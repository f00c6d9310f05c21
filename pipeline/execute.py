"""Carry out a plan: stream its sources through the graph, commit each shard as soon as its chunks cover it."""

import contextlib
import gc
import queue
import re
import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pyarrow as pa
import ray
from ray.data._internal.execution.streaming_executor import StreamingExecutor
from ray.exceptions import RayError

from pipeline.chunks import Work
from pipeline.cluster import RoomLeft, check_gpus, cluster
from pipeline.commit import Compacted, Shard, ShardProgress, compact, delete_staging, list_staged, write_manifest
from pipeline.duplicates import group_twins
from pipeline.errors import EngineDies
from pipeline.graph import Context, build, configure
from pipeline.layout import ChunkName
from pipeline.observer import Commit, Observer, Receipt, StageLoad, StageName
from pipeline.readiness import Readers
from pipeline.stages import WORKS
from pipeline.stopping import Interrupted, signals_noted
from pipeline.store import Store, StoreError, StoreUnavailable
from schemas.failure import FailureKind
from schemas.plan import Plan
from schemas.settings import OutputSettings, Settings
from workers.cache import CacheError
from workers.engines.engine import EngineStartError
from workers.render import RenderStartError

_TICK_S = 0.2
_MAX_DEATHS = 8
"""Pages in a row that cost the reader process its life, none read in between: it is not the pages. Each has killed it twice, alone,
and each death costs a start of the engine."""
_TELL_EVERY_S = 2.0
_END_S = 10.0
"""What a stream that was left early may take to end."""
_MAX_BLOCKS = 400
_BLOCKS_PER_CPU = 8
"""Blocks that the sources enter the graph in: one source each in small runs, so that all processes find work at once; more in
larger ones, so that small documents can share a row."""
_MAX_COMPACTIONS = 2
"""At once: each is a process of some 200 MB, and a run that goes on may find a hundred shards that only wait for theirs."""


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
    work = {index: list(plan.shards[index]) for index in pending}
    observer.planned(
        plan.plan_id,
        sum(len(sources) for sources in work.values()),
        sum(planned.source.size_bytes for sources in work.values() for planned in sources),
    )
    progress = {index: ShardProgress(plan, index, list_staged(store, plan, index)) for index in pending}
    rows = [WORKS.dump_json(row).decode() for index in pending for row in _work_left(plan, progress[index])]
    num_complete = sum(shard.num_complete for shard in progress.values())
    with (
        cluster(settings.ray, observer) as num_cpus,
        signals_noted() as stop,
        _Committer(plan, store, settings, run_id, check_lease) as committer,
    ):
        told = time.monotonic()
        room = RoomLeft(settings.ray, observer)

        def commit(timeout_s: float) -> None:
            """What is compacted by now, or within `timeout_s`."""
            nonlocal told
            for index, compact_s in committer.finished(timeout_s):
                num_committed = len(plan.shards) - len(pending) + committer.num_committed
                observer.shard_committed(
                    Commit(plan.plan_id, index, len(plan.shards[index]), num_committed, len(plan.shards), compact_s)
                )
            check_lease()
            room.check()
            if time.monotonic() - told > _TELL_EVERY_S:
                told = time.monotonic()
                observer.stages(_loads(committer))

        for shard in progress.values():
            if shard.is_complete:
                committer.start(shard)
        try:
            if rows:
                check_gpus(settings, observer)
                context = Context(settings, plan.recipes, run_id, store, num_cpus, plan.known)
                configure()
                gc.freeze()  # Ray and Arrow stay: the driver need not look at them again with every block
                observer.phase("reading")
                deaths = _Deaths()
                readers = Readers(run_id, observer)
                with contextlib.closing(_ticking(_receipts(rows, context))) as receipts:
                    for receipt in receipts:
                        if receipt is not None:
                            deaths.add(receipt)
                            shard = progress[receipt.shard_index]
                            num_complete += shard.add(ChunkName.parse(receipt.name))
                            observer.chunk_done(receipt, num_complete)
                            if shard.is_complete and not committer.knows(shard):
                                committer.start(shard)
                        readers.look()
                        commit(timeout_s=0)
                        stop.check()
                readers.forget()
            observer.phase("committing")
            while committer.is_busy:
                commit(_TICK_S)
                stop.check()
        except Interrupted:
            observer.phase("stopping", "what is read stays staged")
            deadline = time.monotonic() + settings.ray.grace_s
            while committer.is_busy and time.monotonic() < deadline:
                commit(_TICK_S)
            raise
    if left := [index for index, shard in progress.items() if not shard.is_complete]:
        raise RuntimeError(f"the graph ended with shards {left} of plan {plan.plan_id} not covered by their chunks")


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


def _loads(committer: "_Committer") -> list[StageLoad]:
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
        raise


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
        for thread in set(threading.enumerate()) - others:
            if isinstance(thread, StreamingExecutor):
                thread.shutdown(force=True)
        drawer.join(_END_S)


def _compact(store: Store, shard: Shard, names: Sequence[ChunkName], settings: OutputSettings) -> tuple[Compacted | None, float]:
    started = time.monotonic()
    compacted = compact(store, shard, names, settings)
    return compacted, time.monotonic() - started


class _Committer:
    """Compaction in Ray tasks, manifests from here, deletions in a thread."""

    def __init__(self, plan: Plan, store: Store, settings: Settings, run_id: str, check_lease: Callable[[], None]) -> None:
        self._plan, self._store, self._settings, self._run_id, self._check = plan, store, settings, run_id, check_lease
        self._task = ray.remote(num_cpus=0, max_retries=3)(_compact)
        self._waiting: deque[ShardProgress] = deque()
        self._running: dict[Any, int] = {}
        self._known: set[int] = set()
        self._cleaner = ThreadPoolExecutor(1)
        self.num_committed = 0

    def __enter__(self) -> "_Committer":
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._cleaner.shutdown(wait=kind is None, cancel_futures=kind is not None)

    def knows(self, shard: ShardProgress) -> bool:
        return shard.shard_index in self._known

    def start(self, shard: ShardProgress) -> None:
        self._known.add(shard.shard_index)
        self._waiting.append(shard)
        self._fill()

    def _fill(self) -> None:
        while self._waiting and len(self._running) < _MAX_COMPACTIONS:
            self._compact(self._waiting.popleft())

    def _compact(self, shard: ShardProgress) -> None:
        self._check()
        names: list[ChunkName] = shard.chunks()
        task = self._task.remote(self._store, Shard.of(self._plan, shard.shard_index), names, self._settings.output)
        self._running[task] = shard.shard_index

    @property
    def load(self) -> StageLoad:
        return StageLoad("compact", len(self._running), len(self._waiting))

    @property
    def is_busy(self) -> bool:
        return bool(self._running)

    def finished(self, timeout_s: float) -> Iterator[tuple[int, float]]:
        """Commit what is compacted by now (or, where nothing is, within `timeout_s`); gives each committed shard's index, and the
        seconds its compaction took."""
        if not self._running:
            return
        done, _ = ray.wait(list(self._running), num_returns=1, timeout=timeout_s)
        for task in done:
            compacted, compact_s = ray.get(task)
            index = self._running.pop(task)
            self._fill()
            self._commit(index, compacted)
            yield index, compact_s

    def _commit(self, index: int, compacted: Compacted | None) -> None:
        self._check()
        if compacted:  # else a run that was thought dead has committed it
            write_manifest(self._store, self._plan, index, self._run_id, compacted, self._check)
        self.num_committed += 1
        if not self._settings.output.keep_staging:
            self._cleaner.submit(delete_staging, self._store, self._plan, index)
