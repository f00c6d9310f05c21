"""The ledger knows what is done, by source and by document, from the manifests, which are the only memory that runs share.

Answers belong to the bytes: what was read of one source holds for every other source with the same document_id. A failure before
there were bytes (gone, throttled, denied) belongs to the source. The ledger uses plain objects with slots and unvalidated JSON,
because every run begins by reading it, and a lake may have a million sources.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from pipeline.lake.paths import MANIFESTS, ManifestName, manifest_name
from pipeline.lake.snapshots import Listed, read_commits
from pipeline.object_store.store import Store
from pipeline.object_store.stored_objects import read_model
from schemas.failure import KINDS, FailureKind, Task
from schemas.plan import CommittedCounts, Disappearance, Manifest, SourceFailure
from schemas.source import Source
from workers.sources.listing import Listing

AskedUnder = frozenset[tuple[str, str | None]]
"""Pairs of (recipe_id, page range) under which all of a source was read. The page range None means every page."""

_NOTHING: AskedUnder = frozenset()


class Answers:
    """What is known of one document, or of a source whose bytes were never seen."""

    __slots__ = ("failures", "first", "is_claimed", "whole")

    def __init__(self) -> None:
        self.whole = _NOTHING
        self.failures: tuple[SourceFailure, ...] = ()
        """Failures whose pages no later commit has read again."""
        self.first: SourceState | None = None
        """The source that was read first, to which the duplicates are linked."""
        self.is_claimed = False
        """True if the plan that is being made reads it."""


class SourceState:
    """What all commits so far say about one source at one version."""

    __slots__ = (
        *("uri", "etag", "size_bytes", "last_modified", "num_pages", "attempt", "first_attempt", "document_id"),
        *("of_bytes", "of_source", "older", "is_listed"),
    )

    def __init__(self, uri: str, etag: str, size_bytes: int, last_modified: str) -> None:
        self.uri, self.etag, self.size_bytes, self.last_modified = uri, etag, size_bytes, last_modified
        self.attempt = -1
        """The highest attempt so far, under any recipe. The next attempt gets the next number, so that keys never repeat."""
        self.first_attempt = 0
        """The attempt that was the first under the newest recipe: tries after a failure are counted from it."""
        self.document_id: str | None = None
        self.num_pages: int | None = None
        self.of_bytes: Answers | None = None
        """Answers for the bytes, shared with every source that has the same bytes."""
        self.of_source: Answers | None = None
        self.older: SourceState | None = None
        """The version of the same uri that was the newest before this one."""
        self.is_listed = False
        """True if the listing that is being planned has this uri. Only the newest version is marked."""

    @property
    def source(self) -> Source:
        last_modified = datetime.fromisoformat(self.last_modified)
        return Source(uri=self.uri, etag=self.etag, size_bytes=self.size_bytes, last_modified=last_modified)

    @property
    def whole(self) -> AskedUnder:
        parts = [answers.whole for answers in (self.of_bytes, self.of_source) if answers]
        return parts[0] if len(parts) == 1 else _NOTHING.union(*parts)

    @property
    def failures(self) -> list[SourceFailure]:
        return [failure for answers in (self.of_bytes, self.of_source) if answers for failure in answers.failures]

    def transient_failures(self) -> list[SourceFailure]:
        return [failure for failure in self.failures if KINDS[failure.kind].is_transient]


def missing_tasks(whole: AskedUnder, recipe_ids: Mapping[Task, str], page_range: str | None) -> list[Task]:
    return [
        task for task, recipe_id in recipe_ids.items() if (recipe_id, None) not in whole and (recipe_id, page_range) not in whole
    ]


class Ledger:
    """All source states. Later commits win over earlier ones."""

    def __init__(self, manifests: Iterable[Manifest] = ()) -> None:
        self._newest: dict[str, SourceState] = {}
        self._documents: dict[str, Answers] = {}
        self._deleted: set[str] = set()
        self._wholes: dict[AskedUnder, AskedUnder] = {}
        """One shared object for each combination, because most sources have the same."""
        self.asked_before: dict[tuple[str, str], dict[Task, str]] = {}
        """See `pipeline.planning.carry_over.asked_before`."""
        self.plan_of_recipe: dict[str, str] = {}
        """The last plan under each recipe_id. The recipe itself can be read there."""
        self.files: dict[str, int] = {}
        """Size in bytes of each table file that commits name, by path."""
        self.counts: dict[str, CommittedCounts] = {}
        """What is committed of each plan, by plan_id. Commits of older versions have no counts."""
        for manifest in manifests:
            self.add(manifest.model_dump(mode="json"))

    def add(self, commit: Mapping[str, Any]) -> None:
        """Takes in a manifest as plain JSON, or what a snapshot keeps of it. The order of calls is that of plans and shards."""
        recipe_ids, page_range = commit["recipe_ids"], commit.get("page_range")
        for recipe_id in recipe_ids.values():
            self.plan_of_recipe[recipe_id] = commit["plan_id"]
        if counts := commit.get("counts"):
            before = self.counts.get(commit["plan_id"], CommittedCounts())
            self.counts[commit["plan_id"]] = before.plus(CommittedCounts.model_validate(counts))
        self.files.update((file["path"], file["size_bytes"]) for file in commit.get("files", ()))  # older snapshots name none
        for source in commit["sources"]:
            self._add(source, recipe_ids, page_range)
        for change in commit.get("disappearances", ()):
            (self._deleted.add if change["is_deleted"] else self._deleted.discard)(change["uri"])

    def __len__(self) -> int:
        return len(self._newest)

    def state(self, uri: str, etag: str) -> SourceState | None:
        state = self._newest.get(uri)
        while state is not None and state.etag != etag:
            state = state.older
        return state

    def newest_of(self, uri: str) -> SourceState | None:
        """The version that counts, as in the view `current_sources`: the last one whose bytes were read."""
        return self._newest.get(uri)

    def newest(self) -> Iterator[SourceState]:
        """The newest version of each uri."""
        return iter(self._newest.values())

    @property
    def num_documents(self) -> int:
        return len(self._documents)

    def documents(self) -> Iterator[tuple[str, Answers]]:
        return iter(self._documents.items())

    def is_deleted(self, uri: str) -> bool:
        """True if the source was no longer listed when a run last looked."""
        return uri in self._deleted

    def _add(self, committed: Mapping[str, Any], recipe_ids: Mapping[str, str], page_range: str | None) -> None:
        uri, etag, document_id = committed["uri"], committed["etag"], committed["document_id"]
        state = self.state(uri, etag)
        if state is None:
            state = SourceState(uri, etag, committed["size_bytes"], committed["last_modified"])
            self._put_first(state)
        elif document_id is not None:
            self._put_first(state)
        state.attempt = max(state.attempt, committed["attempt"])
        if committed["num_pages"] is not None:
            state.num_pages = committed["num_pages"]
        if state.of_source is not None:
            state.of_source.failures = _still_open(state.of_source.failures, committed)
            if document_id is not None and not state.of_source.failures:
                state.of_source = None
        if document_id is None:
            state.of_source = answers = state.of_source or Answers()
        else:
            state.document_id = document_id
            answers = self._documents.get(document_id) or self._documents.setdefault(document_id, Answers())
            state.of_bytes = answers
            if committed.get("duplicate_of"):
                return
            answers.first = answers.first or state
        if committed["pages"] is None:
            whole = answers.whole | {(recipe_ids[task], page_range) for task in committed["tasks"]}
            if answers.whole and whole != answers.whole:
                state.first_attempt = committed["attempt"]
            answers.whole = self._wholes.setdefault(whole, whole)
        failures = committed["failures"]
        if answers.failures or failures:
            answers.failures = (*_still_open(answers.failures, committed), *map(_failure, failures))

    def _put_first(self, state: SourceState) -> None:
        newest = self._newest.get(state.uri)
        if newest is state:
            return
        before = newest
        while before is not None and before.older is not state:
            before = before.older
        if before is not None:
            before.older = state.older
        state.older = newest
        self._newest[state.uri] = state


def _failure(failure: Mapping[str, Any]) -> SourceFailure:
    return SourceFailure.model_construct(**{**failure, "kind": FailureKind(failure["kind"])})


def _still_open(failures: Sequence[SourceFailure], committed: Mapping[str, Any]) -> tuple[SourceFailure, ...]:
    return tuple(failure for failure in failures if not _covers(committed, failure)) if failures else ()


def _covers(committed: Mapping[str, Any], failure: SourceFailure) -> bool:
    """True if the commit has read again what had failed."""
    if failure.task is not None and failure.task not in committed["tasks"]:
        return False
    if committed["pages"] is None:
        return True
    if failure.page_index not in committed["pages"]:
        return False
    regions = committed["regions"]
    return regions is None or any((failure.page_index, failure.region_index) == tuple(region) for region in regions)


def disappearances(ledger: Ledger, listing: Listing) -> list[Disappearance]:
    """Sources that the lake knows below the input and that the listing no longer has, and deleted ones that it has again. Call this
    after the listing has ended and its uris are marked in the ledger."""
    found = []
    for state in ledger.newest():
        was_deleted = ledger.is_deleted(state.uri)
        is_deleted = not state.is_listed
        if is_deleted == was_deleted or (is_deleted and (state.uri in listing.unseen or not listing.covers(state.uri))):
            continue
        found.append(Disappearance(uri=state.uri, etag=state.etag, document_id=state.document_id, is_deleted=is_deleted))
    return sorted(found, key=lambda change: change.uri)


def read_manifest(store: Store, path: str) -> Manifest:
    return read_model(store, path, Manifest, "a manifest", "restore it, or remove it to have its sources read again")


def list_manifests(store: Store) -> list[tuple[ManifestName, str]]:
    """(name, path) of every manifest, in the order of their plans and shards."""
    found = [(name, stored.path) for stored in store.list(MANIFESTS) if (name := manifest_name(stored.path))]
    return sorted(found, key=lambda item: item[0].order)


def load_ledger(store: Store, listed: Listed | None = None) -> Ledger:
    """The ledger of all manifests. `listed`: the manifests, if they have been listed already."""
    ledger = Ledger()
    for commit in read_commits(store, list_manifests(store) if listed is None else listed):
        ledger.add(commit)
    return ledger
