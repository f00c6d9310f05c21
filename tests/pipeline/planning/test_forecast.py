"""What a plan comes to: by task, why, and for how much."""

from pathlib import Path

import pytest

from pipeline.lake.ledger import Ledger
from pipeline.lake.paths import plan_path
from pipeline.lake.plans import write_plan
from pipeline.object_store.local_store import LocalStore
from pipeline.planning.choosing import Counts, plan_retries, plan_sources
from pipeline.planning.forecast import differences, forecast, image_bytes
from pipeline.planning.intake import Taken
from pipeline.reporting.summary import TaskForecast
from schemas.failure import FailureKind, Task
from schemas.plan import Manifest, Recipe, SourceFailure
from schemas.settings import PlanSettings, Settings
from schemas.source import Source
from tests.pipeline.made import NOON, RECIPES, make_recipe, make_source
from tests.pipeline.planning.test_duplicates import committed
from tests.pipeline.written_lake import row, write_lake

A, B = make_source("a", size_bytes=3000), make_source("b", size_bytes=1000)
SCRIPTED = {"engine": "scripted", "model": None}


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    """30 + 10 pages were read by plan 1; two pages and a chart of them stand for all."""
    store = LocalStore(str(tmp_path))
    write_plan(store, [], RECIPES, PlanSettings(), input="s3://drop", epoch=1, page_range=None, max_pages=99, last_plan_id=None)
    page = {"num_prompt_tokens": 100, "num_output_tokens": 50, "read_s": 2.0, "status": "ok"} | SCRIPTED
    rows = {
        "pages": [row("pages", page_index=index, **page) for index in range(2)],
        "charts": [row("charts", recipe_id="c1", num_prompt_tokens=200, num_output_tokens=100, read_s=4.0, **SCRIPTED)],
        "documents": [row("documents", num_pages_read=2, chart_recipe_id="c1")],
        "runs": [row("runs", status="finished", read_s=8.0, gpu_s=16.0, cost=0.8, currency="EUR", **SCRIPTED)],
    }
    write_lake(tmp_path, rows)
    return store


def lake(**changes: object) -> Ledger:
    sources = [committed(A, "a", num_pages=30, **changes), committed(B, "b", num_pages=10)]
    recipe_ids = {task: recipe.recipe_id for task, recipe in RECIPES.items()}
    return Ledger(
        [Manifest(plan_id="000001", shard_index=0, run_id="r", committed_at=NOON, recipe_ids=recipe_ids, sources=sources)]
    )


def foreseen(
    store: LocalStore, *sources: Source, recipes: dict[Task, Recipe] = RECIPES, known: Ledger | None = None, **settings: object
) -> dict[Task, TaskForecast]:
    chosen = Settings.model_validate(settings)
    ledger = lake() if known is None else known
    taken = (Taken(source, None) for source in sources)
    items = list(plan_sources(taken, ledger, recipes, chosen.plan, page_range=chosen.input.pages, limit=None, counts=Counts()))
    return {part.task: part for part in forecast(store.root, store, ledger, [items], recipes, chosen)}


def test_a_new_chart_prompt_redoes_charts_not_ocr_and_says_for_how_much(store: LocalStore) -> None:
    found = foreseen(store, A, B, recipes={**RECIPES, "chart": make_recipe("chart", "2")})

    assert found.keys() == {"chart"}
    part = found["chart"]
    assert (part.num_sources, part.num_pages, part.why) == (2, 40, {"prompt_version 1 -> 2": 2})
    # per page 300 / 2 tokens, and of the runs' 16 GPU seconds and 0.80 EUR the share 4 s / 8 s over 2 pages
    assert part.num_tokens == 40 * 150
    assert part.gpu_h == pytest.approx(40 * 4 / 3600)
    assert (part.cost, part.currency) == (pytest.approx(40 * 0.2), "EUR")


def test_each_engine_of_a_run_has_its_own_part_of_what_it_spent(tmp_path: Path) -> None:
    store = LocalStore(str(tmp_path))
    other = {"engine": "strong", "model": "9B"}
    run = {"read_s": 10.0, "gpu_s": 40.0, "cost": 0.8, "currency": "EUR", "chart_engine": "strong", "chart_model": "9B"}
    write_lake(
        tmp_path,
        {
            "pages": [row("pages", page_index=index, read_s=1.0, status="ok", **SCRIPTED) for index in range(2)],
            "charts": [row("charts", recipe_id="c1", read_s=4.0, **other)],
            "documents": [row("documents", num_pages_read=2, chart_recipe_id="c1")],
            "runs": [row("runs", status="finished", chart_read_s=8.0, chart_gpu_s=30.0, **run, **SCRIPTED)],
        },
    )
    recipes = {**RECIPES, "chart": RECIPES["chart"].model_copy(update=other)}

    found = foreseen(store, make_source("c"), recipes=recipes, known=lake())

    pages = found["ocr"].num_pages
    assert found["ocr"].gpu_h == pytest.approx(
        pages * (1 / 2) * 10 / 3600
    )  # of 2 s at the engine of text 1 s a page, of its 10 GPU s
    assert found["chart"].gpu_h == pytest.approx(pages * (2 / 8) * 30 / 3600)
    assert (found["ocr"].cost, found["chart"].cost) == (pytest.approx(pages * 0.5 * 0.2), pytest.approx(pages * 0.25 * 0.6))


def test_new_sources_are_estimated_by_their_bytes(store: LocalStore) -> None:
    found = foreseen(store, A, B, make_source("c", size_bytes=500), make_source("a", etag="2", size_bytes=100))

    assert found["ocr"].num_pages == 5 + 1  # 100 bytes a page so far
    assert found["ocr"].num_tokens == 6 * 150
    assert found["ocr"].why == {"new": 1, "changed": 1}


@pytest.mark.slow
def test_a_plan_that_was_removed_is_the_reason_of_nothing_and_costs_no_error(store: LocalStore) -> None:
    store.delete([plan_path("000001")])

    (why,) = foreseen(store, A, recipes={"ocr": make_recipe("ocr", prompt_version="2")})["ocr"].why

    assert why == "read under a recipe whose plan was removed"


def test_all_says_so(store: LocalStore) -> None:
    found = foreseen(store, A, B, plan={"redo": "all"})
    assert {task: part.num_pages for task, part in found.items()} == {"ocr": 40, "chart": 40}
    assert found["ocr"].why == {"asked for: --redo all": 2}


def test_none_leaves_stale_answers_alone_and_counts_them(store: LocalStore) -> None:
    counts = Counts()
    newer = {**RECIPES, "ocr": make_recipe("ocr", "2")}
    taken = [Taken(source, None) for source in (A, B, make_source("c"))]
    settings = PlanSettings(redo="none")
    (item,) = plan_sources(taken, lake(), newer, settings, page_range=None, limit=None, counts=counts)
    assert (item.source.uri, counts.num_stale_left, counts.num_new, counts.num_done) == ("s3://drop/c", 2, 1, 0)


def test_failed_reads_lasting_failures_and_no_stale_answers(store: LocalStore) -> None:
    failure = SourceFailure(kind=FailureKind.bad_json, task="ocr", page_index=7, region_index=None)
    newer = {**RECIPES, "chart": make_recipe("chart", "2")}
    found = foreseen(store, A, B, recipes=newer, known=lake(failures=[failure]), plan={"redo": "failed"})
    assert {task: (part.num_sources, part.num_pages, part.why) for task, part in found.items()} == {
        "ocr": (1, 1, {"failed before": 1})
    }


def test_a_range_of_pages_is_counted_as_such(store: LocalStore) -> None:
    newer = {**RECIPES, "ocr": make_recipe("ocr", "2")}
    assert foreseen(store, A, B, recipes=newer, input={"pages": "1-3,9"})["ocr"].num_pages == 8


def test_what_another_engine_costs_is_not_known(store: LocalStore) -> None:
    other = {task: recipe.model_copy(update={"engine": "server", "model": "m"}) for task, recipe in RECIPES.items()}
    part = foreseen(store, A, recipes=other)["ocr"]
    assert (part.num_tokens, part.gpu_h, part.cost, part.currency) == (None, None, None, None)
    assert part.why == {"engine scripted -> server; model none -> m": 1}


def test_an_empty_output_has_no_amounts(tmp_path: Path) -> None:
    part = foreseen(LocalStore(str(tmp_path / "out")), A, known=Ledger())["ocr"]
    assert (part.num_pages, part.num_tokens, part.why) == (1, None, {"new": 1})


def test_a_retry_is_forecast_by_its_pages(store: LocalStore) -> None:
    failure = SourceFailure(kind=FailureKind.bad_json, task="ocr", page_index=7, region_index=None)
    ledger = lake(failures=[failure])
    items = plan_retries(ledger, RECIPES, None, Counts())
    (part,) = forecast(store.root, store, ledger, [items], RECIPES, Settings())
    assert (part.task, part.num_pages) == ("ocr", 1)


@pytest.mark.slow
def test_pictures_are_foreseen_by_those_that_are_kept_else_by_measured_pages(store: LocalStore) -> None:
    amounts = list(foreseen(store, *(make_source(name, size_bytes=1000) for name in "xyz")).values())
    (num_pages,) = {part.num_pages for part in amounts}
    assert num_pages > 1
    assert image_bytes(store.root, lake(), amounts, "none") is None
    figures, pages = image_bytes(store.root, lake(), amounts, "regions"), image_bytes(store.root, lake(), amounts, "pages")
    assert (figures, pages) == (25_000 * num_pages, 150_000 * num_pages)

    sizes = [("page", 400), ("page", 600), ("figure", 70), ("chart", 30)]  # of the two pages that plan 1 has there
    write_lake(Path(store.root), {"images": [row("images", kind=kind, size_bytes=size) for kind, size in sizes]})
    kept = lake()
    kept.files["images/ingest_date=2026-01-02/000001-00000.parquet"] = 1
    assert image_bytes(store.root, kept, amounts, "regions") == 50 * num_pages
    assert image_bytes(store.root, kept, amounts, "pages") == 550 * num_pages
    assert image_bytes(store.root, kept, [], "pages") == 0


def test_differences_name_the_setting() -> None:
    old = make_recipe("chart").model_copy(
        update={"options": {"render": {"dpi_max": 300, "cell_px": 32}, "regions": {"margin": 0.05}}}
    )
    new = old.model_copy(update={"schema_version": 2, "options": {"render": {"dpi_max": 200, "cell_px": 32}, "regions": {}}})
    assert differences(old, new) == ["schema_version 1 -> 2", "render.dpi_max 300 -> 200", "regions.margin 0.05 -> none"]
