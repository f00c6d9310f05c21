"""The breaker ends a run in which a bug hits every page, before the bug turns the whole bucket into failures.

It follows the receipts of a run. Pages in a row that failed as `internal_error`, with none read in between, are a streak. While a
streak lasts, the shards of its chunks are not committed. A streak that becomes too long ends the run, and the run removes its
chunks, so that their pages stay open.
"""

from collections import Counter

from schemas.errors import BugEverywhere
from schemas.failure import FailureKind
from schemas.receipt import AskTrouble, Receipt

_DOCUMENTS_MIN = 8
"""Documents that a bug must hit before it counts as one that hits every page (fewer where the limit is lower)."""


class Breaker:
    def __init__(self, max_in_a_row: int) -> None:
        self._max = max_in_a_row
        self._streak: dict[tuple[str, int, str], int] = {}
        """Number of pages that met a bug, by chunk: (plan_id, shard_index, name)."""
        self._pages: Counter[str] = Counter()
        """Number of pages that met a bug, by the document's uri."""

    @property
    def streak(self) -> list[tuple[str, int, str]]:
        """(plan_id, shard_index, name) of each chunk in the streak."""
        return list(self._streak)

    def holds(self, shard_index: int) -> bool:
        """True while the shard must not be committed, because one of its chunks may still be removed."""
        return any(index == shard_index for _, index, _ in self._streak)

    def add(self, receipt: Receipt) -> list[int]:
        """Takes in a receipt. Gives the shards that may be committed after it: its own and those held before, less those held now.

        Raises BugEverywhere if the streak has become too long. One document counts for an eighth of the limit at most, so that a
        few bad documents in a row do not end the run, however many pages they have.
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
        """Ends the streak and gives the shards that it held."""
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
