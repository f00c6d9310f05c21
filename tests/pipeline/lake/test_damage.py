"""A damaged object of the output is named in one sentence that says what to do; one that only came broken is read once more."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pipeline.lake.compaction import Shard, Strangers, compact
from pipeline.lake.lease import LEASE, Lease, read_lease
from pipeline.lake.ledger import load_ledger
from pipeline.lake.paths import cover_path, manifest_path, plan_path, staged_path
from pipeline.lake.plans import find_unfinished, list_plan_numbers
from pipeline.lake.shard_progress import list_staged, read_progress
from pipeline.lake.staging import encode_chunk
from pipeline.object_store.local_store import LocalStore
from pipeline.object_store.store import Damaged, Store, StoreError
from schemas.plan import Manifest, Plan
from schemas.settings import OutputSettings
from tests.pipeline.made import NOON, make_chunk, make_plan, planned, records_of

ITEM = planned("a.pdf")
CHUNK = make_chunk(ITEM, 0, 0, [0, 1], 2)
PLAN = make_plan([[ITEM]])
STAGED, COVER, PLANNED = staged_path("000001", 0, CHUNK.name), cover_path("000001", 0), plan_path("000001")
MANIFEST = manifest_path(PLAN.ingest_date, "000001", 0)


class BreakingStore(LocalStore):
    """Gives half of a body so many times."""

    broken: str = ""
    times = 0

    def get(self, path: str) -> bytes:
        body = super().get(path)
        if path == self.broken and self.times:
            self.times -= 1
            return body[: len(body) // 2]
        return body

    def get_versioned(self, path: str) -> Any:
        return super().get_versioned(path)._replace(body=self.get(path))


@pytest.fixture(autouse=True)
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.object_store.stored_objects._AGAIN_AFTER_S", 0)
    monkeypatch.setattr("pipeline.lake.lease._READ_AGAIN_S", 0)


@pytest.fixture
def store(tmp_path: Path) -> BreakingStore:
    store = BreakingStore(str(tmp_path / "out"))
    store.create(PLANNED, PLAN.model_dump_json().encode())
    store.create(STAGED, encode_chunk(CHUNK, records_of(CHUNK), "r1"))
    return store


def commit(store: Store) -> object:
    return compact(store, Shard.of(PLAN, 0), list_staged(store, PLAN, 0), OutputSettings())


def covered_before(store: Store) -> object:
    if not list(store.list(COVER)):
        commit(store)
    return commit(store)


def committed_before(store: Store) -> object:
    if not list(store.list(MANIFEST)):
        manifest = Manifest(plan_id="000001", shard_index=0, run_id="r1", committed_at=NOON, recipe_ids={})
        store.create(MANIFEST, manifest.model_dump_json().encode())
    return load_ledger(store)


def leased_before(store: Store) -> object:
    if not list(store.list(LEASE)):
        Lease.acquire(store, owner="h", run_id="r1", ttl_s=30)
    return read_lease(store)


READS: dict[str, tuple[str, Callable[[Store], object], str]] = {
    "staged chunk": (STAGED, commit, "remove it, and its pages are read again"),
    "cover": (COVER, covered_before, "remove all of"),
    "plan": (PLANNED, lambda store: find_unfinished(store, list_plan_numbers(store)), "remove it: what it has committed stays"),
    "manifest": (MANIFEST, committed_before, "restore it, or remove it to have its sources read again"),
    "lease": (LEASE, leased_before, "remove it once you are sure that no run is at work"),
}


@pytest.mark.parametrize("what", READS)
def test_a_damaged_object_is_named_with_what_to_do(store: BreakingStore, what: str) -> None:
    path, read, remedy = READS[what]
    read(store)
    store.broken, store.times = path, 99

    with pytest.raises(StoreError) as caught:
        read(store)

    sentence = str(caught.value)
    assert store.uri(path) in sentence
    assert remedy in sentence
    assert "\n" not in sentence


@pytest.mark.parametrize("what", READS)
def test_an_object_that_came_broken_once_is_read_again(store: BreakingStore, what: str) -> None:
    path, read, _ = READS[what]
    read(store)
    store.broken, store.times = path, 1

    read(store)

    assert store.times == 0


@pytest.mark.parametrize(
    "changes",
    [
        {"plan_id": "000001.aaaaaaaa"},
        {"attempt": 1},
        {"tasks": ["ocr"]},
        {"source": ITEM.source.model_copy(update={"etag": "2"})},
        {"first": 2, "pages": [2, 3]},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_a_staged_chunk_that_is_not_the_plans_own_is_not_compacted(store: BreakingStore, changes: dict[str, Any]) -> None:
    other = CHUNK.model_copy(update=changes)
    store.put(STAGED, encode_chunk(other, records_of(other), "r1"))

    with pytest.raises(Strangers):
        commit(store)

    assert [stored.path for stored in store.list("pages/")] == []
    assert list(store.list(COVER)) == []


def test_a_chunk_that_was_read_under_another_recipe_is_not_compacted(store: BreakingStore) -> None:
    store.put(STAGED, encode_chunk(CHUNK, records_of(CHUNK), "r1", {"ocr": "another", "chart": "another"}))

    with pytest.raises(Strangers):
        commit(store)


def test_pages_of_two_documents_are_not_compacted_into_one(store: BreakingStore) -> None:
    chunks = [make_chunk(ITEM, 0, 0, [0], 2), make_chunk(ITEM, 0, 1, [1], 2)]
    chunks[1] = chunks[1].model_copy(update={"document": chunks[1].document.model_copy(update={"document_id": "e" * 64})})
    store.delete([STAGED])
    for chunk in chunks:
        store.create(staged_path("000001", 0, chunk.name), encode_chunk(chunk, records_of(chunk), "r1"))

    with pytest.raises(Strangers) as caught:
        commit(store)

    assert [str(name) for name in caught.value.names] == [chunk.name for chunk in chunks]


def test_a_chunk_of_an_older_version_that_names_no_recipe_is_the_plans_own(store: BreakingStore) -> None:
    assert commit(store)


@pytest.mark.parametrize("numbers", [[], ["000001"]], ids=["plans removed", "plan there"])
def test_a_plan_number_is_not_used_again_where_its_manifests_stand(store: BreakingStore, numbers: list[str]) -> None:
    from pipeline.planning.todo import read_lake

    committed_before(store)
    store.create(manifest_path(PLAN.ingest_date, "000004.aaaaaaaa", 0), store.get(MANIFEST))
    if not numbers:
        store.delete([PLANNED])

    assert read_lake(store).last_plan_number == "000004"


def test_a_manifest_of_another_plan_with_the_same_number_finishes_nothing(store: BreakingStore) -> None:
    """The lake was removed and made anew while a run was at work on it."""
    plan = PLAN.model_copy(update={"plan_id": "000001.bbbbbbbb"})
    store.put(PLANNED, plan.model_dump_json().encode())
    foreign = Manifest(plan_id="000001.aaaaaaaa", shard_index=0, run_id="r1", committed_at=NOON, recipe_ids={}, num_shards=2)
    store.create(manifest_path(PLAN.ingest_date, "000001.aaaaaaaa", 0), foreign.model_dump_json().encode())

    unfinished = find_unfinished(store, list_plan_numbers(store))

    assert unfinished is not None
    assert (unfinished.plan.plan_id, unfinished.pending) == ("000001.bbbbbbbb", [0])
    assert not read_progress(store, Plan.model_validate_json(store.get(PLANNED)), [0])[0].is_committed


def test_what_is_damaged_does_not_pass(store: BreakingStore) -> None:
    """So a run ends with exit code 2, and not with the advice that the same command goes on."""
    store.put(STAGED, b"no chunk")
    with pytest.raises(Damaged):
        commit(store)


class RemovedStore(LocalStore):
    """The lake is removed, and made anew by another run, before the compaction's write number `at`."""

    at = 1

    def put(self, path: str, body: bytes) -> None:
        self.at -= 1
        if self.at == 0:
            shutil.rmtree(self.root)
        super().put(path, body)

    def get(self, path: str) -> bytes:
        if self.at == 1:
            self.at = 0
            shutil.rmtree(self.root)
        return super().get(path)


@pytest.mark.parametrize("at", [1, 2])
def test_a_dead_run_s_compaction_leaves_no_documents_in_a_lake_that_was_removed(tmp_path: Path, at: int) -> None:
    """`documents` is written last, and rows count only with it."""
    store = RemovedStore(str(tmp_path / "out"))
    store.create(STAGED, encode_chunk(CHUNK, records_of(CHUNK), "r1"))
    names = list_staged(store, PLAN, 0)
    store.at = at + 1

    assert compact(store, Shard.of(PLAN, 0), names, OutputSettings()) is None

    assert list(store.list("documents/")) == []
