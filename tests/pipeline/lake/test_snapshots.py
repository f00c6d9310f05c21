"""The manifests of days that are over, joined: the same ledger, and never a wrong one."""

from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from pipeline.lake.ledger import Ledger, list_manifests, load_ledger
from pipeline.lake.paths import SNAPSHOTS, manifest_path
from pipeline.lake.snapshots import MIN_MANIFESTS, write_snapshots
from pipeline.object_store.local_store import LocalStore
from pipeline.object_store.store import StoreError
from schemas.failure import FailureKind
from schemas.plan import CommittedSource, Disappearance, Manifest, SourceFailure
from tests.pipeline.made import NOON, RECIPES, make_source

LONG_AGO = date(2026, 1, 1)


class Counted(LocalStore):
    gets: int = 0

    def get(self, path: str) -> bytes:
        self.gets += 1
        return super().get(path)


def write(store: LocalStore, day: date, plan: int, shard: int, *names: str, gone: str | None = None) -> str:
    failure = SourceFailure(kind=FailureKind.throttled, task="ocr", page_index=1, region_index=None)
    sources = [
        CommittedSource(
            **make_source(name).model_dump(),
            document_id=name * 8,
            tasks=["ocr", "chart"],
            attempt=0,
            num_pages=3,
            num_pages_read=3,
            failures=[failure] if name == "b" else [],
        )
        for name in names
    ]
    manifest = Manifest(
        plan_id=f"{plan:06d}",
        shard_index=shard,
        run_id="r",
        committed_at=NOON,
        recipe_ids={task: recipe.recipe_id for task, recipe in RECIPES.items()},
        sources=sources,
        disappearances=[Disappearance(uri=make_source(gone).uri, etag="1", document_id=None, is_deleted=True)] if gone else [],
    )
    path = manifest_path(day, manifest.plan_id, shard)
    store.create(path, manifest.model_dump_json().encode())
    return path


@pytest.fixture
def store(tmp_path: Path) -> Counted:
    store = Counted(str(tmp_path / "out"))
    for number in range(MIN_MANIFESTS):
        write(store, LONG_AGO, 1, number, chr(ord("a") + number))
    write(store, datetime.now(UTC).date(), 2, 0, "z", gone="c")
    return store


def told(ledger: Ledger) -> list[tuple[object, ...]]:
    return [
        (state.uri, state.etag, state.attempt, state.whole, state.failures, state.num_pages, ledger.is_deleted(state.uri))
        for state in ledger.newest()
    ]


def test_a_snapshot_says_what_its_manifests_say_in_one_request(store: Counted) -> None:
    expected = told(load_ledger(store))
    assert len(expected) == MIN_MANIFESTS + 1

    assert write_snapshots(store, list_manifests(store)) == 1

    store.gets = 0
    assert told(load_ledger(store)) == expected
    assert store.gets == 2  # the snapshot, and today's manifest


def test_a_day_is_joined_once_and_today_is_not(store: Counted) -> None:
    write_snapshots(store, list_manifests(store))
    assert write_snapshots(store, list_manifests(store)) == 0
    (snapshot,) = store.list(SNAPSHOTS)
    assert "2026-01-01" in snapshot.path


def test_few_manifests_are_read_as_they_are(tmp_path: Path) -> None:
    store = LocalStore(str(tmp_path))
    for number in range(MIN_MANIFESTS - 1):
        write(store, LONG_AGO, 1, number, "a")
    assert write_snapshots(store, list_manifests(store)) == 0


def test_a_manifest_that_comes_late_is_seen_and_the_snapshot_made_anew(store: Counted) -> None:
    write_snapshots(store, list_manifests(store))
    write(store, LONG_AGO, 1, 90, "late")
    assert any(state.uri.endswith("late") for state in load_ledger(store).newest())
    assert write_snapshots(store, list_manifests(store)) == 1


def test_a_manifest_that_was_removed_is_forgotten(store: Counted) -> None:
    write_snapshots(store, list_manifests(store))
    store.delete([manifest_path(LONG_AGO, "000001", 0)])
    assert not any(state.uri.endswith("/a") for state in load_ledger(store).newest())


@pytest.mark.parametrize("damage", ["cut", "garbage", "another"])
def test_a_damaged_snapshot_is_not_believed(store: Counted, damage: str) -> None:
    expected = told(load_ledger(store))
    write_snapshots(store, list_manifests(store))
    (snapshot,) = store.list(SNAPSHOTS)
    body = store.get(snapshot.path)
    other = LocalStore(str(Path(store.root).parent / "other"))
    for number in range(MIN_MANIFESTS + 1):
        write(other, LONG_AGO, 1, number, "q")
    write_snapshots(other, list_manifests(other))
    (theirs,) = other.list(SNAPSHOTS)
    bodies = {"cut": body[: len(body) // 2], "garbage": b"garbage", "another": other.get(theirs.path)}
    store.put(snapshot.path, bodies[damage])

    assert told(load_ledger(store)) == expected


def test_a_damaged_manifest_is_one_sentence_with_its_place(store: Counted) -> None:
    path = manifest_path(LONG_AGO, "000001", 3)
    store.put(path, b'{"plan_id": ')
    with pytest.raises(StoreError, match=path):
        load_ledger(store)
