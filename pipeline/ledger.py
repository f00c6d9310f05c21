"""What the manifests say is done, by source: the only memory that runs share."""

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from pipeline.layout import MANIFESTS, ManifestName, manifest_name
from pipeline.store import Store
from schemas.failure import KINDS, Task
from schemas.plan import CommittedSource, Manifest, Recipe, SourceFailure
from schemas.source import Source


@dataclass
class SourceState:
    """One source at one version, over all commits so far."""

    source: Source
    attempt: int
    """The highest so far, under any recipe: a further one gets the next, so keys never repeat."""
    whole: set[tuple[str, str | None]] = field(default_factory=set)
    """(recipe_id, page range) under which all of it was read. Page range None: every page."""
    failures: list[SourceFailure] = field(default_factory=list)
    """Those that no later commit has read again."""

    def missing_tasks(self, recipes: dict[Task, Recipe], page_range: str | None) -> list[Task]:
        return [
            task for task, recipe in recipes.items() if not {(recipe.recipe_id, None), (recipe.recipe_id, page_range)} & self.whole
        ]

    def transient_failures(self) -> list[SourceFailure]:
        return [failure for failure in self.failures if KINDS[failure.kind].is_transient]


class Ledger:
    """All source states, later commits over earlier ones."""

    def __init__(self, manifests: Iterable[Manifest] = ()) -> None:
        self.states: dict[tuple[str, str], SourceState] = {}
        self._uris: set[str] = set()
        for manifest in manifests:
            for committed in manifest.sources:
                self._add(manifest, committed)

    def state(self, source: Source) -> SourceState | None:
        return self.states.get((source.uri, source.etag))

    def knows_uri(self, uri: str) -> bool:
        """Some version of it was read before."""
        return uri in self._uris

    def newest(self) -> Iterable[SourceState]:
        """The last version read of each uri."""
        return {state.source.uri: state for state in self.states.values()}.values()

    def _add(self, manifest: Manifest, committed: CommittedSource) -> None:
        key = (committed.uri, committed.etag)
        state = self.states.pop(key, None) or SourceState(committed.source, committed.attempt)
        self.states[key] = state  # moved to the end: the newest version of a uri comes last
        self._uris.add(committed.uri)
        state.attempt = max(state.attempt, committed.attempt)
        if committed.pages is None:
            state.whole |= {(manifest.recipe_ids[task], manifest.page_range) for task in committed.tasks}
        state.failures = [failure for failure in state.failures if not _covers(committed, failure)] + committed.failures


def _covers(committed: CommittedSource, failure: SourceFailure) -> bool:
    """Did the commit read again what had failed?"""
    if failure.task is not None and failure.task not in committed.tasks:
        return False
    if committed.pages is None:
        return True
    if failure.page_index not in committed.pages:
        return False
    return committed.regions is None or (failure.page_index, failure.region_index) in committed.regions


def list_manifests(store: Store) -> list[tuple[ManifestName, str]]:
    """(name, path) of every manifest, in the order of their plans and shards."""
    found = [(name, stored.path) for stored in store.list(MANIFESTS) if (name := manifest_name(stored.path))]
    return sorted(found, key=lambda item: (item[0].plan_id, -1 if item[0].shard_index is None else item[0].shard_index))


def read_manifests(store: Store, paths: Iterable[str]) -> list[Manifest]:
    with ThreadPoolExecutor(16) as pool:
        return [Manifest.model_validate_json(body) for body in pool.map(store.get, paths)]


def load_ledger(store: Store) -> Ledger:
    return Ledger(read_manifests(store, [path for _, path in list_manifests(store)]))
