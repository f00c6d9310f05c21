"""What changes an answer changes its recipe; what does not, does not."""

from typing import Any

import pytest

from pipeline.planning.engines import describe_engines
from pipeline.planning.recipes import make_recipes
from schemas.settings import Settings
from workers.engines.engine import EngineInfo


def ids(info: EngineInfo | None = None, **given: object) -> dict[str, str]:
    settings = Settings.model_validate(given)
    engine = info or EngineInfo(name="server", model="m")
    found = make_recipes(settings, {"ocr": engine, "chart": engine}, settings.read.tasks)
    return {task: recipe.recipe_id for task, recipe in found.items()}


def changed(info: EngineInfo | None = None, **given: object) -> set[str]:
    before, after = ids(info), ids(info, **given)
    return {task for task in before if before[task] != after[task]}


@pytest.mark.parametrize(
    ("given", "tasks"),
    [
        ({"read": {"transport": "markdown"}}, {"ocr"}),
        ({"read": {"max_output_tokens": 100}}, {"ocr", "chart"}),
        ({"read": {"temperature": 0.5}}, {"ocr", "chart"}),
        ({"render": {"max_pixels": 3211264}}, {"ocr", "chart"}),
        ({"read": {"text_from": "layer_first"}}, {"ocr"}),
        ({"read": {"text_from": "layer_first"}, "regions": {"margin": 0.1}}, {"ocr", "chart"}),
        ({"regions": {"margin": 0.1}}, {"chart"}),
        ({"render": {"wall_s": 90}}, set()),
        ({"read": {"max_internal_errors": 3}}, set()),
        ({"engine": {"max_in_flight": 4, "timeout_s": 60}, "ray": {"num_cpus": 3}}, set()),
    ],
)
def test_a_setting_changes_the_recipes_of_the_tasks_it_changes(given: dict[str, object], tasks: set[str]) -> None:
    assert changed(**given) == tasks


def test_an_engine_without_prompts_has_one_recipe_for_both_transports() -> None:
    info = EngineInfo(name="classic", takes_prompts=False)
    assert changed(info, read={"transport": "markdown"}) == set()


def test_running_text_changes_the_recipe_of_text_where_it_is_wanted() -> None:
    assert changed(EngineInfo(name="server"), read={"running_text": True}) == {"ocr"}
    assert changed(EngineInfo(name="server"), read={"running_text": False}) == set()


def test_regions_change_the_text_of_an_engine_that_sees_them() -> None:
    assert changed(EngineInfo(name="classic", tasks=("ocr",), sees_regions=True), regions={"margin": 0.1}) == {"ocr"}
    assert changed(EngineInfo(name="server"), regions={"margin": 0.1}) == {"chart"}


def test_classic_reads_layers_first_by_itself() -> None:
    info = EngineInfo(name="classic", takes_prompts=False, sees_charts=False, sees_regions=True)
    assert changed(info, read={"text_from": "layer_first"}) == set()


def test_an_option_of_one_task_leaves_the_others_recipe_alone() -> None:
    plain = EngineInfo(name="ovis", options={"a": 1})
    thinking = EngineInfo(name="ovis", options={"a": 1}, chart_options={"thinking_tokens": 100})
    assert ids(plain)["ocr"] == ids(thinking)["ocr"]
    assert ids(plain)["chart"] != ids(thinking)["chart"]


@pytest.mark.parametrize(
    ("engine", "recipe_ids"),
    [
        ({"name": "server", "model": "m"}, {"ocr": "bd48325f109bfa25", "chart": "3434f851a89afbd7"}),
        (
            {"name": "ovis", "model": "AIDC-AI/Ovis2.5-2B", "revision": "0" * 40, "ovis": {"device": "cpu"}},
            {"ocr": "533360e1014f79c4", "chart": "015dcba169f5f08e"},
        ),
        ({"name": "scripted"}, {"ocr": "88685a28a272f067", "chart": "f9925cf94916c81c"}),
    ],
)
def test_what_these_engines_have_read_by_default_settings_is_not_read_anew(
    engine: dict[str, object], recipe_ids: dict[str, str]
) -> None:
    """Ids of 2026-11. A change here reads every lake of the engine anew: it must be meant."""
    assert of_engines(engine) == recipe_ids


def of_engines(engine: dict[str, Any]) -> dict[str, str]:
    """recipe_id by task."""
    settings = Settings.model_validate({"engine": engine})
    found = make_recipes(settings, describe_engines(settings.engine, settings.read.tasks), settings.read.tasks)
    return {task: recipe.recipe_id for task, recipe in found.items()}


def test_an_engine_of_one_task_changes_the_recipe_of_that_task_alone() -> None:
    server = {"name": "server", "model": "m"}
    plain, other = of_engines(server), of_engines(server | {"chart": {"model": "strong"}})

    assert other["ocr"] == plain["ocr"]
    assert other["chart"] == of_engines(server | {"model": "strong"})["chart"]
    assert of_engines(server | {"ocr": {"model": "m"}, "chart": {"num_gpus": 1, "max_actors": 3}}) == plain
    assert of_engines({"ocr": {"name": "scripted"}, "chart": server}) == {
        "ocr": of_engines({"name": "scripted"})["ocr"],
        "chart": plain["chart"],
    }
