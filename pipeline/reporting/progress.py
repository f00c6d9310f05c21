"""The progress of a run: what is done, the speed, and the time left."""

import time
from collections import Counter
from collections.abc import Sequence

from pipeline.reporting.figures import counted, duration, pace
from pipeline.reporting.observer import ShardCommit, Silent, StageLoad
from schemas.failure import FailureKind, clean_message
from schemas.lease import Heartbeat
from schemas.receipt import Receipt


class Progress(Silent):
    """An observer that counts. Displays and heartbeats use its counts. Its texts hold no control characters."""

    def __init__(self) -> None:
        self.since = self.news = time.monotonic()
        self.phase_name, self.phase_detail = "starting", ""
        self.stage_detail = ""
        self.num_documents = self.num_documents_done = 0
        self.pages: Counter[str] = Counter()
        self.failures: Counter[FailureKind] = Counter()
        self.messages: list[str] = []
        self.reading_since: float | None = None
        """The moment from which rates are counted, so that Ray's start does not count."""
        self._first_pages: tuple[float, int] | None = None
        """(moment, number) of the first pages that were done. The time left is estimated from the pages after them, because workers
        start before, and documents that cannot be opened are done at once."""
        self.num_requests: int | None = None
        """Requests that a reader has at its endpoint at once by now; None if their number is fixed."""
        self._num_seen = self._num_seen_pages = 0
        """Documents of which a chunk is done, or that were done before, and their pages in this run."""
        self._left: dict[tuple[str, int, str], int] = {}
        """Pages that are not done yet, for each seen document that is not whole."""

    def phase(self, name: str, detail: str = "") -> None:
        if name == "reading" and self.reading_since is None:
            self.reading_since = time.monotonic()
        self._news()
        self.phase_name, self.phase_detail = clean_message(name), clean_message(detail)

    def planned(self, plan_id: str, num_documents: int, num_bytes: int) -> None:
        self._news()
        self.num_documents += num_documents

    def chunk_done(self, receipt: Receipt, num_documents_done: int) -> None:
        self._news()
        self._see(receipt, num_documents_done)
        self.num_documents_done = num_documents_done
        self.pages.update(ok=receipt.num_ok, blank=receipt.num_blank, partial=receipt.num_partial, failed=receipt.num_failed)
        if self.num_pages and self._first_pages is None:
            self._first_pages = time.monotonic(), self.num_pages
        self.failures.update(receipt.failures)
        for reader in receipt.spent.readers:
            self.num_requests = reader.num_requests or self.num_requests

    def shard_committed(self, commit: ShardCommit) -> None:
        self._news()

    def message(self, text: str) -> None:
        self._news()
        self.messages.append(clean_message(text))

    def stages(self, loads: Sequence[StageLoad]) -> None:
        self.stage_detail = "; ".join(load.sentence() for load in loads if load.num_active or load.num_waiting)

    @property
    def num_pages(self) -> int:
        return self.pages.total()

    @property
    def elapsed_s(self) -> float:
        return time.monotonic() - self.since

    @property
    def silent_s(self) -> float:
        return time.monotonic() - self.news

    @property
    def pages_per_s(self) -> float | None:
        """Pages per second since reading began; None before the first page."""
        if not self.num_pages or self.reading_since is None:
            return None
        return self.num_pages / max(time.monotonic() - self.reading_since, 1e-3)

    @property
    def left_s(self) -> float | None:
        """Estimated seconds left; None while there is no estimate. The pages left are those of the opened documents, and for every
        other document the average of the opened ones."""
        since_s, before = self._first_pages or (0.0, self.num_pages)
        done = self.num_pages - before
        if done <= 0 or self._num_seen == 0:
            return None
        unseen = max(0, self.num_documents - self._num_seen)
        left = sum(self._left.values()) + unseen * self._num_seen_pages / self._num_seen
        return (time.monotonic() - since_s) / done * left if left > 0 else None

    def line(self) -> str:
        """The progress in one line, for a log."""
        parts = [f"{self.num_documents_done}/{self.num_documents} documents", counted(self.num_pages, "page")]
        if (rate := self.pages_per_s) is not None:
            parts.append(f"{pace(rate)} pages/s")
        if self.failures:
            parts.append("failures: " + ", ".join(f"{kind} {count}" for kind, count in self.failures.most_common()))
        if (left := self.left_s) is not None:
            parts.append(f"about {duration(left)} left")
        return f"{self.phase_name}: " + " · ".join(parts)

    def waiting(self) -> str:
        detail = f" ({said})" if (said := self.stage_detail or self.phase_detail) else ""
        return f"no news for {duration(self.silent_s)}; waiting in phase `{self.phase_name}`{detail}"

    def heartbeat(self) -> Heartbeat:
        return Heartbeat(
            phase=self.phase_name,
            num_documents=self.num_documents,
            num_documents_done=self.num_documents_done,
            num_pages=self.num_pages,
            num_failures=self.failures.total(),
            pages_per_s=self.pages_per_s,
            left_s=self.left_s,
            silent_s=self.silent_s,
            num_requests=self.num_requests,
            stages=self.stage_detail,
        )

    def _see(self, receipt: Receipt, num_documents_done: int) -> None:
        document = receipt.plan_id, receipt.shard_index, receipt.uri
        if document not in self._left:
            self._num_seen += 1
            self._num_seen_pages += receipt.num_document_pages
            self._left[document] = receipt.num_document_pages
        self._left[document] -= receipt.num_pages
        if self._left[document] <= 0:
            del self._left[document]
        # Documents that an earlier run has read are done without a chunk.
        self._num_seen = max(self._num_seen, num_documents_done)

    def _news(self) -> None:
        self.news = time.monotonic()
        self.stage_detail = ""
