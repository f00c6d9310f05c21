"""Draws one page as a run would, asks the engine about it once, and keeps request and answer side by side."""

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from schemas.answers import ChartAnswer, OcrAnswer
from schemas.errors import OperatorError
from schemas.failure import Failure, FailureKind, PageError, Task
from schemas.page import Box, PageImage, Region, RenderedPage
from schemas.settings import EngineSettings, Settings
from workers.answers.parse import Parsed
from workers.charts.content import ChartContent, chart_content
from workers.contained import page_failure
from workers.engines.engine import Completion, Engine, EngineInfo, Request
from workers.engines.registry import describe_engine, make_engine
from workers.reading.asking import parsed_answer
from workers.reading.questions import transport_of
from workers.reading.requests import chart_request, text_request
from workers.rendering.renderer import Renderer
from workers.sources.fetch import Fetcher
from workers.sources.listing import InputError, list_sources
from workers.text.content import OcrContent, ocr_content


@dataclass(frozen=True)
class Trial:
    """One question and its answer."""

    task: Task
    engine: EngineSettings
    profile: str | None
    """The model's profile; None for an engine that has none."""
    request: Request
    sent: dict[str, Any] | None
    """The body of the request, without its pixels; None for an engine that sends none."""
    completion: Completion
    parsed: Parsed | None
    content: OcrContent | ChartContent | None
    """What would land in the tables; None if the answer cannot be used."""
    failure: Failure | None
    seconds: float


def draw_page(settings: Settings, source: str, page: int) -> RenderedPage:
    """The page, counted from 1, with its regions, drawn in the sandbox. Raises OperatorError for a page that cannot be drawn."""
    try:
        found = next(iter(list_sources(source, timeout_s=settings.fetch.timeout_s)), None)
    except InputError as error:
        raise OperatorError(str(error)) from error
    if found is None:
        raise OperatorError(f"{source} holds no document.")
    passwords = [password.get_secret_value() for password in settings.input.passwords]
    with _closing(Renderer(settings.render, settings.regions, passwords)) as renderer:
        try:
            with Fetcher(settings.fetch).open(found) as fetched:
                document = renderer.probe(fetched.path, fetched.document_id, fetched.version_id, fetched.file)
                if not 1 <= page <= (document.num_pages or 0):
                    raise OperatorError(f"{source} has {document.num_pages} pages: there is no page {page}.")
                (drawn,) = renderer.render(fetched.path, [page - 1], fetched.file)
        except PageError as error:
            raise OperatorError(f"{source} cannot be read: {error}.") from error
    if drawn.failure is not None or drawn.image is None:
        raise OperatorError(f"Page {page} of {source} cannot be drawn: {drawn.failure.message if drawn.failure else 'no picture'}.")
    return drawn


@contextmanager
def _closing(renderer: Renderer) -> Iterator[Renderer]:
    try:
        yield renderer
    finally:
        renderer.close()


def try_page(settings: Settings, page: RenderedPage, task: Task, *, label: str = "trial") -> Trial:
    """Starts the engine of the task and asks it once. Raises EngineStartError; whatever it answers is part of the trial."""
    return asyncio.run(_try_page(settings, page, task, label))


async def _try_page(settings: Settings, page: RenderedPage, task: Task, label: str) -> Trial:
    engine_settings = settings.engine.of(task)
    info = describe_engine(engine_settings)
    if task not in info.tasks:
        raise OperatorError(f"{info.model or info.name} is not asked about {task}: only about {' and '.join(info.tasks)}.")
    if task == "chart" and not info.sees_charts:
        raise OperatorError(f"`{info.name}` is asked about no chart: a run reads charts from their drawing, where that is exact.")
    request, region = page_request(settings, info, page, task, label=label)
    engine = make_engine(engine_settings)
    await engine.start()
    try:
        return await ask_once(engine, engine_settings, info, request, page, region)
    finally:
        await engine.close()


def page_request(
    settings: Settings, info: EngineInfo, page: RenderedPage, task: Task, *, label: str
) -> tuple[Request, Region | None]:
    """The request that a run would send first, and the region that it is about if that is a chart."""
    if task == "ocr":
        image = _image(page, None)
        return text_request(page, image, info, settings.read, transport_of(info, settings.read.transport), label=label), None
    region = _chart_region(page)
    return chart_request(region, _image(page, region), info, settings.read, label=label), region


async def ask_once(
    engine: Engine, settings: EngineSettings, info: EngineInfo, request: Request, page: RenderedPage, region: Region | None
) -> Trial:
    """The trial of one request at an engine that has started."""
    started = time.monotonic()
    completion = await engine.read(request)
    seconds = time.monotonic() - started
    parsed, content, failure = _read_as(request, completion, page, region)
    sent = sent_body(settings, request) if settings.name == "server" else None
    profile = info.profile.name if info.profile is not None else None
    return Trial(request.task, settings, profile, request, sent, completion, parsed, content, failure, seconds)


def sent_body(settings: EngineSettings, request: Request) -> dict[str, Any]:
    """What the engine `server` sends at first for this request, with a note in the place of the pixels."""
    from workers.engines.server.chat import Dialect, request_body
    from workers.engines.server.description import profile_of

    profile = profile_of(settings)
    width, height = profile.fitted(request.image.width_px, request.image.height_px)
    image_format = profile.image_format or settings.server.image_format
    dialect = Dialect(response_format=settings.server.response_format, extra=frozenset(profile.extra_body))
    note = f"data:image/{image_format};base64,… ({width} x {height} px)"
    return request_body(request, settings.model or "", note, dialect, profile)


def _read_as(
    request: Request, completion: Completion, page: RenderedPage, region: Region | None
) -> tuple[Parsed | None, OcrContent | ChartContent | None, Failure | None]:
    if completion.failure is not None:
        return None, None, completion.failure
    try:
        parsed = parsed_answer(request, completion.text, is_complete=completion.stop_reason == "stop")
        if isinstance(parsed.answer, OcrAnswer):
            return parsed, ocr_content(parsed.answer, page, is_literal=completion.is_literal), None
        assert isinstance(parsed.answer, ChartAnswer)
        return parsed, chart_content(parsed.answer, region or _whole(page), page), None
    except Exception as error:  # noqa: BLE001 - whatever is wrong with the answer is what the trial shows
        return None, None, page_failure(error, "validate", said=completion.text)


def _chart_region(page: RenderedPage) -> Region:
    """The page's first region, or the page as a whole."""
    return page.regions[0] if page.regions else _whole(page)


def _whole(page: RenderedPage) -> Region:
    assert page.image is not None
    return Region(
        region_index=0, bbox_px=Box(0, 0, page.image.width_px, page.image.height_px), origin="standalone", image=page.image
    )


def _image(page: RenderedPage, region: Region | None) -> PageImage:
    image = (region.image if region is not None else None) or page.image
    if image is None:
        raise PageError(FailureKind.internal_error, "the page has no picture")
    return image
