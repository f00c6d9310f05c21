"""Forecast of a plan, task by task: pages and the reasons to read them, and from earlier runs' spending tokens, GPU-hours and
cost."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any

from pipeline.analytics.duckdb_tables import connected
from pipeline.lake.ledger import Ledger
from pipeline.lake.plans import read_plan_head
from pipeline.object_store.store import Store
from pipeline.planning.choosing import PageEstimate
from pipeline.planning.layer_sample import LayerSample
from pipeline.planning.page_ranges import selected_pages
from pipeline.planning.recipes import LAYER_FIRST
from pipeline.reporting.summary import LayerChoice, TaskForecast
from schemas.failure import Task
from schemas.plan import Recipe
from schemas.planned import PlannedSource, Shards
from schemas.settings import Images, Settings


def forecast(
    output: str,
    store: Store,
    ledger: Ledger,
    shards: Shards,
    recipes: Mapping[Task, Recipe],
    settings: Settings,
    sample: LayerSample | None = None,
) -> tuple[TaskForecast, ...]:
    """A forecast for each task of the plan. It reads older plans for their recipes, and the tables for earlier spending. `sample`
    says how many pages need no model where their text layers are read first."""
    estimate, reasons = PageEstimate(ledger), _Reasons(store, ledger, recipes, settings)
    num_of: Counter[Task] = Counter()
    pages_of: Counter[Task] = Counter()
    why: dict[Task, Counter[str]] = {task: Counter() for task in recipes}
    for item in (item for shard in shards for item in shard):
        num_pages = _num_pages(item, estimate, settings)
        for task in item.tasks:
            num_of[task] += 1
            pages_of[task] += num_pages
            why[task][reasons.of(item, task)] += 1
    found = []
    for task, recipe in recipes.items():
        if not num_of[task]:
            continue
        num_pages = pages_of[task]
        spent = _spent(output, task, recipe) if len(ledger) else {}
        num_asked: float = num_pages
        if sample is not None and LAYER_FIRST in recipe.options:
            num_asked *= sample.model_share
        found.append(
            TaskForecast(
                task=task,
                num_sources=num_of[task],
                num_pages=num_pages,
                num_tokens=_times(num_asked, spent.get("tokens"), round),
                gpu_h=_times(num_asked / 3600, spent.get("gpu_s"), float),
                cost=_times(num_asked, spent.get("cost"), float),
                currency=spent.get("currency") if spent.get("cost") is not None else None,
                why=dict(why[task].most_common()),
            )
        )
    return tuple(found)


def layer_choices(amounts: Sequence[TaskForecast], recipes: Mapping[Task, Recipe], sample: LayerSample) -> tuple[LayerChoice, ...]:
    """Text by the model alone, and by text layers first."""
    text = next((part for part in amounts if part.task == "ocr"), None)
    if text is None:
        return ()
    is_first = LAYER_FIRST in recipes["ocr"].options
    shares = {"model": 1.0, "layer_first": sample.model_share}
    forecast_share = shares["layer_first"] if is_first else 1.0
    found = []
    for name, share in shares.items():
        factor = share / forecast_share if forecast_share else None
        num_asked = round(text.num_pages * share)
        found.append(
            LayerChoice(
                text_from=name,
                is_chosen=(name == "layer_first") == is_first,
                num_sampled=sample.num_pages,
                num_pages_model=num_asked,
                num_pages_layer=text.num_pages - num_asked,
                num_tokens=_scaled(text.num_tokens, factor, round),
                gpu_h=_scaled(text.gpu_h, factor, float),
                cost=_scaled(text.cost, factor, float),
                currency=text.currency,
            )
        )
    return tuple(found)


def _scaled(amount: float | None, factor: float | None, kind: Any) -> Any:
    return None if amount is None or factor is None else kind(amount * factor)


def image_bytes(output: str, ledger: Ledger, amounts: Sequence[TaskForecast], images: Images) -> int | None:
    """Bytes of the pictures that would be kept, by those that the lake has of its pages so far, else by measured pages."""
    if images == "none":
        return None
    (figures, pages), found = _IMAGE_BYTES, (None, None)
    if any(path.startswith("images/") for path in ledger.files):
        with connected(output, _IMAGES) as connection:
            found = connection.execute(_IMAGES).fetchall()[0]
    each = (found[0] or figures) + ((found[1] or pages) if images == "pages" else 0)
    return round(each * max((part.num_pages for part in amounts), default=0))


_IMAGE_BYTES = (25_000, 125_000)
"""Of figures and charts, and of the page itself, for each page: `python -m tests.bench pictures`."""
_IMAGES = """
    SELECT
        SUM(CASE WHEN kind <> 'page' THEN size_bytes END)
            / (SELECT COUNT(*) FROM pages WHERE plan_id IN (SELECT plan_id FROM images)),
        AVG(CASE WHEN kind = 'page' THEN size_bytes END)
    FROM images
"""


def _times(amount: float, each: float | None, kind: Any) -> Any:
    return None if each is None else kind(amount * each)


def _num_pages(item: PlannedSource, estimate: PageEstimate, settings: Settings) -> int:
    num_pages = estimate.pages_of(item.source)
    return len(selected_pages(num_pages, item.pages, settings.input.pages, settings.render.max_pages))


class _Reasons:
    def __init__(self, store: Store, ledger: Ledger, recipes: Mapping[Task, Recipe], settings: Settings) -> None:
        self._store, self._ledger, self._recipes, self._redo = store, ledger, recipes, settings.plan.redo
        self._range = settings.input.pages
        self._older: dict[str, Recipe | None] = {}

    def of(self, item: PlannedSource, task: Task) -> str:
        """Why the task is asked of the source."""
        state = self._ledger.state(item.source.uri, item.source.etag)
        if state is None or item.document_id is None:
            return "new" if self._ledger.newest_of(item.source.uri) is None else "changed"
        new = self._recipes[task]
        asked = {recipe_id for recipe_id, page_range in state.whole if page_range in (None, self._range)}
        if new.recipe_id in asked:
            return "failed before" if item.pages is not None or self._redo != "all" else "asked for: --redo all"
        ranges = {page_range for recipe_id, page_range in state.whole if recipe_id == new.recipe_id}
        if ranges:
            return f"only pages {', '.join(sorted(map(str, ranges)))} were read"
        recipes = [self._recipe(recipe_id) for recipe_id in asked]
        older = [recipe for recipe in recipes if recipe is not None and recipe.task == task]
        if not older:
            return "read under a recipe whose plan was removed" if None in recipes else f"{task} was never asked for"
        last = max(older, key=lambda recipe: self._ledger.plan_of_recipe[recipe.recipe_id])
        return "; ".join(differences(last, new))

    def _recipe(self, recipe_id: str) -> Recipe | None:
        """The recipe, from the last plan that asked under it; None if an operator has removed that plan, as for a damaged one."""
        if recipe_id not in self._older:
            plan_id = self._ledger.plan_of_recipe[recipe_id]
            with suppress(FileNotFoundError):
                for recipe in read_plan_head(self._store, plan_id).recipes.values():
                    self._older[recipe.recipe_id] = recipe
        return self._older.setdefault(recipe_id, None)


def differences(old: Recipe, new: Recipe) -> list[str]:
    """One text such as `prompt_version 1 -> 2` for each part that differs."""
    before, after = dict(_parts(old)), dict(_parts(new))
    names = [name for name in {**before, **after} if before.get(name) != after.get(name)]
    return [f"{name} {_shown(before.get(name))} -> {_shown(after.get(name))}" for name in names]


def _parts(recipe: Recipe) -> Iterator[tuple[str, Any]]:
    body = recipe.model_dump(mode="json", exclude={"task", "options"})
    yield from body.items()
    yield from _flat("", recipe.options)


def _flat(prefix: str, options: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, value in options.items():
        if isinstance(value, Mapping):
            yield from _flat(f"{prefix}{name}.", value)
        else:
            yield prefix + name, value


def _shown(value: Any) -> str:
    return "none" if value is None else str(value)


_SPENT: dict[Task, str] = {
    "ocr": """
        SELECT COUNT(*), SUM(COALESCE(num_prompt_tokens, 0) + COALESCE(num_output_tokens, 0)), SUM(read_s)
        FROM pages WHERE engine = $engine AND model IS NOT DISTINCT FROM $model AND status <> 'failed'
            AND (num_asks > 0 OR text_origin IS DISTINCT FROM 'text_layer')
    """,
    "chart": """
        SELECT
            (SELECT SUM(num_pages_read) FROM documents WHERE chart_recipe_id IN (
                SELECT recipe_id FROM charts WHERE engine = $engine AND model IS NOT DISTINCT FROM $model)),
            SUM(COALESCE(num_prompt_tokens, 0) + COALESCE(num_output_tokens, 0)), SUM(read_s)
        FROM charts WHERE engine = $engine AND model IS NOT DISTINCT FROM $model
    """,
}
"""For each task: pages, tokens and seconds at the engine, summed over the tables."""

_RUNS: dict[Task, str] = {
    "ocr": """
        SELECT
            SUM(read_s - IF(chart_engine IS NULL, 0, chart_read_s)),
            SUM(gpu_s - COALESCE(chart_gpu_s, 0)),
            SUM(cost * CASE
                WHEN chart_engine IS NULL THEN 1 WHEN gpu_s > 0 THEN 1 - chart_gpu_s / gpu_s ELSE 1 - chart_read_s / read_s END),
            MAX(currency)
        FROM runs WHERE engine = $engine AND model IS NOT DISTINCT FROM $model AND status <> 'running' AND read_s > 0
    """,
    "chart": """
        SELECT
            SUM(IF(chart_engine IS NULL, read_s, chart_read_s)),
            SUM(IF(chart_engine IS NULL, gpu_s, COALESCE(chart_gpu_s, 0))),
            SUM(cost * CASE
                WHEN chart_engine IS NULL THEN 1 WHEN gpu_s > 0 THEN chart_gpu_s / gpu_s ELSE chart_read_s / read_s END),
            MAX(currency)
        FROM runs
        WHERE COALESCE(chart_engine, engine) = $engine
            AND IF(chart_engine IS NULL, model, chart_model) IS NOT DISTINCT FROM $model
            AND status <> 'running' AND read_s > 0
    """,
}
"""What the readers of the task's engine spent: seconds at the engine, of GPUs, and money. A run whose engines differ is parted by
GPU-seconds, or without GPUs by seconds at the engines."""


def _spent(output: str, task: Task, recipe: Recipe) -> dict[str, Any]:
    """Tokens, gpu_s and cost per page. A task's share of a run's GPU time and cost is its share of the seconds at the engine."""
    asked = {"engine": recipe.engine, "model": recipe.model}
    with connected(output, _SPENT[task] + _RUNS[task]) as connection:
        num_pages, num_tokens, read_s = connection.execute(_SPENT[task], asked).fetchall()[0]
        run_read_s, gpu_s, cost, currency = connection.execute(_RUNS[task], asked).fetchall()[0]
    if not num_pages:
        return {}
    share = (read_s or 0) / num_pages / run_read_s if run_read_s else None
    return {
        "tokens": (num_tokens or 0) / num_pages,
        "gpu_s": None if share is None or gpu_s is None else share * gpu_s,
        "cost": None if share is None or cost is None else share * cost,
        "currency": currency,
    }
