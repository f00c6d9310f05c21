"""Objects with the same bytes are read once. The sha256 of the bytes decides, when they are fetched; what it is compared with is
frozen in the plan: documents read before (`Plan.known`), and the other new sources of the plan that have the same size, of which
the first in listing order is read.

A duplicate has a row in `documents` and no pages. Should the one it is linked to never be read after all (it went away first), the
duplicate is not done, and the next run reads it.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from pipeline.lake.ledger import Ledger, missing_tasks
from schemas.failure import Task
from schemas.plan import PlannedSource
from schemas.source import source_id

MAX_COMPARED = 64
"""New sources of one size in a plan, of which each is compared with each; of more (uncompressed scans), those that have the same
ETag, too: one process fetches all that are compared."""
_MAX_TOGETHER = 10_000


def group_twins(planned: Sequence[PlannedSource]) -> list[list[int]]:
    """Indexes of `planned`, in its order: sources that may have the same bytes together, where the first of them stands."""
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
    """source_id by document_id, of what a source of this plan may turn out to be: of the same size, and read in full under these
    recipes before, or to be read by this plan."""
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
