"""Finds what a run would do, for `pagefold plan` and for the question that `pagefold run` asks first."""

from collections.abc import Mapping

from pipeline.lake.opening import open_output
from pipeline.lake.paths import plan_number
from pipeline.lake.plans import Unfinished, find_unfinished, is_outdated, list_plan_numbers
from pipeline.lake.rewriting.state import read_live_files
from pipeline.lake.shard_progress import read_progress
from pipeline.lake.tables.missing_files import find_missing
from pipeline.object_store.patience import patiently
from pipeline.planning.engines import check_engines, describe_engines
from pipeline.planning.intake import refuse_output_in_input
from pipeline.planning.layer_sample import DEFAULT_PAGES, LayerSample, sample_layers
from pipeline.planning.recipes import LAYER_FIRST, asked_recipes
from pipeline.planning.todo import LakeState, Todo, amount_to_read, new_work, read_lake
from pipeline.reporting.summary import PlanReport
from pipeline.ways.choice import choose_way
from schemas.failure import Task
from schemas.plan import Recipe
from schemas.settings import Settings


def plan(input: str, output: str, settings: Settings | None = None, *, num_sampled: int | None = None) -> PlanReport:
    """What `run` would do. It reads listings and manifests, and writes nothing.

    `num_sampled`: pages that are fetched and drawn to say how many need no model; by default none, unless text layers are read
    first.
    """
    settings = settings or Settings()
    refuse_output_in_input(input, output)
    engines = describe_engines(settings.engine, settings.read.tasks)
    check_engines(settings.engine, settings.read.tasks, runs_here=False)
    recipes = asked_recipes(settings, engines)
    store = open_output(output, settings)

    def look() -> tuple[LakeState, Todo]:
        found = read_lake(store)
        return found, new_work(input, found.ledger, recipes, settings)

    found, todo = patiently(look, max_tries=settings.fetch.max_tries, say=lambda _: None)
    unfinished = found.unfinished
    outdated = unfinished is not None and is_outdated(store, unfinished.plan, recipes, found.plan_numbers)
    counts = todo.counts
    num_sources, num_bytes = amount_to_read(found, todo)
    on = choose_way(settings, num_sources, num_bytes) if num_sources else None
    from pipeline.planning.forecast import forecast, image_bytes, layer_choices  # DuckDB takes its time, and a run needs none

    sample = _sample(todo, recipes, settings, num_sampled)
    amounts = forecast(output, store, found.ledger, todo.shards, recipes, settings, sample) if todo.shards else ()
    return PlanReport(
        num_sources_found=counts.num_listed,
        num_done=counts.num_done,
        num_new=counts.num_new,
        num_changed=counts.num_changed,
        num_redone=counts.num_redone,
        num_retried=counts.num_retried,
        num_stale_left=counts.num_stale_left,
        num_left_for_limit=counts.num_left_for_limit,
        num_left_out=counts.left_out,
        num_waiting=todo.waiting.num_sources if todo.waiting else 0,
        waiting_until=todo.waiting.until if todo.waiting else None,
        num_deleted=sum(change.is_deleted for change in todo.disappearances),
        num_restored=sum(not change.is_deleted for change in todo.disappearances),
        num_not_taken_for_deleted=todo.num_not_taken_for_deleted,
        empty_input=todo.empty_input,
        num_bytes=counts.num_bytes,
        num_shards=len(todo.shards),
        recipes={task: recipe.recipe_id for task, recipe in recipes.items()},
        forecast=amounts,
        layer_choices=layer_choices(amounts, recipes, sample) if sample else (),
        num_image_bytes=image_bytes(output, found.ledger, amounts, settings.output.images),
        unfinished_plan_id=unfinished.plan.plan_id if unfinished else None,
        num_unfinished_sources=_num_sources(unfinished) if unfinished else 0,
        abandons_unfinished=outdated,
        tasks_left_out=tuple(task for task in settings.read.tasks if task not in recipes),
        on=on.way if on else "",
        why_on=on.why if on else "",
        missing_files=find_missing(store, read_live_files(store).sizes(found.ledger.files)),
    )


def _sample(todo: Todo, recipes: Mapping[Task, Recipe], settings: Settings, num_pages: int | None) -> LayerSample | None:
    """Only where there is a choice: `classic` reads text layers first by itself."""
    ocr = recipes.get("ocr")
    if ocr is None or ocr.engine == "classic" or not todo.shards:
        return None
    wanted = num_pages if num_pages is not None else DEFAULT_PAGES if LAYER_FIRST in ocr.options else 0
    return sample_layers((item for shard in todo.shards for item in shard), settings, wanted) if wanted else None


def about_to_close(output: str, settings: Settings) -> str | None:
    """A sentence or two about the unfinished plan that a run with these settings would close; None if there is none.

    It reads listings and the newest plan, and changes nothing.
    """
    recipes = asked_recipes(settings, describe_engines(settings.engine, settings.read.tasks))
    store = open_output(output, settings)
    numbers = list_plan_numbers(store)
    unfinished = find_unfinished(store, numbers)
    if unfinished is None or not unfinished.pending or not is_outdated(store, unfinished.plan, recipes, numbers):
        return None
    plan = unfinished.plan
    num_read = sum(shard.num_complete for shard in read_progress(store, plan, unfinished.pending).values())
    days = settings.output.keep_answers_days
    then, now = _asked_of(plan.recipes), _asked_of(recipes)
    return (
        f"Plan {plan_number(plan.plan_id)} is unfinished ({num_read} of its {_num_sources(unfinished)} open documents are read). "
        f"It asks for {then}; these settings ask for {now}, so it would be closed. What was read in full is committed; single "
        f"pages are kept for {days:g} days, for a run that asks for the same again."
    )


def _asked_of(recipes: Mapping[Task, Recipe]) -> str:
    asked: dict[str, list[str]] = {}
    for task, recipe in recipes.items():
        asked.setdefault(f"{recipe.engine} {recipe.model or ''}".strip(), []).append(task)
    return ", ".join(f"{' and '.join(tasks)} by {engine}" for engine, tasks in asked.items())


def _num_sources(unfinished: Unfinished) -> int:
    return sum(map(unfinished.plan.shards.num_sources_of, unfinished.pending))
