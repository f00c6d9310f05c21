"""Tells a bug that hits everything from one that hits some pages, so that it ends the run and not the bucket.

Fed with the receipts of a run. Pages in a row that failed as `internal_error`, with none read in between, are a streak. While one
lasts, the shards that hold its chunks are not committed; when it is too long, the run ends and its chunks are taken back, so that
these pages stay open.
"""

from collections import Counter

from schemas.errors import BugEverywhere
from schemas.failure import FailureKind
from schemas.receipt import AskTrouble, Receipt

_DOCUMENTS_MIN = 8
"""Documents that a bug must meet before it is taken for one that hits everything (fewer where the limit is lower)."""


class Breaker:
    def __init__(self, max_in_a_row: int) -> None:
        self._max = max_in_a_row
        self._streak: dict[tuple[str, int, str], int] = {}
        """Of each chunk (plan_id, shard_index, name) the pages that met a bug."""
        self._pages: Counter[str] = Counter()
        """The same, by uri."""

    @property
    def streak(self) -> list[tuple[str, int, str]]:
        """plan_id, shard_index and name of each chunk in it."""
        return list(self._streak)

    def holds(self, shard_index: int) -> bool:
        """Not to be committed yet: a chunk of it may be taken back."""
        return any(index == shard_index for _, index, _ in self._streak)

    def add(self, receipt: Receipt) -> list[int]:
        """Gives the shards that are not held, of those that the receipt concerns: its own, and those that were held before it.

        Raises BugEverywhere where the streak has become too long. One document counts for an eighth of the limit at most, so
        that a few bad ones beside each other do not stop a lake, however many pages they have.
        """
        concerned = {receipt.shard_index, *(index for _, index, _ in self._streak)}
        if receipt.num_ok + receipt.num_partial + receipt.num_charts:
            self.end()
        elif bugs := [trouble for trouble in receipt.troubles if trouble.kind is FailureKind.internal_error]:
            num_pages = len({bug.page_index for bug in bugs})
            self._streak[receipt.plan_id, receipt.shard_index, receipt.name] = num_pages
            self._pages[receipt.uri] += num_pages
            self._check(bugs[-1])
        return sorted(index for index in concerned if not self.holds(index))

    def end(self) -> list[int]:
        """The streak is over, and was not too long: gives the shards that it held."""
        held = sorted({index for _, index, _ in self._streak})
        self._streak.clear()
        self._pages.clear()
        return held

    def _check(self, last: AskTrouble) -> None:
        most = -(-self._max // _DOCUMENTS_MIN)
        if sum(min(count, most) for count in self._pages.values()) < self._max:
            return
        raise BugEverywhere(
            f"each of the last {self._pages.total()} pages met a bug and none was read, so they stay open; the last one: "
            f"{last.message} (stage {last.stage}; the traceback is in the log). A newer version may read them; with a larger "
            "read.max_internal_errors they become failures"
        )
