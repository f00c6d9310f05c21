"""Planning: what is left out, what is redone, what is retried, and who may finish an old plan."""

from pathlib import Path

import pytest

from pipeline.lake.ledger import Ledger
from pipeline.lake.paths import plan_number
from pipeline.lake.plans import abandon, find_unfinished, is_outdated, list_plan_numbers, write_plan
from pipeline.lake.staging import this_version
from pipeline.object_store.local_store import LocalStore
from pipeline.object_store.store import StoreError
from pipeline.planning.choosing import Counts, make_shards, plan_retries, plan_sources
from pipeline.planning.intake import Taken
from schemas.errors import OperatorError
from schemas.failure import FailureKind, Task
from schemas.plan import CommittedSource, Manifest, Recipe, SourceFailure
from schemas.planned import PlannedSource
from schemas.settings import PlanSettings
from schemas.source import Source
from tests.pipeline.made import NOON, RECIPES, make_plan, make_recipe, make_source, planned


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    return LocalStore(str(tmp_path / "out"))


def committed(source: Source, **changes: object) -> CommittedSource:
    fields = {
        "uri": source.uri,
        "etag": source.etag,
        "size_bytes": source.size_bytes,
        "last_modified": source.last_modified,
        "document_id": "d",
        "tasks": ["ocr", "chart"],
        "attempt": 0,
        "num_pages": 3,
        "num_pages_read": 3,
    }
    return CommittedSource.model_validate(fields | changes)


def manifest(*sources: CommittedSource, recipes: dict[Task, Recipe] = RECIPES, page_range: str | None = None) -> Manifest:
    return Manifest(
        plan_id="000001",
        shard_index=0,
        run_id="r",
        committed_at=NOON,
        recipe_ids={task: recipe.recipe_id for task, recipe in recipes.items()},
        page_range=page_range,
        sources=list(sources),
    )


def failed(
    kind: FailureKind, task: Task | None, page_index: int | None, region_index: int | None = None, needs_ocr: bool = False
) -> SourceFailure:
    return SourceFailure(kind=kind, task=task, page_index=page_index, region_index=region_index, needs_ocr=needs_ocr)


def choose(
    sources: list[Source],
    ledger: Ledger,
    *,
    recipes: dict[Task, Recipe] = RECIPES,
    page_range: str | None = None,
    limit: int | None = None,
) -> tuple[list[PlannedSource], Counts]:
    counts = Counts()
    taken = (Taken(source, None) for source in sources)
    got = list(plan_sources(taken, ledger, recipes, PlanSettings(), page_range=page_range, limit=limit, counts=counts))
    return got, counts


def test_what_the_manifests_list_is_left_out() -> None:
    ledger = Ledger([manifest(committed(make_source("a")))])

    got, counts = choose([make_source("a"), make_source("b")], ledger)

    assert [item.source.uri for item in got] == ["s3://drop/b"]
    assert (counts.num_listed, counts.num_done, counts.num_new) == (2, 1, 1)


def test_another_etag_is_another_source() -> None:
    ledger = Ledger([manifest(committed(make_source("a", etag="1")))])

    (item,), counts = choose([make_source("a", etag="2")], ledger)

    assert (item.attempt, counts.num_changed, counts.num_new) == (0, 1, 0)


def test_a_new_chart_prompt_redoes_charts_and_not_ocr() -> None:
    ledger = Ledger([manifest(committed(make_source("a")))])

    (item,), counts = choose([make_source("a")], ledger, recipes={**RECIPES, "chart": make_recipe("chart", "2")})

    assert (item.tasks, item.pages, item.attempt, counts.num_redone) == (["chart"], None, 1, 1)


def test_going_back_to_an_older_recipe_finds_its_answers() -> None:
    newer = {**RECIPES, "ocr": make_recipe("ocr", "2")}
    ledger = Ledger([manifest(committed(make_source("a"))), manifest(committed(make_source("a"), attempt=1), recipes=newer)])

    assert choose([make_source("a")], ledger)[0] == []


def test_a_page_range_is_done_for_that_range_only() -> None:
    ledger = Ledger([manifest(committed(make_source("a")), page_range="1-3")])

    assert choose([make_source("a")], ledger, page_range="1-3")[0] == []
    assert [item.attempt for item in choose([make_source("a")], ledger)[0]] == [1]


def test_a_whole_reading_covers_every_range() -> None:
    ledger = Ledger([manifest(committed(make_source("a")))])

    assert choose([make_source("a")], ledger, page_range="1-3")[0] == []


def test_transient_failures_are_retried_on_their_pages_a_few_times() -> None:
    failure = failed(FailureKind.throttled, "ocr", 2)

    for attempt, expected in [(0, [[2]]), (2, [[2]]), (3, [])]:
        ledger = Ledger([manifest(committed(make_source("a"), attempt=attempt, failures=[failure]))])
        got, _ = choose([make_source("a")], ledger)
        assert [item.pages for item in got] == expected


def test_readings_under_other_recipes_before_are_no_tries_of_a_transient_failure() -> None:
    recipes = [{**RECIPES, "ocr": make_recipe("ocr", str(number))} for number in range(5)]
    commits = [manifest(committed(make_source("a"), attempt=number), recipes=recipes[number]) for number in range(4)]
    failure = failed(FailureKind.throttled, "ocr", 2)

    for num_tries, expected in [(1, [[2]]), (3, [[2]]), (4, [])]:
        tries = [committed(make_source("a"), attempt=4, failures=[failure])]
        tries += [committed(make_source("a"), attempt=4 + again, pages=[2], failures=[failure]) for again in range(1, num_tries)]
        ledger = Ledger([*commits, *(manifest(each, recipes=recipes[4]) for each in tries)])
        got, _ = choose([make_source("a")], ledger, recipes=recipes[4])
        assert [item.pages for item in got] == expected


@pytest.mark.parametrize(
    ("version", "attempt", "pages"),
    [("0.0.1", 0, [[2]]), (None, 0, [[2]]), ("0.0.1", 99, [[2]]), (this_version(), 0, [])],
    ids=["of another version", "of an unknown version", "after many attempts", "of this version"],
)
def test_a_bug_s_page_is_read_again_by_another_version_alone(version: str | None, attempt: int, pages: list[list[int]]) -> None:
    failure = failed(FailureKind.internal_error, "ocr", 2).model_copy(update={"version": version})
    commit = manifest(committed(make_source("a"), attempt=attempt, failures=[failure]))

    got, _ = choose([make_source("a")], Ledger([commit]))

    assert [item.pages for item in got] == pages
    (item,) = plan_retries(Ledger([commit]), RECIPES, [FailureKind.internal_error], Counts())
    assert item.pages == [2]


@pytest.mark.parametrize(
    ("then", "now", "pages"),
    [
        ("tesseract 5.3.0: ara", "tesseract 5.3.0: ara hin", [[2]]),
        (None, "tesseract 5.3.0: ara", [[2]]),
        ("tesseract 5.3.0: ara", "tesseract 5.3.0: ara", []),
        ("tesseract 5.3.0: ara", "", []),
        (None, None, []),
    ],
    ids=["a language more", "of an older version", "as it was", "there is none now", "an engine without"],
)
def test_a_page_in_an_unread_script_is_read_again_once_there_is_more_to_read_by(
    then: str | None, now: str | None, pages: list[list[int]]
) -> None:
    failure = failed(FailureKind.unsupported_script, "ocr", 2).model_copy(update={"version": then})
    recipes = RECIPES | {"ocr": RECIPES["ocr"].model_copy(update={"reads_by": now})}
    ledger = Ledger([manifest(committed(make_source("a"), attempt=9, failures=[failure]))])

    got, _ = choose([make_source("a")], ledger, recipes=recipes)

    assert [item.pages for item in got] == pages
    assert recipes["ocr"].recipe_id == RECIPES["ocr"].recipe_id


@pytest.mark.parametrize("kind", [FailureKind.gone, FailureKind.changed])
def test_a_source_that_is_back_as_it_was_is_read(kind: FailureKind) -> None:
    """The same bytes put there again have the same ETag."""
    ledger = Ledger([manifest(committed(make_source("a"), failures=[failed(kind, None, None)]))])

    assert choose([], ledger)[0] == []
    assert [item.attempt for item in choose([make_source("a")], ledger)[0]] == [1]


def test_lasting_failures_wait_for_retry() -> None:
    ledger = Ledger([manifest(committed(make_source("a"), failures=[failed(FailureKind.encrypted, None, None)]))])

    assert choose([make_source("a")], ledger)[0] == []
    (item,) = plan_retries(ledger, RECIPES, [FailureKind.encrypted], Counts())
    assert (item.pages, item.tasks, item.attempt) == (None, ["ocr", "chart"], 1)
    assert list(plan_retries(ledger, RECIPES, [FailureKind.corrupt], Counts())) == []


def test_a_failed_chart_is_retried_alone() -> None:
    failures = [failed(FailureKind.bad_json, "chart", 4, 1), failed(FailureKind.bad_json, "chart", 2, 0)]
    ledger = Ledger([manifest(committed(make_source("a"), failures=failures))])

    (item,) = plan_retries(ledger, RECIPES, None, Counts())

    assert (item.tasks, item.pages, item.regions) == (["chart"], [2, 4], [(2, 0), (4, 1)])


def test_a_failed_chart_of_a_scan_is_retried_with_its_page() -> None:
    failures = [failed(FailureKind.bad_json, "chart", 4, 1, needs_ocr=True)]
    ledger = Ledger([manifest(committed(make_source("a"), failures=failures))])

    (item,) = plan_retries(ledger, RECIPES, None, Counts())

    assert (item.tasks, item.pages, item.regions) == (["ocr", "chart"], [4], None)


def test_a_retry_that_succeeds_closes_its_failures_and_only_those() -> None:
    first = committed(make_source("a"), failures=[failed(FailureKind.truncated, "ocr", 1), failed(FailureKind.truncated, "ocr", 2)])
    second = committed(make_source("a"), attempt=1, pages=[1])
    ledger = Ledger([manifest(first), manifest(second)])

    (item,) = plan_retries(ledger, RECIPES, None, Counts())

    assert (item.pages, item.attempt) == ([2], 2)


def test_a_retry_of_some_pages_does_not_make_the_source_done_under_its_recipe() -> None:
    newer = {**RECIPES, "ocr": make_recipe("ocr", "2")}
    first = manifest(committed(make_source("a"), failures=[failed(FailureKind.truncated, "ocr", 1)]))
    ledger = Ledger([first, manifest(committed(make_source("a"), attempt=1, pages=[1], tasks=["ocr"]), recipes=newer)])

    (item,), _ = choose([make_source("a")], ledger, recipes=newer)

    assert (item.tasks, item.pages, item.attempt) == (["ocr"], None, 2)


def test_failures_of_superseded_versions_are_not_retried() -> None:
    old = committed(make_source("a", etag="1"), failures=[failed(FailureKind.corrupt, None, None)])
    ledger = Ledger([manifest(old), manifest(committed(make_source("a", etag="2")))])

    assert list(plan_retries(ledger, RECIPES, None, Counts())) == []


def test_the_limit_counts_what_is_read_not_what_is_listed() -> None:
    ledger = Ledger([manifest(committed(make_source("a")))])

    got, counts = choose([make_source(name) for name in "abc"], ledger, limit=1)

    assert [item.source.uri for item in got] == ["s3://drop/b"]
    assert counts.num_left_for_limit == 1


def test_shards_close_by_number_and_by_bytes() -> None:
    items = [PlannedSource(source=make_source(str(n), size_bytes=size), tasks=["ocr"]) for n, size in enumerate([1, 2, 3, 90, 9])]

    shards = make_shards(items, PlanSettings(shard_sources=2, shard_bytes=95))

    assert [[item.source.size_bytes for item in shard] for shard in shards] == [[1, 2], [3, 90], [9]]


def test_a_plan_of_more_shards_than_their_names_can_number_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    items = [PlannedSource(source=make_source(str(n), size_bytes=n), tasks=["ocr"]) for n in (1, 2, 3)]
    settings = PlanSettings(shard_sources=1)
    monkeypatch.setattr("pipeline.planning.choosing._MAX_SHARDS", 3)

    assert len(make_shards(items, settings)) == 3
    with pytest.raises(OperatorError, match=r"at most 3 shards, and this is more to read: raise plan\.shard_bytes"):
        make_shards([*items, PlannedSource(source=make_source("4", size_bytes=4), tasks=["ocr"])], settings)


def write(store: LocalStore, last_plan_id: str | None = None, epoch: int = 1) -> None:
    write_plan(
        store,
        [[planned("a")]],
        RECIPES,
        PlanSettings(),
        input="s3://drop",
        epoch=epoch,
        page_range=None,
        max_pages=10,
        last_plan_id=last_plan_id,
    )


def test_of_two_plans_of_one_number_the_first_stands(store: LocalStore) -> None:
    write(store)

    with pytest.raises(StoreError, match="has just made plan 000001"):
        write(store)


def test_only_the_newest_plan_can_be_unfinished(store: LocalStore) -> None:
    assert find_unfinished(store, list_plan_numbers(store)) is None
    write(store)
    unfinished = find_unfinished(store, list_plan_numbers(store))
    assert unfinished is not None
    assert (plan_number(unfinished.plan.plan_id), unfinished.pending) == ("000001", [0])

    abandon(store, unfinished.plan, "r2")

    assert find_unfinished(store, list_plan_numbers(store)) is None
    write(store, last_plan_id="000001")
    unfinished = find_unfinished(store, list_plan_numbers(store))
    assert unfinished is not None
    assert plan_number(unfinished.plan.plan_id) == "000002"


def test_a_plan_of_other_recipes_is_outdated(store: LocalStore) -> None:
    plan = make_plan([[planned("a")]])

    assert not is_outdated(store, plan, RECIPES, ["000001"])
    assert is_outdated(store, plan, {**RECIPES, "ocr": make_recipe("ocr", "2")}, ["000001"])
    assert is_outdated(store, plan, {"ocr": RECIPES["ocr"]}, ["000001"])


def test_a_plan_made_under_a_lost_lease_is_outdated(store: LocalStore) -> None:
    write(store, epoch=5)
    write(store, last_plan_id="000001", epoch=4)
    plan_ids = list_plan_numbers(store)
    unfinished = find_unfinished(store, plan_ids)

    assert unfinished is not None
    assert is_outdated(store, unfinished.plan, RECIPES, plan_ids)
