"""Which text is a chart's own."""

import pymupdf

from schemas.page import Box, Word
from schemas.settings import RegionSettings, RenderSettings
from workers.rendering.pages.finding_regions.page_lines import label_lines
from workers.rendering.pages.finding_regions.region_labels import with_labels
from workers.rendering.pages.finding_regions.regions import find_regions
from workers.rendering.pages.shown_page import ShownPage


def test_a_chart_with_long_tick_labels_is_a_chart() -> None:
    page = pymupdf.open().new_page(width=500, height=360)
    page.draw_line((120, 60), (120, 300))
    page.draw_line((120, 300), (440, 300))
    for place, height in enumerate([80, 200, 140, 60]):
        left = 140 + 75 * place
        page.draw_rect(pymupdf.Rect(left, 300 - height, left + 50, 300), fill=(0.2, 0.4, 0.7), color=None)
        page.insert_text((left + 10, 318), "Oak", fontsize=12)
    for tick in range(5):
        page.insert_text((34, 304 - 55 * tick), f"{tick}00,000,000", fontsize=14)

    assert len(find_regions(ShownPage(page, RenderSettings()).view(), RegionSettings())) == 1


def test_a_multiplier_in_line_with_the_title_belongs_to_the_chart() -> None:
    title = ["Share", "of", "respondents,", "n", "=", "1", "204"]
    words = [Word("1e6", 40, 8, 60, 20, block=3, line=0, size_px=10.0)]
    words += [
        Word(text, 150 + 28 * place, 8, 176 + 28 * place, 20, block=3, line=0, size_px=10.0) for place, text in enumerate(title)
    ]

    (box,) = with_labels([Box(40, 24, 440, 244)], label_lines(words), {}, Box(0, 0, 500, 300))

    assert box == Box(40, 8, 440, 244)
