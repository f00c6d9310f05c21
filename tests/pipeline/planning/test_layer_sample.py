"""How many pages need no model, by a sample, and what that comes to."""

from pathlib import Path

import pytest

from pipeline.planning.forecast import layer_choices
from pipeline.planning.layer_sample import LayerSample, sample_layers
from pipeline.planning.recipes import LAYER_FIRST
from pipeline.preview import plan
from pipeline.reporting.summary import TaskForecast
from schemas.settings import Settings
from tests.pipeline.made import RECIPES
from tests.pipeline.made_input import make_pdf, make_png

SCRIPTED = {"engine": {"name": "scripted"}}


@pytest.fixture(scope="module")
def drop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("drop")
    make_pdf(folder / "a.pdf", 5)
    make_png(folder / "b.png", "a picture of text")
    (folder / "c.pdf").write_bytes(b"%PDF-1.7 broken")
    return folder


@pytest.mark.slow
def test_a_plan_says_how_many_pages_need_no_model(drop: Path, tmp_path: Path) -> None:
    first = Settings.model_validate(SCRIPTED | {"read": {"text_from": "layer_first"}})
    model, layers = plan(str(drop), str(tmp_path / "out"), first).layer_choices

    assert (model.text_from, model.is_chosen, model.num_pages_layer) == ("model", False, 0)
    assert (layers.text_from, layers.is_chosen, layers.num_sampled) == ("layer_first", True, 4)  # three pages of a.pdf, and b.png
    assert layers.num_pages_model == round(model.num_pages_model / 4)
    assert layers.num_pages_model + layers.num_pages_layer == model.num_pages_model
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("settings", "num_sampled"),
    [(SCRIPTED, None), (SCRIPTED | {"read": {"text_from": "layer_first"}}, 0), ({"engine": {"name": "classic"}}, 9)],
    ids=["by the model", "not wanted", "classic"],
)
def test_nothing_is_drawn_where_there_is_no_choice(
    settings: dict[str, object], num_sampled: int | None, drop: Path, tmp_path: Path
) -> None:
    assert plan(str(drop), str(tmp_path / "out"), Settings.model_validate(settings), num_sampled=num_sampled).layer_choices == ()


def test_no_source_is_no_sample() -> None:
    assert sample_layers([], Settings(), 9) is None


@pytest.mark.parametrize(("option", "num_tokens"), [({}, (1000, 250)), ({LAYER_FIRST: 1}, (4000, 1000))])
def test_each_choice_costs_what_its_pages_by_the_model_cost(option: dict[str, int], num_tokens: tuple[int, int]) -> None:
    """The forecast is that of the choice that is made."""
    part = {"num_sources": 9, "num_pages": 100, "gpu_h": None, "cost": 2.0, "currency": "EUR", "why": {}}
    recipes = {"ocr": RECIPES["ocr"].model_copy(update={"options": option})}

    found = layer_choices([TaskForecast(task="ocr", num_tokens=1000, **part)], recipes, LayerSample(8, 6))

    assert tuple(choice.num_tokens for choice in found) == num_tokens
    assert [(choice.num_pages_model, choice.num_pages_layer) for choice in found] == [(100, 0), (25, 75)]
    assert [choice.is_chosen for choice in found] == [not option, bool(option)]
