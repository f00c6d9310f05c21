import gc

import pymupdf

from schemas.page import Box
from schemas.settings import RenderSettings
from workers.rendering.pages.resolution import Size
from workers.rendering.pages.shown_page import ShownPage


def red_page() -> pymupdf.Page:
    page = pymupdf.open().new_page(width=300, height=400)
    page.draw_rect(page.rect, color=None, fill=(1, 0, 0))
    return page


def test_pixels_stay_while_someone_looks_at_them() -> None:
    shown = ShownPage(red_page(), RenderSettings())
    pixels, part = shown.view().pixels, shown.draw(Size(200, 200), Box(0, 0, 200, 200))
    del shown
    gc.collect()
    held = [pymupdf.Pixmap(pymupdf.csRGB, pymupdf.IRect(0, 0, 900, 900)) for _ in range(4)]  # takes what memory was given back
    for other in held:
        other.clear_with(7)

    assert (pixels == (255, 0, 0)).all()
    assert bytes(part) == 200 * 200 * b"\xff\x00\x00"
