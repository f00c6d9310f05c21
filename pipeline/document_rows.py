"""A document's row and its manifest entry, gathered from its chunks when a shard is committed."""

from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.staging import StagedChunk
from schemas.plan import CommittedSource, SourceFailure
from schemas.records import DocumentRecord, DocumentStatus, Lineage

_COUNTED = {
    "pages": ["status", "num_chart_candidates"],
    "charts": ["status", "page_index", "region_index", "region_origin"],
    "chart_points": ["point_index"],
    "failures": ["kind", "task", "page_index", "region_index"],
}
"""The columns that a document's row is made of: the texts of a 2,000-page document shall not pile up."""


@dataclass
class DocumentCounts:
    """A document's row, gathered from its chunks."""

    chunks: list[StagedChunk] = field(default_factory=list)

    def add(self, staged: StagedChunk) -> None:
        counted = {table: staged.tables[table].select(columns) for table, columns in _COUNTED.items()}
        self.chunks.append(StagedChunk(staged.chunk, staged.run_id, counted))

    def _all(self, table: str) -> pa.Table:
        return pa.concat_tables(chunk.tables[table] for chunk in self.chunks)

    def record(self, recipe_ids: dict[str, str]) -> DocumentRecord:
        first = self.chunks[0].chunk
        # the chunk that opened the document knows most: a blocked one (the source is gone by now) knows nothing
        document = max((staged.chunk.document for staged in self.chunks), key=lambda document: document.num_pages or -1)
        pages, charts, failures = self._all("pages"), self._all("charts"), self._all("failures")
        statuses = {row["values"]: row["counts"] for row in pc.value_counts(pages["status"]).to_pylist()}
        return DocumentRecord(
            lineage=Lineage(
                uri=first.source.uri,
                source_id=first.source.source_id,
                source_version=first.source.etag,
                version_id=document.version_id,
                document_id=document.document_id,
                plan_id=first.plan_id,
                run_id=self.chunks[0].run_id,
                attempt=first.attempt,
            ),
            status=_status(statuses, failures.num_rows, charts["status"].to_pylist()),
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
            num_pages_ok=statuses.get("ok", 0),
            num_pages_blank=statuses.get("blank", 0),
            num_pages_partial=statuses.get("partial", 0),
            num_pages_failed=statuses.get("failed", 0),
            num_chart_candidates=pc.sum(pages["num_chart_candidates"]).as_py() or 0,
            num_charts=sum(status in ("ok", "partial") for status in charts["status"].to_pylist()),
            num_chart_points=self._all("chart_points").num_rows,
            num_failures=failures.num_rows,
            tasks=[*first.tasks],
            ocr_recipe_id=recipe_ids.get("ocr") if "ocr" in first.tasks else None,
            chart_recipe_id=recipe_ids.get("chart") if "chart" in first.tasks else None,
        )

    def committed(self, pages: list[int] | None, regions: list[tuple[int, int]] | None) -> CommittedSource:
        first = self.chunks[0].chunk
        record = self.record({})
        origins = {(row["page_index"], row["region_index"]): row["region_origin"] for row in self._all("charts").to_pylist()}
        return CommittedSource(
            uri=first.source.uri,
            etag=first.source.etag,
            size_bytes=first.source.size_bytes,
            last_modified=first.source.last_modified,
            document_id=record.lineage.document_id,
            tasks=first.tasks,
            attempt=first.attempt,
            num_pages=record.num_pages,
            num_pages_read=record.num_pages_read,
            pages=pages,
            regions=regions,
            failures=[_source_failure(row, origins) for row in self._all("failures").to_pylist()],
        )


def _source_failure(row: dict[str, Any], origins: dict[tuple[int, int], str | None]) -> SourceFailure:
    key = (row["page_index"], row["region_index"])
    return SourceFailure(
        kind=row["kind"],
        task=row["task"],
        page_index=row["page_index"],
        region_index=row["region_index"],
        needs_ocr=origins.get(key) == "answer",
    )


def _status(pages: dict[str, int], num_failures: int, charts: list[str]) -> DocumentStatus:
    """Derived, never set by hand: a document with any failure is not plain `ok`."""
    if num_failures == 0 and not pages.get("failed") and not pages.get("partial"):
        return "ok"
    has_something = any(pages.get(status) for status in ("ok", "blank", "partial")) or any(
        status in ("ok", "none", "partial") for status in charts
    )
    return "partial" if has_something else "failed"
