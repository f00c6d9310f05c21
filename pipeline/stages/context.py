"""What the stages of a run need beside their settings, whichever way the run takes."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from pipeline.object_store.store import Store
from schemas.failure import Task
from schemas.plan import Recipe
from schemas.settings import Settings


@dataclass(frozen=True)
class Context:
    settings: Settings
    recipes: Mapping[Task, Recipe]
    run_id: str
    store: Store
    num_cpus: int
    """CPUs of the whole cluster, or of this machine."""
    known: Mapping[str, str] = field(default_factory=dict)
    """The plan's `known`: see `schemas.plan.Plan`."""
    size_bytes: int | None = None
    """Bytes of the sources that are to be read; None while there is no plan."""
