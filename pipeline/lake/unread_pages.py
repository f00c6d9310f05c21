"""Pages that were left unread because their document cost too much: however many they are, one row of `failures` says so.

Each chunk is staged alone, so each that has such pages says it, at the first of them; those after it in the chunk are unread, too.
Committing keeps the first such row of a document. A manifest lists each page, so that a retry reads these and no others.
"""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import pyarrow as pa

from pipeline.lake.staging import StagedChunk
from schemas.failure import FailureKind
from schemas.receipt import Receipt

_KIND = FailureKind.over_budget


def told_once(staged: StagedChunk, *, is_told: bool) -> StagedChunk:
    """Without the rows that repeat the document's first one. `is_told`: a chunk before it has that one."""
    failures, kept = staged.tables["failures"], []
    for kind in failures.column("kind").to_pylist():
        kept.append(kind != _KIND or not is_told)
        is_told = is_told or kind == _KIND
    return staged if all(kept) else replace(staged, tables=staged.tables | {"failures": failures.filter(pa.array(kept))})


def unread_pages(staged: StagedChunk) -> list[dict[str, Any]]:
    """What a failure row of each of the chunk's unread pages would hold, as much as a manifest needs."""
    rows = staged.tables["failures"].select(["kind", "task", "page_index", "region_index"]).to_pylist()
    rows = [row for row in rows if row["kind"] == _KIND]
    if not rows:
        return []
    first = min(row["page_index"] for row in rows)
    return [rows[0] | {"page_index": page_index} for page_index in staged.chunk.pages if page_index >= first]


def for_each_page(failures: Iterable[dict[str, Any]], unread: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """A document's failures with one for each unread page, in place of the one row that stands for them."""
    return [*(row for row in failures if row["kind"] != _KIND), *unread]


def told_once_a_document(receipt: Receipt, told: set[tuple[str, str]]) -> Receipt:
    """Counted as it is committed: once for a document. `told` has the documents of the receipts before, and gets this one."""
    if _KIND not in receipt.failures:
        return receipt
    document = (receipt.plan_id, receipt.uri)
    is_new = document not in told
    told.add(document)
    others = {kind: count for kind, count in receipt.failures.items() if kind is not _KIND}
    troubles = [trouble for trouble in receipt.troubles if trouble.kind is not _KIND]
    if is_new:
        others[_KIND] = 1
        troubles.append(next(trouble for trouble in receipt.troubles if trouble.kind is _KIND))
    return receipt.model_copy(update={"failures": others, "troubles": tuple(troubles)})
