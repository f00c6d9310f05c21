"""Which table files count: readers leave out those that a rewrite replaced, and those that a rewrite has not finished."""

from collections.abc import Mapping

from pipeline.lake.paths import (
    REWRITES,
    file_name,
    is_rewritten,
    rewrite_number,
    rewrite_plan_path,
    rewrite_state_path,
)
from pipeline.object_store.store import Store
from pipeline.object_store.stored_objects import read_model
from schemas.rewrite import RewritePlan, RewriteState

_TRIES = 3
"""A state may be removed between listing and reading it, once a newer one has stood for an hour."""


class LiveFiles:
    """Distinguishes files that count from those that do not, by their names. It stays as made, whatever is rewritten meanwhile."""

    def __init__(self, state: RewriteState) -> None:
        self.state = state
        self._replaced, self._standing = state.replaced, state.standing

    def __contains__(self, path: str) -> bool:
        name = file_name(path)
        return name in self._standing if is_rewritten(name) else name not in self._replaced

    def sizes(self, named: Mapping[str, int]) -> dict[str, int]:
        """Size by path of the files that count, of `named`, which commits name, and of those that rewrites name."""
        sizes = {path: size for path, size in named.items() if path in self}
        return sizes | {file.path: file.size_bytes for rewrite in self.state.rewrites for file in rewrite.files}


def read_live_files(store: Store) -> LiveFiles:
    """Raises Damaged, StoreError."""
    for _ in range(_TRIES):
        _, newest = _newest(store)
        try:
            return LiveFiles(read_state(store, newest) if newest else RewriteState())
        except FileNotFoundError as error:
            gone = error
    raise gone


def read_state(store: Store, number: int) -> RewriteState:
    """Raises FileNotFoundError, Damaged, StoreError."""
    remedy = "restore it: it says which table files count"
    return read_model(store, rewrite_state_path(number), RewriteState, "the state of a rewrite", remedy)


def unfinished_plan(store: Store) -> RewritePlan | None:
    """The plan that an optimize which was killed has left. Raises Damaged, StoreError."""
    planned, newest = _newest(store)
    if planned <= newest:
        return None
    path = rewrite_plan_path(planned)
    return read_model(store, path, RewritePlan, "the plan of a rewrite", "remove it, and optimize plans anew")


def _newest(store: Store) -> tuple[int, int]:
    """The highest number of a plan and of a state; 0 where there is none."""
    plans, states = [0], [0]
    for stored in store.list(REWRITES):
        if found := rewrite_number(stored.path):
            (plans if found[1] else states).append(found[0])
    return max(plans), max(states)
