"""Which way a run takes: Ray Data, or one process on this machine."""

import contextlib
import os
import sys
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Literal, NamedTuple

from pipeline.cluster.session import cluster_address, keep_to_loopback
from pipeline.object_store.store import Store
from pipeline.planning.engines import task_engines
from pipeline.reporting.figures import counted, size
from pipeline.reporting.observer import Observer
from pipeline.stages.context import Context
from pipeline.ways.way import Way
from schemas.errors import OperatorError
from schemas.failure import Task
from schemas.plan import Recipe
from schemas.settings import Settings
from workers.usable_cpus import usable_cpus

if TYPE_CHECKING:
    from pipeline.ways.here import Worker

MAX_SOURCES = 1000
MAX_BYTES = 256 * 1024**2
"""Most work for one process on a machine of many cores: some 2,000 pages. Ray starts 3.6 s later, and its readers share no lock: on
8 cores both end together after 800 pages, and on 16 cores Ray takes half the time from 1,900 on (`python -m tests.bench ways`)."""
FEW_CORES = 4
"""Cores that one process keeps busy, whatever there is to read. A page costs 27 CPU ms in all, of which 9 are spent in the process
that has one interpreter lock; on Ray it costs 32 (`python -m tests.bench ways`)."""


OnWay = Literal["ray", "local"]


class Choice(NamedTuple):
    way: OnWay
    why: str


def choose_way(settings: Settings, num_sources: int, num_bytes: int) -> Choice:
    """The way for reading so many sources."""
    if (choice := way_asked_for(settings)) is not None:
        return choice
    work = f"{counted(num_sources, 'source')}, {size(num_bytes)}"
    if (num_cores := usable_cpus()) <= FEW_CORES:
        return Choice("local", f"{work}: one process keeps the {num_cores} cores of this machine busy")
    if num_sources > MAX_SOURCES or num_bytes > MAX_BYTES:
        return Choice("ray", f"{work}: more than {MAX_SOURCES} or {size(MAX_BYTES)}")
    return Choice("local", f"{work}: at most {MAX_SOURCES} and {size(MAX_BYTES)}")


def way_asked_for(settings: Settings) -> Choice | None:
    """The way that the settings lead to whatever there is to read; None if it depends on that. Raises OperatorError if they ask for
    one process and for what only Ray has."""
    why_ray = _why_ray(settings)
    if settings.run.on == "local":
        if settings.ray.address is not None:
            raise OperatorError(f"run.on = local works on this machine alone, and ray.address is {settings.ray.address}.")
        if _asks_for_gpus(settings):
            raise OperatorError("run.on = local hands out no GPUs, and engine.num_gpus asks for them: Ray does, with run.on = ray.")
        return Choice("local", "run.on asks for it")
    if settings.run.on == "ray":
        return Choice("ray", "run.on asks for it")
    return None if why_ray is None else Choice("ray", why_ray)


@contextlib.contextmanager
def started_early(
    way: OnWay, input: str, settings: Settings, recipes: Mapping[Task, Recipe], run_id: str, store: Store
) -> Iterator["Worker | None"]:
    """Starts what can start beside planning: the process of the way without Ray."""
    if way == "ray":
        yield None
        return
    from pipeline.ways.here import Worker, num_cpus_here
    from pipeline.ways.messages import Start

    context = Context(settings, recipes, run_id, store, num_cpus_here(settings))
    with Worker(Start(context, _folder_of(input))) as worker:
        yield worker


def _folder_of(input: str) -> str | None:
    """The folder of the input, unless it is in a bucket or the root."""
    folder = os.path.realpath(input if os.path.isdir(input) else os.path.dirname(input))
    return None if not input or input.startswith("s3://") or folder == os.path.sep else folder


@contextlib.contextmanager
def open_way(way: OnWay, settings: Settings, run_id: str, observer: Observer, worker: "Worker | None") -> Iterator[Way]:
    """The way itself. Ray is imported only on its own way. `worker`: what `started_early` gave."""
    if way == "ray":
        keep_to_loopback(settings.ray)
        from pipeline.ways.on_ray import on_ray

        with on_ray(settings, run_id, observer) as taken:
            yield taken
    else:
        from pipeline.ways.here import here

        with here(settings, observer, worker) as taken:
            yield taken


def _why_ray(settings: Settings) -> str | None:
    """Why it has to be Ray, whatever there is to read; None if it has not."""
    num_cpus = usable_cpus()
    if cluster_address(settings.ray) is not None:
        return "a Ray cluster is named"
    if (ray := sys.modules.get("ray")) is not None and ray.is_initialized():
        return "this process has joined a Ray"
    if _asks_for_gpus(settings):
        return "engine.num_gpus asks for GPUs"
    if any(one.engine.most_actors(num_cpus) > num_cpus for one in task_engines(settings.engine, settings.read.tasks)):
        return f"engine.max_actors asks for more readers than this machine's {num_cpus} cores"
    return None


def _asks_for_gpus(settings: Settings) -> bool:
    return any(one.engine.num_gpus for one in task_engines(settings.engine, settings.read.tasks))
