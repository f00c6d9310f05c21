"""The whole run in threads of one process, for small work on one machine: the stages of `stages.pools`, with queues between them.

It is what `pipeline.graph` is to Ray: sources go in, receipts come out. A full queue holds back the stage before it.
"""

import asyncio
import inspect
import queue
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import pyarrow as pa

from pipeline.reporting.observer import StageLoad, StageName
from pipeline.stages.context import Context
from pipeline.stages.pools import Pool

_MAX_WAITING = 2
"""Batches that wait before a stage, for each of its workers. A rendered one has up to K pages, of a megabyte each."""


def in_one_process(context: Context) -> Context:
    """The same run without what several processes would need: readers that would share no work, each with rows in hand."""
    engine = context.settings.engine.each(lambda engine: engine.in_one_process(context.num_cpus))
    return replace(context, settings=context.settings.model_copy(update={"engine": engine}))


def build(pools: Sequence[Pool[Any]]) -> "Line":
    """Composes the run: probe, render, read. Nothing starts until the receipts are consumed."""
    line = Line()
    for pool in reversed(pools):
        line.put_first(pool)
    return line


class Line:
    """Stations in a row. Each fills the inbox of the next one; the last inbox holds the receipts."""

    def __init__(self) -> None:
        self._stations: list[_Station] = []
        self._receipts = _Inbox(0)

    def put_first(self, pool: Pool[Any]) -> None:
        outbox = self._stations[0].inbox if self._stations else self._receipts
        self._stations.insert(0, _Station(pool, outbox, self._fail))

    def run(self, rows: Iterable[str]) -> Iterator[pa.Table]:
        """Gives the receipts of the rows. Raises what a stage raised."""
        for station in reversed(self._stations):  # the engine first, because it takes longest
            station.start()
        threading.Thread(target=self._feed, args=(rows,), daemon=True, name="feed").start()
        while (table := self._receipts.take()) is not None:
            if isinstance(table, BaseException):
                raise table
            yield table

    def loads(self) -> list[StageLoad]:
        found: dict[StageName, StageLoad] = {}
        for load in (station.load for station in self._stations):
            found[load.stage] = load.plus(found.get(load.stage))  # several pools of readers are one stage
        return list(found.values())

    def _feed(self, rows: Iterable[str]) -> None:
        inbox = self._stations[0].inbox
        try:
            for row in rows:
                inbox.put(pa.table({"work": [row]}))
        except BaseException as error:  # noqa: BLE001 - raised where the receipts are consumed
            self._fail(error)
        inbox.close()

    def _fail(self, error: BaseException) -> None:
        self._receipts.put(error)


class _Station:
    """The workers of a stage: threads that call it, as many for each worker as it takes batches at once."""

    def __init__(self, pool: Pool[Any], outbox: "_Inbox", fail: Callable[[BaseException], None]) -> None:
        self._pool, self._outbox, self._fail = pool, outbox, fail
        self.inbox = _Inbox(_MAX_WAITING * pool.max_workers)
        self._lock = threading.Lock()
        self._num_workers = self._num_threads = self._num_active = 0

    @property
    def load(self) -> StageLoad:
        return StageLoad(self._pool.name, self._num_active, self.inbox.num_waiting)

    def start(self) -> None:
        with self._lock:
            for _ in range(self._pool.min_workers):
                self._hire()

    def _hire(self) -> None:
        self._num_workers += 1
        self._num_threads += 1
        threading.Thread(target=self._begin, daemon=True, name=self._pool.name).start()

    def _hire_if_all_are_busy(self) -> None:
        with self._lock:  # two threads that look at once hire one worker, not one each
            most = self._num_workers * (self._pool.in_flight or 1)
            if self._num_workers < self._pool.max_workers and self._num_active >= most and self.inbox.num_waiting:
                self._hire()

    def _begin(self) -> None:
        """Starts the stage, which may take its time, then the worker's other threads, and becomes the first of them."""
        try:
            stage = self._pool.stage(self._pool.setup)
        except BaseException as error:  # noqa: BLE001 - raised where the receipts are consumed
            self._fail(error)
            return
        for _ in range((self._pool.in_flight or 1) - 1):
            with self._lock:
                self._num_threads += 1
            threading.Thread(target=self._work, args=(stage,), daemon=True, name=self._pool.name).start()
        self._work(stage)

    def _work(self, stage: Any) -> None:
        try:
            with asyncio.Runner() as runner:
                while (batch := self.inbox.take()) is not None:
                    self._count(1)
                    self._hire_if_all_are_busy()
                    made = stage(batch)
                    for table in [runner.run(made)] if inspect.iscoroutine(made) else made:
                        self._outbox.put(table)
                    self._count(-1)
        except BaseException as error:  # noqa: BLE001 - raised where the receipts are consumed
            self._fail(error)
        with self._lock:
            self._num_threads -= 1
            is_last = not self._num_threads
        if is_last:
            self._outbox.close()

    def _count(self, change: int) -> None:
        with self._lock:
            self._num_active += change


class _Inbox:
    """A bounded queue of batches, which can be closed."""

    def __init__(self, most: int) -> None:
        """`most`: 0 for any number."""
        self._batches: queue.Queue[Any] = queue.Queue(most)

    @property
    def num_waiting(self) -> int:
        return self._batches.qsize()

    def put(self, batch: Any) -> None:
        self._batches.put(batch)

    def take(self) -> Any:
        """The next batch, or None once there is none left."""
        batch = self._batches.get()
        if batch is None:
            self._batches.put(None)  # for the other threads
        return batch

    def close(self) -> None:
        self._batches.put(None)
