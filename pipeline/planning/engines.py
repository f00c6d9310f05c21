"""Which engine reads which tasks of a run. Each has reader processes of its own."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import get_args

from schemas.failure import Task
from schemas.plan import Recipe
from schemas.settings import EngineSettings, EnginesSettings
from workers.engines.engine import EngineInfo
from workers.engines.registry import check_engine, describe_engine
from workers.reading.vector_recipe import VECTOR


@dataclass(frozen=True)
class TaskEngine:
    """An engine and the tasks that it reads."""

    tasks: tuple[Task, ...]
    engine: EngineSettings

    @property
    def num_gpus_at_start(self) -> float:
        return self.engine.num_gpus * self.engine.min_actors


def run_engines(engines: EnginesSettings, recipes: Mapping[Task, Recipe]) -> tuple[TaskEngine, ...]:
    """The engines of a run, in the order in which a page passes them. Charts that are read from their drawing need no engine: the
    engine of text has them."""
    if "ocr" in recipes and "chart" in recipes and recipes["chart"].engine == VECTOR:
        return (TaskEngine(tuple(recipes), engines.of("ocr")),)
    return task_engines(engines, recipes)


def task_engines(engines: EnginesSettings, tasks: Iterable[Task]) -> tuple[TaskEngine, ...]:
    """Each engine that the settings name for these tasks."""
    found: list[TaskEngine] = []
    for task in tasks:
        engine = engines.of(task)
        if found and found[-1].engine == engine:
            found[-1] = TaskEngine((*found[-1].tasks, task), engine)
        else:
            found.append(TaskEngine((task,), engine))
    return tuple(found)


def describe_engines(engines: EnginesSettings, tasks: Iterable[Task]) -> dict[Task, EngineInfo]:
    """Who reads each task, as recipes and rows name it. Raises EngineStartError."""
    return {task: info for one in task_engines(engines, tasks) for info in [describe_engine(one.engine)] for task in one.tasks}


def check_engines(engines: EnginesSettings, tasks: Iterable[Task], *, runs_here: bool) -> None:
    """Raises EngineStartError as `check_engine` does, for every engine of these tasks."""
    for one in task_engines(engines, tasks):
        check_engine(one.engine, runs_here=runs_here)


def names(engines: Mapping[Task, EngineInfo]) -> str:
    """The engines for a person: `ovis`, or `ocr by classic, chart by ovis`."""
    if len({info.name for info in engines.values()}) == 1:
        return _in_order(engines)[0].name
    return ", ".join(f"{task} by {info.name}" for task, info in engines.items())


def engine_columns(engines: Mapping[Task, EngineInfo]) -> dict[str, str | None]:
    """Who reads, as the columns of `runs`: the engine of text, and that of charts where it is another one."""
    first, *others = dict.fromkeys((info.name, info.model, info.revision) for info in _in_order(engines))
    second = others[0] if others else (None, None, None)
    columns = ("engine", "model", "model_revision")
    return dict(zip(columns, first, strict=True)) | dict(zip((f"chart_{name}" for name in columns), second, strict=True))


def _in_order(engines: Mapping[Task, EngineInfo]) -> list[EngineInfo]:
    """The engine of text first."""
    return [engines[task] for task in get_args(Task) if task in engines]
