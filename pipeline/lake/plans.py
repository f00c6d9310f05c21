"""Plans in the output: a plan is written once, read again by later runs, and closed.

A plan is two objects. Its sources are frames, one after the other, which are a zstd file of JSON lines; they are written first.
Its own file, which makes it a plan, has everything else and says where each frame ends. Plans of older versions are one file.
"""

import contextlib
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from io import BytesIO

from pipeline.lake.ledger import list_manifests, read_manifest
from pipeline.lake.paths import (
    DELETIONS,
    PLANS,
    ManifestName,
    manifest_path,
    next_plan_id,
    plan_number,
    plan_number_of,
    plan_path,
    plan_sources_path,
)
from pipeline.lake.snapshots import Listed
from pipeline.object_store.store import Damaged, Exists, Store, StoreError
from pipeline.object_store.stored_objects import read_model, read_object
from schemas.errors import OperatorError
from schemas.failure import Task
from schemas.plan import Disappearance, Manifest, Plan, PlanHead, Recipe
from schemas.planned import Shards, SourceFrame
from schemas.settings import PlanSettings
from schemas.tables import TABLES


@dataclass(frozen=True)
class Unfinished:
    """The newest plan, if something of it is not committed yet."""

    plan: Plan
    pending: list[int]
    """Indexes of the shards that no manifest commits."""
    owes_disappearances: bool = False
    """True if what the plan found to be gone is not committed."""


def write_plan(
    store: Store,
    shards: Shards,
    recipes: dict[Task, Recipe],
    settings: PlanSettings,
    *,
    input: str,
    epoch: int,
    page_range: str | None,
    max_pages: int,
    last_plan_id: str | None,
    known: Mapping[str, str] | None = None,
    disappearances: Sequence[Disappearance] = (),
) -> Plan:
    """Creates the plan. Raises StoreError if another run has made a plan of this number first."""
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
        shards=shards,
        known=dict(known or {}),
        disappearances=list(disappearances),
        redo=settings.redo,
    )
    frames = [plan.shards.frames(index) for index in range(len(plan.shards))]
    sources = b"".join(frame.body for shard in frames for frame in shard)
    stored = _Stored(
        **dict(plan),
        frames=[[(frame.num_sources, frame.size_bytes, len(frame.body)) for frame in shard] for shard in frames],
        sources_sha256=hashlib.sha256(sources).hexdigest(),
    )
    if sources:
        store.create(plan_sources_path(plan.plan_id), sources)
    try:
        store.create(plan_path(plan.plan_id), stored.model_dump_json(exclude={"shards"}).encode())
    except Exists:
        store.delete([plan_sources_path(plan.plan_id)])
        raise StoreError(
            f"{store.root}: another run, thought dead, has just made plan {plan_number(plan.plan_id)}; it is finished first."
        ) from None
    return plan


class _Stored(PlanHead):
    """A plan's own file."""

    shards: Shards = Shards([])
    """The sources in a plan of an older version, which has no frames."""
    frames: list[list[tuple[int, int, int]]] | None = None
    """For each frame of each shard the number of its sources, their bytes, and its own length in the file of sources."""
    sources_sha256: str | None = None


def list_plan_numbers(store: Store) -> list[str]:
    """The numbers of all plans, six digits each, sorted."""
    return sorted(number for stored in store.list(PLANS) if (number := plan_number_of(stored.path)))


_REMEDY = "remove it: what it has committed stays, and its other sources are planned anew"


def read_plan(store: Store, plan_id: str) -> Plan:
    """The plan with this id, or this number alone. Raises FileNotFoundError, StoreError."""
    stored = read_model(store, plan_path(plan_id), _Stored, "a plan", _REMEDY)
    shards = stored.shards if stored.frames is None else _read_sources(store, stored, stored.frames)
    return Plan(**{name: getattr(stored, name) for name in PlanHead.model_fields}, shards=shards)


def read_plan_head(store: Store, plan_id: str) -> PlanHead:
    """The same without its sources, for which a large plan need not be fetched."""
    return read_model(store, plan_path(plan_id), _Stored, "a plan", _REMEDY)


def _read_sources(store: Store, stored: _Stored, frames: list[list[tuple[int, int, int]]]) -> Shards:
    if not frames:
        return Shards([])
    path = plan_sources_path(stored.plan_id)
    remedy = f"remove {store.uri(plan_path(stored.plan_id))}: {_REMEDY.partition(': ')[2]}"

    def parse(body: bytes) -> Shards:
        if hashlib.sha256(body).hexdigest() != stored.sources_sha256:
            raise ValueError("its content is not what it was written with")
        rest = BytesIO(body)
        return Shards([SourceFrame(number, size, rest.read(length)) for number, size, length in shard] for shard in frames)

    try:
        return read_object(store, path, parse, "the sources of a plan", remedy)
    except FileNotFoundError:
        raise Damaged(f"{store.uri(path)}, the sources of a plan, is gone; {remedy}.") from None


def find_unfinished(store: Store, numbers: Sequence[str], listed: Listed | None = None) -> Unfinished | None:
    """The unfinished plan; None if there is none. Only the newest can be unfinished, because a new plan is made after the one
    before was finished or abandoned."""
    if not numbers:
        return None
    manifests = list_manifests(store) if listed is None else listed
    of_number = [(name, path) for name, path in manifests if plan_number(name.plan_id) == numbers[-1]]
    if len({name.plan_id for name, _ in of_number}) == 1:
        committed = _committed(of_number)
        if None in committed or (committed and _are_all(store, committed)):
            return None
    plan = read_plan(store, numbers[-1])
    committed = _committed((name, path) for name, path in of_number if name.plan_id == plan.plan_id)
    pending = [] if None in committed else [index for index in range(len(plan.shards)) if index not in committed]
    owes = bool(plan.disappearances) and DELETIONS not in committed and None not in committed
    return Unfinished(plan, pending, owes) if pending or owes else None


def _committed(manifests: Iterable[tuple[ManifestName, str]]) -> dict[int | None, str]:
    """Manifest paths by shard index, of shards that are committed completely."""
    return {name.shard_index: path for name, path in manifests if name.part is None}


def _are_all(store: Store, committed: Mapping[int | None, str]) -> bool:
    """True if every shard of the plan is committed. The number of shards comes from a manifest, because a plan of a hundred
    thousand sources takes seconds to read. Disappearances need no check, because they are committed before the shards."""
    last = max(index for index in committed if index is not None)
    num_shards = read_manifest(store, committed[last]).num_shards
    return num_shards is not None and len(committed.keys() - {DELETIONS}) == num_shards


def is_outdated(store: Store, plan: Plan, recipes: dict[Task, Recipe], numbers: Sequence[str]) -> bool:
    """True if the plan asks for answers of other recipes, or was made by a run whose lease was gone."""
    recipe_ids = {task: recipe.recipe_id for task, recipe in recipes.items()}
    is_other = any(recipe_ids.get(task) != recipe.recipe_id for task, recipe in plan.recipes.items())
    return is_other or is_superseded(store, plan, numbers)


def is_superseded(store: Store, plan: Plan, numbers: Sequence[str]) -> bool:
    """True if a run whose lease was gone has made the plan. The plan before it may hold the same sources then."""
    return len(numbers) > 1 and read_plan_head(store, numbers[-2]).epoch > plan.epoch


def abandon(store: Store, plan: Plan, run_id: str) -> None:
    """Closes the plan as it is. What its shards have committed stays; its other sources can be planned again."""
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


def refuse_tables_of_no_plan(store: Store) -> None:
    """Raises OperatorError if the tables hold files although no plan exists, because a run would then read every document twice."""
    for table in TABLES:
        for stored in store.list(f"{table}/"):
            raise OperatorError(
                f"{store.root} holds {stored.path} and no plan that it could be of: remove its tables as well, or restore its "
                "folder _pagefold."
            )
