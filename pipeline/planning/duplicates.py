"""Objects with the same bytes are read once.

The sha256 of the bytes decides when an object is fetched. The plan fixes what it is compared with: documents that were read before
(`Plan.known`), and other new sources of the plan with the same size. Of these, the first in listing order is read.

A duplicate has a row in `documents` and no pages. If the source that it is linked to is never read, because it went away first, the
duplicate is not done and the next run reads it.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np

from pipeline.lake.ledger import Ledger, missing_tasks
from schemas.failure import Task
from schemas.planned import PlannedSource
from schemas.source import source_id

MAX_COMPARED = 64
"""Largest number of new sources of one size that are all compared. If more have one size (uncompressed scans), only those with the
same ETag are compared, because one process fetches all that are compared."""
_MAX_TOGETHER = 10_000


def group_twins(planned: Sequence[PlannedSource]) -> list[list[int]]:
    """Groups of indexes of `planned`. Sources that may have the same bytes are in one group, at the place of the first of them."""
    sizes = [item.source.size_bytes if item.document_id is None else 0 for item in planned]
    return list(group_by_bytes(sizes, [hash(item.source.etag) for item in planned]))


def group_by_bytes(sizes: Sequence[int], etags: Sequence[int]) -> Iterator[list[int]]:
    """The groups of `group_twins`. `sizes`: bytes of the sources that may be duplicates, 0 for others and for empty ones.
    `etags`: a hash of each ETag."""
    keys = np.asarray(sizes, np.int64)
    num_equal = _num_equal(keys)
    is_crowded = num_equal > MAX_COMPARED
    if is_crowded.any():
        keys = np.where(is_crowded, keys * _ODD ^ np.asarray(etags, np.int64), keys)
        num_equal = np.where(is_crowded, _num_equal(keys), num_equal)
    has_twins = (num_equal > 1) & (np.asarray(sizes, np.int64) != 0)
    twins: dict[int, list[int]] = {}
    first_of: dict[int, list[int]] = {}
    """The group that stands at the place of its first member."""
    for index in np.flatnonzero(has_twins).tolist():
        group = twins.get(keys[index])
        if group is None or len(group) == _MAX_TOGETHER:
            group = twins[keys[index]] = first_of[index] = []
        group.append(index)
    for index, is_twin in enumerate(has_twins):
        if not is_twin:
            yield [index]
        elif index in first_of:
            yield first_of[index]


_ODD = 0x1E3779B97F4A7C15
"""Mixes size and ETag, so that sources of two sizes do not meet."""


def _num_equal(keys: "np.ndarray[tuple[int], np.dtype[np.int64]]") -> "np.ndarray[tuple[int], np.dtype[np.int64]]":
    """For each key, how many are equal to it."""
    _, places, counts = np.unique(keys, return_inverse=True, return_counts=True)
    return counts[places]


def known_documents(
    ledger: Ledger, planned: Iterable[PlannedSource], recipe_ids: Mapping[Task, str], page_range: str | None
) -> dict[str, str]:
    """The source_id by document_id of documents of which a source of this plan may be a duplicate. They have the size of such a
    source. They were read in full under these recipes, or this plan reads them."""
    if not ledger.num_documents:
        return {}
    sizes: set[int] = set()
    again: set[str] = set()
    """Documents that this plan reads in full."""
    for item in planned:
        if item.document_id is None:
            sizes.add(item.source.size_bytes)
        elif item.pages is None:
            again.add(item.document_id)
    return {
        document_id: source_id(answers.first.uri, answers.first.etag)
        for document_id, answers in ledger.documents()
        if answers.first is not None
        and answers.first.size_bytes in sizes
        and (document_id in again or not missing_tasks(answers.whole, recipe_ids, page_range))
    }
