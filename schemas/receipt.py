"""Receipts, by which readers inform the driver about staged chunks."""

from schemas.failure import FailureKind, Stage, Task
from schemas.frozen import Frozen

BOTH, LAYERS = "ocr chart", "layers"
"""What a reader reads, where that is not one task."""


class ReaderTime(Frozen):
    """A reader process, as it stands when it has read its part of a chunk."""

    name: str
    """A new one after each start."""
    reads: str = BOTH
    """What it reads: tasks, or LAYERS for the text that PDFs carry."""
    num_gpus: float = 0.0
    lived_s: float = 0.0
    """Seconds since the reader started, its engine's start included."""
    busy_s: float = 0.0
    """Seconds of these in which its engine was at work."""
    num_requests: int | None = None
    """Requests that it has at its endpoint at once by now; None if their number is fixed."""

    @property
    def gpu_s(self) -> float:
        return self.num_gpus * self.lived_s


class Spent(Frozen):
    """What a chunk cost on its way. Probing and fetching count for the first chunk of a document only."""

    probe_s: float = 0.0
    num_downloads: int = 0
    """Objects fetched from the store."""
    num_cache_hits: int = 0
    """Objects found in the node's cache."""
    num_bytes_fetched: int = 0
    reports: tuple[str, ...] = ()
    """Reports about bugs, with tracebacks: see `workers.contained`."""
    readers: tuple[ReaderTime, ...] = ()
    """The readers that it has passed."""


class AskTrouble(Frozen):
    """The part of a failure that a line of a log needs."""

    kind: FailureKind
    stage: Stage
    task: Task | None
    page_index: int | None
    region_index: int | None
    message: str


class Receipt(Frozen):
    """A summary of one staged chunk. It travels from the reader to the driver."""

    shard_index: int
    name: str
    """The chunk's name."""
    uri: str
    plan_id: str = ""
    document_id: str | None = None
    num_document_pages: int = 0
    """Pages of the chunk's document that this plan reads, in all chunks."""
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
    num_chart_prompt_tokens: int = 0
    """Of the prompt tokens, those of questions about charts. The same of output tokens and seconds of reading."""
    num_chart_output_tokens: int = 0
    render_s: float = 0.0
    read_s: float = 0.0
    chart_read_s: float = 0.0
    stage_s: float = 0.0
    spent: Spent = Spent()

    @property
    def num_pages(self) -> int:
        return self.num_ok + self.num_blank + self.num_partial + self.num_failed
