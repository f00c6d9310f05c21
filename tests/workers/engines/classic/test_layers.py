"""Which pages are read from their text layer alone, and which are left to a model."""

from typing import Any

import numpy as np
import pytest

from schemas.answers import OcrAnswer
from schemas.page import Box, PageImage, Region, TextLayer, Word
from workers.engines.classic.layers import TextLayers, read_layer
from workers.engines.engine import Prompt, Request

PROSE = [
    "The",
    "board",
    "approved",
    "the",
    "accounts",
    "of",
    "the",
    "year",
    "and",
    "thanked",
    "the",
    "staff",
    "for",
    "their",
    "work",
    "in",
    "a",
    "hard",
    "winter",
]


def layer(*texts: str, **changes: Any) -> TextLayer:
    words = [
        Word(text, 20 + 90 * (n % 6), 40 + 30 * (n // 6), 100 + 90 * (n % 6), 56 + 30 * (n // 6), 0, n // 6, 12)
        for n, text in enumerate(texts)
    ]
    return TextLayer(words=words, num_chars=sum(map(len, texts)), **changes)


def request(text_layer: TextLayer | None, *, inked: tuple[int, int] | None = None, **changes: Any) -> Request:
    """Each word is a dark bar. `inked`: a field of stripes between these rows of pixels."""
    pixels = np.full((448, 640, 3), 255, np.uint8)
    for word in text_layer.words if text_layer else ():
        pixels[int(word.top) + 4 : int(word.bottom) - 4, int(word.left) : int(word.right) - 4] = 0
    if inked is not None:
        pixels[inked[0] : inked[1] : 3] = 0
    image = PageImage.from_rgb(640, 448, pixels.tobytes())
    return Request(
        label="a.pdf#page=0",
        task="ocr",
        image=image,
        prompt=Prompt("", ""),
        answer_schema=None,
        max_output_tokens=1,
        text_layer=text_layer,
        **changes,
    )


def test_a_right_layer_is_the_page_s_text() -> None:
    completion = read_layer(request(layer(*PROSE)))

    assert (completion.failure, completion.is_declined, completion.text_origin) == (None, False, "text_layer")
    (block,) = OcrAnswer.model_validate_json(completion.text).blocks
    assert " ".join(PROSE) in block.model_dump_json()


@pytest.mark.parametrize(
    ("asked", "reason"),
    [
        (request(None), "no text layer"),
        (request(layer(*PROSE), is_scan=True), "a scan"),
        (request(layer(*PROSE, num_hidden=90)), "invisible"),
        (request(layer(*(["Xqvzk", "zxkjq", "vvkzx", "qqxzj"] * 8))), "no language"),
        (request(layer(*PROSE, "o\ue001ce")), "in doubt"),
        (request(layer(*PROSE, "sa&ts", "wa&ts", "fa&ts")), "in doubt"),
        (request(layer(*PROSE), inked=(180, 440)), "ink"),
    ],
    ids=["none", "scan", "hidden", "gibberish", "lost letter", "odd font", "picture of text"],
)
def test_every_doubt_leaves_the_page_to_a_model(asked: Request, reason: str) -> None:
    completion = read_layer(asked)

    assert completion.is_declined
    assert completion.failure is not None
    assert reason in completion.failure.message


async def test_what_takes_too_long_is_left_to_a_model() -> None:
    layers = TextLayers(timeout_s=1e-9)
    completion = await layers.read(
        request(layer(*PROSE), regions=(Region(region_index=0, bbox_px=Box(0, 0, 9, 9), origin="image"),))
    )
    await layers.close()

    assert completion.is_declined
