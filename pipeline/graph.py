"""The whole run on one screen: sources in, receipts out, everything between streams.

One row is a bundle of chunks, up to K pages in all: pixels travel once and nothing needs a shuffle. Committing is not Ray Data's:
see `pipeline.lake.commit`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

import ray
from ray.data import ActorPoolStrategy, Dataset

from pipeline.object_store.store import Store
from pipeline.setups import ProbeSetup, ReadSetup, RenderSetup
from pipeline.stages import ProbeDocuments, ReadPages, RenderPages
from schemas.failure import Task
from schemas.plan import Recipe
from schemas.settings import Settings

Setup = TypeVar("Setup")


@dataclass(frozen=True)
class Context:
    """What the stages need beside their settings."""

    settings: Settings
    recipes: Mapping[Task, Recipe]
    run_id: str
    store: Store
    num_cpus: int
    """Of the whole cluster."""
    known: Mapping[str, str] = field(default_factory=dict)
    """See `schemas.plan.Plan`."""


def build(work: Dataset, context: Context) -> Dataset:
    """Compose the run. Lazy: nothing starts until the receipts are consumed."""
    rendering = RenderSetup.of(context.settings, context.run_id)
    probing = ProbeSetup(rendering=rendering, known=context.known)
    reading = ReadSetup.of(context.settings, context.recipes, context.run_id, context.store)
    return (
        work
        .map_batches(**_stage(ProbeDocuments, probing), **on_cpu(_probes(context)))
        .map_batches(**_stage(RenderPages, rendering), **on_cpu(_renders(context)))
        .map_batches(**_stage(ReadPages, reading), **on_gpu(context.settings))
    )  # fmt: skip


def _stage(stage: Callable[[Setup], Any], setup: Setup) -> dict[str, Any]:
    """A stage's class and what each of its processes is given; Ray takes any arguments, so their types are checked here."""
    return {"fn": stage, "fn_constructor_args": (setup,)}


# A batch is a block as it is: some sources for probing, then a bundle.
_PLAIN: dict[str, Any] = {"batch_size": None, "batch_format": "pyarrow", "zero_copy_batch": True}

# The pools ask Ray for no CPU: their sizes are the bound. With whole CPUs too few processes ran (14 pages/s against 23 on 2 cores),
# and with fractions a cluster of one CPU waits for ever, without a word, for the whole one that a task of Ray Data's own wants.
_NO_CPU = {"num_cpus": 0}


def on_cpu(num_workers: int) -> dict[str, Any]:
    """A fixed pool of `num_workers` processes."""
    compute = ActorPoolStrategy(size=num_workers, max_tasks_in_flight_per_actor=2)
    return _PLAIN | _NO_CPU | {"compute": compute}


def on_gpu(settings: Settings) -> dict[str, Any]:
    """A pool that grows from `min_actors` to `max_actors`; each has many chunks in flight, so that the engine's batches stay
    full (33.3 s with one in flight, 5.2 s with 16). Ray restarts a dead process without end: begin markers see to it that a
    poison page does not bring it down for ever (see `pipeline.lake.begin_markers`)."""
    engine = settings.engine
    return (
        _PLAIN
        | _NO_CPU
        | {
            "compute": ActorPoolStrategy(
                min_size=engine.min_actors,
                max_size=engine.max_actors,
                max_tasks_in_flight_per_actor=2 * engine.max_in_flight,
                max_concurrent_calls_per_actor=engine.max_in_flight,
            ),
            "num_gpus": engine.num_gpus,
        }
    )


def _probes(context: Context) -> int:
    return context.settings.ray.probe_workers or max(1, context.num_cpus // 4)


def _renders(context: Context) -> int:
    return context.settings.ray.render_workers or context.num_cpus


def configure() -> None:
    """Ray Data's switches for this process: no bars of its own, rows in any order, no error is dropped."""
    data = ray.data.DataContext.get_current()
    data.enable_progress_bars = False
    data.print_on_execution_start = False
    data.memory_usage_poll_interval_s = None  # it starts a thread for every task, to log what is sampled better from outside
    data.max_errored_blocks = 0
    data.target_max_block_size = 1  # byte: each row is a block, else one process would render all chunks of a document
    data.execution_options.preserve_order = False
    data.execution_options.verbose_progress = False
    data.issue_detectors_config.detectors = []  # its advice on memory is not for fixed pools
