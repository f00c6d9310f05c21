"""From an answer to its content, with all checks. An exception in them costs the answer: the outcome has none then."""

import asyncio
from collections.abc import Callable
from typing import Any, TypeVar

from schemas.answers import ChartAnswer, OcrAnswer
from schemas.page import Region, RenderedPage
from workers.charts.content import ChartContent, chart_content
from workers.contained import page_failure
from workers.reading.asking import Outcome
from workers.text.content import OcrContent, ocr_content

Content = TypeVar("Content")


async def checked_text(outcome: Outcome, page: RenderedPage, running_text: bool) -> tuple[Outcome, OcrContent | None]:
    def content(answer: OcrAnswer) -> OcrContent:
        assert isinstance(answer, OcrAnswer)
        return ocr_content(answer, page, is_literal=outcome.completion.is_literal, running_text=running_text)

    return await _checked(outcome, content)


async def checked_chart(
    outcome: Outcome, region: Region, page: RenderedPage, *, by_picture: bool
) -> tuple[Outcome, ChartContent | None]:
    """`by_picture`: whether the points are also compared with the chart's picture."""

    def content(answer: ChartAnswer) -> ChartContent:
        assert isinstance(answer, ChartAnswer)
        return chart_content(answer, region, page, by_picture=by_picture)

    return await _checked(outcome, content)


async def _checked(outcome: Outcome, content: Callable[[Any], Content]) -> tuple[Outcome, Content | None]:
    if outcome.parsed is None:
        return outcome, None
    try:
        return outcome, await asyncio.to_thread(content, outcome.parsed.answer)
    except Exception as error:  # noqa: BLE001 - the border of a page
        return outcome.without_answer(page_failure(error, "validate", said=outcome.completion.text)), None
