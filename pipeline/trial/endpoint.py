"""What an endpoint makes of a small page: for `pagefold doctor`."""

import asyncio
import time
from typing import NamedTuple

from PIL import Image, ImageDraw, ImageFont

from pipeline.trial.asking import Trial, ask_once, page_request
from schemas.page import PageImage, RenderedPage
from schemas.settings import EngineSettings, Settings
from workers.engines.registry import describe_engine, make_engine
from workers.text.content import OcrContent

WORD, NUMBER = "Harbour", "1,250"
AT_ONCE = 8
_SIZE = (640, 448)
_THINKING_TOKENS = 3
"""Tokens for each character of the answer, above which there must have been others."""


class Reception(NamedTuple):
    """How the endpoint took it."""

    trial: Trial
    at_once: float | None
    """Seconds of AT_ONCE requests together by those of one alone; None if they were not sent."""

    @property
    def is_read(self) -> bool:
        """True if the page's text came back."""
        content = self.trial.content
        return isinstance(content, OcrContent) and WORD in (content.text_plain or "") and NUMBER in (content.text_plain or "")

    def sentence(self) -> str:
        trial, completion = self.trial, self.trial.completion
        if trial.failure is not None:
            return f"{trial.failure.kind}: {trial.failure.message}"
        said = [f"{'read' if self.is_read else 'misread'} in {trial.seconds:.2f} s by the profile {trial.profile}"]
        if completion.num_prompt_tokens is not None:
            said.append(f"{completion.num_prompt_tokens:,} tokens in, {completion.num_output_tokens or 0:,} out")
        if trial.request.answer_schema is not None:
            said.append("not JSON as asked" if trial.parsed and trial.parsed.repairs else "JSON as asked")
        said.append("it thinks first" if thinks(trial) else "no thinking")
        if self.at_once is not None:
            said.append(f"{AT_ONCE} at once took {self.at_once:.1f}x as long as one")
        return "; ".join(said)


def thinks(trial: Trial) -> bool:
    """True if the answer holds thoughts, or cost many more tokens than it shows."""
    shown, paid = len(trial.completion.text), trial.completion.num_output_tokens or 0
    return "</think>" in trial.completion.text or paid > 100 + _THINKING_TOKENS * shown


def try_endpoint(settings: Settings, engine_settings: EngineSettings) -> Reception:
    """Asks for the text of a small page once, and then several times at once. Raises EngineStartError."""
    return asyncio.run(_try(settings, engine_settings))


async def _try(settings: Settings, engine_settings: EngineSettings) -> Reception:
    info = describe_engine(engine_settings)
    task = info.tasks[0]
    page = RenderedPage(page_index=0, image=_picture())
    request, region = page_request(settings, info, page, task, label="trial")
    engine = make_engine(engine_settings)
    await engine.start()
    try:
        trial = await ask_once(engine, engine_settings, info, request, page, region)
        at_once = None
        if trial.failure is None:
            started = time.monotonic()
            answers = await asyncio.gather(*(engine.read(request) for _ in range(AT_ONCE)))
            if all(answer.failure is None for answer in answers):
                at_once = (time.monotonic() - started) / max(trial.seconds, 1e-3)
        return Reception(trial, at_once)
    finally:
        await engine.close()


def _picture() -> PageImage:
    paper = Image.new("RGB", _SIZE, "white")
    draw = ImageDraw.Draw(paper)
    draw.text((60, 80), f"{WORD} dues", fill="black", font=ImageFont.load_default(44))
    draw.text((60, 180), f"Due in 2024: {NUMBER} EUR", fill="black", font=ImageFont.load_default(30))
    return PageImage.from_rgb(*_SIZE, paper.tobytes())
