"""The content of a lease: who is at work, and how far."""

from schemas.frozen import Frozen


class Heartbeat(Frozen, extra="ignore"):  # a later version may have more fields
    """The progress of a run when it last renewed its lease, for `pagefold status`."""

    phase: str
    num_documents: int
    num_documents_done: int
    num_pages: int
    num_failures: int
    pages_per_s: float | None
    left_s: float | None
    """Estimated seconds left; None while there is no estimate."""
    silent_s: float
    """Seconds since the last chunk, commit or phase."""
    stages: str
    """The work that each stage has, as a text."""
    num_requests: int | None = None
    """Requests that a reader has at its endpoint at once by now; None if their number is fixed."""


class LeaseBody(Frozen, extra="ignore"):  # a later version may have more fields
    owner: str
    run_id: str
    epoch: int
    """Number of the holder: one more with each new holder."""
    ttl_s: float
    nonce: str
    """A random value that is new in every write."""
    process: str | None = None
    """Identity of the holder's process: see `pipeline.lake.process_identity`."""
    is_released: bool = False
    heartbeat: Heartbeat | None = None
    """The run's progress at this renewal."""
