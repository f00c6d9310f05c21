"""Turned pages: what MuPDF gives of their content lies where they are displayed."""

import numpy as np
import pymupdf
import pytest

from schemas.answers import ChartAnswer
from schemas.page import Box
from schemas.settings import RegionSettings, RenderSettings
from tests.examples import texts
from tests.examples.charts import bar_chart
from workers.rendering.pages.finding_regions.regions import find_regions
from workers.rendering.pages.shown_page import ShownPage

pytestmark = pytest.mark.slow


def upright_page(rotation: int, entries: dict[str, str]) -> pymupdf.Page:
    """A page with a bar chart that is turned in the file, and turned back by its rotation."""
    chart = pymupdf.open()
    page = chart.new_page(width=600, height=600)
    bar_chart(
        page, pymupdf.Rect(120, 180, 460, 420), "Generation", texts.QUARTERS, texts.GENERATION_MWH, y_label="MWh", printed=True
    )
    document = pymupdf.open()
    turned = document.new_page(width=600, height=600)
    turned.show_pdf_page(turned.rect, chart, 0, rotate=rotation)
    turned.set_rotation(rotation)
    for name, value in entries.items():
        document.xref_set_key(turned.xref, name, value)
    return pymupdf.open("pdf", document.tobytes())[0]


def found_and_read(page: pymupdf.Page) -> tuple[Box, Box, ChartAnswer | None]:
    """The region, the coloured ink in points, and what the drawing says."""
    shown = ShownPage(page, RenderSettings())
    (region,) = find_regions(shown.view(), RegionSettings())
    pixels = np.frombuffer(shown.drawn, np.uint8).reshape(shown.size.height_px, shown.size.width_px, 3).astype(int)
    rows, columns = np.nonzero(np.ptp(pixels, axis=2) > 60)
    ink = Box(columns.min(), rows.min(), columns.max() + 1, rows.max() + 1).scaled(1 / shown.x, 1 / shown.y)
    (reading,) = shown.vector_readings([region.rect_pt])
    return region.rect_pt, ink, reading.answer


@pytest.mark.parametrize("rotation", [0, 90, 180, 270])
@pytest.mark.parametrize(
    "entries",
    [{}, {"UserUnit": "1.5"}, {"CropBox": "[-40 -70 640 690]"}, {"MediaBox": "[-50 -30 600 630]"}, {"CropBox": "[60 100 560 560]"}],
    ids=str,
)
def test_a_chart_is_found_and_read_where_its_ink_is(rotation: int, entries: dict[str, str]) -> None:
    _, _, expected = found_and_read(upright_page(0, {}))

    region, ink, answer = found_and_read(upright_page(rotation, entries))

    assert region.intersection(ink).area > 0.98 * ink.area
    assert expected is not None
    assert answer == expected
