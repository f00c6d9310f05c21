"""A plan is written before any work and read again as it was, whichever version wrote it and wherever its run was killed."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from pipeline.lake.garbage import find_garbage
from pipeline.lake.paths import plan_path, plan_sources_path
from pipeline.lake.plans import find_unfinished, list_plan_numbers, read_plan, read_plan_head, write_plan
from pipeline.object_store.local_store import LocalStore
from pipeline.object_store.store import Damaged, StoreError
from pipeline.planning.choosing import make_shards
from schemas.plan import Plan
from schemas.planned import PlannedSource, Shards
from schemas.settings import PlanSettings
from tests.pipeline.made import RECIPES, make_plan, make_source, planned

ITEMS = [planned(f"{number}.pdf") for number in range(5)]
ITEMS[3] = planned("3.pdf", pages=[1, 7], regions=[(1, 0)], places={1: [(1, 2, 3, 4)]}, attempt=2, document_id="d")


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    return LocalStore(str(tmp_path / "out"))


def write(store: LocalStore, items: list[PlannedSource] = ITEMS, **changes: Any) -> Plan:
    shards = make_shards(items, PlanSettings(shard_sources=2))
    fields = {"input": "s3://drop", "epoch": 1, "page_range": None, "max_pages": 9, "last_plan_id": None} | changes
    return write_plan(store, shards, RECIPES, PlanSettings(), **fields)


def test_a_plan_is_read_as_it_was_written(store: LocalStore) -> None:
    plan = write(store, known={"d": "s"})

    again = read_plan(store, plan.plan_id)

    assert again == plan
    assert sorted(item.source.uri for shard in again.shards for item in shard) == [item.source.uri for item in ITEMS]
    assert ITEMS[3] in [item for shard in again.shards for item in shard]
    assert again.shards.num_sources == 5
    assert sum(again.shards.size_bytes_of(index) for index in range(len(again.shards))) == 50


def test_a_plan_of_an_older_version_is_one_file(store: LocalStore) -> None:
    plan = make_plan([ITEMS[:2], ITEMS[2:]])
    store.create(plan_path("000001"), plan.model_dump_json().encode())

    assert read_plan(store, "000001") == plan
    assert [list(shard) for shard in read_plan(store, "000001").shards] == [ITEMS[:2], ITEMS[2:]]
    assert read_plan_head(store, "000001").recipes == RECIPES


def test_names_of_any_kind_are_planned(store: LocalStore) -> None:
    items = [
        planned("x").model_copy(update={"source": make_source(name)}) for name in ("a\nb", 'c"d', "\U0010f012", "\u2028", "é\t")
    ]

    plan = write(store, items)

    names = [item.source.uri for shard in read_plan(store, plan.plan_id).shards for item in shard]
    assert names == [item.source.uri for item in items]


def test_the_head_of_a_plan_is_read_without_its_sources(store: LocalStore) -> None:
    plan = write(store)
    store.delete([plan_sources_path(plan.plan_id)])

    assert read_plan_head(store, plan.plan_id).epoch == 1
    with pytest.raises(Damaged, match=r"the sources of a plan, is gone; remove .*000001\.json: what it has committed stays"):
        read_plan(store, plan.plan_id)


def test_damaged_sources_are_named_with_what_to_do(store: LocalStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.object_store.stored_objects._AGAIN_AFTER_S", 0)
    path = plan_sources_path(write(store).plan_id)
    store.put(path, store.get(path)[:-1] + b"?")

    with pytest.raises(Damaged, match=r"jsonl\.zst is damaged .* remove .*000001\.json: what it has committed stays"):
        find_unfinished(store, list_plan_numbers(store))


class Killed(Exception):
    pass


def test_a_run_killed_before_its_plan_was_made_leaves_none(store: LocalStore, monkeypatch: pytest.MonkeyPatch) -> None:
    def create(path: str, body: bytes) -> str:
        if path == plan_path("000001"):
            raise Killed
        return LocalStore.create(store, path, body)

    with monkeypatch.context() as killed:
        killed.setattr(store, "create", create)
        with pytest.raises(Killed):
            write(store)

    assert list_plan_numbers(store) == []
    assert find_unfinished(store, []) is None
    plan = write(store)
    assert read_plan(store, "000001") == plan
    left = [garbage.path for garbage in find_garbage(store, before=datetime.now(UTC) + timedelta(1), is_idle=True)]
    assert len(left) == 1
    assert left[0].endswith(".sources.jsonl.zst")
    assert plan.plan_id not in left[0]


def test_sources_of_no_plan_at_all_are_garbage(store: LocalStore) -> None:
    store.put(plan_sources_path("000007.0a0a0a0a"), b"x")

    (left,) = find_garbage(store, before=datetime.now(UTC) + timedelta(1), is_idle=True)

    assert left.what == "sources"


def test_of_two_runs_that_plan_one_gets_the_number_and_the_other_leaves_nothing(store: LocalStore) -> None:
    plan = write(store)

    with pytest.raises(StoreError, match="has just made plan 000001"):
        write(store, ITEMS[:1])

    assert read_plan(store, "000001") == plan
    assert {stored.path for stored in store.list("_pagefold/plans/")} == {plan_path("000001"), plan_sources_path(plan.plan_id)}


def test_packed_sources_take_a_small_part_of_their_objects() -> None:
    names = [f"2026/{number % 97:02d}/invoice-{number:07d}.pdf" for number in range(256)]
    items = [
        planned(name).model_copy(update={"source": make_source(name, etag=f"{number * 7919:032x}", size_bytes=10_000 + number)})
        for number, name in enumerate(names)
    ]

    (frame,) = Shards.of([items]).frames(0)

    assert frame.sources() == items
    assert len(frame.body) < 30 * 256
