"""All that changes a task's answer, as one recipe per task."""

from collections.abc import Iterable
from typing import Any

from schemas import SCHEMA_VERSION
from schemas.failure import Task
from schemas.plan import Recipe
from schemas.settings import Settings
from workers.engines.engine import EngineInfo
from workers.prompts import prompt_for

_RENDER = {"dpi_min", "dpi_max", "glyph_px", "cell_px", "min_pixels", "max_pixels"}
"""The render settings that change pixels. Limits of time and memory decide whether there is an answer, not which."""


# `read.transport` is in the prompt's version; which charts are found, and what they hold, does not depend on it.


def make_recipes(settings: Settings, info: EngineInfo, tasks: Iterable[Task]) -> dict[Task, Recipe]:
    """A recipe for each task that is asked for and that the engine can do, in the engine's order."""
    wanted = set(tasks)
    return {task: _recipe(task, settings, info) for task in info.tasks if task in wanted}


def _recipe(task: Task, settings: Settings, info: EngineInfo) -> Recipe:
    options: dict[str, Any] = {
        "engine": dict(info.options),
        "render": settings.render.model_dump(mode="json", include=_RENDER),
        "read": settings.read.model_dump(mode="json", exclude={"tasks", "transport"}),
    }
    if task == "chart":
        options["regions"] = settings.regions.model_dump(mode="json")
        options["engine"] |= info.chart_options
    return Recipe(
        task=task,
        engine=info.name,
        model=info.model,
        model_revision=info.revision,
        prompt_version=prompt_for(task, settings.read.transport).version if info.takes_prompts else None,
        schema_version=SCHEMA_VERSION,
        options=options,
    )
