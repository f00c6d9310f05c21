"""Shards wait their turn, and documents are committed while a run lasts. What compacts is stood in for."""

from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from pipeline.committer import Committer, Compaction, Done, compaction
from pipeline.lake.ledger import list_manifests
from pipeline.lake.opening import open_store
from pipeline.lake.paths import ChunkName, staged_path
from pipeline.lake.shard_progress import ShardProgress, read_progress
from pipeline.lake.staging import encode_chunk
from pipeline.object_store.store import Store
from schemas.page import Chunk
from schemas.plan import Plan
from schemas.settings import OutputSettings, Settings
from tests.pipeline.made import make_chunk, make_plan, planned, records_of
from tests.pipeline.tables import doubled_keys, read_rows


class Compactions:
    """Compactions that are done at once; counts how many were out, and not yet looked at, at the same time."""

    def __init__(self) -> None:
        self.out = self.most = 0

    def __call__(self, *arguments: Any) -> Future[Compaction]:
        done = _Counted(self)
        done.set_result(compaction(*arguments))
        self.out += 1
        self.most = max(self.most, self.out)
        return done


class _Counted(Future[Compaction]):
    def __init__(self, among: Compactions) -> None:
        super().__init__()
        self._among = among

    def result(self, timeout: float | None = None) -> Compaction:
        self._among.out -= 1
        return super().result(timeout)


@pytest.fixture
def compactor() -> Compactions:
    return Compactions()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """What time it is, in seconds."""
    now = SimpleNamespace(s=1000.0)
    for where in ("pipeline.committer.time", "pipeline.lake.shard_progress.time"):
        monkeypatch.setattr(where, SimpleNamespace(monotonic=lambda: now.s))
    return now


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return open_store(str(tmp_path / "out"))


def stage(store: Store, progress: ShardProgress, *chunks: Chunk) -> None:
    for chunk in chunks:
        store.create(path_of(chunk), encode_chunk(chunk, records_of(chunk), "r1"))
        progress.add(ChunkName.parse(chunk.name))


def settle(committer: Committer) -> Iterator[Done]:
    while committer.is_busy:
        yield from committer.finished(0)


def whole(number: int) -> Chunk:
    return make_chunk(planned(f"{number}.pdf"), number, 0, [0], 1)


def path_of(chunk: Chunk) -> str:
    return staged_path(chunk.plan_id, chunk.shard_index, chunk.name)


def of_shard(chunk: Chunk, shard_index: int) -> Chunk:
    return chunk.model_copy(update={"shard_index": shard_index})


def names(store: Store) -> list[str]:
    return sorted(row["name"] for row in read_rows(store.root, "documents"))


def committed(store: Store) -> list[str]:
    return [path.rpartition("/")[2] for _, path in list_manifests(store)]


@pytest.fixture
def plan() -> Plan:
    return make_plan([[planned(f"{index}.pdf") for index in range(4)]])


@pytest.mark.slow
def test_a_hundred_shards_that_wait_are_compacted_two_at_a_time(compactor: Compactions, store: Store) -> None:
    plan = make_plan([[planned(f"{index}.pdf")] for index in range(100)])
    progress = {index: ShardProgress(plan, index) for index in range(100)}
    for index in range(100):
        stage(store, progress[index], of_shard(make_chunk(planned(f"{index}.pdf"), 0, 0, [0], 1), index))

    with Committer(plan, progress, store, Settings(), "r1", lambda: None, compactor) as committer:
        for index in range(100):
            committer.start(progress[index])
        done = [done.shard_index for done in settle(committer)]

    assert done == list(range(100))
    assert len(list_manifests(store)) == 100
    assert compactor.most == 2


@pytest.mark.slow
def test_whole_documents_are_committed_while_others_of_their_shard_are_read(
    compactor: Compactions, store: Store, clock: SimpleNamespace, plan: Plan
) -> None:
    progress = {0: ShardProgress(plan, 0)}
    with Committer(plan, progress, store, Settings(), "r1", lambda: None, compactor) as committer:
        stage(store, progress[0], whole(0), whole(2), make_chunk(planned("1.pdf"), 1, 0, [0, 1], 3))
        committer.look()
        assert not committer.is_busy  # they have only just become whole

        clock.s += 60
        committer.look()
        (done,) = settle(committer)

        assert (done.num_documents, done.is_last, names(store)) == (2, False, ["0.pdf", "2.pdf"])
        assert committed(store) == ["000001-00000.part-00000.json"]

        stage(store, progress[0], whole(3))
        clock.s += 60
        committer.look()
        assert [done.num_documents for done in settle(committer)] == [1]

        stage(store, progress[0], make_chunk(planned("1.pdf"), 1, 2, [2], 3))
        committer.start(progress[0])
        (done,) = settle(committer)

    assert (done.num_documents, done.is_last) == (1, True)
    assert names(store) == ["0.pdf", "1.pdf", "2.pdf", "3.pdf"]
    assert committed(store) == ["000001-00000.part-00000.json", "000001-00000.part-00001.json", "000001-00000.json"]
    assert doubled_keys(store.root) == []
    assert list(store.list("_pagefold/staging/")) == []


def test_in_a_long_run_documents_wait_for_a_twentieth_of_it(
    compactor: Compactions, store: Store, clock: SimpleNamespace, plan: Plan
) -> None:
    progress = {0: ShardProgress(plan, 0)}
    with Committer(
        plan, progress, store, Settings(output=OutputSettings(commit_every_s=60)), "r1", lambda: None, compactor
    ) as committer:
        clock.s += 36_000
        stage(store, progress[0], whole(0))
        clock.s += 60
        committer.look()
        assert not committer.is_busy

        clock.s += 1740
        committer.look()
        assert committer.is_busy
        assert len(list(settle(committer))) == 1


def test_documents_that_come_while_the_last_part_is_at_work_are_not_forgotten(
    compactor: Compactions, store: Store, plan: Plan
) -> None:
    progress = {0: ShardProgress(plan, 0)}
    with Committer(plan, progress, store, Settings(), "r1", lambda: None, compactor) as committer:
        stage(store, progress[0], whole(0))
        committer.look(is_end=True)
        stage(store, progress[0], whole(1), whole(2), whole(3))
        committer.start(progress[0])  # it is at work

        assert [done.num_documents for done in settle(committer)] == [1, 3]

    assert progress[0].is_committed


def test_a_chunk_of_another_plan_is_removed_and_its_document_counts_as_not_read(
    compactor: Compactions, store: Store, plan: Plan
) -> None:
    progress = {0: ShardProgress(plan, 0)}
    stage(store, progress[0], whole(0), whole(1), whole(2))
    stranger = whole(3).model_copy(update={"source": planned("3.pdf").source.model_copy(update={"etag": "older"})})
    stage(store, progress[0], stranger)
    with Committer(plan, progress, store, Settings(), "r1", lambda: None, compactor) as committer:
        committer.start(progress[0])
        assert list(settle(committer)) == []

        assert committer.num_strangers == 1
        assert not progress[0].is_complete
        assert [stored.path for stored in store.list("_pagefold/staging/")] == [
            staged_path("000001", 0, whole(i).name) for i in range(3)
        ]

        stage(store, progress[0], whole(3))
        committer.start(progress[0])
        assert [done.num_documents for done in settle(committer)] == [4]

    assert names(store) == ["0.pdf", "1.pdf", "2.pdf", "3.pdf"]


@pytest.mark.slow
def test_what_another_run_has_committed_of_a_shard_is_not_committed_again(compactor: Compactions, store: Store, plan: Plan) -> None:
    mine, others = {0: ShardProgress(plan, 0)}, {0: ShardProgress(plan, 0)}
    stage(store, others[0], whole(0), whole(1))
    for chunk in (whole(0), whole(1)):
        mine[0].add(ChunkName.parse(chunk.name))
    with Committer(plan, others, store, Settings(), "r2", lambda: None, compactor) as other:
        other.look(is_end=True)
        assert len(list(settle(other))) == 1

    with Committer(plan, mine, store, Settings(), "r1", lambda: None, compactor) as committer:
        committer.look(is_end=True)
        assert [done.num_documents for done in settle(committer)] == [2]  # noted, not made
        stage(store, mine[0], whole(2), whole(3))
        committer.start(mine[0])
        assert [done.num_documents for done in settle(committer)] == [2]

    assert names(store) == ["0.pdf", "1.pdf", "2.pdf", "3.pdf"]
    assert read_progress(store, plan, [0])[0].is_committed
