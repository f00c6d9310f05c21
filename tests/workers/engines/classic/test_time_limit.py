import asyncio

import pytest

from schemas.failure import FailureKind
from schemas.page import PageImage, TextLayer, Word
from schemas.settings import EngineSettings
from workers.engines.classic import make
from workers.engines.classic.reading_order.blocks import blocks_in_order
from workers.engines.classic.time_limit import OutOfTimeError, check_time, time_limit
from workers.engines.engine import Prompt, Request

WORDS = [Word(f"w{i}", 10, 20.0 * i, 60, 20 * i + 12, i, 0, 12.0) for i in range(10)]


def test_reading_ends_once_the_time_is_over():
    with time_limit(-1), pytest.raises(OutOfTimeError):
        blocks_in_order(WORDS, 100, 400)


def test_the_limit_ends_with_its_page():
    with time_limit(-1):
        pass
    check_time()
    assert blocks_in_order(WORDS, 100, 400)


def test_a_page_that_takes_too_long_is_a_failure_of_that_page():
    engine = make(EngineSettings(timeout_s=1e-9))
    layer = TextLayer(words=WORDS, num_chars=20)
    request = Request("a", "ocr", PageImage.from_rgb(100, 400, bytes(120_000)), Prompt("", ""), None, 10, text_layer=layer)
    completion = asyncio.run(engine.read(request))
    assert (completion.text, completion.failure.kind) == ("", FailureKind.engine_timeout)
