"""The threads of `classic`: pages at once, each thread with an OCR that is loaded for the first page that needs it."""

import asyncio
import threading
from typing import Any

import pytest

from schemas.page import PageImage, TextLayer, Word
from schemas.settings import ClassicSettings, EngineSettings
from workers.engines.classic import make
from workers.engines.classic.ppocr import OcrPage, Pixels
from workers.engines.engine import Engine, EngineStartError, Prompt, Request

OCR = "workers.engines.classic.engine.PpOcr"
WIDTH, HEIGHT = 840, 440


def request(text_layer: TextLayer | None = None) -> Request:
    image = PageImage.from_rgb(WIDTH, HEIGHT, bytes([255]) * (3 * WIDTH * HEIGHT))
    return Request(
        label="a.pdf#page=0",
        task="ocr",
        image=image,
        prompt=Prompt("", "0"),
        answer_schema=None,
        max_output_tokens=100,
        text_layer=text_layer,
    )


async def started(pages_at_once: int | None = None) -> Engine:
    engine = make(EngineSettings(classic=ClassicSettings(tesseract_languages=[], pages_at_once=pages_at_once)))
    await engine.start()
    return engine


class Meeting:
    """An OCR that reads a page once as many threads are at one as `at_once` says, and finds nothing."""

    dictionary: frozenset[str] = frozenset()

    def __init__(self, at_once: int) -> None:
        self._pages = threading.Barrier(at_once)
        self.made_by: list[int] = []

    def __call__(self, *_: Any) -> "Meeting":
        self.made_by.append(threading.get_ident())
        return self

    def read(self, pixels: Pixels) -> OcrPage:
        self._pages.wait(timeout=60)
        return OcrPage([], WIDTH, HEIGHT)


async def test_pages_are_read_at_once_by_threads_with_an_ocr_each(monkeypatch: pytest.MonkeyPatch) -> None:
    meeting = Meeting(at_once=3)
    monkeypatch.setattr(OCR, meeting)
    engine = await started(pages_at_once=3)

    completions = await asyncio.gather(*(engine.read(request()) for _ in range(6)))
    await engine.close()

    assert [completion.failure for completion in completions] == [None] * 6
    assert len(meeting.made_by) == len(set(meeting.made_by)) == 3


async def test_pages_with_good_text_layers_load_no_ocr(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(OCR, None)
    words = [Word(text, 80 + 130 * i, 74, 200 + 130 * i, 106, 0, 0, 28.0) for i, text in enumerate(["Reading", "is", "to", "the"])]
    engine = await started()

    completion = await engine.read(request(TextLayer(words=words, num_chars=14)))
    await engine.close()

    assert (completion.failure, completion.text_origin) == (None, "text_layer")


async def test_an_ocr_that_does_not_load_ends_the_run_and_costs_no_page(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(*_: Any) -> None:
        raise ImportError("libGL.so.1")

    monkeypatch.setattr(OCR, missing)
    engine = await started()

    with pytest.raises(EngineStartError, match=r"cannot load its OCR: libGL\.so\.1"):
        await engine.read(request())
    await engine.close()
