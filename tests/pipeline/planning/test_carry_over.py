"""What a closed plan left behind is taken over page by page where the same is asked of the same bytes, and left alone elsewhere."""

from pathlib import Path
from typing import Any

import pytest

from pipeline.lake.compaction import Shard, compact
from pipeline.lake.paths import plan_path, staged_path
from pipeline.lake.plans import abandon
from pipeline.lake.shard_progress import ShardProgress, read_progress
from pipeline.lake.staging import decode, encode_chunk
from pipeline.object_store.local_store import LocalStore
from pipeline.planning.carry_over import carry_over
from schemas.failure import Failure, FailureKind, Task
from schemas.page import Chunk
from schemas.plan import Plan
from schemas.planned import PlannedSource
from schemas.settings import OutputSettings
from schemas.source import Document
from tests.pipeline.made import RECIPES, make_chunk, make_plan, make_recipe, planned, records_of
from tests.pipeline.tables import doubled_keys, read_rows

OLD, NEW = "000001.aaaaaaaa", "000003.cccccccc"
ITEM = planned("a.pdf")


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    return LocalStore(str(tmp_path / "out"))


def leave(store: LocalStore, *chunks: Chunk, failing: dict[int, FailureKind] | None = None, **changes: Any) -> None:
    """A plan that was closed with these chunks staged."""
    plan = make_plan([[ITEM]], OLD).model_copy(update=changes)
    store.create(plan_path(plan.plan_id), plan.model_dump_json().encode())
    for chunk in chunks:
        ours = chunk.model_copy(update={"plan_id": plan.plan_id})
        recipe_ids = {str(task): recipe.recipe_id for task, recipe in plan.recipes.items()}
        store.create(staged_path(plan.plan_id, 0, ours.name), encode_chunk(ours, records_of(ours, failing), "r1", recipe_ids))
    abandon(store, plan, "r1")


def of_pages(first: int, pages: list[int], num_selected: int = 6, **changes: Any) -> Chunk:
    return make_chunk(ITEM, 0, first, pages, num_selected).model_copy(update=changes)


def new_plan(item: PlannedSource = ITEM, **changes: Any) -> Plan:
    return make_plan([[planned("z.pdf"), item]], NEW).model_copy(update=changes)


def taken(store: LocalStore, plan: Plan) -> tuple[int, list[str], ShardProgress]:
    """How many pages, the names of the chunks that stand in the new plan's staging, and its progress."""
    progress = read_progress(store, plan, [0])
    num_pages = carry_over(store, plan, progress, lambda: None)
    return num_pages, sorted(path.path.rpartition("/")[2] for path in store.list(f"_pagefold/staging/{NEW}/")), progress[0]


def is_left(store: LocalStore) -> bool:
    return bool(list(store.list(f"_pagefold/staging/{OLD}/")))


@pytest.mark.slow
def test_pages_are_moved_with_their_answers_under_the_new_plan_and_attempt(store: LocalStore) -> None:
    leave(store, of_pages(0, [0, 1]), of_pages(2, [2, 3]), failing={3: FailureKind.bad_json})
    plan = new_plan(planned("a.pdf", attempt=4))

    num_pages, names, progress = taken(store, plan)

    assert (num_pages, names) == (4, ["00001.00000-00001.of-00006.arrow", "00001.00002-00003.of-00006.arrow"])
    assert not is_left(store)
    for chunk, pages in ((of_pages(4, [4, 5]), 2), (make_chunk(planned("z.pdf"), 0, 0, [0], 1), 1)):
        item_index = 1 if pages == 2 else 0
        ours = chunk.model_copy(update={"plan_id": NEW, "source_index": item_index, "attempt": 4 if pages == 2 else 0})
        store.create(staged_path(NEW, 0, ours.name), encode_chunk(ours, records_of(ours), "r2"))
    progress = read_progress(store, plan, [0])[0]
    assert progress.is_complete
    assert compact(store, Shard.whole_of(plan, progress), progress.chunks(), OutputSettings())
    rows = [row for row in read_rows(store.root, "pages") if row["uri"].endswith("a.pdf")]
    assert [(row["page_index"], row["status"], row["attempt"], row["plan_id"]) for row in rows] == [
        (page, "failed" if page == 3 else "ok", 4, "000003") for page in range(6)
    ]
    assert [(row["page_index"], row["attempt"]) for row in read_rows(store.root, "failures")] == [(3, 4)]
    assert doubled_keys(store.root) == []


def test_the_run_that_read_a_page_stays_in_its_row(store: LocalStore) -> None:
    leave(store, of_pages(0, [0, 1]))

    taken(store, new_plan())

    (staged,) = [decode(store.get(stored.path)) for stored in store.list(f"_pagefold/staging/{NEW}/")]
    assert staged.tables["pages"]["run_id"].to_pylist() == ["r1", "r1"]
    assert staged.recipe_ids == {task: recipe.recipe_id for task, recipe in RECIPES.items()}


@pytest.mark.parametrize("kind", [FailureKind.engine_timeout, FailureKind.crashed_worker, FailureKind.internal_error])
def test_a_page_that_failed_for_a_passing_reason_is_asked_again(store: LocalStore, kind: FailureKind) -> None:
    leave(store, of_pages(0, [0, 1, 2, 3]), failing={1: kind})

    num_pages, names, _ = taken(store, new_plan())

    assert (num_pages, names) == (3, ["00001.00000-00000.of-00006.arrow", "00001.00002-00003.of-00006.arrow"])


def test_a_retry_takes_over_only_what_was_read_without_failure(store: LocalStore) -> None:
    leave(store, of_pages(0, [0, 1, 2, 3]), failing={1: FailureKind.bad_json})

    num_pages, names, _ = taken(store, new_plan(planned("a.pdf", attempt=1, pages=[1, 2, 5])))

    assert (num_pages, names) == (1, ["00001.00001-00001.of-00003.arrow"])  # position 1 of three is page 2


def test_a_page_range_takes_the_pages_it_wants(store: LocalStore) -> None:
    leave(store, of_pages(0, [0, 1, 2]), of_pages(3, [3, 4]))

    num_pages, names, _ = taken(store, new_plan(page_range="2-4"))

    assert (num_pages, names) == (3, ["00001.00000-00001.of-00003.arrow", "00001.00002-00002.of-00003.arrow"])


@pytest.mark.parametrize(
    ("item", "changes"),
    [
        (planned("b.pdf"), {}),
        (PlannedSource(source=ITEM.source.model_copy(update={"etag": "2"}), tasks=["ocr", "chart"]), {}),
        (ITEM, {"recipes": {**RECIPES, "ocr": make_recipe("ocr", "2")}}),
        (ITEM, {"redo": "all"}),
        (planned("a.pdf", tasks=["chart"], regions=[(0, 0)]), {}),
    ],
    ids=["another source", "another version", "another recipe", "asked to redo all", "single charts"],
)
def test_what_is_not_the_same_question_is_left_where_it_is(store: LocalStore, item: PlannedSource, changes: dict[str, Any]) -> None:
    leave(store, of_pages(0, [0, 1]))

    num_pages, names, _ = taken(store, new_plan(item, **changes))

    assert (num_pages, names, is_left(store)) == (0, [], True)


@pytest.mark.parametrize(("task", "num_rows"), [("ocr", [2, 2, 2]), ("chart", [0, 0, 0])])
def test_of_two_tasks_one_can_be_taken_over_without_the_other(store: LocalStore, task: Task, num_rows: list[int]) -> None:
    leave(store, of_pages(0, [0, 1]))

    num_pages, _, _ = taken(store, new_plan(planned("a.pdf", tasks=[task])))

    (staged,) = [decode(store.get(stored.path)) for stored in store.list(f"_pagefold/staging/{NEW}/")]
    assert (num_pages, staged.chunk.tasks) == (2, [task])
    assert [staged.tables[table].num_rows for table in ("pages", "blocks", "words")] == num_rows


def test_a_plan_that_was_not_closed_keeps_what_is_its_own(store: LocalStore) -> None:
    plan = make_plan([[ITEM]], OLD)
    store.create(plan_path(OLD), plan.model_dump_json().encode())
    chunk = of_pages(0, [0, 1]).model_copy(update={"plan_id": OLD})
    store.create(staged_path(OLD, 0, chunk.name), encode_chunk(chunk, records_of(chunk), "r1"))

    assert taken(store, new_plan())[:2] == (0, [])


def test_what_a_failure_of_the_whole_document_depends_on_must_be_the_same(store: LocalStore) -> None:
    cut = [Failure(stage="probe", kind=FailureKind.too_many_pages, message="9 pages, of which 6 are read")]
    document = Document(document_id="d" * 64, media_type="application/pdf", num_pages=9)
    leave(store, of_pages(0, [0, 1], failures=cut, document=document), max_pages=6)

    assert taken(store, new_plan(max_pages=100))[0] == 0
    num_pages, _, _ = taken(store, new_plan(max_pages=6))

    (staged,) = [decode(store.get(stored.path)) for stored in store.list(f"_pagefold/staging/{NEW}/")]
    assert num_pages == 2
    assert staged.chunk.failures == cut
    assert staged.tables["failures"]["kind"].to_pylist() == ["too_many_pages"]


def test_damaged_leftovers_are_asked_again(store: LocalStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.object_store.stored_objects._AGAIN_AFTER_S", 0)
    leave(store, of_pages(0, [0, 1]), of_pages(2, [2, 3]))
    store.put(staged_path(OLD, 0, of_pages(0, [0, 1]).name), b"no chunk")

    assert taken(store, new_plan())[:2] == (2, ["00001.00002-00003.of-00006.arrow"])
