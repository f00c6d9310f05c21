"""Objects with the same bytes: read once, linked, and read after all where the one that was to be read is not."""

from pathlib import Path

import pytest

from pipeline.lake.ledger import Ledger
from pipeline.planning.choosing import Counts, make_shards, plan_retries, plan_sources
from pipeline.planning.chunks import Work
from pipeline.planning.duplicates import MAX_COMPARED, group_twins, known_documents
from pipeline.planning.intake import Taken
from pipeline.stages.documents import ProbeDocuments
from pipeline.stages.setups import ProbeSetup, RenderSetup
from schemas.failure import FailureKind, Task
from schemas.page import Chunk
from schemas.plan import CommittedSource, Manifest, Recipe, SourceFailure
from schemas.planned import PlannedSource
from schemas.settings import PlanSettings, Settings
from schemas.source import Source
from tests.pipeline.made import NOON, RECIPES, make_recipe, make_source
from tests.pipeline.made_input import make_pdf
from workers.sources.listing import list_sources

IDS = {task: recipe.recipe_id for task, recipe in RECIPES.items()}
NEWER: dict[Task, Recipe] = {**RECIPES, "ocr": make_recipe("ocr", "2")}


def committed(source: Source, document_id: str | None, **changes: object) -> CommittedSource:
    fields = {"document_id": document_id, "tasks": ["ocr", "chart"], "attempt": 0, "num_pages": 3, "num_pages_read": 3}
    return CommittedSource.model_validate(source.model_dump() | fields | changes)


def ledger(*sources: CommittedSource, recipes: dict[Task, Recipe] = RECIPES) -> Ledger:
    recipe_ids = {task: recipe.recipe_id for task, recipe in recipes.items()}
    manifests = [
        Manifest(plan_id=f"{plan:06d}", shard_index=0, run_id="r", committed_at=NOON, recipe_ids=recipe_ids, sources=[source])
        for plan, source in enumerate(sources, 1)
    ]
    return Ledger(manifests)


def choose(known: Ledger, *sources: Source, recipes: dict[Task, Recipe] = RECIPES) -> list[PlannedSource]:
    taken = (Taken(source, None) for source in sources)
    return list(plan_sources(taken, known, recipes, PlanSettings(), page_range=None, limit=None, counts=Counts()))


def new(name: str, size_bytes: int, etag: str = "1", document_id: str | None = None) -> PlannedSource:
    return PlannedSource(source=make_source(name, etag, size_bytes), tasks=["ocr"], document_id=document_id)


# Who is compared with whom


def test_new_sources_of_one_size_stand_together_where_the_first_of_them_stands() -> None:
    planned = [new("a", 1), new("b", 2), new("c", 1), new("d", 3), new("e", 0), new("f", 0), new("g", 2, document_id="d")]
    assert group_twins(planned) == [[0, 2], [1], [3], [4], [5], [6]]


def test_of_very_many_of_one_size_only_those_of_one_etag_are_compared() -> None:
    planned = [new(str(number), 7, etag=str(number % 2 if number < 4 else number)) for number in range(MAX_COMPARED + 1)]
    assert group_twins(planned)[:3] == [[0, 2], [1, 3], [4]]


def test_a_shard_does_not_part_them() -> None:
    planned = [new("a", 1), new("b", 2), new("c", 3), new("d", 1), new("e", 1)]
    shards = make_shards(planned, PlanSettings(shard_sources=2))
    assert [[item.source.uri[-1] for item in shard] for shard in shards] == [["a", "d", "e"], ["b", "c"]]


def test_a_plan_knows_the_documents_of_its_sizes_that_are_read_in_full() -> None:
    lake = ledger(
        committed(make_source("a", size_bytes=1), "read"),
        committed(make_source("b", size_bytes=2), "of another size"),
        committed(make_source("c", size_bytes=1), "some pages", pages=[0]),
        committed(make_source("d", size_bytes=1), "read", duplicate_of="x"),
        committed(make_source("e", size_bytes=1), None),
    )
    assert known_documents(lake, [new("z", 1)], IDS, None) == {"read": make_source("a").source_id}
    assert known_documents(lake, [new("z", 1, document_id="d")], IDS, None) == {}


def test_a_document_under_an_older_recipe_is_known_only_if_the_plan_reads_it_again() -> None:
    lake = ledger(committed(make_source("a", size_bytes=1), "read"))
    ids = {task: recipe.recipe_id for task, recipe in NEWER.items()}
    planned = choose(lake, make_source("a", size_bytes=1), make_source("b", size_bytes=1), recipes=NEWER)

    assert known_documents(lake, planned, ids, None) == {"read": make_source("a").source_id}
    assert known_documents(lake, planned[1:], ids, None) == {}


# What is done


def test_what_was_read_of_one_holds_for_the_other() -> None:
    lake = ledger(committed(make_source("a"), "d"), committed(make_source("b"), "d", duplicate_of="a's"))
    assert choose(lake, make_source("a"), make_source("b")) == []


def test_under_a_new_recipe_one_of_them_is_read_again() -> None:
    lake = ledger(committed(make_source("a"), "d"), committed(make_source("b"), "d", duplicate_of="a's"))
    (item,) = choose(lake, make_source("a"), make_source("b"), recipes=NEWER)
    assert (item.source.uri, item.tasks, item.document_id) == ("s3://drop/a", ["ocr"], "d")


def test_the_other_is_read_again_once_the_first_has_changed() -> None:
    lake = ledger(committed(make_source("a"), "d"), committed(make_source("b"), "d", duplicate_of="a's"))
    items = choose(lake, make_source("a", etag="2"), make_source("b"), recipes=NEWER)
    assert [(item.source.uri, item.attempt, item.document_id) for item in items] == [
        ("s3://drop/a", 0, None),
        ("s3://drop/b", 1, "d"),
    ]


def test_a_duplicate_of_what_was_never_read_is_read_itself() -> None:
    lake = ledger(committed(make_source("b"), "d", duplicate_of="a's"), committed(make_source("a"), None))
    (item,) = choose(lake, make_source("b"))
    assert (item.tasks, item.attempt) == (["ocr", "chart"], 1)


def test_a_page_that_failed_for_a_passing_reason_is_tried_again_once() -> None:
    failure = SourceFailure(kind=FailureKind.throttled, task="ocr", page_index=2, region_index=None)
    lake = ledger(committed(make_source("a"), "d", failures=[failure]), committed(make_source("b"), "d", duplicate_of="a's"))
    assert [(item.source.uri, item.pages) for item in choose(lake, make_source("b"))] == [("s3://drop/b", [2])]
    lake = ledger(committed(make_source("a"), "d", failures=[failure]), committed(make_source("b"), "d", duplicate_of="a's"))
    assert [item.source.uri for item in plan_retries(lake, RECIPES, None, Counts())] == ["s3://drop/a"]


def test_what_could_not_be_fetched_is_nobody_elses() -> None:
    failure = SourceFailure(kind=FailureKind.access_denied, task=None, page_index=None, region_index=None)
    lake = ledger(committed(make_source("a"), "d"), committed(make_source("a"), None, failures=[failure], attempt=1))
    state = lake.newest_of("s3://drop/a")
    assert state is not None
    assert state.of_bytes is not None
    assert (state.of_bytes.failures, len(state.failures)) == ((), 1)


def test_an_overwritten_object_that_is_put_back_is_planned_and_known() -> None:
    first, second = make_source("a", "1", 5), make_source("a", "2", 6)
    lake = ledger(committed(first, "one"), committed(second, "two"))

    (item,) = choose(lake, first)

    assert (item.source, item.attempt, item.document_id) == (first, 1, None)
    assert known_documents(lake, [item], IDS, None) == {"one": first.source_id}
    again = ledger(
        committed(first, "one"), committed(second, "two"), committed(first, "one", attempt=1, duplicate_of=first.source_id)
    )
    assert choose(again, first) == []
    assert [item.source for item in choose(again, second)] == [second]


# What probing makes of them


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("in")
    make_pdf(folder / "a.pdf", 2)
    (folder / "b.pdf").write_bytes((folder / "a.pdf").read_bytes())
    (folder / "c.pdf").write_bytes((folder / "a.pdf").read_bytes()[:-1] + b" ")
    (folder / "d.pdf").write_bytes((folder / "a.pdf").read_bytes())
    return folder


def works(folder: Path, **of_a: object) -> list[Work]:
    made = [
        Work(
            plan_id="000001",
            shard_index=0,
            source_index=index,
            planned=PlannedSource(source=source, tasks=["ocr"]),
            chunk_pages=8,
            page_range=None,
            max_pages=100,
        )
        for index, source in enumerate(list_sources(str(folder)))
    ]
    return [made[0].model_copy(update=of_a), *made[1:]]


def probe(works: list[Work], known: dict[str, str] | None = None) -> list[Chunk]:
    stage = ProbeDocuments(ProbeSetup(rendering=RenderSetup.of(Settings(), RECIPES, "r"), known=known or {}))
    return [chunk for found in stage.probe(works) for chunk in found]


def told(chunks: list[Chunk]) -> list[tuple[str, str | None, int]]:
    names = {chunk.source.source_id: Path(chunk.source.uri).name for chunk in chunks}
    return [(names[chunk.source.source_id], names.get(chunk.duplicate_of or ""), len(chunk.pages)) for chunk in chunks]


def test_of_the_same_bytes_the_first_is_read_and_the_others_are_linked(folder: Path) -> None:
    found = probe(works(folder))
    assert told(found) == [("a.pdf", None, 2), ("b.pdf", "a.pdf", 0), ("c.pdf", None, 2), ("d.pdf", "a.pdf", 0)]
    assert [chunk.document.num_pages for chunk in found] == [2, 2, 2, 2]  # a duplicate's row says what the file is
    assert found[1].name == "00001.00000-00000.of-00000"


def test_what_the_plan_knows_is_not_read(folder: Path) -> None:
    (first, *_) = probe(works(folder))
    assert first.document.document_id is not None
    found = probe(works(folder), {first.document.document_id: "earlier"})
    assert [chunk.duplicate_of for chunk in found] == ["earlier", "earlier", None, "earlier"]


def test_a_run_that_goes_on_decides_as_the_one_before(folder: Path) -> None:
    found = probe(works(folder, is_done=True))
    assert [(Path(chunk.source.uri).name, bool(chunk.duplicate_of)) for chunk in found] == [
        ("b.pdf", True),
        ("c.pdf", False),
        ("d.pdf", True),
    ]


def test_where_the_first_is_gone_the_next_is_read(folder: Path) -> None:
    gone = make_source("x").model_copy(update={"uri": str(folder / "gone.pdf")})
    found = probe(works(folder, planned=PlannedSource(source=gone, tasks=["ocr"])))
    assert [chunk.failures[0].kind for chunk in found[:1]] == [FailureKind.gone]
    assert told(found)[1:] == [("b.pdf", None, 2), ("c.pdf", None, 2), ("d.pdf", "b.pdf", 0)]


def test_what_is_asked_to_be_read_again_is_no_duplicate(folder: Path) -> None:
    made = works(folder)
    again = [work.model_copy(update={"planned": work.planned.model_copy(update={"document_id": "d"})}) for work in made]
    assert [chunk.duplicate_of for chunk in probe(again)] == [None] * 4
