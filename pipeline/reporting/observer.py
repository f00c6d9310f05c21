"""The interface through which a run reports what happens to those who show or record it."""

from collections.abc import Sequence
from typing import Literal, NamedTuple, Protocol

from pipeline.reporting.summary import Summary
from schemas.plan import CommittedCounts
from schemas.receipt import Receipt

StageName = Literal["probe", "render", "read", "compact"]


class StageLoad(NamedTuple):
    """The work of a stage: documents while probing, shards while compacting, else chunks."""

    stage: StageName
    num_active: int
    num_waiting: int

    def plus(self, other: "StageLoad | None") -> "StageLoad":
        """Both together."""
        return (
            self
            if other is None
            else StageLoad(self.stage, self.num_active + other.num_active, self.num_waiting + other.num_waiting)
        )

    def sentence(self) -> str:
        return f"{self.stage} {self.num_active}" + (f", {self.num_waiting} more wait for it" if self.num_waiting else "")


class ShardCommit(NamedTuple):
    """A commit of documents: all that was left of a shard, or those of its documents that were whole."""

    plan_id: str
    shard_index: int
    num_documents: int
    num_committed: int
    """Shards of the plan that are committed completely so far, this one included if it is."""
    num_shards: int
    compact_s: float
    is_last: bool = True
    """True if the whole shard is committed now."""
    counts: CommittedCounts = CommittedCounts()


class LeaseView(Protocol):
    """The lease of a run at work."""

    @property
    def epoch(self) -> int: ...

    @property
    def age_s(self) -> float:
        """Seconds since the last renewal."""


class Observer(Protocol):
    """All methods are called on the driver's thread."""

    def started(self, run_id: str, engine: str, lease: LeaseView) -> None:
        """The run has something to do and holds the lease."""

    def phase(self, name: str, detail: str = "") -> None:
        """The run begins a phase: listing, planning, starting, reading or committing."""

    def planned(self, plan_id: str, num_documents: int, num_bytes: int) -> None:
        """The run begins to work on a plan."""

    def chunk_done(self, receipt: Receipt, num_documents_done: int) -> None:
        """A chunk is staged. `num_documents_done` counts all documents of this run that are staged completely."""

    def shard_committed(self, commit: ShardCommit) -> None: ...

    def message(self, text: str) -> None:
        """The run has a sentence for the person who watches."""

    def stages(self, loads: Sequence[StageLoad]) -> None:
        """The current load of the stages, every few seconds. It does not count as news."""

    def ended(self, summary: Summary) -> None:
        """The run has ended. This is also called for a run that had nothing to do and so never started."""

    def failed(self, error: BaseException) -> None:
        """The run was ended by an error: an operator's mistake, another run's lease, or a bug."""


class Silent:
    """An observer that ignores everything."""

    def started(self, run_id: str, engine: str, lease: LeaseView) -> None: ...
    def phase(self, name: str, detail: str = "") -> None: ...
    def planned(self, plan_id: str, num_documents: int, num_bytes: int) -> None: ...
    def chunk_done(self, receipt: Receipt, num_documents_done: int) -> None: ...
    def shard_committed(self, commit: ShardCommit) -> None: ...
    def message(self, text: str) -> None: ...
    def stages(self, loads: Sequence[StageLoad]) -> None: ...
    def ended(self, summary: Summary) -> None: ...
    def failed(self, error: BaseException) -> None: ...


class Several:
    """An observer that passes everything on to several observers, in order."""

    def __init__(self, *observers: Observer) -> None:
        self._observers = observers

    def started(self, run_id: str, engine: str, lease: LeaseView) -> None:
        for observer in self._observers:
            observer.started(run_id, engine, lease)

    def phase(self, name: str, detail: str = "") -> None:
        for observer in self._observers:
            observer.phase(name, detail)

    def planned(self, plan_id: str, num_documents: int, num_bytes: int) -> None:
        for observer in self._observers:
            observer.planned(plan_id, num_documents, num_bytes)

    def chunk_done(self, receipt: Receipt, num_documents_done: int) -> None:
        for observer in self._observers:
            observer.chunk_done(receipt, num_documents_done)

    def shard_committed(self, commit: ShardCommit) -> None:
        for observer in self._observers:
            observer.shard_committed(commit)

    def message(self, text: str) -> None:
        for observer in self._observers:
            observer.message(text)

    def stages(self, loads: Sequence[StageLoad]) -> None:
        for observer in self._observers:
            observer.stages(loads)

    def ended(self, summary: Summary) -> None:
        for observer in self._observers:
            observer.ended(summary)

    def failed(self, error: BaseException) -> None:
        for observer in self._observers:
            observer.failed(error)
