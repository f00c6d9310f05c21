"""A run on Ray Data: a private Ray on this machine, or a cluster's."""

import contextlib
import logging
import queue
import re
import threading
import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pyarrow as pa
import ray
from ray.data._internal.execution.streaming_executor import StreamingExecutor
from ray.exceptions import RayError, RayTaskError

from pipeline.cluster.readiness import Reader, forget_reports, read_reports
from pipeline.cluster.session import RoomLeft, check_gpus, cluster
from pipeline.committer import Compaction, compacting_threads, compaction
from pipeline.graph import build, configure
from pipeline.lake.compaction import Shard
from pipeline.lake.paths import ChunkName
from pipeline.object_store.store import Store, StoreError, StoreUnavailable
from pipeline.reporting.observer import Observer, StageLoad, StageName
from pipeline.stages.context import Context
from pipeline.stages.pools import Pool, pools
from pipeline.ways.way import TICK_S, Rows
from schemas.errors import StagesEnd
from schemas.failure import clean_message
from schemas.receipt import Receipt
from schemas.settings import OutputSettings, Settings
from workers.engines.engine import EngineStartError
from workers.rendering.render_process import RenderStartError
from workers.sources.cache import CacheError

_log = logging.getLogger(__name__)

_FEW_CHUNKS = 64
"""A compaction of so many chunks is done in the driver: a process of its own costs 1.6 CPU seconds and 200 MB, its rows a tenth."""
_END_S = 20.0
"""Seconds that a stream may take to end after it was left early."""


@contextlib.contextmanager
def on_ray(settings: Settings, run_id: str, observer: Observer) -> Iterator["OnRay"]:
    """Joins or starts Ray. Raises OperatorError if the cluster cannot be joined."""
    with cluster(settings.ray, observer) as num_cpus, compacting_threads() as threads:
        yield OnRay(settings, run_id, num_cpus, observer, threads)


class OnRay:
    def __init__(self, settings: Settings, run_id: str, num_cpus: int, observer: Observer, threads: ThreadPoolExecutor) -> None:
        self._threads = threads
        self._settings, self._run_id, self._observer = settings, run_id, observer
        self.num_cpus = num_cpus
        self._room = RoomLeft(settings.ray, observer)
        self._compact = ray.remote(num_cpus=0, max_retries=3)(compaction)
        self._names: dict[str, Any] = {}

    def compactor(self, store: Store, shard: Shard, names: Sequence[ChunkName], settings: OutputSettings) -> "Future[Compaction]":
        """Compacts in a task, which Ray starts anew if its process dies; a few chunks in a thread of the driver."""
        if len(names) <= _FEW_CHUNKS:
            return self._threads.submit(compaction, store, shard, names, settings)
        made: Future[Compaction] = Future()
        self._compact.remote(store, shard, names, settings).future().add_done_callback(lambda done: _hand_on(done, made))
        return made

    def receipts(self, rows: Rows, context: Context) -> Generator[Receipt | None, None, None]:
        check_gpus(self._settings, self._observer)
        configure()
        stages = pools(context)
        self._names = {pool.stage.__name__: pool.name for pool in stages}
        with contextlib.closing(_ticking(_stream(rows(), stages))) as receipts:
            yield from receipts

    def loads(self) -> list[StageLoad]:
        """The load of the stages by Ray Data's own counts; without them if this version of Ray keeps them elsewhere."""
        found: dict[StageName, StageLoad] = {}
        with contextlib.suppress(AttributeError, RuntimeError):  # an internal of Ray, read while its own thread changes it
            for thread in threading.enumerate():
                topology = getattr(thread, "_topology", None) if isinstance(thread, StreamingExecutor) else None
                for operator, state in (topology or {}).items():
                    if stage := next((stage for name, stage in self._names.items() if name in operator.name), None):
                        load = StageLoad(stage, operator.num_active_tasks(), state.total_enqueued_input_blocks())
                        found[stage] = load.plus(found.get(stage))  # several pools of readers are one stage
        return list(found.values())

    def readers(self) -> Mapping[str, Reader]:
        return read_reports(self._run_id)

    def forget(self) -> None:
        forget_reports(self._run_id)

    def check(self) -> None:
        self._room.check()


def _hand_on(done: "Future[Compaction]", made: "Future[Compaction]") -> None:
    error = done.exception()
    if error is None:
        made.set_result(done.result())
    elif isinstance(error, RayTaskError) and isinstance(error.cause, StoreError):  # Ray's message is a whole traceback
        made.set_exception(error.cause)
    else:
        made.set_exception(error)


def _stream(rows: Iterator[str], pools: Sequence[Pool[Any]]) -> Iterator[Receipt]:
    """All rows enter Ray's store before the first page, which their packing makes small."""
    receipts = build(ray.data.from_blocks([pa.table({"work": [row]}) for row in rows]), pools)
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
        raise StagesEnd(_last_words(error)) from error


def _last_words(error: RayError) -> str:
    """Ray's error in one sentence. For a task's error it is the last line of its traceback, which names what was raised in it."""
    lines = [line for line in map(clean_message, str(error).splitlines()) if line]
    return f"Ray ended the run by {type(error).__name__}: {lines[-1] if lines else 'it does not say why'}"


def _ticking(receipts: Iterator[Receipt]) -> Generator[Receipt | None, None, None]:
    """Gives the receipts, and None several times a second while there is none.

    A thread draws the receipts. Closing the generator ends the stream, because Ray ends the whole process if a part of the stream
    is still at work when Ray shuts down.
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
                item = drawn.get(timeout=TICK_S)
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
    """Waits until the drawing thread and the executors that it has started have ended."""
    deadline = time.monotonic() + _END_S
    while time.monotonic() < deadline:
        executors = [thread for thread in set(threading.enumerate()) - others if isinstance(thread, StreamingExecutor)]
        if not executors and not drawer.is_alive():
            return
        for executor in executors:  # in each round: one that is about to start ignores it
            executor.shutdown(force=True)
        (executors or [drawer])[0].join(TICK_S)
