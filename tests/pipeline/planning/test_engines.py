"""Who reads what: `[engine.ocr]` and `[engine.chart]` over `[engine]`, and a pool for each engine."""

from typing import Any

import pytest

from pipeline.planning.engines import describe_engines, engine_columns, names, run_engines, task_engines
from pipeline.planning.recipes import asked_recipes
from schemas.settings import EnginesSettings, ServerSettings, Settings


def engines(**given: Any) -> EnginesSettings:
    return EnginesSettings.model_validate(given)


def test_a_task_s_engine_is_the_common_one_but_for_what_its_table_says() -> None:
    given = engines(name="server", model="small", max_tries=2, server={"base_url": "http://a/v1"}, chart={"model": "large"})

    assert (given.of("ocr").model, given.of("chart").model) == ("small", "large")
    assert (given.of("chart").max_tries, given.of("chart").server.base_url) == (2, "http://a/v1")


def test_sections_are_laid_over_field_by_field() -> None:
    common = ServerSettings(base_url="http://a/v1", image_format="png")
    given = engines(name="server", model="m", server=common, ocr={"server": {"image_format": "webp"}})

    assert given.of("ocr").server == ServerSettings(base_url="http://a/v1", image_format="webp")
    assert given.of("chart").server == common


def test_another_engine_takes_neither_the_model_nor_the_gpus_of_the_common_one() -> None:
    text = engines(name="ovis", model="9B", revision="abc", num_gpus=1, max_actors=4, timeout_s=7, ocr={"name": "classic"}).of(
        "ocr"
    )

    assert (text.name, text.model, text.revision, text.num_gpus, text.max_actors) == ("classic", None, None, 0, None)
    assert text.timeout_s == 7


def test_what_is_written_down_is_read_back_the_same() -> None:
    given = engines(name="ovis", model="9B", num_gpus=0.5, ocr={"name": "classic"}, chart={"model": None, "ovis": {"max_batch": 3}})

    assert EnginesSettings.model_validate(given.model_dump()) == given
    assert EnginesSettings.model_validate_json(given.model_dump_json()) == given


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ({"name": "scripted"}, [(("ocr", "chart"), "scripted")]),
        ({"name": "scripted", "chart": {"name": "scripted"}}, [(("ocr", "chart"), "scripted")]),
        ({"chart": {"name": "scripted"}}, [(("ocr",), "classic"), (("chart",), "scripted")]),
        ({"name": "scripted", "chart": {"name": "classic"}}, [(("ocr", "chart"), "scripted")]),  # from drawings: no engine is asked
    ],
)
def test_there_is_a_pool_for_each_engine(given: dict[str, Any], found: list[tuple[tuple[str, ...], str]]) -> None:
    settings = Settings.model_validate({"engine": given})
    infos = describe_engines(settings.engine, settings.read.tasks)

    assert [(one.tasks, one.engine.name) for one in run_engines(settings.engine, asked_recipes(settings, infos))] == found


def test_a_task_that_is_not_asked_for_needs_no_engine() -> None:
    given = engines(chart={"name": "server"})

    assert [one.engine.name for one in task_engines(given, ["ocr"])] == ["classic"]
    assert names(describe_engines(given, ["ocr"])) == "classic"
    assert names(describe_engines(engines(chart={"name": "scripted"}), ["ocr", "chart"])) == "ocr by classic, chart by scripted"


def test_a_run_s_row_names_both_engines() -> None:
    infos = describe_engines(engines(name="server", model="small", chart={"model": "large", "revision": "2"}), ["chart", "ocr"])

    both = engine_columns(infos)
    assert (both["engine"], both["model"], both["model_revision"]) == ("server", "small", None)
    assert (both["chart_engine"], both["chart_model"], both["chart_model_revision"]) == ("server", "large", "2")
    alone = engine_columns({"chart": infos["chart"]})
    assert (alone["engine"], alone["model"], alone["chart_engine"]) == ("server", "large", None)


def test_what_belongs_to_every_engine_is_changed_for_each() -> None:
    given = engines(name="server", model="a", chart={"model": "b"}).each(lambda one: one.model_copy(update={"revision": one.model}))

    assert (given.revision, given.of("ocr").revision, given.of("chart").revision) == ("a", "a", "b")
