"""A zombie, a run that was taken for dead, wakes at any step of a commit that another run has finished or half finished. It must
not change anything.

The zombie has other settings and knows other chunks, and its readers stage chunks with other answers after these were deleted.
"""

from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from pipeline.lake.commit import commit_whole, delete_staging, write_manifest
from pipeline.lake.compaction import Shard, compact
from pipeline.lake.garbage import find_garbage
from pipeline.lake.ledger import load_ledger
from pipeline.lake.paths import ChunkName, staged_path
from pipeline.lake.plans import abandon
from pipeline.lake.shard_progress import ShardProgress, list_staged, read_progress
from pipeline.lake.staging import encode_chunk
from pipeline.object_store.local_store import LocalStore
from pipeline.object_store.store import Damaged, Exists, Store
from schemas.failure import Failure, FailureKind
from schemas.page import Chunk
from schemas.plan import Manifest, Plan
from schemas.settings import OutputSettings
from schemas.tables import TABLES
from tests.pipeline.dying_store import DyingStore, Killed
from tests.pipeline.made import make_chunk, make_plan, planned, records_of
from tests.pipeline.tables import doubled_keys, read_rows

pytestmark = pytest.mark.slow

ITEMS = [planned("a.pdf"), planned("b.pdf")]
PLAN = make_plan([ITEMS])
A = [make_chunk(ITEMS[0], 0, 0, [0, 1], 3), make_chunk(ITEMS[0], 0, 2, [2], 3)]
B_FAILED = make_chunk(ITEMS[1], 1, 0, [], 0, [Failure(stage="fetch", kind=FailureKind.throttled, message="")])
B_READ = make_chunk(ITEMS[1], 1, 0, [0, 1], 2)


class PausedStore:
    """A store that lets other runs work before its call number `at`."""

    def __init__(self, store: Store, at: int, others: Callable[[], None]) -> None:
        self._store, self._at, self._others = store, at, others
        self.num_calls = 0

    def __getattr__(self, name: str) -> Any:
        def call(*arguments: Any) -> Any:
            self.num_calls += 1
            if self.num_calls == self._at:
                self._others()
            return getattr(self._store, name)(*arguments)

        return call if name in ("create", "put", "get", "list", "delete") else getattr(self._store, name)


def stage(store: Store, chunk: Chunk, run_id: str = "r1") -> None:
    with suppress(Exists):
        store.create(staged_path(chunk.plan_id, chunk.shard_index, chunk.name), staged_body(chunk.model_dump_json(), run_id))


@cache
def staged_body(chunk_json: str, run_id: str) -> bytes:
    chunk = Chunk.model_validate_json(chunk_json)
    return encode_chunk(chunk, records_of(chunk), run_id)


def commit(store: Any, names: list[ChunkName], settings: OutputSettings, run_id: str) -> None:
    if compacted := compact(store, Shard.of(PLAN, 0), names, settings):
        write_manifest(store, PLAN, 0, run_id, compacted, lambda: None)  # its lease was good when it was paused
    delete_staging(store, PLAN, 0)


def go_on(store: Any, plan: Plan, settings: OutputSettings, run_id: str) -> None:
    """Does what a run does with an unfinished shard."""
    if not list(store.list("_pagefold/manifests/")):
        commit(store, ShardProgress(plan, 0, list_staged(store, plan, 0)).chunks(), settings, run_id)


def check(store: LocalStore) -> None:
    """Checks that there is one manifest, and that the files fit it, hold first answers only, and fit each other."""
    (path,) = [stored.path for stored in store.list("_pagefold/manifests/")]
    manifest = Manifest.model_validate_json(store.get(path))
    found = {stored.path: stored.size_bytes for table in TABLES for stored in store.list(f"{table}/")}
    assert found == {file.path: file.size_bytes for file in manifest.files}
    pages, failures = read_rows(store.root, "pages"), read_rows(store.root, "failures")
    documents = read_rows(store.root, "documents")
    assert len(documents) == 2
    assert Counter(row["source_id"] for row in pages) == Counter({row["source_id"]: row["num_pages_read"] for row in documents})
    assert len(failures) == sum(row["num_failures"] for row in documents) == sum(len(s.failures) for s in manifest.sources)
    (file,) = store.list("documents/")
    assert set(pq.read_table(store.uri(file.path))["run_id"].to_pylist()) == {"r1"}  # not of what was staged after the deletion


FAST, SMALL = OutputSettings(compression_level=1), OutputSettings(compression_level=19)


def scenario(folder: Path, at: int, rival_dies_at: float, chunks: list[Chunk]) -> int:
    """Runs one scenario and gives the number of the zombie's calls to its store. `chunks`: staged chunks of b when the rival
    comes."""
    store = LocalStore(str(folder))
    for chunk in (*A, B_FAILED):
        stage(store, chunk)
    known = ShardProgress(PLAN, 0, list_staged(store, PLAN, 0)).chunks()

    def rival() -> None:
        for chunk in chunks:
            stage(store, chunk)
        try:
            go_on(DyingStore(store, rival_dies_at), PLAN, SMALL, "r2")
        except Killed:
            return
        finally:
            for chunk in (*A, B_FAILED, B_READ):
                stage(store, chunk, "late")

    paused = PausedStore(store, at, rival)
    commit(paused, known, FAST, "r1")
    rival_came = paused.num_calls >= at
    go_on(store, PLAN, OutputSettings(), "r3")
    if rival_came:
        check(store)
    staged = [stored.path for stored in store.list("_pagefold/staging/")]
    assert [garbage.path for garbage in find_garbage(store, before=datetime.max.replace(tzinfo=UTC), is_idle=True)] == staged
    return paused.num_calls


@pytest.mark.parametrize("rival_dies_at", [-1, 1, 3.5, 6, 7])
@pytest.mark.parametrize("chunks", [[], [B_READ]], ids=["the same", "more"])
def test_a_zombie_that_wakes_in_a_commit_changes_nothing(tmp_path: Path, rival_dies_at: float, chunks: list[Chunk]) -> None:
    at, num_calls = 1, 1
    while at <= num_calls:
        num_calls = scenario(tmp_path / f"out-{at}", at, rival_dies_at, chunks)
        at += 1
    assert at > 8


def commit_what_is_whole(store: Any, progress: ShardProgress, settings: OutputSettings, run_id: str) -> None:
    """Commits like a run that holds the lease. It stops if another run has committed."""
    while progress.num_waiting:
        compacted = compact(store, Shard.whole_of(PLAN, progress), progress.chunks(), settings)
        if compacted is None:
            return
        write_manifest(store, PLAN, 0, run_id, compacted, lambda: None)
        progress.commit(compacted.source_indexes, compacted.part)
        delete_staging(store, PLAN, 0, compacted)


def parts_scenario(folder: Path, at: int, rival_dies_at: float, *, reads_b: bool) -> int:
    """The zombie commits document a while b is still read. Its rival may read b before or after that, and die anywhere."""
    store = LocalStore(str(folder))
    for chunk in A:
        stage(store, chunk)

    def rival() -> None:
        if reads_b:
            stage(store, B_READ)
        with suppress(Killed):
            commit_what_is_whole(DyingStore(store, rival_dies_at), read_progress(store, PLAN, [0])[0], SMALL, "r2")
        for chunk in (*A, B_READ) if list(store.list("_pagefold/manifests/")) else ():
            stage(store, chunk, "late")

    paused = PausedStore(store, at, rival)
    commit_what_is_whole(paused, read_progress(store, PLAN, [0])[0], FAST, "r1")
    stage(store, B_READ)
    commit_what_is_whole(store, read_progress(store, PLAN, [0])[0], OutputSettings(), "r3")

    manifests = [Manifest.model_validate_json(store.get(stored.path)) for stored in store.list("_pagefold/manifests/")]
    found = {stored.path: stored.size_bytes for table in TABLES for stored in store.list(f"{table}/")}
    assert found == {file.path: file.size_bytes for manifest in manifests for file in manifest.files}
    assert sorted(source.uri for manifest in manifests for source in manifest.sources) == [item.source.uri for item in ITEMS]
    assert [manifest.part for manifest in manifests].count(None) == 1
    assert doubled_keys(store.root) == []
    assert len(read_rows(store.root, "pages")) == 5
    return paused.num_calls


@pytest.mark.parametrize("rival_dies_at", [-1, 1, 3.5, 5, 6, 8, 10.5])
@pytest.mark.parametrize("reads_b", [False, True], ids=["a alone", "a and b"])
def test_a_zombie_that_wakes_in_the_commit_of_a_part_changes_nothing(tmp_path: Path, rival_dies_at: float, reads_b: bool) -> None:
    num_calls = parts_scenario(tmp_path / "alone", 10**6, rival_dies_at, reads_b=reads_b)
    assert num_calls > 8
    for at in range(1, num_calls + 1):
        parts_scenario(tmp_path / f"out-{at}", at, rival_dies_at, reads_b=reads_b)


def test_a_zombie_that_lost_its_chunks_to_no_commit_is_no_committer(tmp_path: Path) -> None:
    """The staging folder was emptied by hand."""
    store = LocalStore(str(tmp_path))

    with pytest.raises(Damaged, match="staged chunks that no manifest commits yet are gone"):
        compact(store, Shard.of(PLAN, 0), [ChunkName.parse(A[0].name)], FAST)


def test_files_of_an_abandoned_plan_are_committed_or_never_written(tmp_path: Path) -> None:
    store = LocalStore(str(tmp_path))
    for chunk in (*A, B_READ):
        stage(store, chunk)
    chunks = ShardProgress(PLAN, 0, list_staged(store, PLAN, 0)).chunks()
    compact(store, Shard.of(PLAN, 0), chunks, FAST)  # and killed before its manifest

    commit_whole(store, PLAN, [0], "r2", SMALL, lambda: None)
    abandon(store, PLAN, "r2")

    assert load_ledger(store).newest_of(ITEMS[0].source.uri) is not None
    abandoned = make_plan([ITEMS], plan_id="000002")
    abandon(store, abandoned, "r2")
    abandon(store, abandoned, "r3")  # two at once: one of them is enough
    for chunk in A:
        stage(store, chunk.model_copy(update={"plan_id": "000002"}), "late")
    assert compact(store, Shard.of(abandoned, 0), chunks[:2], FAST) is None
    assert [stored.path for stored in store.list("pages/")] == ["pages/ingest_date=2026-01-01/000001-00000.parquet"]
