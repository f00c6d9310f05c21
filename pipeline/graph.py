"""The whole run on one screen: sources go in, receipts come out, and everything between streams.

One row is a bundle of chunks with up to K pages in all, so that pixels travel once and nothing needs a shuffle. Ray Data does not
commit: see `pipeline.lake.commit`.
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
    """CPUs of the whole cluster."""
    known: Mapping[str, str] = field(default_factory=dict)
    """The plan's `known`: see `schemas.plan.Plan`."""


def build(work: Dataset, context: Context) -> Dataset:
    """Composes the run. It is lazy: nothing starts until the receipts are consumed."""
    rendering = RenderSetup.of(context.settings, context.recipes, context.run_id)
    probing = ProbeSetup(rendering=rendering, known=context.known)
    reading = ReadSetup.of(context.settings, context.recipes, context.run_id, context.store)
    return (
        work
        .map_batches(**_stage(ProbeDocuments, probing), **on_cpu(_probes(context)))
        .map_batches(**_stage(RenderPages, rendering), **on_cpu(_renders(context)))
        .map_batches(**_stage(ReadPages, reading), **on_gpu(context))
    )  # fmt: skip


def _stage(stage: Callable[[Setup], Any], setup: Setup) -> dict[str, Any]:
    """Arguments of `map_batches` for a stage's class and its setup. Ray takes any arguments, so this signature checks their
    types."""
    return {"fn": stage, "fn_constructor_args": (setup,)}


# A batch is a whole block: some sources for probing, one bundle for the later stages.
_PLAIN: dict[str, Any] = {"batch_size": None, "batch_format": "pyarrow", "zero_copy_batch": True}

# The pools ask Ray for no CPU; their sizes bound them. With whole CPUs too few processes ran (14 pages/s against 23 on 2 cores).
# With fractions a cluster of one CPU waits for ever, without a message, because a task of Ray Data's own wants a whole CPU.
_NO_CPU = {"num_cpus": 0}


def on_cpu(num_workers: int) -> dict[str, Any]:
    """A fixed pool of `num_workers` processes."""
    compute = ActorPoolStrategy(size=num_workers, max_tasks_in_flight_per_actor=2)
    return _PLAIN | _NO_CPU | {"compute": compute}


def on_gpu(context: Context) -> dict[str, Any]:
    """A pool that grows from `min_actors` to `max_actors` processes, for `classic` one for each CPU. Each has many chunks in
    flight, so that the engine's batches stay full (33.3 s with one in flight, 5.2 s with 16). Ray restarts a dead process again and
    again; begin markers stop a page that kills every process which reads it (see `pipeline.lake.begin_markers`)."""
    engine = context.settings.engine
    return (
        _PLAIN
        | _NO_CPU
        | {
            "compute": ActorPoolStrategy(
                min_size=engine.min_actors,
                max_size=engine.most_actors(context.num_cpus),
                max_tasks_in_flight_per_actor=2 * engine.in_flight,
                max_concurrent_calls_per_actor=engine.in_flight,
            ),
            "num_gpus": engine.num_gpus,
        }
    )


def _probes(context: Context) -> int:
    return context.settings.ray.probe_workers or max(1, context.num_cpus // 4)


def _renders(context: Context) -> int:
    return context.settings.ray.render_workers or context.num_cpus


def configure() -> None:
    """Sets Ray Data's switches for this process: no progress bars, rows in any order, no error is dropped."""
    data = ray.data.DataContext.get_current()
    data.enable_progress_bars = False
    data.print_on_execution_start = False
    data.memory_usage_poll_interval_s = None  # else every task starts a thread that samples memory, only for a log
    data.max_errored_blocks = 0
    data.target_max_block_size = 1  # byte: makes each row a block, else one process would render all chunks of a document
    data.execution_options.preserve_order = False
    data.execution_options.verbose_progress = False
    data.issue_detectors_config.detectors = []  # their advice on memory does not apply to fixed pools
