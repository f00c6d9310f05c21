"""What a staged chunk came to, as the reader says it to the driver."""

from schemas.failure import FailureKind, Stage, Task
from schemas.frozen import Frozen


class Spent(Frozen):
    """What a chunk cost before it came to its reader. Probing and fetching count for the first chunk of a document alone."""

    probe_s: float = 0.0
    num_downloads: int = 0
    """Objects fetched from the store, and found in the node's cache."""
    num_cache_hits: int = 0
    num_bytes_fetched: int = 0
    told: tuple[str, ...] = ()
    """Tracebacks that were met on the way; see `workers.contained`."""


class AskTrouble(Frozen):
    """As much of a failure as a line of a log needs."""

    kind: FailureKind
    stage: Stage
    task: Task | None
    page_index: int | None
    region_index: int | None
    message: str


class Receipt(Frozen):
    """What one staged chunk came to; travels from the reader to the driver."""

    shard_index: int
    name: str
    """The chunk's."""
    uri: str
    plan_id: str = ""
    document_id: str | None = None
    num_document_pages: int = 0
    """Pages of its document that this plan reads, in all its chunks."""
    num_ok: int = 0
    num_blank: int = 0
    num_partial: int = 0
    num_failed: int = 0
    failures: dict[FailureKind, int] = {}
    troubles: tuple[AskTrouble, ...] = ()
    num_charts: int = 0
    num_chart_points: int = 0
    num_prompt_tokens: int = 0
    num_output_tokens: int = 0
    render_s: float = 0.0
    read_s: float = 0.0
    stage_s: float = 0.0
    spent: Spent = Spent()
    reader: str = ""
    """The reader process, another one after each start."""
    reader_s: float = 0.0
    """Since it started, its engine's start included."""
    reader_busy_s: float = 0.0
    """Of these, with its engine at work."""

    @property
    def num_pages(self) -> int:
        return self.num_ok + self.num_blank + self.num_partial + self.num_failed
