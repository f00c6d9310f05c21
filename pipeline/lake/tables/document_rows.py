"""A document's row and its manifest entry, gathered from its chunks when a shard is committed."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow.compute as pc

from pipeline.lake.staging import StagedChunk
from pipeline.lake.tables.unread_pages import for_each_page, unread_pages, with_one_row
from schemas.failure import FailureKind
from schemas.page import Chunk
from schemas.plan import CommittedCounts, CommittedSource, SourceFailure
from schemas.planned import PlannedSource
from schemas.records import DocumentRecord, DocumentStatus, Lineage
from schemas.source import Document


@dataclass
class DocumentCounts:
    """A document's row, gathered from its chunks in page order. It keeps counts and no tables, because a shard may have ten
    thousand chunks and even an empty table takes 60 kB."""

    first: Chunk | None = None
    run_id: str = ""
    document: Document = field(default_factory=Document)
    """From the chunk that knows the most pages. A chunk whose source was gone by then knows nothing."""
    pages: Counter[str] = field(default_factory=Counter)
    """Number of pages by status."""
    charts: Counter[str] = field(default_factory=Counter)
    """Number of charts by status."""
    num_chart_candidates: int = 0
    num_chart_points: int = 0
    origins: dict[tuple[int, int], str | None] = field(default_factory=dict)
    """Region origins of charts, by (page_index, region_index)."""
    failures: list[dict[str, Any]] = field(default_factory=list)
    unread: list[dict[str, Any]] = field(default_factory=list)
    """One failure for each page that was left unread because its document cost too much. In the table they share one row."""

    def add(self, staged: StagedChunk) -> StagedChunk:
        """Counts the chunk, and gives it with the rows that go into the tables."""
        tables = staged.tables
        if self.first is None:
            self.first, self.run_id, self.document = staged.chunk, staged.run_id, staged.chunk.document
        elif (staged.chunk.document.num_pages or -1) > (self.document.num_pages or -1):
            self.document = staged.chunk.document
        self.pages.update(tables["pages"]["status"].to_pylist())
        self.num_chart_candidates += pc.sum(tables["pages"]["num_chart_candidates"]).as_py() or 0
        places: dict[tuple[int, int], dict[str, Any]] = {}
        for row in tables["charts"].select(["page_index", "region_index", "region_origin", "status", "num_points"]).to_pylist():
            places.setdefault((row["page_index"], row["region_index"]), row)  # a chart read twice is one: the engine's row is first
        self.charts.update(row["status"] for row in places.values())
        self.origins |= {place: row["region_origin"] for place, row in places.items()}
        self.num_chart_points += sum(row["num_points"] for row in places.values())
        landing = with_one_row(staged, has_row=bool(self.unread))
        for row in landing.tables["failures"].select(["kind", "task", "page_index", "region_index"]).to_pylist():
            self.failures.append(row | {"version": staged.version if row["kind"] == FailureKind.internal_error else None})
        self.unread += unread_pages(staged)
        return landing

    def record(self, recipe_ids: dict[str, str]) -> DocumentRecord:
        first, document = self.first, self.document
        assert first is not None
        return DocumentRecord(
            lineage=Lineage(
                uri=first.source.uri,
                source_id=first.source.source_id,
                source_version=first.source.etag,
                version_id=document.version_id,
                document_id=document.document_id,
                plan_id=first.plan_id,
                run_id=self.run_id,
                attempt=first.attempt,
            ),
            status=_status(self.pages, len(self.failures), self.charts),
            name=first.source.uri.rstrip("/").rpartition("/")[2],
            media_type=document.media_type,
            size_bytes=first.source.size_bytes,
            last_modified=first.source.last_modified,
            title=document.title,
            producer=document.producer,
            is_encrypted=document.is_encrypted,
            is_repaired=document.is_repaired,
            num_pages=document.num_pages,
            num_pages_read=first.num_selected,
            num_pages_ok=self.pages["ok"],
            num_pages_blank=self.pages["blank"],
            num_pages_partial=self.pages["partial"],
            num_pages_failed=self.pages["failed"],
            num_chart_candidates=self.num_chart_candidates,
            num_charts=self.charts["ok"] + self.charts["partial"],
            num_chart_points=self.num_chart_points,
            num_failures=len(self.failures),
            tasks=[*first.tasks],
            ocr_recipe_id=recipe_ids.get("ocr") if "ocr" in first.tasks else None,
            chart_recipe_id=recipe_ids.get("chart") if "chart" in first.tasks else None,
            duplicate_of=first.duplicate_of,
            is_whole=first.planned_pages is None and first.regions is None and first.duplicate_of is None and not self.unread,
        )

    def committed(self, planned: PlannedSource, reads_by: str | None) -> CommittedSource:
        first = self.first
        assert first is not None
        return CommittedSource(
            uri=first.source.uri,
            etag=first.source.etag,
            size_bytes=first.source.size_bytes,
            last_modified=first.source.last_modified,
            document_id=self.document.document_id,
            tasks=first.tasks,
            attempt=first.attempt,
            num_pages=self.document.num_pages,
            num_pages_read=first.num_selected,
            pages=planned.pages,
            regions=planned.regions,
            failures=[_source_failure(row, self.origins, reads_by) for row in for_each_page(self.failures, self.unread)],
            duplicate_of=first.duplicate_of,
        )


def total(documents: Sequence[DocumentCounts]) -> CommittedCounts:
    """The counts of these documents together."""
    pages: Counter[str] = sum((counts.pages for counts in documents), Counter())
    charts: Counter[str] = sum((counts.charts for counts in documents), Counter())
    return CommittedCounts(
        num_documents=len(documents),
        num_unopened=sum(map(_is_unopened, documents)),
        pages=dict(sorted(pages.items())),
        failures=dict(sorted(Counter(row["kind"] for counts in documents for row in counts.failures).items())),
        num_charts=charts["ok"] + charts["partial"],
        num_chart_points=sum(counts.num_chart_points for counts in documents),
    )


def _is_unopened(counts: DocumentCounts) -> bool:
    if counts.pages.total() or counts.charts.total():
        return False
    return any(row["page_index"] is None for row in counts.failures)


def _source_failure(row: dict[str, Any], origins: dict[tuple[int, int], str | None], reads_by: str | None) -> SourceFailure:
    key = (row["page_index"], row["region_index"])
    return SourceFailure(
        kind=row["kind"],
        task=row["task"],
        page_index=row["page_index"],
        region_index=row["region_index"],
        needs_ocr=origins.get(key) == "answer",
        version=reads_by if row["kind"] == FailureKind.unsupported_script else row.get("version"),
    )


def _status(pages: Counter[str], num_failures: int, charts: Counter[str]) -> DocumentStatus:
    """The status is derived from the counts. A document with any failure is not `ok`."""
    if num_failures == 0 and not pages["failed"] and not pages["partial"]:
        return "ok"
    has_something = any(pages[status] for status in ("ok", "blank", "partial")) or any(
        charts[status] for status in ("ok", "none", "partial")
    )
    return "partial" if has_something else "failed"
