"""What a run tells whoever watches it."""

from typing import Protocol

from pydantic import BaseModel, ConfigDict

from schemas.failure import FailureKind


class Receipt(BaseModel):
    """What one staged chunk came to; travels from the reader to the driver."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    shard_index: int
    name: str
    """The chunk's."""
    uri: str
    num_ok: int = 0
    num_blank: int = 0
    num_partial: int = 0
    num_failed: int = 0
    failures: dict[FailureKind, int] = {}
    num_charts: int = 0
    num_chart_points: int = 0
    num_prompt_tokens: int = 0
    num_output_tokens: int = 0
    render_s: float = 0.0
    read_s: float = 0.0

    @property
    def num_pages(self) -> int:
        return self.num_ok + self.num_blank + self.num_partial + self.num_failed


class Observer(Protocol):
    """Called on the driver's thread."""

    def phase(self, name: str, detail: str = "") -> None:
        """What the run is about to do: listing, planning, starting, reading, committing."""

    def planned(self, num_documents: int, num_bytes: int) -> None:
        """A plan's work; called once per plan that is worked on."""

    def chunk_done(self, receipt: Receipt, num_documents_done: int) -> None:
        """`num_documents_done` counts all documents of this run that are staged in full."""

    def shard_committed(self, num_committed: int, num_shards: int) -> None: ...

    def message(self, text: str) -> None:
        """One sentence worth a line."""

    def stages(self, text: str) -> None:
        """What each stage has at hand; told every few seconds while nothing else happens, and no news by itself."""


class Silent:
    """Watches nothing."""

    def phase(self, name: str, detail: str = "") -> None: ...
    def planned(self, num_documents: int, num_bytes: int) -> None: ...
    def chunk_done(self, receipt: Receipt, num_documents_done: int) -> None: ...
    def shard_committed(self, num_committed: int, num_shards: int) -> None: ...
    def message(self, text: str) -> None: ...
    def stages(self, text: str) -> None: ...
