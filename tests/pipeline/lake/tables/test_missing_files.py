"""What manifests name is compared with what lies there, and told: the files, or the dates that are gone as a whole."""

from datetime import date
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from pipeline.analytics.status import print_status, read_status
from pipeline.lake.ledger import list_manifests, load_ledger
from pipeline.lake.paths import DELETIONS, manifest_path, plan_path, table_path
from pipeline.lake.plans import write_plan
from pipeline.lake.snapshots import write_snapshots
from pipeline.lake.tables.missing_files import MissingFiles, find_missing
from pipeline.object_store.local_store import LocalStore
from pipeline.planning.engines import describe_engines
from pipeline.planning.recipes import make_recipes
from pipeline.planning.todo import new_work
from pipeline.preview import plan
from pipeline.reporting.observer import Silent
from pipeline.reporting.plan_report import print_plan
from pipeline.runner import run
from schemas.plan import CommittedFile, CommittedSource, Manifest
from schemas.settings import PlanSettings, Settings
from tests.pipeline.made import NOON, RECIPES

FIRST, SECOND, THIRD = date(2026, 1, 1), date(2026, 1, 2), date(2026, 1, 3)


def commit(store: LocalStore, day: date, plan: int, shard: int, **more: Any) -> None:
    """Two table files and the manifest that names them."""
    tables = ["deletions"] if shard == DELETIONS else ["pages", "documents"]
    files = [CommittedFile(path=table_path(table, day, f"{plan:06d}", shard), size_bytes=3, rows=1) for table in tables]
    for file in files:
        store.put(file.path, b"abc")
    fields: dict[str, Any] = {
        "plan_id": f"{plan:06d}",
        "shard_index": shard,
        "run_id": "r",
        "committed_at": NOON,
        "recipe_ids": {task: recipe.recipe_id for task, recipe in RECIPES.items()},
        "files": files,
    }
    manifest = Manifest(**fields | more)
    store.create(manifest_path(day, manifest.plan_id, shard), manifest.model_dump_json().encode())


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    store = LocalStore(str(tmp_path / "out"))
    for number, day in enumerate((FIRST, SECOND, THIRD), 1):
        commit(store, day, number, 0)
        commit(store, day, number, 1)
    commit(store, THIRD, 3, DELETIONS)
    return store


def found(store: LocalStore) -> MissingFiles:
    return find_missing(store, load_ledger(store).files)


def pages(day: date, plan: int, shard: int) -> str:
    return table_path("pages", day, f"{plan:06d}", shard)


def delete_date(store: LocalStore, day: date) -> None:
    store.delete([stored.path for stored in list(store.list("")) if f"ingest_date={day}" in stored.path])


def test_nothing_is_told_of_a_lake_as_it_was_written(store: LocalStore) -> None:
    store.put("pages/ingest_date=2026-01-01/of_somebody_else.parquet", b"")
    assert not found(store)
    assert found(store).sentences == []


def test_an_output_without_files_is_not_listed(tmp_path: Path) -> None:
    assert not find_missing(None, {})  # type: ignore[arg-type]


def test_a_file_that_is_gone_or_has_another_size_is_told_with_its_manifest(store: LocalStore) -> None:
    store.delete([pages(SECOND, 2, 1)])
    assert found(store).sentences == [
        "a table file that a manifest names is missing or of another size, pages/ingest_date=2026-01-02/000002-00001.parquet: "
        "restore it, or remove its manifest _pagefold/manifests/2026-01-02/000002-00001.json to have its sources read again"
    ]
    store.put(pages(FIRST, 1, 0), b"ab")
    assert found(store).paths == (pages(FIRST, 1, 0), pages(SECOND, 2, 1))
    assert found(store).sentences[0].startswith("2 table files that manifests name are missing or of another size, the first is ")
    (manifest,) = [path for _, path in list_manifests(store) if path in found(store).sentences[0]]
    assert manifest == manifest_path(FIRST, "000001", 0)


def test_the_file_of_deletions_is_one_of_them(store: LocalStore) -> None:
    path = table_path("deletions", THIRD, "000003", DELETIONS)
    store.delete([path])
    assert found(store).paths == (path,)
    assert manifest_path(THIRD, "000003", DELETIONS) in found(store).sentences[0]


def test_dates_that_are_gone_as_a_whole_are_one_line(store: LocalStore) -> None:
    delete_date(store, FIRST)
    assert found(store).sentences == [
        "all table files of 2026-01-01 are gone, as after old partitions were deleted: they are not read again"
    ]
    delete_date(store, SECOND)
    store.delete([pages(THIRD, 3, 0)])
    assert (found(store).dates, found(store).paths) == (("2026-01-01", "2026-01-02"), (pages(THIRD, 3, 0),))
    assert found(store).sentences[0].startswith("all table files of 2 dates (2026-01-01 to 2026-01-02) are gone")
    assert len(found(store).sentences) == 2


def test_a_snapshot_names_the_files_and_one_of_an_older_version_says_nothing(
    store: LocalStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.lake.snapshots.MIN_MANIFESTS", 2)
    store.delete([pages(FIRST, 1, 0)])
    before = found(store)
    with monkeypatch.context() as older:
        older.setattr("pipeline.lake.snapshots._KEPT", ("plan_id", "recipe_ids", "page_range", "sources", "disappearances"))
        assert write_snapshots(store, list_manifests(store)) == 3
    assert not found(store)
    store.delete([stored.path for stored in list(store.list("_pagefold/snapshots/"))])
    assert write_snapshots(store, list_manifests(store)) == 3
    assert found(store) == before != MissingFiles()


@pytest.mark.slow
def test_status_tells_it_and_brief_status_does_not_look(store: LocalStore, capsys: pytest.CaptureFixture[str]) -> None:
    write_plan(store, [], RECIPES, PlanSettings(), input="s3://drop", epoch=1, page_range=None, max_pages=9, last_plan_id=None)
    for path in list(store.list("")):  # no tables to read: these are none
        if path.path.endswith(".parquet"):
            store.delete([path.path])
    status = read_status(store.root)
    print_status(Console(width=400), status)
    assert "Mind: all table files of 3 dates (2026-01-01 to 2026-01-03) are gone" in capsys.readouterr().out
    assert not read_status(store.root, is_brief=True).missing_files


class Heard(Silent):
    def __init__(self) -> None:
        self.messages: list[str] = []

    def message(self, text: str) -> None:
        self.messages.append(text)


def test_run_and_plan_tell_it_and_read_nothing_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    # given an input that is done, and two dates of which one lost a file and the other all of them
    settings = Settings.model_validate({"engine": {"name": "scripted"}})
    recipes = make_recipes(settings, describe_engines(settings.engine, settings.read.tasks), settings.read.tasks)
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.pdf").write_bytes(b"%PDF-1.4")
    store = LocalStore(str(tmp_path / "out"))
    (todo,) = new_work(str(tmp_path / "in"), load_ledger(store), recipes, settings).shards
    made = write_plan(store, [todo], recipes, settings.plan, input="", epoch=1, page_range=None, max_pages=9, last_plan_id=None)
    store.put(plan_path("000001"), made.model_copy(update={"plan_id": "000001"}).model_dump_json().encode())
    committed = CommittedSource(
        **todo[0].source.model_dump(), document_id="d" * 64, tasks=["ocr", "chart"], attempt=0, num_pages=1, num_pages_read=1
    )
    commit(store, SECOND, 1, 0, sources=[committed], recipe_ids={task: recipe.recipe_id for task, recipe in recipes.items()})
    commit(store, FIRST, 1, DELETIONS)
    delete_date(store, FIRST)
    store.delete([pages(SECOND, 1, 0)])
    heard = Heard()
    # when
    summary = run(str(tmp_path / "in"), store.root, settings, observer=heard)
    report = plan(str(tmp_path / "in"), store.root, settings)
    print_plan(Console(width=400), report, {})
    # then
    assert summary.status == "nothing_to_do"
    assert [sentence.partition(",")[0] for sentence in heard.messages] == [
        "all table files of 2026-01-01 are gone",
        "a table file that a manifest names is missing or of another size",
    ]
    assert list(report.missing_files.sentences) == heard.messages
    shown = capsys.readouterr().out
    assert all(f"Mind: {sentence}." in shown for sentence in heard.messages)
