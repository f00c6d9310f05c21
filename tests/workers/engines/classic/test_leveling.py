import asyncio
import json
import math

import numpy as np
import pymupdf
import pytest
from PIL import Image

from schemas.page import Box, PageImage
from schemas.settings import ClassicSettings, EngineSettings
from tests.workers.engines.classic.test_classic import request
from workers.engines.classic import make
from workers.engines.classic.leveling import askew_boxes, leveled_boxes, leveled_pixels, skew_of

WIDTH, HEIGHT = 800, 600
CELLS = [(100 + 180 * column, 80 + 40 * row) for row in range(10) for column in range(4)]
ROWS = [["Port", "Ships", "Tons"], ["Lisbon", "112", "48,210"], ["Porto", "87", "31,004"], ["Faro", "204", "120,877"]]


def askew(degrees: float) -> tuple[np.ndarray, np.ndarray]:
    """A page of short bars that falls to the right by so much, and the level boxes that a detector gives for them."""
    page = np.full((HEIGHT, WIDTH, 3), 255, np.uint8)
    for x, y in CELLS:
        page[y : y + 12, x : x + 60] = 0
    turned = np.asarray(Image.fromarray(page).rotate(-degrees, fillcolor="white", resample=Image.Resampling.BICUBIC))
    corners = [[(x - 4, y - 4), (x + 64, y - 4), (x + 64, y + 16), (x - 4, y + 16)] for x, y in CELLS]
    middles = np.mean(corners, axis=1, keepdims=True)
    return turned, around(middles, degrees) + np.array(corners) - middles


def around(points: np.ndarray, degrees: float) -> np.ndarray:
    """Turned clockwise about the middle of the page."""
    cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    return (points - [WIDTH / 2, HEIGHT / 2]) @ np.array([[cos, sin], [-sin, cos]]) + [WIDTH / 2, HEIGHT / 2]


@pytest.mark.parametrize("degrees", [-2.5, -0.6, 0.0, 0.4, 1.7])
def test_short_lines_say_by_their_ink_how_the_page_lies(degrees):
    pixels, quads = askew(degrees)

    skew = skew_of(quads, pixels)

    assert math.degrees(skew) == pytest.approx(degrees, abs=0.15)
    rows = {round(box.top) for box in leveled_boxes(quads, skew, WIDTH, HEIGHT)}
    assert len(rows) <= 2 * 10  # those of a row lie within a pixel
    dark = leveled_pixels(pixels, skew)[..., 0] < 128
    assert dark.any(axis=1).sum() <= 10 * 16


@pytest.mark.parametrize("degrees", [-12.0, 8.0])
def test_long_lines_say_it_of_a_page_that_lies_far_askew(degrees):
    level = np.array([[(100, y), (700, y), (700, y + 14), (100, y + 14)] for y in range(80, 500, 40)], dtype=float)
    blank = np.full((HEIGHT, WIDTH, 3), 255, np.uint8)

    assert math.degrees(skew_of(around(level, degrees), blank)) == pytest.approx(degrees, abs=0.1)


def test_a_watermark_across_the_page_is_no_line_that_says_it():
    level = np.array([[(100, y), (400, y), (400, y + 14), (100, y + 14)] for y in range(80, 500, 40)], dtype=float)
    watermark = around(np.array([[(-100, 250), (900, 250), (900, 350), (-100, 350)]], dtype=float), -45)

    assert skew_of(np.concatenate([level, watermark]), np.full((HEIGHT, WIDTH, 3), 255, np.uint8)) == 0


def test_boxes_go_back_to_where_they_were_askew():
    quad = around(np.array([[(100, 100), (300, 100), (300, 120), (100, 120)]], dtype=float), 3)

    (level,) = leveled_boxes(quad, math.radians(3), WIDTH, HEIGHT)
    (back,) = askew_boxes([level], math.radians(3), WIDTH, HEIGHT)

    assert level == pytest.approx((100, 100, 300, 120))
    assert back == pytest.approx((*quad[0].min(axis=0), *quad[0].max(axis=0)))
    assert askew_boxes([Box(1, 2, 3, 4)], 0.0, WIDTH, HEIGHT) == [Box(1, 2, 3, 4)]


@pytest.mark.slow
@pytest.mark.parametrize(("degrees", "is_ruled"), [(1.4, True), (-2.2, False)])
def test_a_table_on_a_page_that_lies_askew_keeps_its_cells(degrees, is_ruled):
    page = pymupdf.open().new_page(width=420, height=200)
    for row, texts in enumerate(ROWS):
        for column, text in enumerate(texts):
            page.insert_text((64 + 100 * column, 50 + 26 * row), text, fontsize=12)
    for place in range(5) if is_ruled else ():
        page.draw_line((56, 33 + 26 * place), (356, 33 + 26 * place))
    for place in range(4) if is_ruled else ():
        page.draw_line((56 + 100 * place, 33), (56 + 100 * place, 137))
    drawn = page.get_pixmap(dpi=150)
    image = Image.frombytes("RGB", (drawn.width, drawn.height), drawn.samples)
    image = image.rotate(degrees, fillcolor="white", resample=Image.Resampling.BICUBIC)
    engine = make(EngineSettings(classic=ClassicSettings(tesseract_languages=[])))
    asyncio.run(engine.start())

    completion = asyncio.run(engine.read(request(PageImage.from_rgb(*image.size, image.tobytes()))))
    asyncio.run(engine.close())

    assert [block.get("table") for block in json.loads(completion.text)["blocks"]] == [ROWS]
