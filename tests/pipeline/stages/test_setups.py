"""What the stages are given: which regions are looked for, and which are drawn."""

import pytest

from pipeline.demo import EXAMPLES
from pipeline.object_store.local_store import LocalStore
from pipeline.planning.engines import describe_engines
from pipeline.planning.recipes import make_recipes
from pipeline.stages.context import Context
from pipeline.stages.pools import pools
from pipeline.stages.setups import RenderSetup, read_setups
from schemas.settings import MEBI, Settings
from workers.rendering.renderer import Renderer, understood

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(
    ("engine", "tasks", "is_searched", "is_drawn", "is_read"),
    [
        ("classic", ["ocr", "chart"], True, False, True),  # charts come from drawings
        ("classic", ["ocr"], True, False, False),  # the words of figures are no paragraphs, whoever asks for charts
        ("scripted", ["ocr", "chart"], True, True, True),
        ("scripted", ["ocr"], False, False, False),
    ],
)
def test_regions_are_looked_for_where_they_matter_and_drawn_for_those_who_see_them(engine, tasks, is_searched, is_drawn, is_read):
    settings = Settings.model_validate({"engine": {"name": engine}, "read": {"tasks": tasks}})
    recipes = make_recipes(settings, describe_engines(settings.engine, tasks), tasks)

    setup = RenderSetup.of(settings, recipes, "run")

    assert (setup.regions.enabled, setup.draws_regions, setup.reads_drawings) == (is_searched, is_drawn, is_read)


def test_regions_that_are_switched_off_stay_so():
    settings = Settings.model_validate({"regions": {"enabled": False}})
    recipes = make_recipes(settings, describe_engines(settings.engine, ["ocr", "chart"]), ["ocr", "chart"])

    assert not RenderSetup.of(settings, recipes, "run").regions.enabled


@pytest.mark.parametrize("engine", ["classic", "scripted"])
def test_a_region_that_is_sent_is_what_is_understood(engine):
    """What the process that renders sends passes the bounds of the process that reads."""
    settings = Settings.model_validate({"engine": {"name": engine}})
    recipes = make_recipes(settings, describe_engines(settings.engine, ["ocr", "chart"]), ["ocr", "chart"])
    setup = RenderSetup.of(settings, recipes, "run")
    bounds = read_setups(settings, recipes, "run", LocalStore("unused"))[0].bounds

    with Renderer(setup.render, setup.regions, [], draws_regions=setup.draws_regions) as renderer:
        (packed,) = renderer.draw(EXAMPLES / "report.pdf", [0])
    page = understood(packed, 0, bounds)

    assert page.failure is None
    assert [region.image is not None for region in page.regions] == [engine == "scripted"]


@pytest.mark.parametrize(
    ("size_bytes", "given", "num_probe", "num_render"),
    [
        (0, {}, 1, 1),
        (MEBI, {}, 1, 1),
        (MEBI + 1, {}, 2, 2),
        (1000 * MEBI, {}, 4, 16),
        (None, {}, 4, 16),  # there is no plan yet
        (0, {"render_workers": 8}, 4, 8),
        (1000 * MEBI, {"probe_workers": 7}, 7, 16),
    ],
)
def test_no_more_processes_start_than_there_is_work_for(size_bytes, given, num_probe, num_render):
    settings = Settings.model_validate({"engine": {"name": "scripted"}, "read": {"tasks": ["ocr"]}, "ray": given})
    recipes = make_recipes(settings, describe_engines(settings.engine, ["ocr"]), ["ocr"])

    probe, render, *_ = pools(Context(settings, recipes, "run", LocalStore("unused"), num_cpus=16, size_bytes=size_bytes))

    assert (probe.min_workers, probe.max_workers) == (num_probe, num_probe)
    assert (render.min_workers, render.max_workers) == (num_render, num_render)
