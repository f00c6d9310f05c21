"""Objects with the same bytes are read once.

The sha256 of the bytes decides when an object is fetched. The plan fixes what it is compared with: documents that were read before
(`Plan.known`), and other new sources of the plan with the same size. Of these, the first in listing order is read.

A duplicate has a row in `documents` and no pages. If the source that it is linked to is never read, because it went away first, the
duplicate is not done and the next run reads it.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from pipeline.lake.ledger import Ledger, missing_tasks
from schemas.failure import Task
from schemas.plan import PlannedSource
from schemas.source import source_id

MAX_COMPARED = 64
"""Largest number of new sources of one size that are all compared. If more have one size (uncompressed scans), only those with the
same ETag are compared, because one process fetches all that are compared."""
_MAX_TOGETHER = 10_000


def group_twins(planned: Sequence[PlannedSource]) -> list[list[int]]:
    """Groups of indexes of `planned`. Sources that may have the same bytes are in one group, at the place of the first of them."""
    sizes = Counter(item.source.size_bytes for item in planned if _is_open(item))
    groups: dict[object, list[int]] = {}
    for index, item in enumerate(planned):
        key: object = ("alone", index)
        if _is_open(item) and (size := item.source.size_bytes) and sizes[size] > 1:
            key = size if sizes[size] <= MAX_COMPARED else (size, item.source.etag)
        group = groups.setdefault(key, [])
        if len(group) == _MAX_TOGETHER:
            groups[key] = group = []
        group.append(index)
    return list(groups.values())


def _is_open(item: PlannedSource) -> bool:
    return item.document_id is None


def known_documents(
    ledger: Ledger, planned: Iterable[PlannedSource], recipe_ids: Mapping[Task, str], page_range: str | None
) -> dict[str, str]:
    """The source_id by document_id of documents of which a source of this plan may be a duplicate. They have the size of such a
    source. They were read in full under these recipes, or this plan reads them."""
    planned = list(planned)
    sizes = {item.source.size_bytes for item in planned if _is_open(item)}
    if not sizes:
        return {}
    again = {item.document_id for item in planned if item.document_id is not None and item.pages is None}
    return {
        document_id: source_id(answers.first.uri, answers.first.etag)
        for document_id, answers in ledger.documents()
        if answers.first is not None
        and answers.first.size_bytes in sizes
        and (document_id in again or not missing_tasks(answers.whole, recipe_ids, page_range))
    }
