"""What stands in a lease: who is at work, and how far."""

from schemas.frozen import Frozen


class Heartbeat(Frozen, extra="ignore"):  # a later version's is one, too
    """How far a run was when it last renewed its lease; for `pagefold status`."""

    phase: str
    num_documents: int
    num_documents_done: int
    num_pages: int
    num_failures: int
    pages_per_s: float | None
    left_s: float | None
    """By the pages done since the workers had started; None while it cannot be said."""
    silent_s: float
    """Since the last chunk, commit or phase."""
    stages: str
    """What each stage has at hand."""


class LeaseBody(Frozen, extra="ignore"):  # a later version's lease is a lease
    owner: str
    run_id: str
    epoch: int
    """One more with each holder."""
    ttl_s: float
    nonce: str
    """Of this one write."""
    process: str | None = None
    """See `pipeline.lake.process_identity`."""
    is_released: bool = False
    heartbeat: Heartbeat | None = None
    """How far the run was at this renewal."""
