"""Receipts: summaries of a chunk's records that its reader sends to the driver."""

import logging
from collections import Counter
from typing import Any

from pipeline.reporting.json_log import event
from schemas.page import Chunk
from schemas.receipt import AskTrouble, Receipt, Spent
from schemas.records import ChartRecord, ChunkRecords, PageRecord
from workers.contained import page_error, take_reports

_log = logging.getLogger(__name__)


def receipt_of(chunk: Chunk, records: ChunkRecords, **figures: Any) -> Receipt:
    """Gives `make_receipt`, or a minimal receipt if that raises or the driver could not read it, so that a bug in reporting does
    not cost the chunk."""
    try:
        return Receipt.model_validate_json(make_receipt(chunk, records, **figures).model_dump_json())
    except Exception as error:  # noqa: BLE001 - the border of a chunk
        page_error(error, "encode")
        spent = Spent(reports=take_reports())
        return Receipt(shard_index=chunk.shard_index, name=chunk.name, uri=chunk.source.uri, plan_id=chunk.plan_id, spent=spent)


class Bugs:
    """Writes tracebacks of workers to the driver's log, each once, however many processes met it."""

    def __init__(self) -> None:
        self._known: set[str] = set()

    def report(self, receipt: Receipt) -> None:
        for text in receipt.spent.reports:
            head = text.partition("\n")[0]
            if head not in self._known:
                self._known.add(head)
                _log.error(text)


def make_receipt(chunk: Chunk, records: ChunkRecords, **figures: Any) -> Receipt:
    """The receipt of a chunk. `figures` are the fields of the receipt that do not follow from the records."""
    statuses = Counter(page.status for page in records.pages)
    asked: list[PageRecord | ChartRecord] = [*records.pages, *records.charts]
    return Receipt(
        shard_index=chunk.shard_index,
        name=chunk.name,
        uri=chunk.source.uri,
        plan_id=chunk.plan_id,
        document_id=chunk.document.document_id,
        num_document_pages=chunk.num_selected,
        num_ok=statuses["ok"],
        num_blank=statuses["blank"],
        num_partial=statuses["partial"],
        num_failed=statuses["failed"],
        failures=Counter(failure.kind for failure in records.failures),
        troubles=tuple(
            AskTrouble(
                kind=failure.kind,
                stage=failure.stage,
                task=failure.task,
                page_index=failure.page_index,
                region_index=failure.region_index,
                message=failure.message,
            )
            for failure in records.failures
        ),
        num_charts=sum(chart.status in ("ok", "partial") for chart in records.charts),
        num_chart_points=len(records.chart_points),
        num_prompt_tokens=sum(row.num_prompt_tokens or 0 for row in asked),
        num_output_tokens=sum(row.num_output_tokens or 0 for row in asked),
        num_chart_prompt_tokens=sum(row.num_prompt_tokens or 0 for row in records.charts),
        num_chart_output_tokens=sum(row.num_output_tokens or 0 for row in records.charts),
        render_s=sum(page.render_s for page in records.pages),
        read_s=sum(row.read_s for row in asked),
        chart_read_s=sum(row.read_s for row in records.charts),
        **figures,
    )


def report_slow_pages(chunk: Chunk, records: ChunkRecords, slow_page_s: float, *, reader: str) -> None:
    """Writes a line to the JSON log for each page that took longer than `slow_page_s` to render and read."""
    try:
        _report_slow_pages(chunk, records, slow_page_s, reader)
    except Exception as error:  # noqa: BLE001 - the border of a chunk
        page_error(error, "encode")


def _report_slow_pages(chunk: Chunk, records: ChunkRecords, slow_page_s: float, reader: str) -> None:
    for page in records.pages:
        if page.render_s + page.read_s > slow_page_s:
            event(
                "slow_page",
                level=logging.WARNING,
                reader=reader,
                plan_id=chunk.plan_id,
                document_id=chunk.document.document_id,
                uri=chunk.source.uri,
                page_index=page.page_index,
                render_s=round(page.render_s, 3),
                read_s=round(page.read_s, 3),
                num_asks=page.num_asks,
                num_output_tokens=page.num_output_tokens,
            )
