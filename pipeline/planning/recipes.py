"""A recipe holds everything that can change a task's answer. There is one per task."""

from collections.abc import Iterable, Mapping
from typing import Any, get_args

from schemas import SCHEMA_VERSION
from schemas.errors import OperatorError
from schemas.failure import Task
from schemas.plan import Recipe
from schemas.settings import Settings
from workers.engines.classic import LAYER_VERSION
from workers.engines.engine import EngineInfo, EngineStartError
from workers.reading.questions import prompt_of
from workers.reading.vector_recipe import VECTOR, VECTOR_VERSION, vector_recipe

_RENDER = {"dpi_min", "dpi_max", "glyph_px", "cell_px", "min_pixels", "max_pixels"}
"""The render settings that change pixels. Limits of time and memory are left out: they decide whether there is an answer, not
which."""


_NOT_OF_THE_ANSWER = {"tasks", "transport", "max_internal_errors", "running_text", "charts_from", "text_from"}
"""The read settings that change no answer, or that are elsewhere in the recipe: `transport` is in the prompt's version."""
LAYER_FIRST = "layer_first"
"""The option of an ocr recipe under which text layers are read before the engine is asked: the version of their reading."""


def make_recipes(settings: Settings, engines: Mapping[Task, EngineInfo], tasks: Iterable[Task]) -> dict[Task, Recipe]:
    """A recipe for each task that is asked for and that its engine can do, text before charts."""
    wanted = set(tasks)
    return {
        task: _recipe(task, settings, engines[task])
        for task in get_args(Task)
        if task in wanted and task in engines and task in engines[task].tasks
    }


def asked_recipes(settings: Settings, engines: Mapping[Task, EngineInfo]) -> dict[Task, Recipe]:
    """The recipes of the tasks that the settings ask for. Raises OperatorError if their engines can do none of them."""
    recipes = make_recipes(settings, engines, settings.read.tasks)
    if not recipes:
        info = next(iter(engines.values()))
        asked, known = ", ".join(settings.read.tasks), ", ".join(info.tasks)
        raise OperatorError(f"The engine `{info.name}` does {known} only, and only {asked} is asked for.")
    return recipes


def check_as_planned(info: EngineInfo, recipes: Mapping[Task, Recipe]) -> None:
    """Raises EngineStartError if the engine on this machine would not answer by the planned recipes. The model may have changed
    under its name since the plan was made, or this machine may differ from the one that planned."""
    for recipe in recipes.values():
        here = {"vector_version": VECTOR_VERSION} if recipe.engine == VECTOR else _engine_options(recipe.task, info)
        for name, planned in recipe.options.get("engine", {}).items():
            if here.get(name) != planned:
                raise EngineStartError(
                    f"The reader's `{name}` is {here.get(name)}, and the run was planned with {planned}: the model has changed "
                    "meanwhile, or this machine is unlike the one that planned; run again."
                )


def _engine_options(task: Task, info: EngineInfo) -> dict[str, Any]:
    return {**info.options, **(info.chart_options if task == "chart" else {})}


def _recipe(task: Task, settings: Settings, info: EngineInfo) -> Recipe:
    if task == "chart" and (not info.sees_charts or settings.read.charts_from == "vector"):
        return vector_recipe(settings.regions)
    options: dict[str, Any] = {
        "engine": _engine_options(task, info),
        "render": settings.render.model_dump(mode="json", include=_RENDER),
        "read": settings.read.model_dump(mode="json", exclude=_NOT_OF_THE_ANSWER),
    }
    if (
        task == "ocr" and settings.read.running_text
    ):  # by default it is in no recipe: what models read before shall not be paid again
        options["running_text"] = True
    reads_layers = task == "ocr" and settings.read.text_from == "layer_first" and info.name != "classic"
    if reads_layers:
        options[LAYER_FIRST] = LAYER_VERSION
    if task == "chart" or info.sees_regions or reads_layers:
        options["regions"] = settings.regions.model_dump(mode="json")
    return Recipe(
        task=task,
        engine=info.name,
        model=info.model,
        model_revision=info.revision,
        prompt_version=prompt_of(task, info, settings.read.transport).version if info.takes_prompts else None,
        schema_version=SCHEMA_VERSION,
        options=options,
        reads_by=info.reads_by if task == "ocr" else None,
    )
