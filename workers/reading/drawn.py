"""Charts as their drawing says them: under a recipe of their own, beside a model's answer or in its place."""

from schemas import SCHEMA_VERSION
from schemas.answers import ChartAnswer
from schemas.page import Region, RenderedPage
from schemas.plan import Recipe
from schemas.settings import RegionSettings
from workers.charts.content import ChartContent, chart_content

VECTOR_VERSION = 2
"""Raised when the rules of `workers.rendering.pages.vector_charts` change what is read: then the recipe changes too."""
VECTOR = "vector"
"""The engine of such rows."""


def vector_recipe(regions: RegionSettings) -> Recipe:
    """Of charts that are read from their drawing. No model has a part in it, nor the resolution."""
    return Recipe(
        task="chart",
        engine=VECTOR,
        model=None,
        model_revision=None,
        prompt_version=None,
        schema_version=SCHEMA_VERSION,
        options={"engine": {"vector_version": VECTOR_VERSION}, "regions": regions.model_dump(mode="json")},
    )


def drawn_content(region: Region, page: RenderedPage) -> ChartContent | None:
    """What the region's drawing says; None where it was not read. Raises ValueError where that is no answer."""
    if not region.drawn_answer:
        return None
    return chart_content(ChartAnswer.model_validate_json(region.drawn_answer), region, page)
