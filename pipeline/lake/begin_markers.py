"""Begin markers: how a chunk that kills its reader process is told from one that was merely beside it.

A marker is created before reading and deleted after. What is left over was not finished. Only this run's markers count: a
killed run leaves some behind that say nothing about the chunk.
"""

from secrets import token_bytes

from pipeline.lake.paths import begin_path
from pipeline.object_store.store import Exists, Store

SUSPECT_AFTER = 2
"""Unfinished begins after which a chunk is read alone, page by page; and then a page is given up."""


class Begins:
    def __init__(self, store: Store, run_id: str) -> None:
        self._store, self._run_id = store, run_id

    def begin(self, plan_id: str, shard_index: int, name: str) -> tuple[str, int]:
        """Mark the beginning. Gives the marker, for `end`, and how many earlier beginnings were not finished."""
        number = 0
        while True:
            marker = begin_path(plan_id, shard_index, name, self._run_id, number)
            try:
                self._store.create(marker, token_bytes(8))  # its own, so that a lost reply is told from another begin
            except Exists:
                number += 1
            else:
                return marker, number

    def end(self, marker: str) -> None:
        self._store.delete([marker])
