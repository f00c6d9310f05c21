"""What a run tells whoever watches it."""

from collections.abc import Sequence
from typing import Literal, NamedTuple, Protocol

from pipeline.reporting.summary import Summary
from schemas.plan import CommittedCounts
from schemas.receipt import Receipt

StageName = Literal["probe", "render", "read", "compact"]


class StageLoad(NamedTuple):
    """What a stage has at hand: documents while probing, shards while compacting, else chunks."""

    stage: StageName
    num_active: int
    num_waiting: int

    def sentence(self) -> str:
        return f"{self.stage} {self.num_active}" + (f", {self.num_waiting} more wait for it" if self.num_waiting else "")


class ShardCommit(NamedTuple):
    """Documents that were committed: all that was left of a shard, or those that were whole by then."""

    plan_id: str
    shard_index: int
    num_documents: int
    num_committed: int
    """Shards of the plan so far, this one included where it is committed as a whole."""
    num_shards: int
    compact_s: float
    is_last: bool = True
    """The shard is committed as a whole now."""
    counts: CommittedCounts = CommittedCounts()


class LeaseView(Protocol):
    """The lease of a run at work."""

    @property
    def epoch(self) -> int: ...

    @property
    def age_s(self) -> float:
        """Since it was last renewed."""


class Observer(Protocol):
    """Called on the driver's thread."""

    def started(self, run_id: str, engine: str, lease: LeaseView) -> None:
        """The run has something to do and holds the lease."""

    def phase(self, name: str, detail: str = "") -> None:
        """What the run is about to do: listing, planning, starting, reading, committing."""

    def planned(self, plan_id: str, num_documents: int, num_bytes: int) -> None:
        """A plan's work; called once per plan that is worked on."""

    def chunk_done(self, receipt: Receipt, num_documents_done: int) -> None:
        """`num_documents_done` counts all documents of this run that are staged in full."""

    def shard_committed(self, commit: ShardCommit) -> None: ...

    def message(self, text: str) -> None:
        """One sentence worth a line."""

    def stages(self, loads: Sequence[StageLoad]) -> None:
        """Told every few seconds; no news by itself."""

    def ended(self, summary: Summary) -> None:
        """Also of a run that had nothing to do, and so never started."""

    def failed(self, error: BaseException) -> None:
        """The run is over, by this: an operator's mistake, another run's lease, or a bug."""


class Silent:
    """Watches nothing."""

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
    """Passes on to each of its observers, in order, whatever it hears."""

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
