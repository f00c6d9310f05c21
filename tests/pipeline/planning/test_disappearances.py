"""What the input no longer lists: noted once, taken back when it is there again, and never noted for another reason."""

from pathlib import Path

import pytest

from pipeline.lake.commit import commit_disappearances
from pipeline.lake.ledger import Ledger, disappearances, load_ledger
from pipeline.lake.paths import DELETIONS, manifest_path
from pipeline.lake.plans import find_unfinished, list_plan_numbers, write_plan
from pipeline.object_store.local_store import LocalStore
from pipeline.planning.choosing import Counts, plan_retries, plan_sources
from pipeline.planning.intake import take
from pipeline.planning.todo import new_work
from schemas.errors import OperatorError
from schemas.failure import FailureKind
from schemas.plan import Disappearance, Manifest, Plan, SourceFailure
from schemas.settings import InputSettings, PlanSettings, Settings
from schemas.source import Source
from tests.pipeline.made import NOON, RECIPES
from tests.pipeline.planning.test_duplicates import committed
from tests.pipeline.tables import read_rows
from workers.sources.listing import InputError, list_sources

EMPTY_ALLOWED = Settings.model_validate({"input": {"allow_empty": True}})


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("a.pdf", "b.pdf", "c/d.pdf"):
        path = tmp_path / "in" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    return tmp_path / "in"


def lake_of(folder: Path, *changes: Disappearance) -> Ledger:
    """All of the folder, read; and a file of another input."""
    sources = [committed(source, source.uri) for source in list_sources(str(folder))]
    other = sources[0].model_copy(update={"uri": f"{folder}-other/x.pdf", "document_id": "x"})
    recipe_ids = {task: recipe.recipe_id for task, recipe in RECIPES.items()}
    common = {"run_id": "r", "committed_at": NOON, "recipe_ids": recipe_ids}
    return Ledger(
        [
            Manifest.model_validate({"plan_id": "000001", "shard_index": 0, "sources": [*sources, other]} | common),
            Manifest.model_validate({"plan_id": "000002", "shard_index": -1, "disappearances": list(changes)} | common),
        ]
    )


def noted(ledger: Ledger, input: Path, **settings: object) -> list[tuple[str, bool]]:
    listing = list_sources(str(input))
    taken = take(listing, InputSettings.model_validate(settings))
    list(plan_sources(taken, ledger, RECIPES, PlanSettings(), page_range=None, limit=1, counts=Counts()))
    return [(Path(change.uri).name, change.is_deleted) for change in disappearances(ledger, listing)]


def gone(folder: Path, name: str, *, is_deleted: bool = True) -> Disappearance:
    return Disappearance(uri=str(folder / name), etag="1", document_id="d", is_deleted=is_deleted)


def test_what_is_no_longer_listed_is_noted(folder: Path) -> None:
    ledger = lake_of(folder)
    (folder / "c/d.pdf").unlink()
    assert noted(ledger, folder) == [("d.pdf", True)]


def test_it_is_noted_once(folder: Path) -> None:
    ledger = lake_of(folder, gone(folder, "c/d.pdf"))
    (folder / "c/d.pdf").unlink()
    assert noted(ledger, folder) == []


def test_what_is_there_again_is_noted_too_the_same_or_another_version(folder: Path) -> None:
    ledger = lake_of(folder, gone(folder, "a.pdf"), gone(folder, "b.pdf"))
    (folder / "b.pdf").write_text("another version")
    assert noted(ledger, folder) == [("a.pdf", False), ("b.pdf", False)]
    ledger = lake_of(folder, gone(folder, "a.pdf"), gone(folder, "a.pdf", is_deleted=False))
    assert noted(ledger, folder) == []


def test_what_filters_age_markers_or_limits_hide_is_not_gone(folder: Path) -> None:
    for settings in ({"exclude": ["*.pdf"]}, {"include": ["a*"]}, {"min_age_s": 9999}, {"marker": "_SUCCESS"}):
        assert noted(lake_of(folder), folder, **settings) == []


def test_another_input_says_nothing_of_it(folder: Path) -> None:
    ledger = lake_of(folder)
    for path in (folder / "a.pdf", folder / "c/d.pdf"):
        path.unlink()
    assert noted(lake_of(folder), folder / "b.pdf") == []
    assert noted(ledger, folder / "c") == [("d.pdf", True)]


def test_a_listing_that_fails_says_nothing(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError):
        new_work(str(folder / "no such"), lake_of(folder), RECIPES, Settings())


def test_a_file_that_cannot_be_looked_at_is_not_gone(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import os

    ledger, stat = lake_of(folder), os.stat

    def denied(path: object, **more: object) -> os.stat_result:
        if str(path).endswith("b.pdf"):
            raise PermissionError(13, "Permission denied", str(path))
        return stat(path, **more)  # type: ignore[arg-type]

    monkeypatch.setattr("workers.sources.listing.os.stat", denied)
    assert noted(ledger, folder) == []


def test_an_input_that_lists_nothing_at_all_deletes_nothing_and_says_so(folder: Path) -> None:
    ledger = lake_of(folder)
    for path in folder.rglob("*.pdf"):
        path.unlink()
    with pytest.raises(
        OperatorError, match=r"lists nothing: 3 sources that are known there are not taken for deleted\. With --allow-empty"
    ):
        new_work(str(folder), ledger, RECIPES, Settings())
    todo = new_work(str(folder), ledger, RECIPES, EMPTY_ALLOWED)
    assert (todo.disappearances, todo.num_not_taken_for_deleted, todo.has_work) == ((), 3, False)
    assert todo.empty_input is not None


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("inn", "; the lake knows 3 sources below {parent}/in: is that meant?"),
        ("out/of/reach", "; the lake knows 4 sources, all of them elsewhere"),
    ],
)
def test_an_empty_input_beside_known_ones_names_the_one_that_may_be_meant(folder: Path, name: str, said: str) -> None:
    (folder.parent / name).mkdir(parents=True)
    ledger = lake_of(folder)
    with pytest.raises(OperatorError) as caught:
        new_work(str(folder.parent / name), ledger, RECIPES, Settings())
    sentence = said.format(parent=folder.parent)
    assert (
        str(caught.value) == f"The input {folder.parent / name} lists nothing{sentence}. With --allow-empty that is nothing to do."
    )


@pytest.mark.slow
def test_a_typo_in_a_prefix_of_a_bucket_names_the_known_one(bucket: str) -> None:
    recipe_ids = {task: recipe.recipe_id for task, recipe in RECIPES.items()}
    common = {"run_id": "r", "committed_at": NOON, "recipe_ids": recipe_ids, "plan_id": "000001", "shard_index": 0}
    names = ["drops/a.pdf", "drops/b/c.pdf", "other/d.pdf"]
    sources = [Source(uri=f"s3://{bucket}/{name}", etag="1", size_bytes=1, last_modified=NOON) for name in names]
    ledger = Ledger([Manifest.model_validate({"sources": [committed(source, source.uri) for source in sources]} | common)])
    with pytest.raises(OperatorError, match=rf"lists nothing; the lake knows 2 sources below s3://{bucket}/drops: is that meant\?"):
        new_work(f"s3://{bucket}/drop/", ledger, RECIPES, Settings())


def test_an_empty_input_of_a_new_lake_is_named(folder: Path) -> None:
    (folder.parent / "empty").mkdir()
    with pytest.raises(OperatorError, match=r"^The input .*/empty lists nothing\. With"):
        new_work(str(folder.parent / "empty"), Ledger(), RECIPES, Settings())
    assert not new_work(str(folder.parent / "empty"), Ledger(), RECIPES, EMPTY_ALLOWED).has_work


def test_an_input_whose_objects_are_all_left_out_is_not_empty(folder: Path) -> None:
    todo = new_work(str(folder), Ledger(), RECIPES, Settings.model_validate({"input": {"include": ["*.tif"]}}))
    assert (todo.has_work, todo.empty_input) == (False, None)


def test_what_is_gone_is_not_retried(folder: Path) -> None:
    failure = SourceFailure(kind=FailureKind.corrupt, task=None, page_index=None, region_index=None)
    for changes, expected in [((), 1), ((gone(folder, "a.pdf"),), 0)]:
        ledger = lake_of(folder, *changes)
        state = ledger.newest_of(str(folder / "a.pdf"))
        assert state is not None
        assert state.of_bytes is not None
        state.of_bytes.failures = (failure,)
        assert len(list(plan_retries(ledger, RECIPES, None, Counts()))) == expected


# Committing


def plan_of(store: LocalStore, *changes: Disappearance) -> Plan:
    return write_plan(
        store,
        [],
        RECIPES,
        PlanSettings(),
        input="in",
        epoch=1,
        page_range=None,
        max_pages=9,
        last_plan_id=None,
        disappearances=changes,
    )


def test_a_plan_of_deletions_alone_is_unfinished_until_they_are_committed(tmp_path: Path) -> None:
    store = LocalStore(str(tmp_path))
    plan = plan_of(store, gone(tmp_path, "a.pdf"), gone(tmp_path, "b.pdf", is_deleted=False))
    unfinished = find_unfinished(store, list_plan_numbers(store))
    assert unfinished is not None
    assert (unfinished.pending, unfinished.owes_disappearances) == ([], True)

    commit_disappearances(store, plan, "r1", lambda: None)

    assert find_unfinished(store, list_plan_numbers(store)) is None
    assert load_ledger(store).is_deleted(str(tmp_path / "a.pdf"))
    assert not load_ledger(store).is_deleted(str(tmp_path / "b.pdf"))
    rows = read_rows(tmp_path, "deletions")
    assert [(Path(row["uri"]).name, row["is_deleted"], row["plan_id"]) for row in rows] == [
        ("a.pdf", True, "000001"),
        ("b.pdf", False, "000001"),
    ]


def test_a_death_between_rows_and_manifest_changes_nothing(tmp_path: Path) -> None:
    store = LocalStore(str(tmp_path))
    plan = plan_of(store, gone(tmp_path, "a.pdf"))
    commit_disappearances(store, plan, "r1", lambda: None)
    body = read_rows(tmp_path, "deletions")
    store.delete([manifest_path(plan.ingest_date, plan.plan_id, DELETIONS)])

    commit_disappearances(store, plan, "r2", lambda: None)
    commit_disappearances(store, plan, "r3", lambda: None)

    assert read_rows(tmp_path, "deletions") == body
