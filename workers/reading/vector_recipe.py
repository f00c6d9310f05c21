"""The recipe of charts that are read from their drawing, for the planner, which imports no reader."""

from schemas import SCHEMA_VERSION
from schemas.plan import Recipe
from schemas.settings import RegionSettings

VECTOR_VERSION = 3
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
