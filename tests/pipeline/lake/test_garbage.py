"""`pagefold gc` removes what no run will read again, and nothing else; beside a run it waits for nobody and touches nothing."""

import json
import os
import signal
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from pipeline import cli
from pipeline.lake import snapshots
from pipeline.lake.commit import write_manifest
from pipeline.lake.compaction import Shard, compact
from pipeline.lake.garbage import find_garbage, look, sweep
from pipeline.lake.lease import Lease, LeaseHeld
from pipeline.lake.ledger import list_manifests
from pipeline.lake.opening import open_store
from pipeline.lake.paths import SNAPSHOTS, begin_path, plan_path, staged_path
from pipeline.lake.plans import abandon
from pipeline.lake.shard_progress import ShardProgress, list_staged
from pipeline.lake.snapshots import write_snapshots
from pipeline.lake.staging import encode_chunk
from pipeline.object_store.local_store import LocalStore
from pipeline.object_store.store import Store
from schemas.errors import OperatorError
from schemas.settings import OutputSettings
from tests.pipeline.dying_store import Killed
from tests.pipeline.made import make_chunk, make_plan, planned, records_of

pytestmark = pytest.mark.slow

ITEM = planned("a.pdf")
CHUNK = "00000.00000-00000.of-00001"
OPEN = {f"_pagefold/staging/000003/00001/{CHUNK}.arrow", "_pagefold/plans/000003.json"}
GARBAGE = {
    *(f"_pagefold/staging/{plan_id}/00000/cover.json" for plan_id in ("000001", "000002", "000003")),
    f"_pagefold/staging/000001/00000/{CHUNK}.arrow",
    f"_pagefold/staging/000002/00000/{CHUNK}.arrow",
    f"_pagefold/staging/000003/00000/{CHUNK}.arrow",
    f"_pagefold/begins/000001/00000/{CHUNK}.r1.0",
    f"_pagefold/begins/000003/00001/{CHUNK}.r1.0",
    "_pagefold/probe-0f",
}
ORPHANS = {f"{table}/ingest_date=2026-01-01/000002-00000.parquet" for table in ("documents", "pages", "blocks", "images", "words")}


def fill(store: Store) -> None:
    """Plan 1 is finished; plan 2 was abandoned, and a zombie wrote its tables afterwards; plan 3 has one of two shards committed.
    Each has staged a chunk in every shard that is still there, and two runs left begin markers."""
    for plan_id, num_shards in (("000001", 1), ("000002", 1), ("000003", 2)):
        plan = make_plan([[ITEM]] * num_shards, plan_id)
        store.create(plan_path(plan_id), plan.model_dump_json().encode())
        for shard in range(num_shards):
            chunk = make_chunk(ITEM, 0, 0, [0], 1).model_copy(update={"plan_id": plan_id, "shard_index": shard})
            store.create(staged_path(plan_id, shard, CHUNK), encode_chunk(chunk, records_of(chunk), "r1"))
        chunks = ShardProgress(plan, 0, list_staged(store, plan, 0)).chunks()
        compacted = compact(store, Shard.of(plan, 0), chunks, OutputSettings())
        assert compacted
        if plan_id == "000002":
            abandon(store, plan, "r1")
        else:
            write_manifest(store, plan, 0, "r1", compacted, lambda: None)
    store.create(begin_path("000001", 0, CHUNK, "r1", 0), b"x")
    store.create(begin_path("000003", 1, CHUNK, "r1", 0), b"x")
    store.create("_pagefold/probe-0f", b"x")
    store.put("runs/r1.parquet", b"x")
    store.put("_pagefold/staging/notes.txt", b"not ours")
    store.put("pages/ingest_date=2026-01-01/mine.parquet", b"not ours")


@pytest.fixture(params=["folder", "s3"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    place = str(tmp_path / "out") if request.param == "folder" else f"s3://{request.getfixturevalue('bucket')}/lake"
    filled = open_store(place)
    fill(filled)
    return filled


def paths(store: Store) -> set[str]:
    return {stored.path for stored in store.list("") if stored.path != "_pagefold/lease.json"}


def swept(store: Store, **changes: Any) -> Any:
    return sweep(store, **{"min_age_s": -2, "in_tables": False, "ttl_s": 30, "run_id": "gc"} | changes)


def test_garbage_goes_and_all_else_stays(store: Store) -> None:
    before = paths(store)

    done = swept(store)

    assert before - paths(store) == GARBAGE
    assert done.num_removed == len(GARBAGE)
    assert done.num_bytes_removed > 0
    assert {garbage.path for garbage in done.found} == GARBAGE | ORPHANS
    assert paths(store) >= OPEN


def test_table_files_that_no_manifest_commits_go_where_asked(store: Store) -> None:
    before = paths(store)

    swept(store, in_tables=True)

    assert before - paths(store) == GARBAGE | ORPHANS
    assert swept(store, in_tables=True).found == []


def test_a_dry_run_lists_and_removes_nothing(store: Store) -> None:
    before = paths(store)

    found = {garbage.path: garbage.size_bytes for garbage in look(store, min_age_s=-2).found}

    assert found.keys() == GARBAGE | ORPHANS
    assert found["_pagefold/probe-0f"] == 1
    assert paths(store) == before


def test_answers_of_an_abandoned_plan_are_kept_for_a_while(store: Store) -> None:
    before = paths(store)

    swept(store, keep_answers=timedelta(days=30))

    assert GARBAGE - (before - paths(store)) == {f"_pagefold/staging/000002/00000/{CHUNK}.arrow"}


def test_what_a_worker_of_a_removed_lake_stages_into_the_new_one_is_garbage(tmp_path: Path) -> None:
    """Its plan had the same number, and other digits."""
    store = LocalStore(str(tmp_path / "out"))
    plan = make_plan([[ITEM]], "000001.11111111")
    store.create(plan_path(plan.plan_id), plan.model_dump_json().encode())
    for plan_id in (plan.plan_id, "000001.22222222", "000007"):
        store.create(staged_path(plan_id, 0, CHUNK), b"x")
        store.create(begin_path(plan_id, 0, CHUNK, "r1", 0), b"x")

    found = {garbage.path for garbage in find_garbage(store, before=datetime.now(UTC) + timedelta(1), is_idle=False)}

    assert found == {
        path
        for plan_id in ("000001.22222222", "000007")
        for path in (staged_path(plan_id, 0, CHUNK), begin_path(plan_id, 0, CHUNK, "r1", 0))
    }


def test_what_is_young_stays(store: Store) -> None:
    assert swept(store, min_age_s=3600).found == []
    assert paths(store) >= GARBAGE


def test_beside_a_run_nothing_is_removed_and_its_markers_are_no_garbage(store: Store) -> None:
    before = paths(store)
    with Lease.acquire(store, owner="h", run_id="r2", ttl_s=30):
        with pytest.raises(LeaseHeld, match="r2"):
            swept(store)
        found = {garbage.path for garbage in look(store, min_age_s=-2).found}

    assert paths(store) == before
    assert GARBAGE - found == {f"_pagefold/begins/000003/00001/{CHUNK}.r1.0"}


def test_a_run_that_starts_meanwhile_waits_its_turn(tmp_path: Path) -> None:
    class Slow(LocalStore):
        def delete(self, paths: Any) -> None:
            for path in paths:
                entered.set()
                assert go_on.wait(60)
                super().delete([path])

    entered, go_on = threading.Event(), threading.Event()
    store = Slow(str(tmp_path / "out"))
    fill(store)
    thread = threading.Thread(target=swept, args=(store,))
    thread.start()
    assert entered.wait(60)

    with pytest.raises(LeaseHeld, match="gc"):
        Lease.acquire(LocalStore(store.root), owner="h", run_id="r2", ttl_s=30)

    go_on.set()
    thread.join()
    Lease.acquire(LocalStore(store.root), owner="h", run_id="r2", ttl_s=30)
    assert paths(store) >= OPEN


def test_snapshots_that_no_manifests_fit_go_and_those_that_fit_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(snapshots, "MIN_MANIFESTS", 2)
    store = LocalStore(str(tmp_path / "out"))
    fill(store)
    assert write_snapshots(store, list_manifests(store)) == 1
    (outdated,) = [stored.path for stored in store.list(SNAPSHOTS)]
    manifest = store.get("_pagefold/manifests/2026-01-01/000003-00000.json")
    store.create("_pagefold/manifests/2026-01-01/000003-00001.json", manifest)  # a commit of that date, after midnight
    assert write_snapshots(store, list_manifests(store)) == 1
    (fits,) = {stored.path for stored in store.list(SNAPSHOTS)} - {outdated}
    store.put("_pagefold/snapshots/notes.txt", b"not ours")

    found = {garbage.path for garbage in swept(store).found if garbage.what == "snapshot"}

    assert found == {outdated}
    assert {stored.path for stored in store.list(SNAPSHOTS)} == {fits, "_pagefold/snapshots/notes.txt"}


def test_killed_at_any_object_the_same_call_goes_on(tmp_path: Path) -> None:
    class Dying(LocalStore):
        left = 0

        def delete(self, paths: Any) -> None:
            for path in paths:
                if self.left == 0:
                    raise Killed
                self.left -= 1
                super().delete([path])

    for number in range(len(GARBAGE | ORPHANS)):
        store = Dying(str(tmp_path / f"out-{number}"))
        fill(store)
        before = paths(store)
        store.left = number
        with pytest.raises(Killed):
            swept(store, in_tables=True)

        swept(LocalStore(store.root), in_tables=True)

        assert before - paths(store) == GARBAGE | ORPHANS


def test_a_signal_ends_it_between_two_objects_and_gives_the_lease_back(tmp_path: Path) -> None:
    class Signalling(LocalStore):
        def delete(self, paths: Any) -> None:
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(5)  # the signal comes here

    store = Signalling(str(tmp_path / "out"))
    fill(store)

    done = swept(store)

    assert (done.num_removed, done.message) == (0, "stopped by SIGTERM")
    Lease.acquire(store, owner="h", run_id="r2", ttl_s=30)


def test_a_place_without_a_plan_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    store = LocalStore(str(tmp_path / "typo"))
    for call in (lambda: swept(store), lambda: look(store, min_age_s=0)):
        with pytest.raises(OperatorError, match="no plan"):
            call()
    assert not (tmp_path / "typo").exists()


def test_of_the_newest_plan_nothing_goes_but_what_is_committed(tmp_path: Path) -> None:
    store = LocalStore(str(tmp_path / "out"))
    fill(store)
    found = {garbage.path for garbage in find_garbage(store, before=datetime.now(UTC) + timedelta(1), is_idle=False)}
    of_shard = "_pagefold/staging/000003/00000/"
    assert {path for path in found if "000003" in path} == {f"{of_shard}{CHUNK}.arrow", f"{of_shard}cover.json"}


def test_the_command_lists_then_removes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    store = LocalStore(str(tmp_path / "out"))
    fill(store)

    def pagefold(*arguments: str) -> tuple[object, str]:
        monkeypatch.setattr("sys.argv", ["pagefold", "gc", store.root, *arguments])
        with pytest.raises(SystemExit) as caught:
            cli.main()
        return caught.value.code, capsys.readouterr().out

    assert pagefold() == (0, "Found nothing: 0 B.\nRemoved 0: 0 B.\n")  # all of it is younger than an hour
    time.sleep(0.01)
    code, out = pagefold("--dry-run", "--min-age-s", "0")
    assert code == 0
    assert "2 staged chunks, 3 covers, 2 begin markers, 1 probe, 5 table files" in out  # an abandoned plan's answers are kept
    monkeypatch.setenv("PAGEFOLD_OUTPUT__KEEP_ANSWERS_DAYS", "0")
    code, out = pagefold("--dry-run", "--min-age-s", "0")
    assert "3 staged chunks, 3 covers, 2 begin markers, 1 probe, 5 table files" in out
    assert [line for line in out.splitlines() if "begins/000003" in line]
    code, out = pagefold("--min-age-s", "0", "--json")
    assert (code, json.loads(out)["num_removed"]) == (0, len(GARBAGE))
    code, out = pagefold("--min-age-s", "0", "--tables")
    assert (code, out.splitlines()[1].split(":")[0]) == (0, "Removed 5")
    with Lease.acquire(store, owner="h", run_id="r2", ttl_s=30):
        assert pagefold()[0] == 1
