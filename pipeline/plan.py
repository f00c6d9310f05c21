"""What a run will do, decided and written down before any work."""

import contextlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from pipeline.layout import PLANS, manifest_path, next_plan_id, plan_id_of, plan_path
from pipeline.ledger import Ledger, SourceState, list_manifests
from pipeline.store import Exists, Store, StoreError
from schemas.failure import FailureKind, Task
from schemas.plan import Manifest, Plan, PlannedSource, Recipe, SourceFailure
from schemas.settings import PlanSettings
from schemas.source import Source


@dataclass
class Counts:
    """What the listing came to; see `pipeline.summary.PlanReport`."""

    num_listed: int = 0
    num_done: int = 0
    num_new: int = 0
    num_changed: int = 0
    num_redone: int = 0
    num_retried: int = 0
    num_left_for_limit: int = 0
    num_bytes: int = 0


@dataclass(frozen=True)
class Unfinished:
    """The newest plan, with shards that no manifest commits yet."""

    plan: Plan
    pending: list[int]
    """Shard indexes."""


def plan_sources(
    sources: Iterable[Source],
    ledger: Ledger,
    recipes: dict[Task, Recipe],
    settings: PlanSettings,
    *,
    page_range: str | None,
    limit: int | None,
    counts: Counts,
) -> list[PlannedSource]:
    """What of the listing is to be read, in its order. Counts as it goes."""
    planned: list[PlannedSource] = []
    for source in sources:
        counts.num_listed += 1
        choice = _choose(source, ledger, recipes, settings, page_range, counts)
        if choice is None:
            counts.num_done += 1
        elif limit is not None and len(planned) >= limit:
            counts.num_left_for_limit += 1
        else:
            planned.append(choice)
            counts.num_bytes += source.size_bytes
    return planned


def _choose(
    source: Source,
    ledger: Ledger,
    recipes: dict[Task, Recipe],
    settings: PlanSettings,
    page_range: str | None,
    counts: Counts,
) -> PlannedSource | None:
    state = ledger.state(source)
    if state is None:
        if ledger.knows_uri(source.uri):
            counts.num_changed += 1
        else:
            counts.num_new += 1
        return PlannedSource(source=source, tasks=list(recipes))
    if missing := state.missing_tasks(recipes, page_range):
        counts.num_redone += 1
        return PlannedSource(source=source, tasks=missing, attempt=state.attempt + 1)
    transient = state.transient_failures()
    if transient and state.attempt + 1 < settings.max_transient_attempts and (again := plan_retry(state, transient, recipes)):
        counts.num_retried += 1
        return again
    return None


def plan_retry(state: SourceState, failures: Sequence[SourceFailure], recipes: dict[Task, Recipe]) -> PlannedSource | None:
    """The least that reads all of `failures` again; None where none of their tasks is asked for."""
    failures = [failure for failure in failures if failure.task is None or failure.task in recipes]
    if not failures:
        return None
    tasks = list(recipes)
    if all(failure.task is not None and not failure.needs_ocr for failure in failures):
        tasks = [task for task in recipes if any(failure.task == task for failure in failures)]
    pages = None if any(failure.page_index is None for failure in failures) else {failure.page_index for failure in failures}
    regions = None
    if tasks == ["chart"] and all(failure.region_index is not None for failure in failures):
        regions = sorted({(failure.page_index, failure.region_index) for failure in failures})
    return PlannedSource.model_validate(
        {
            "source": state.source,
            "tasks": tasks,
            "attempt": state.attempt + 1,
            "pages": pages and sorted(pages),
            "regions": regions,
        }
    )


def plan_retries(
    ledger: Ledger, recipes: dict[Task, Recipe], kinds: Sequence[FailureKind] | None, counts: Counts
) -> list[PlannedSource]:
    """Every open failure of the given kinds (None: all), as little of each source as covers them."""
    planned = []
    for state in sorted(ledger.newest(), key=lambda state: state.source.uri):
        failures = [failure for failure in state.failures if kinds is None or failure.kind in kinds]
        if again := plan_retry(state, failures, recipes):
            planned.append(again)
            counts.num_retried += 1
            counts.num_bytes += state.source.size_bytes
    return planned


def make_shards(planned: Iterable[PlannedSource], settings: PlanSettings) -> list[list[PlannedSource]]:
    """Groups of neighbours in listing order, closed by number of sources or by their bytes."""
    return list(_shards(planned, settings))


def _shards(planned: Iterable[PlannedSource], settings: PlanSettings) -> Iterator[list[PlannedSource]]:
    shard: list[PlannedSource] = []
    num_bytes = 0
    for item in planned:
        if shard and (len(shard) >= settings.shard_sources or num_bytes + item.source.size_bytes > settings.shard_bytes):
            yield shard
            shard, num_bytes = [], 0
        shard.append(item)
        num_bytes += item.source.size_bytes
    if shard:
        yield shard


def write_plan(
    store: Store,
    planned: Sequence[PlannedSource],
    recipes: dict[Task, Recipe],
    settings: PlanSettings,
    *,
    input: str,
    epoch: int,
    page_range: str | None,
    max_pages: int,
    last_plan_id: str | None,
) -> Plan:
    """Create the plan. Raises StoreError when another run made the plan of this number first."""
    now = datetime.now(UTC)
    plan = Plan(
        plan_id=next_plan_id(last_plan_id),
        created_at=now,
        ingest_date=now.date(),
        input=input,
        epoch=epoch,
        recipes=recipes,
        chunk_pages=settings.chunk_pages,
        page_range=page_range,
        max_pages=max_pages,
        shards=make_shards(planned, settings),
    )
    try:
        store.create(plan_path(plan.plan_id), plan.model_dump_json().encode())
    except Exists:
        raise StoreError(
            f"{store.root}: another run, thought dead, has just made plan {plan.plan_id}; it is finished first."
        ) from None
    return plan


def list_plan_ids(store: Store) -> list[str]:
    return sorted(plan_id for stored in store.list(PLANS) if (plan_id := plan_id_of(stored.path)))


def read_plan(store: Store, plan_id: str) -> Plan:
    return Plan.model_validate_json(store.get(plan_path(plan_id)))


def find_unfinished(store: Store, plan_ids: Sequence[str]) -> Unfinished | None:
    """Only the newest plan can be: a new one is made after the one before it was finished or abandoned."""
    if not plan_ids:
        return None
    plan = read_plan(store, plan_ids[-1])
    committed = {name.shard_index for name, _ in list_manifests(store) if name.plan_id == plan.plan_id}
    pending = [index for index in range(len(plan.shards)) if index not in committed]
    return None if not pending or None in committed else Unfinished(plan, pending)


def is_outdated(store: Store, plan: Plan, recipes: dict[Task, Recipe], plan_ids: Sequence[str]) -> bool:
    """Does the plan ask for answers of other recipes, or was it made by a run whose lease was gone?"""
    return any(recipes.get(task) != recipe for task, recipe in plan.recipes.items()) or is_superseded(store, plan, plan_ids)


def is_superseded(store: Store, plan: Plan, plan_ids: Sequence[str]) -> bool:
    """Was it made by a run whose lease was gone? Then the plan before it may hold the same sources."""
    return len(plan_ids) > 1 and read_plan(store, plan_ids[-2]).epoch > plan.epoch


def abandon(store: Store, plan: Plan, run_id: str) -> None:
    """Close the plan as it is. What its shards committed stays; its other sources are free to be planned anew."""
    manifest = Manifest(
        plan_id=plan.plan_id,
        shard_index=-1,
        run_id=run_id,
        committed_at=datetime.now(UTC),
        recipe_ids={task: recipe.recipe_id for task, recipe in plan.recipes.items()},
        abandoned=True,
    )
    with contextlib.suppress(Exists):
        store.create(manifest_path(plan.ingest_date, plan.plan_id, None), manifest.model_dump_json().encode())
