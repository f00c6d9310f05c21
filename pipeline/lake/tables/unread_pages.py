"""Pages that were left unread because their document cost too much have one row in `failures`, however many they are.

Chunks are staged one by one, so each chunk with such pages has a row at the first of them; the pages after it in the chunk are
unread too. The commit keeps the first such row of a document. A manifest lists every unread page, so that a retry reads exactly
these.
"""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import pyarrow as pa

from pipeline.lake.staging import StagedChunk
from schemas.failure import FailureKind
from schemas.receipt import Receipt

_KIND = FailureKind.over_budget


def with_one_row(staged: StagedChunk, *, has_row: bool) -> StagedChunk:
    """The chunk without rows that repeat the document's first one. `has_row`: a chunk before this one has that row."""
    failures, kept = staged.tables["failures"], []
    for kind in failures.column("kind").to_pylist():
        kept.append(kind != _KIND or not has_row)
        has_row = has_row or kind == _KIND
    return staged if all(kept) else replace(staged, tables=staged.tables | {"failures": failures.filter(pa.array(kept))})


def unread_pages(staged: StagedChunk) -> list[dict[str, Any]]:
    """A failure for each unread page of the chunk, with the columns that a manifest needs."""
    rows = staged.tables["failures"].select(["kind", "task", "page_index", "region_index"]).to_pylist()
    rows = [row for row in rows if row["kind"] == _KIND]
    if not rows:
        return []
    first = min(row["page_index"] for row in rows)
    return [rows[0] | {"page_index": page_index} for page_index in staged.chunk.pages if page_index >= first]


def for_each_page(failures: Iterable[dict[str, Any]], unread: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """A document's failures, in which one for each unread page takes the place of the one row that stands for them all."""
    return [*(row for row in failures if row["kind"] != _KIND), *unread]


def counted_once(receipt: Receipt, counted: set[tuple[str, str]]) -> Receipt:
    """The receipt with this failure counted once per document, as the commit does. `counted` has the documents of the receipts
    before, and gets this one."""
    if _KIND not in receipt.failures:
        return receipt
    document = (receipt.plan_id, receipt.uri)
    is_new = document not in counted
    counted.add(document)
    others = {kind: count for kind, count in receipt.failures.items() if kind is not _KIND}
    troubles = [trouble for trouble in receipt.troubles if trouble.kind is not _KIND]
    if is_new:
        others[_KIND] = 1
        troubles.append(next(trouble for trouble in receipt.troubles if trouble.kind is _KIND))
    return receipt.model_copy(update={"failures": others, "troubles": tuple(troubles)})
