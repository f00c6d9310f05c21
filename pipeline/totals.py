"""What a run has come to so far: counted from receipts, told to `runs` and to the summary."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.observer import Observer, Receipt
from pipeline.summary import Summary
from schemas.failure import FailureKind
from schemas.records import RunRecord
from schemas.tables import to_table


@dataclass
class Totals:
    pages: Counter[str] = field(default_factory=Counter)
    """By status."""
    failures: Counter[FailureKind] = field(default_factory=Counter)
    num_charts: int = 0
    num_chart_points: int = 0
    num_prompt_tokens: int = 0
    num_output_tokens: int = 0
    render_s: float = 0.0
    read_s: float = 0.0
    num_documents: int = 0
    """Committed."""
    plan_ids: list[str] = field(default_factory=list)

    def add(self, receipt: Receipt) -> None:
        self.pages.update(ok=receipt.num_ok, blank=receipt.num_blank, partial=receipt.num_partial, failed=receipt.num_failed)
        self.failures.update(receipt.failures)
        for name in _SUMMED:
            setattr(self, name, getattr(self, name) + getattr(receipt, name))

    def record(self, *, seconds: float, **known: Any) -> RunRecord:
        """The run's row; `known` are its columns that are no counts."""
        num_pages = self.pages.total()
        return RunRecord(
            plan_ids=self.plan_ids,
            num_documents=self.num_documents,
            num_pages=num_pages,
            num_failures=self.failures.total(),
            seconds=seconds,
            pages_per_s=num_pages / seconds if num_pages else None,
            **self._sums(),
            **known,
        )

    def summary(self, **known: Any) -> Summary:
        return Summary(
            plan_ids=tuple(self.plan_ids),
            num_documents=self.num_documents,
            num_pages=dict(self.pages),
            failures=dict(self.failures),
            **self._sums(),
            **known,
        )

    def _sums(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in _SUMMED}


_SUMMED = ("num_charts", "num_chart_points", "num_prompt_tokens", "num_output_tokens", "render_s", "read_s")


class Counting:
    """Counts receipts on their way to the observer."""

    def __init__(self, observer: Observer, totals: Totals) -> None:
        self._observer, self._totals = observer, totals

    def chunk_done(self, receipt: Receipt, num_documents_done: int) -> None:
        self._totals.add(receipt)
        self._observer.chunk_done(receipt, num_documents_done)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._observer, name)


def parquet_bytes(record: RunRecord) -> bytes:
    sink = pa.BufferOutputStream()
    pq.write_table(to_table("runs", [record.row()]), sink, compression="zstd")
    return sink.getvalue().to_pybytes()
