"""Begin markers distinguish a chunk that kills its reader process from chunks that were only read beside it.

A marker is created before a chunk is read and deleted after, so a marker that is left stands for an unfinished reading. Only
markers of the same run count, because a run that was killed leaves markers of innocent chunks.
"""

from secrets import token_bytes

from pipeline.lake.paths import begin_path
from pipeline.object_store.store import Exists, Store

SUSPECT_AFTER = 2
"""Unfinished begins after which a chunk is read alone and page by page, and after which a page that was read alone is given up."""


class Begins:
    def __init__(self, store: Store, run_id: str) -> None:
        self._store, self._run_id = store, run_id

    def begin(self, plan_id: str, shard_index: int, name: str) -> tuple[str, int]:
        """Creates a marker. Gives the marker, for `end`, and the number of earlier begins that were not finished."""
        number = 0
        while True:
            marker = begin_path(plan_id, shard_index, name, self._run_id, number)
            try:
                self._store.create(marker, token_bytes(8))  # unique bytes distinguish a lost reply from another begin
            except Exists:
                number += 1
            else:
                return marker, number

    def end(self, marker: str) -> None:
        self._store.delete([marker])
