"""The totals of a run, counted from receipts and commits, for its row in `runs` and its summary."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.lake.tables.unread_pages import counted_once
from pipeline.reporting.figures import counted
from pipeline.reporting.observer import Observer, Several, ShardCommit
from pipeline.reporting.summary import Summary
from schemas.failure import FailureKind
from schemas.masking import masked
from schemas.plan import CommittedCounts
from schemas.receipt import ReaderTime, Receipt
from schemas.records import RunRecord
from schemas.settings import Settings
from schemas.tables import to_table


@dataclass
class Totals:
    pages: Counter[str] = field(default_factory=Counter)
    """Number of pages by status."""
    failures: Counter[FailureKind] = field(default_factory=Counter)
    num_charts: int = 0
    num_chart_points: int = 0
    num_prompt_tokens: int = 0
    num_output_tokens: int = 0
    num_chart_prompt_tokens: int = 0
    num_chart_output_tokens: int = 0
    render_s: float = 0.0
    read_s: float = 0.0
    chart_read_s: float = 0.0
    num_documents: int = 0
    """Documents that this run has committed."""
    committed: CommittedCounts = field(default_factory=CommittedCounts)
    """All that is committed of the run's plans, by earlier runs as well."""
    num_documents_before: int = 0
    """Documents of these plans that earlier runs have committed."""
    num_pages_waiting: int = 0
    """Pages that were read and not committed when the run ended, because their documents are not whole."""
    plan_ids: list[str] = field(default_factory=list)
    readers: dict[str, ReaderTime] = field(default_factory=dict)
    """Each reader process by its name, as it stood at its last receipt."""

    def add(self, receipt: Receipt) -> None:
        self.pages.update(ok=receipt.num_ok, blank=receipt.num_blank, partial=receipt.num_partial, failed=receipt.num_failed)
        self.failures.update(receipt.failures)
        for name in (*_SUMMED, *_OF_CHARTS):
            setattr(self, name, getattr(self, name) + getattr(receipt, name))
        for reader in receipt.spent.readers:
            known = self.readers.get(reader.name)
            if known is None or known.lived_s < reader.lived_s:
                self.readers[reader.name] = reader

    def resumed(self, before: CommittedCounts) -> None:
        """Notes what earlier runs have committed of a plan."""
        self.committed = self.committed.plus(before)
        self.num_documents_before += before.num_documents

    def landed(self, counts: CommittedCounts) -> None:
        """Notes what this run has committed."""
        self.committed = self.committed.plus(counts)
        self.num_documents += counts.num_documents

    def trouble(self, fail_above: float | None) -> str | None:
        """Why a finished run is no success: all pages of its plans failed, or a larger share than is allowed; None if it is one."""
        pages, num_unopened = self.committed.pages, self.committed.num_unopened
        num_failed, num_read = pages.get("failed", 0) + num_unopened, sum(pages.values()) + num_unopened
        if not num_failed:
            return None
        unseen = ""
        if num_unopened:
            count = "counts" if num_unopened == 1 else "count"
            unseen = f" ({counted(num_unopened, 'document')} that could not be opened {count} as a page each)"
        if num_failed == num_read:
            return f"all {num_read} pages failed{unseen}" if num_read > 1 else "the only page failed"
        share = num_failed / num_read
        if fail_above is not None and share > fail_above:
            return f"{num_failed} of {num_read} pages failed{unseen}: {share:.1%}, and run.fail_above is {fail_above:.1%}"
        return None

    @property
    def gpu_s(self) -> float:
        """GPU-seconds that readers held, each from its start to its last answer."""
        return sum(reader.gpu_s for reader in self.readers.values())

    @property
    def chart_gpu_s(self) -> float | None:
        """Of these, those of readers of charts alone; None if there are none such."""
        own = [reader.gpu_s for reader in self.readers.values() if reader.reads == "chart"]
        return sum(own) if own else None

    def cost(self, settings: Settings, seconds: float) -> float | None:
        """The cost by the configured prices; None without prices."""
        price = settings.price
        of_charts = (price.chart_per_million_prompt_tokens, price.chart_per_million_output_tokens)
        prompt, output = (
            common if own is None else own
            for own, common in zip(of_charts, (price.per_million_prompt_tokens, price.per_million_output_tokens), strict=True)
        )
        parts = [
            (price.per_hour, seconds / 3600),
            (price.per_gpu_hour, self.gpu_s / 3600),
            (price.per_million_prompt_tokens, (self.num_prompt_tokens - self.num_chart_prompt_tokens) / 1e6),
            (price.per_million_output_tokens, (self.num_output_tokens - self.num_chart_output_tokens) / 1e6),
            (prompt, self.num_chart_prompt_tokens / 1e6),
            (output, self.num_chart_output_tokens / 1e6),
        ]
        known = [rate * amount for rate, amount in parts if rate is not None]
        return sum(known) if known else None

    def _bill(self, settings: Settings, seconds: float) -> dict[str, Any]:
        cost = self.cost(settings, seconds)
        return {"gpu_s": self.gpu_s, "cost": cost, "currency": None if cost is None else settings.price.currency}

    def record(self, settings: Settings, *, seconds: float, **known: Any) -> RunRecord:
        """The run's row. `known` has the columns that are not counted here."""
        num_pages = self.pages.total()
        return RunRecord(
            plan_ids=self.plan_ids,
            num_documents=self.num_documents,
            num_pages=num_pages,
            num_failures=self.failures.total(),
            seconds=seconds,
            pages_per_s=num_pages / seconds if num_pages else None,
            chart_read_s=self.chart_read_s,
            chart_gpu_s=self.chart_gpu_s,
            **self._sums(),
            **self._bill(settings, seconds),
            **_masked(known),
        )

    def summary(self, settings: Settings, *, seconds: float, **known: Any) -> Summary:
        return Summary(
            plan_ids=tuple(self.plan_ids),
            num_documents=self.committed.num_documents,
            num_documents_before=self.num_documents_before,
            num_pages={status: self.committed.pages.get(status, 0) for status in ("ok", "blank", "partial", "failed")},
            num_pages_now=self.pages.total(),
            num_pages_waiting=self.num_pages_waiting,
            failures=self.committed.failures,
            seconds=seconds,
            num_requests=max((reader.num_requests or 0 for reader in self.readers.values()), default=0) or None,
            **self._sums() | {"num_charts": self.committed.num_charts, "num_chart_points": self.committed.num_chart_points},
            **self._bill(settings, seconds),
            **_masked(known),
        )

    def _sums(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in _SUMMED}


_SUMMED = ("num_charts", "num_chart_points", "num_prompt_tokens", "num_output_tokens", "render_s", "read_s")
_OF_CHARTS = ("num_chart_prompt_tokens", "num_chart_output_tokens", "chart_read_s")


def _masked(known: dict[str, Any]) -> dict[str, Any]:
    """`known` with passwords masked in its message, because an error's sentence may hold a URL."""
    return known | ({"message": masked(known["message"])} if known.get("message") else {})


class Counting(Several):
    """An observer that adds receipts and commits to the totals and passes them on."""

    def __init__(self, observer: Observer, totals: Totals) -> None:
        super().__init__(observer)
        self._totals = totals
        self._counted_unread: set[tuple[str, str]] = set()

    def chunk_done(self, receipt: Receipt, num_documents_done: int) -> None:
        receipt = counted_once(receipt, self._counted_unread)
        self._totals.add(receipt)
        super().chunk_done(receipt, num_documents_done)

    def shard_committed(self, commit: ShardCommit) -> None:
        self._totals.landed(commit.counts)
        super().shard_committed(commit)


def parquet_bytes(record: RunRecord) -> bytes:
    sink = pa.BufferOutputStream()
    pq.write_table(to_table("runs", [record.row()]), sink, compression="zstd")
    return sink.getvalue().to_pybytes()
