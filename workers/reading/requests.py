"""The first request about a page's text or a chart, as a run and a trial send it."""

from schemas.page import PageEdges, PageImage, Region, RenderedPage
from schemas.settings import ReadSettings, Transport
from workers.engines.engine import EngineInfo, Request
from workers.reading.asking import max_output_tokens
from workers.reading.crops import region_text_layer
from workers.reading.questions import question_of, settings_for


def text_request(
    page: RenderedPage, image: PageImage, info: EngineInfo, read: ReadSettings, transport: Transport, *, label: str
) -> Request:
    question = question_of("ocr", info, transport, image)
    settings = settings_for(info, "ocr", read)
    return Request(
        label=label,
        task="ocr",
        image=image,
        prompt=question.prompt,
        answer_schema=question.schema,
        shape=question.shape,
        max_output_tokens=max_output_tokens(page.text_layer, image.width_px, image.height_px, settings),
        temperature=settings.temperature,
        text_layer=page.text_layer,
        regions=tuple(page.regions) if info.sees_regions else (),
        edges=PageEdges(page.nearby, is_first=page.page_index == 0),
        is_blank=page.is_blank,
        is_scan=page.is_scan,
    )


def chart_request(region: Region, image: PageImage, info: EngineInfo, read: ReadSettings, *, label: str) -> Request:
    question = question_of("chart", info, "json", image)
    settings = settings_for(info, "chart", read)
    return Request(
        label=label,
        task="chart",
        image=image,
        draft=region.drawn_answer,
        prompt=question.prompt,
        answer_schema=question.schema,
        shape=question.shape,
        max_output_tokens=settings.max_output_tokens,
        temperature=settings.temperature,
        text_layer=region_text_layer(region, image),
    )
