"""Compares the listing with the output, and gives what is left to do."""

import gc
from collections.abc import Sequence
from dataclasses import dataclass, field

from pipeline.lake.ledger import Ledger, disappearances, list_manifests, load_ledger
from pipeline.lake.paths import plan_number
from pipeline.lake.plans import Unfinished, find_unfinished, list_plan_numbers
from pipeline.lake.snapshots import Listed
from pipeline.object_store.store import Store
from pipeline.planning.carry_over import asked_before
from pipeline.planning.choosing import Counts, Waiting, hold_back, make_shards, plan_retries, plan_sources
from pipeline.planning.duplicates import known_documents
from pipeline.planning.intake import empty_text, take
from schemas.errors import OperatorError
from schemas.failure import FailureKind, Task
from schemas.plan import Disappearance, Recipe
from schemas.planned import Shards
from schemas.settings import Settings
from workers.sources.listing import list_sources

Recipes = dict[Task, Recipe]


@dataclass(frozen=True)
class Todo:
    """What a plan would hold."""

    shards: Shards
    counts: Counts
    waiting: Waiting | None = None
    known: dict[str, str] = field(default_factory=dict)
    disappearances: Sequence[Disappearance] = ()
    num_not_taken_for_deleted: int = 0
    """Sources that the lake knows below an input that lists nothing. They do not count as deleted: the disk may not be mounted."""
    empty_input: str | None = None
    """What is known about an input that lists nothing; None if it lists something."""

    @property
    def has_work(self) -> bool:
        return bool(self.shards or self.disappearances)


def new_work(input: str, ledger: Ledger, recipes: Recipes, settings: Settings) -> Todo:
    """The work that a listing of the input gives.

    Raises InputError if the listing breaks off, because a part of it shows neither what is new nor what is gone. Raises
    OperatorError if it is empty, unless `input.allow_empty`, because a typo or a disk that is not mounted looks the same.
    """
    gc.freeze()  # what was imported stays: looking at it again and again took a quarter of the CPU of a long listing
    listing = list_sources(input, timeout_s=settings.fetch.timeout_s, max_tries=settings.fetch.max_tries)
    counts = Counts()
    planned = plan_sources(
        take(listing, settings.input),
        ledger,
        recipes,
        settings.plan,
        page_range=settings.input.pages,
        limit=settings.input.limit,
        counts=counts,
    )
    made = make_shards(planned, settings.plan)  # it draws the listing, which is complete from here on
    changes = disappearances(ledger, listing)
    empty_input = None if counts.num_listed else empty_text(input, listing, ledger, num_known=len(changes))
    if empty_input and not settings.input.allow_empty:
        raise OperatorError(f"{empty_input[:1].upper()}{empty_input[1:]}. With --allow-empty that is nothing to do.")
    shards, waiting = hold_back(made, ledger, settings.plan, listing.now)
    recipe_ids = {task: recipe.recipe_id for task, recipe in recipes.items()}
    return Todo(
        shards=shards,
        counts=counts,
        waiting=waiting,
        known=known_documents(ledger, (item for shard in shards for item in shard), recipe_ids, settings.input.pages),
        disappearances=changes if counts.num_listed else (),
        num_not_taken_for_deleted=0 if counts.num_listed else len(changes),
        empty_input=empty_input,
    )


def failed_work(ledger: Ledger, recipes: Recipes, settings: Settings, kinds: Sequence[FailureKind] | None) -> Todo:
    """The work for open failures of these kinds (None: all), wherever their sources are."""
    counts = Counts()
    return Todo(shards=make_shards(plan_retries(ledger, recipes, kinds, counts), settings.plan), counts=counts)


@dataclass(frozen=True)
class LakeState:
    """What lies in the output."""

    plan_numbers: list[str]
    manifests: Listed
    unfinished: Unfinished | None
    ledger: Ledger

    @property
    def last_plan_number(self) -> str | None:
        """The highest plan number. Manifests count too, because their plans may have been removed by hand."""
        return max([*self.plan_numbers, *(plan_number(name.plan_id) for name, _ in self.manifests)], default=None)


def read_lake(store: Store) -> LakeState:
    numbers, manifests = list_plan_numbers(store), list_manifests(store)
    ledger = load_ledger(store, manifests)
    ledger.asked_before = asked_before(store, manifests)
    return LakeState(numbers, manifests, find_unfinished(store, numbers, manifests), ledger)


def amount_to_read(output: LakeState, todo: "Todo") -> tuple[int, int]:
    """Sources and bytes that a run would read: the rest of an unfinished plan, then what is new."""
    parts: list[tuple[Shards, Sequence[int]]] = [(todo.shards, range(len(todo.shards)))]
    if (unfinished := output.unfinished) is not None:
        parts.append((unfinished.plan.shards, unfinished.pending))
    num_sources = sum(shards.num_sources_of(index) for shards, indexes in parts for index in indexes)
    return num_sources, sum(shards.size_bytes_of(index) for shards, indexes in parts for index in indexes)


def is_unchanged(store: Store, output: LakeState) -> bool:
    """True if no other run has planned or committed since `output` was read."""
    return list_plan_numbers(store) == output.plan_numbers and list_manifests(store) == output.manifests
