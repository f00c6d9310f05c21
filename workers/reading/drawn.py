"""Charts as their drawing says them: under a recipe of their own, beside a model's answer or in its place."""

from schemas.answers import ChartAnswer
from schemas.page import Region, RenderedPage
from workers.charts.content import ChartContent, chart_content


def drawn_content(region: Region, page: RenderedPage) -> ChartContent | None:
    """What the region's drawing says; None where it was not read. Raises ValueError where that is no answer."""
    if not region.drawn_answer:
        return None
    return chart_content(ChartAnswer.model_validate_json(region.drawn_answer), region, page)
