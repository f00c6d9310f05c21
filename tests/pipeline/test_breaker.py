"""A bug that hits some pages costs these; one that hits everything ends the run, and costs none."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from pipeline.breaker import Breaker
from pipeline.lake.paths import ChunkName, staged_path
from pipeline.lake.reopening import reopen
from pipeline.lake.shard_progress import ShardProgress, list_staged
from pipeline.lake.staging import encode_chunk
from pipeline.object_store.local_store import LocalStore
from schemas.errors import BugEverywhere
from schemas.failure import FailureKind
from schemas.receipt import AskTrouble, Receipt
from schemas.settings import ReadSettings
from tests.pipeline.made import make_chunk, make_plan, planned, records_of


def receipt(
    source: int,
    *,
    shard: int = 0,
    bugs: Sequence[int | None] = (),
    kind: FailureKind = FailureKind.internal_error,
    **counts: int,
) -> Receipt:
    troubles = [
        AskTrouble(kind=kind, stage="read", task=None, page_index=page, region_index=None, message=f"ValueError: bad {source}")
        for page in bugs
    ]
    name = str(ChunkName(source, 0, 1, 2))
    return Receipt.model_validate(
        {"shard_index": shard, "name": name, "uri": f"{shard}/{source}.pdf", "plan_id": "000001", "num_failed": len(bugs)}
        | {"failures": {kind: len(bugs)} if bugs else {}, "troubles": troubles}
        | counts
    )


def test_bugs_at_so_many_pages_in_a_row_end_the_run_and_name_the_exception() -> None:
    breaker = Breaker(16)
    for source in range(7):
        breaker.add(receipt(source, bugs=[0, 1]))

    with pytest.raises(BugEverywhere, match=r"the last 16 pages met a bug .*ValueError: bad 7 \(stage read"):
        breaker.add(receipt(7, bugs=[0, 1]))

    assert breaker.streak == [("000001", 0, str(ChunkName(source, 0, 1, 2))) for source in range(8)]


@pytest.mark.parametrize("counts", [{"num_ok": 1}, {"num_partial": 1}, {"num_charts": 1}])
def test_anything_that_was_read_ends_the_streak(counts: dict[str, int]) -> None:
    breaker = Breaker(4)
    for source in range(20):
        breaker.add(receipt(2 * source, bugs=[0, 1]))
        breaker.add(receipt(2 * source + 1, bugs=[0], **counts))

    assert breaker.streak == []


@pytest.mark.parametrize(
    "between",
    [receipt(9, num_blank=2), receipt(9, bugs=[0], kind=FailureKind.corrupt), receipt(9)],
    ids=["blank", "corrupt", "none"],
)
def test_what_was_not_asked_neither_ends_nor_lengthens_it(between: Receipt) -> None:
    breaker = Breaker(3)
    for source in (0, 1):
        breaker.add(receipt(source, bugs=[0]))
        breaker.add(between)

    with pytest.raises(BugEverywhere):
        breaker.add(receipt(2, bugs=[0]))


def test_a_page_counts_once_and_a_document_without_pages_as_one() -> None:
    breaker = Breaker(4)
    breaker.add(receipt(0, bugs=[0, 0, 0]))  # its text and two charts
    breaker.add(receipt(1, bugs=[None]))
    breaker.add(receipt(2, bugs=[None]))

    with pytest.raises(BugEverywhere):
        breaker.add(receipt(3, bugs=[None]))


def test_a_few_bad_documents_never_end_a_run_however_many_pages_they_have() -> None:
    breaker = Breaker(64)
    for _ in range(50):
        for source in range(7):
            breaker.add(receipt(source, bugs=[0, 1]))
    for source in range(7, 10):
        breaker.add(receipt(source, bugs=[0, 1]))

    with pytest.raises(BugEverywhere, match="last 708 pages"):
        breaker.add(receipt(10, bugs=[0, 1]))


def test_a_shard_is_held_while_a_streak_of_its_chunks_lasts() -> None:
    breaker = Breaker(10)

    assert breaker.add(receipt(0, shard=0, num_ok=2)) == [0]
    assert breaker.add(receipt(1, shard=0, bugs=[0])) == []
    assert breaker.add(receipt(0, shard=1, bugs=[0])) == []
    assert breaker.add(receipt(0, shard=2, num_blank=1)) == [2]
    assert [breaker.holds(shard) for shard in range(3)] == [True, True, False]
    assert breaker.add(receipt(0, shard=3, num_ok=1)) == [0, 1, 3]
    assert not breaker.holds(0)


def test_what_is_held_at_the_end_is_committed_as_it_is() -> None:
    breaker = Breaker(10)
    breaker.add(receipt(0, shard=2, bugs=[0]))
    breaker.add(receipt(0, shard=1, bugs=[0]))

    assert breaker.end() == [1, 2]
    assert breaker.end() == []


def test_by_default_a_small_lake_commits_its_failures() -> None:
    assert ReadSettings().max_internal_errors == 64


def test_reopening_takes_back_the_streak_and_what_broke_unseen_and_nothing_that_was_read(tmp_path: Path) -> None:
    store = LocalStore(str(tmp_path))
    sources = [planned(f"{name}.pdf") for name in "abcd"]
    plan = make_plan([sources])
    broken, odd = dict.fromkeys((0, 1), FailureKind.internal_error), dict.fromkeys((0, 1), FailureKind.corrupt)
    names = []
    for index, failing in enumerate([broken, broken, {0: FailureKind.internal_error}, odd]):
        chunk = make_chunk(sources[index], index, 0, [0, 1], 2)
        store.create(staged_path("000001", 0, chunk.name), encode_chunk(chunk, records_of(chunk, failing), "r1"))
        names.append(ChunkName.parse(chunk.name))
    progress = ShardProgress(plan, 0, names[:1])

    reopen(store, plan, [("000001", 0, str(names[0]))], {0: progress})

    assert sorted(list_staged(store, plan, 0)) == names[2:]
