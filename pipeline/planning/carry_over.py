"""The plan at work takes over answers that a closed plan has left behind, instead of asking for them again.

When a plan is closed it commits its whole documents. Other documents may have some pages staged. These pages are moved one by one
into the staging of a later plan that asks for the same pages of the same source version under the same recipes. Page, recipe and
answer stay as they are; plan and attempt become the new plan's, so that keys never repeat. The move can be killed anywhere and
repeated: a chunk is removed from the old plan once all that is wanted of it is staged in the new one, and nothing is staged twice.
"""

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.lake.compaction import read_staged
from pipeline.lake.ledger import list_manifests
from pipeline.lake.paths import STAGING, ChunkName, chunk_name, plan_number, staged_path, staged_shard
from pipeline.lake.plans import read_plan
from pipeline.lake.shard_progress import ShardProgress
from pipeline.lake.snapshots import Listed
from pipeline.lake.staging import CHUNK_TABLES, StagedChunk, encode_staged
from pipeline.lake.tables.unread_pages import unread_pages
from pipeline.object_store.store import Exists, Store, StoreError
from pipeline.planning.page_ranges import selected_pages
from schemas.failure import KINDS, FailureKind, Task
from schemas.page import Chunk
from schemas.plan import Plan
from schemas.planned import PlannedSource

_AT_ONCE = 8
_ASKED_AGAIN = {kind for kind, info in KINDS.items() if info.is_transient}
_ASKED_AGAIN |= {FailureKind.crashed_worker, FailureKind.internal_error}
"""A page that failed for one of these reasons is asked again."""
_TABLES_OF: dict[Task, tuple[str, ...]] = {"ocr": ("pages", "blocks", "words"), "chart": ("charts", "chart_points")}


class _Left(NamedTuple):
    """A staged chunk of a closed plan."""

    path: str
    plan: Plan
    """The closed plan."""
    planned: PlannedSource
    """The chunk's source in the closed plan."""
    shard_index: int
    """The source's shard in the plan at work."""
    source_index: int
    """The source's index in that shard."""


def carry_over(store: Store, plan: Plan, progress: Mapping[int, ShardProgress], check: Callable[[], None]) -> int:
    """Moves staged pages of closed plans, of sources that are incomplete in `progress`, into the staging of `plan`, and notes them.

    Gives the number of pages. `check` raises if the lease is gone.
    """
    if plan.redo == "all":  # everything is to be read again
        return 0
    num_pages = 0
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        left = list(_left_behind(store, plan, progress))
        for start in range(0, len(left), _AT_ONCE):
            check()
            some = left[start : start + _AT_ONCE]
            for item, staged in zip(some, pool.map(lambda item: _read(store, item.path), some), strict=True):
                if staged is not None:
                    num_pages += _move(store, plan, item, staged, progress[item.shard_index])
    return num_pages


def asked_before(store: Store, listed: Listed) -> dict[tuple[str, str], dict[Task, str]]:
    """The recipe_id of each task, by (uri, etag), for sources of which a closed plan has left chunks. `listed`: the manifests."""
    abandoned = {name.plan_id for name, _ in listed if name.shard_index is None}
    if not abandoned:
        return {}
    asked: dict[tuple[str, str], dict[Task, str]] = {}
    for plan_id, paths in sorted(_staged_by_plan(store).items()):
        if plan_id not in abandoned or (plan := _read_plan(store, plan_id)) is None:
            continue
        recipe_ids = {task: recipe.recipe_id for task, recipe in plan.recipes.items()}
        for path in paths:
            if (planned := _planned(plan, path)) is not None:
                source = planned.source
                asked[source.uri, source.etag] = {task: recipe_ids[task] for task in planned.tasks}
    return asked


def _staged_by_plan(store: Store) -> dict[str, list[str]]:
    """Paths of staged chunks by plan_id."""
    by_plan: dict[str, list[str]] = {}
    for stored in store.list(STAGING):
        shard = staged_shard(stored.path)
        if shard is not None and chunk_name(stored.path):
            by_plan.setdefault(shard[0], []).append(stored.path)
    return by_plan


def _planned(plan: Plan, path: str) -> PlannedSource | None:
    """The plan's source for a staged chunk, by the chunk's path."""
    shard, name = staged_shard(path), chunk_name(path)
    if shard is None or name is None or shard[1] >= len(plan.shards) or name.source_index >= len(plan.shards[shard[1]]):
        return None
    return plan.shards[shard[1]][name.source_index]


def _left_behind(store: Store, plan: Plan, progress: Mapping[int, ShardProgress]) -> Iterator[_Left]:
    by_plan = _staged_by_plan(store)
    by_plan.pop(plan.plan_id, None)
    if not by_plan:
        return
    wanted = {
        (item.source.uri, item.source.etag): (shard.shard_index, index)
        for shard in progress.values()
        for index, item in enumerate(plan.shards[shard.shard_index])
        if not shard.is_source_complete(index)
    }
    abandoned = {name.plan_id for name, _ in list_manifests(store) if name.shard_index is None}
    for plan_id, paths in sorted(by_plan.items(), reverse=True):  # the newest answer first
        if plan_id in abandoned and (old := _read_plan(store, plan_id)) is not None:
            yield from _of_plan(old, paths, plan, wanted)


def _of_plan(old: Plan, paths: list[str], plan: Plan, wanted: Mapping[tuple[str, str], tuple[int, int]]) -> Iterator[_Left]:
    for path in paths:
        if (planned := _planned(old, path)) is None:
            continue
        place = wanted.get((planned.source.uri, planned.source.etag))
        if place is not None and _asks_the_same(old, planned, plan, plan.shards[place[0]][place[1]]):
            yield _Left(path, old, planned, *place)


def _asks_the_same(old: Plan, before: PlannedSource, plan: Plan, now: PlannedSource) -> bool:
    """True if every task of the new plan was asked by the old one, under the same recipe and of the same parts of a page."""
    return (
        all(task in before.tasks and _recipe_id(old, task) == _recipe_id(plan, task) for task in now.tasks)
        and before.regions == now.regions
        and before.places == now.places
    )


def _recipe_id(plan: Plan, task: Task) -> str | None:
    return plan.recipes[task].recipe_id if task in plan.recipes else None


def _read_plan(store: Store, plan_id: str) -> Plan | None:
    with suppress(FileNotFoundError, StoreError):  # without its plan a chunk is of no use, and its pages are asked again
        plan = read_plan(store, plan_number(plan_id))
        return plan if plan.plan_id == plan_id else None
    return None


def _read(store: Store, path: str) -> StagedChunk | None:
    with suppress(FileNotFoundError, StoreError):
        return read_staged(store, path)
    return None


def _move(store: Store, plan: Plan, left: _Left, staged: StagedChunk, progress: ShardProgress) -> int:
    planned = plan.shards[left.shard_index][left.source_index]
    chunk = staged.chunk
    if (chunk.source.uri, chunk.source.etag) != (planned.source.uri, planned.source.etag) or not chunk.pages:
        return 0
    pages = selected_pages(chunk.document.num_pages or 0, planned.pages, plan.page_range, plan.max_pages)
    if not _fits(chunk, left, plan, planned, pages):
        return 0
    coverage = progress.coverage(left.source_index)
    staged_already = {
        position for name in coverage.staged() if name.num_selected == len(pages) for position in range(name.first, name.last + 1)
    }
    answered = _answered(staged, is_retry=planned.pages is not None)
    num_pages = 0
    for first, last in _runs([place for place, page in enumerate(pages) if page in answered and place not in staged_already]):
        moved = _of_pages(staged, plan, left, pages, first, last)
        with suppress(Exists):
            store.create(staged_path(plan.plan_id, left.shard_index, moved.chunk.name), encode_staged(moved))
        progress.add(ChunkName.parse(moved.chunk.name))
        num_pages += last - first + 1
    store.delete([left.path])
    return num_pages


def _fits(chunk: Chunk, left: _Left, plan: Plan, planned: PlannedSource, pages: list[int]) -> bool:
    """False if the selection of pages is another and the document has failures as a whole, which may depend on the selection."""
    old = left.plan
    if (old.page_range, old.max_pages, left.planned.pages) == (plan.page_range, plan.max_pages, planned.pages):
        return True
    uncapped = selected_pages(chunk.document.num_pages or 0, planned.pages, plan.page_range, plan.max_pages + 1)
    return not chunk.failures and len(uncapped) == len(pages)


def _answered(staged: StagedChunk, *, is_retry: bool) -> set[int]:
    """page_index of the pages that need not be asked again. In a retry these are only pages without any failure."""
    failures = staged.tables["failures"].select(["page_index", "kind"]).to_pylist()
    failed = {row["page_index"] for row in failures}
    again = {row["page_index"] for row in failures if is_retry or row["kind"] in _ASKED_AGAIN}
    undrawn = {
        row["page_index"]
        for row in staged.tables["pages"].select(["page_index", "status"]).to_pylist()
        if row["status"] == "failed" and row["page_index"] not in failed
    }
    return set(staged.chunk.pages) - again - undrawn - {row["page_index"] for row in unread_pages(staged)}


def _runs(positions: list[int]) -> Iterator[tuple[int, int]]:
    """(first, last) of each run of consecutive positions."""
    first = 0
    for index, position in enumerate(positions):
        if index + 1 == len(positions) or positions[index + 1] != position + 1:
            yield positions[first], position
            first = index + 1


def _of_pages(staged: StagedChunk, plan: Plan, left: _Left, pages: list[int], first: int, last: int) -> StagedChunk:
    """The chunk for the positions `first` to `last`, as the new plan would have staged it."""
    planned = plan.shards[left.shard_index][left.source_index]
    chosen = pages[first : last + 1]
    chunk = staged.chunk.model_copy(
        update={
            "plan_id": plan.plan_id,
            "shard_index": left.shard_index,
            "source_index": left.source_index,
            "source": planned.source,
            "attempt": planned.attempt,
            "tasks": planned.tasks,
            "first": first,
            "pages": chosen,
            "num_selected": len(pages),
            "planned_pages": planned.pages,
            "regions": planned.regions,
            "failures": staged.chunk.failures if first == 0 else [],
        }
    )
    kept = {table for task in planned.tasks for table in _TABLES_OF[task]} | {"images", "failures"}
    tables = {}
    for table in CHUNK_TABLES:
        rows = staged.tables[table]
        is_chosen = pc.is_in(rows["page_index"], value_set=pa.array(chosen, rows.schema.field("page_index").type))
        if table == "failures":
            is_chosen = pc.or_(is_chosen, pc.and_(pc.is_null(rows["page_index"]), bool(chunk.failures)))
            is_asked = pc.or_kleene(pc.is_null(rows["task"]), pc.is_in(rows["task"], value_set=pa.array([*planned.tasks])))
            is_chosen = pc.and_(is_chosen, is_asked)
        rows = rows.filter(is_chosen) if table in kept else rows.slice(0, 0)
        tables[table] = _with(rows, plan_id=plan.plan_id, attempt=planned.attempt)
    recipe_ids = {str(task): plan.recipes[task].recipe_id for task in planned.tasks}
    return StagedChunk(chunk, staged.run_id, tables, recipe_ids, staged.version)


def _with(rows: pa.Table, **values: object) -> pa.Table:
    """The rows with the given columns set to one value each."""
    for name, value in values.items():
        index = rows.schema.get_field_index(name)
        field = rows.schema.field(index)
        rows = rows.set_column(index, field, pa.array([value] * rows.num_rows, field.type))
    return rows
