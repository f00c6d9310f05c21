"""The committer commits documents during a run: others compact, the driver writes manifests, a thread deletes staged chunks.

Who compacts is the caller's choice: `Compactor` gives a future, whether a thread of this process or a task of Ray stands behind it.
"""

import contextlib
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import NamedTuple

from pipeline.lake.commit import delete_staging, write_manifest
from pipeline.lake.compaction import Compacted, Shard, Strangers, compact
from pipeline.lake.paths import ChunkName, staged_path
from pipeline.lake.shard_progress import ShardProgress, note_commits
from pipeline.object_store.store import Store
from pipeline.reporting.observer import StageLoad
from schemas.plan import CommittedCounts, Plan
from schemas.settings import OutputSettings, Settings

MAX_COMPACTIONS = 2
"""Compactions at once. Each holds the rows of a shard, and a resumed run may find a hundred shards that wait for compaction."""
_PART_OF_RUN = 1 / 20
_LEAD = 0.75
"""Share of the promised time after which a compaction starts. The rest is for reading its chunks and writing its files."""
_LOOK_EVERY_S = 1.0


class Done(NamedTuple):
    """A part of a shard that was committed: some of its documents."""

    shard_index: int
    num_documents: int
    is_last: bool
    """True if the whole shard is committed now."""
    compact_s: float
    counts: CommittedCounts


class Compaction(NamedTuple):
    """What became of one compaction."""

    made: Compacted | None
    """None if there are strangers, or if a run that was taken for dead has committed these documents."""
    strangers: Sequence[ChunkName]
    """Chunks that do not belong to the plan."""
    seconds: float


Compactor = Callable[[Store, Shard, Sequence[ChunkName], OutputSettings], Future[Compaction]]
"""Starts `compaction` with these arguments somewhere. The future raises what it raised."""


def compaction(store: Store, shard: Shard, names: Sequence[ChunkName], settings: OutputSettings) -> Compaction:
    started = time.monotonic()
    try:
        return Compaction(compact(store, shard, names, settings), (), time.monotonic() - started)
    except Strangers as error:
        return Compaction(None, error.names, time.monotonic() - started)


@contextlib.contextmanager
def compacting_threads() -> Iterator[ThreadPoolExecutor]:
    """Threads for compactions in the driver. Those that wait are dropped if the context ends by an error."""
    with ThreadPoolExecutor(MAX_COMPACTIONS, thread_name_prefix="compaction") as threads:
        try:
            yield threads
        except BaseException:
            threads.shutdown(wait=False, cancel_futures=True)
            raise


class Committer:
    def __init__(
        self,
        plan: Plan,
        progress: Mapping[int, ShardProgress],
        store: Store,
        settings: Settings,
        run_id: str,
        check_lease: Callable[[], None],
        compactor: Compactor,
        is_held: Callable[[int], bool] = lambda shard_index: False,
    ) -> None:
        """`is_held`: True for a shard of which nothing may be committed yet."""
        self._plan, self._progress, self._store, self._settings = plan, progress, store, settings
        self._run_id, self._check, self._is_held = run_id, check_lease, is_held
        self._compactor = compactor
        self._waiting: deque[int] = deque()
        """Indexes of shards that wait for a compaction."""
        self._running: dict[Future[Compaction], int] = {}
        """Shard index of each compaction that runs."""
        self._cleaner = ThreadPoolExecutor(1)
        self._started_s = self._looked_s = time.monotonic()
        self.num_shards = 0
        """Shards that were committed completely."""
        self.num_strangers = 0
        """Staged chunks that did not belong to the plan and were removed."""

    def __enter__(self) -> "Committer":
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._cleaner.shutdown(wait=kind is None, cancel_futures=kind is not None)

    def look(self, *, is_end: bool = False) -> None:
        """Starts compactions for documents that have waited long enough; at the end, for all that wait."""
        now = time.monotonic()
        due_s = _LEAD * max(self._settings.output.commit_every_s, _PART_OF_RUN * (now - self._started_s))
        is_time = is_end or now - self._looked_s >= _LOOK_EVERY_S
        if is_time:
            self._looked_s = now
            for shard in self._progress.values():
                if shard.num_waiting and (is_end or shard.waiting_s >= due_s):
                    self.start(shard)

    def start(self, shard: ShardProgress) -> None:
        """Queues the shard, so that its completely read documents are committed. Does nothing if it is queued or at work
        already."""
        index = shard.shard_index
        if shard.is_committed or self._is_held(index) or index in self._waiting or index in self._running.values():
            return
        self._waiting.append(index)
        self._fill()

    def _fill(self) -> None:
        while self._waiting and len(self._running) < MAX_COMPACTIONS:
            self._check()
            shard = self._progress[self._waiting.popleft()]
            if self._is_held(shard.shard_index):  # held since it was queued; it is started again when it is free
                continue
            whole = Shard.whole_of(self._plan, shard)
            self._running[self._compactor(self._store, whole, shard.chunks(), self._settings.output)] = shard.shard_index

    @property
    def load(self) -> StageLoad:
        return StageLoad("compact", len(self._running), len(self._waiting))

    @property
    def is_busy(self) -> bool:
        return bool(self._running)

    def finished(self, timeout_s: float) -> Iterator[Done]:
        """Waits up to `timeout_s` for a compaction, commits what it made, and gives each part that was committed."""
        done, _ = wait(self._running, timeout=timeout_s, return_when=FIRST_COMPLETED)
        for future in [future for future in self._running if future in done]:
            made, strangers, compact_s = future.result()
            shard = self._progress[self._running.pop(future)]
            if strangers:
                self._remove(shard, strangers)
            else:
                yield self._commit(shard, made, compact_s)
            if shard.is_complete and not shard.is_committed:  # its last documents came during the compaction
                self.start(shard)
            self._fill()

    def _commit(self, shard: ShardProgress, compacted: Compacted | None, compact_s: float) -> Done:
        self._check()
        before = shard.num_committed
        counts = CommittedCounts()
        if compacted is None:  # a run that was taken for dead has committed these documents, and counts them
            note_commits(self._store, self._plan, shard)
        else:
            counts = compacted.counts or counts
            write_manifest(self._store, self._plan, shard.shard_index, self._run_id, compacted, self._check)
            shard.commit(compacted.source_indexes, compacted.part)
        self.num_shards += shard.is_committed
        if not self._settings.output.keep_staging and (compacted is not None or shard.is_committed):
            self._cleaner.submit(delete_staging, self._store, self._plan, shard.shard_index, compacted)
        if shard.is_committed:
            shard.forget()
        return Done(shard.shard_index, shard.num_committed - before, shard.is_committed, compact_s, counts)

    def _remove(self, shard: ShardProgress, names: Sequence[ChunkName]) -> None:
        """Deletes staged chunks that do not belong to the plan, so that their pages are read again."""
        self._check()
        self._store.delete([staged_path(self._plan.plan_id, shard.shard_index, str(name)) for name in names])
        shard.remove(names)
        self.num_strangers += len(names)
