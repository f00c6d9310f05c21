"""The stages of a run, in order: which class does each, what its workers get when they start, and how many workers there are.

Both ways of a run are built from this list: Ray's graph (`pipeline.graph`) and the line of threads (`pipeline.local`). The list
itself knows neither.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from pipeline.reporting.observer import StageName
from pipeline.stages.context import Context
from pipeline.stages.documents import ProbeDocuments, RenderPages
from pipeline.stages.reading import ReadPages
from pipeline.stages.setups import ProbeSetup, ReadSetup, RenderSetup, read_setups
from schemas.settings import MEBI

Setup = TypeVar("Setup")

_BYTES_OF_A_WORKER = MEBI
"""Some tens of pages."""


@dataclass(frozen=True, kw_only=True)
class Pool(Generic[Setup]):
    """The workers of one stage. A worker takes a batch, which is a `pa.Table`, and gives one or several."""

    name: StageName
    stage: Callable[[Setup], Any]
    """The stage's class."""
    setup: Setup
    min_workers: int
    max_workers: int
    in_flight: int | None = None
    """Batches that one worker has at work at once; None for a stage that takes one after the other."""
    num_gpus: float = 0.0
    """GPUs of each worker."""


def pools(context: Context) -> tuple[Pool[Any], ...]:
    """The stages that a document goes through, in order."""
    settings, recipes, run_id = context.settings, context.recipes, context.run_id
    num_renders = settings.ray.render_workers or _worth_starting(context)
    rendering = RenderSetup.of(settings, recipes, run_id, most_renderers=num_renders)
    probing = ProbeSetup(rendering=rendering, known=context.known)
    readings = read_setups(settings, recipes, run_id, context.store)
    return (
        _of_cpus("probe", ProbeDocuments, probing, settings.ray.probe_workers or min(max(1, context.num_cpus // 4), num_renders)),
        _of_cpus("render", RenderPages, rendering, num_renders),
        *(_of_engine("read", ReadPages, reading, context.num_cpus) for reading in readings),
    )


def _worth_starting(context: Context) -> int:
    """One process for each CPU, unless there is less to read than would occupy them: a start costs as much as 70 pages."""
    if context.size_bytes is None:
        return context.num_cpus
    return max(1, min(context.num_cpus, -(-context.size_bytes // _BYTES_OF_A_WORKER)))


def _of_cpus(name: StageName, stage: Callable[[Setup], Any], setup: Setup, num_workers: int) -> Pool[Setup]:
    """A fixed number of workers."""
    return Pool(name=name, stage=stage, setup=setup, min_workers=num_workers, max_workers=num_workers)


def _of_engine(name: StageName, stage: Callable[[ReadSetup], Any], setup: ReadSetup, num_cpus: int) -> Pool[ReadSetup]:
    """From `min_actors` to `max_actors` workers, for `classic` one for each CPU. Each has many batches in flight, so that the
    engine's own batches stay full (33.3 s with one in flight, 5.2 s with 16)."""
    engine = setup.engine
    return Pool(
        name=name,
        stage=stage,
        setup=setup,
        min_workers=engine.min_actors,
        max_workers=engine.most_actors(num_cpus),
        in_flight=setup.in_flight,
        num_gpus=engine.num_gpus,
    )
