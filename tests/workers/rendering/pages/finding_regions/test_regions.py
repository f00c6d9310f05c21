"""Which parts of a page are chart candidates: drawn pages with known contents."""

import io
import math
import random
from collections.abc import Callable

import numpy as np
import pymupdf
import pytest
from PIL import Image

from schemas.page import Box, Word
from schemas.settings import RegionSettings, RenderSettings
from tests.examples import texts
from tests.examples.charts import bar_chart, line_chart, pie_chart, scatter_chart
from workers.rendering.pages.finding_regions import drawings
from workers.rendering.pages.finding_regions.clusters import clusters
from workers.rendering.pages.finding_regions.page_lines import is_number, label_lines
from workers.rendering.pages.finding_regions.regions import FoundRegion, PageView, find_regions
from workers.rendering.pages.shown_page import ShownPage

SETTINGS = RegionSettings()
CHART = pymupdf.Rect(100, 200, 440, 420)
PROSE = (
    "The harbour master wrote down the height of the water twice a day for two hundred years, and in 1871 a float gauge took over "
    "which drew its own curve on paper. Reading it back took 6 winters and about one reading in 90 had to be settled."
)


def new_page() -> pymupdf.Page:
    page = pymupdf.open().new_page(width=595, height=842)
    page.insert_textbox(pymupdf.Rect(60, 60, 535, 120), PROSE, fontsize=11)
    page.insert_textbox(pymupdf.Rect(60, 600, 535, 660), PROSE, fontsize=11)
    return page


def words_of(page: pymupdf.Page) -> list[Word]:
    """In points of the page as displayed."""
    words = []
    for x0, y0, x1, y1, text, block, line, _ in page.get_text("words"):
        box = (pymupdf.Rect(x0, y0, x1, y1) * page.rotation_matrix).normalize()
        words.append(Word(text, *box, block=block, line=line, size_px=(y1 - y0) / 1.37))
    return words


def view_of(page: pymupdf.Page) -> PageView:
    return ShownPage(page, RenderSettings()).view()


def found(page: pymupdf.Page, settings: RegionSettings = SETTINGS) -> list[FoundRegion]:
    return find_regions(view_of(page), settings)


def bars(page: pymupdf.Page, rect: pymupdf.Rect) -> None:
    bar_chart(page, rect, "Generation", texts.QUARTERS, texts.GENERATION_MWH, y_label="MWh", printed=True)


def lines(page: pymupdf.Page, rect: pymupdf.Rect) -> None:
    line_chart(page, rect, "Price", texts.MONTHS, texts.PRICES_EUR, y_label="EUR per MWh")


def pie(page: pymupdf.Page, rect: pymupdf.Rect) -> None:
    pie_chart(page, rect, "Customers", texts.CUSTOMERS_PERCENT)


def scatter(page: pymupdf.Page, rect: pymupdf.Rect) -> None:
    scatter_chart(page, rect, "Yield", texts.YIELD_MWH, x_label="Wind", y_label="MWh")


def raster(page: pymupdf.Page, rect: pymupdf.Rect) -> None:
    sheet = pymupdf.open().new_page(width=rect.width, height=rect.height)
    bars(sheet, sheet.rect)
    page.insert_image(rect, stream=sheet.get_pixmap(dpi=144).tobytes("png"))


def holds(outer: Box, inner: pymupdf.Rect) -> bool:
    return outer.left <= inner.x0 and outer.top <= inner.y0 and outer.right >= inner.x1 and outer.bottom >= inner.y1


def text_box(page: pymupdf.Page, text: str) -> pymupdf.Rect:
    (box,) = page.search_for(text)
    return box


@pytest.mark.parametrize(
    ("draw", "origin"), [(bars, "drawing"), (lines, "drawing"), (pie, "drawing"), (scatter, "drawing"), (raster, "image")]
)
def test_a_chart_is_one_candidate_and_running_text_is_not_in_it(draw: Callable[..., None], origin: str) -> None:
    page = new_page()
    draw(page, CHART)

    (region,) = found(page)

    assert region.origin == origin
    assert region.rect_pt.intersection(Box(*CHART)).area > 0.85 * CHART.get_area()
    assert region.rect_pt.top > 140
    assert region.rect_pt.bottom < 590


def test_title_labels_legend_and_caption_are_inside() -> None:
    page = new_page()
    pie(page, CHART)
    page.insert_text((100, CHART.y1 + 16), "Figure 7. Electricity sold in 2025 by kind of customer.", fontsize=9)

    (region,) = found(page)

    for label in ("Customers", "School campus", "43 %", "7 %", "Figure 7. Electricity sold"):
        assert holds(region.rect_pt, text_box(page, label)), label


def test_the_margin_is_a_share_of_each_side_and_ends_at_the_page() -> None:
    page = new_page()
    bars(page, pymupdf.Rect(0, 200, 595, 420))

    (narrow,) = found(page, RegionSettings(margin=0.0))
    (wide,) = found(page, RegionSettings(margin=0.1))

    assert wide.rect_pt.top == pytest.approx(narrow.rect_pt.top - 0.1 * narrow.rect_pt.height)
    assert wide.rect_pt.left == 0
    assert wide.rect_pt.right == 595


@pytest.mark.slow
def test_two_charts_side_by_side_are_two_candidates_left_one_first() -> None:
    page = new_page()
    bars(page, pymupdf.Rect(40, 200, 285, 400))
    lines(page, pymupdf.Rect(310, 200, 555, 400))

    left, right = found(page)

    assert left.rect_pt.right < 320
    assert right.rect_pt.left > 280


@pytest.mark.slow
def test_only_the_largest_are_kept_and_small_ones_left_out() -> None:
    page = new_page()
    bars(page, pymupdf.Rect(40, 150, 285, 280))
    bars(page, pymupdf.Rect(40, 330, 555, 580))

    (largest,) = found(page, RegionSettings(max_per_page=1))

    assert largest.rect_pt.height > 240
    assert found(page, RegionSettings(min_side_pt=400)) == []


def test_switched_off_nothing_is_found() -> None:
    page = new_page()
    bars(page, CHART)

    assert found(page, RegionSettings(enabled=False)) == []


@pytest.mark.parametrize("rotation", [90, 180, 270])
@pytest.mark.slow
def test_on_a_turned_page_boxes_are_those_of_the_page_as_displayed(rotation: int) -> None:
    page = new_page()
    bars(page, CHART)
    raster(page, pymupdf.Rect(100, 450, 440, 590))
    upright = [region.rect_pt for region in found(page, RegionSettings(margin=0.0))]
    page.set_rotation(rotation)

    turned = [region.rect_pt for region in found(page, RegionSettings(margin=0.0))]

    expected = [Box(*(pymupdf.Rect(*box) * page.rotation_matrix).normalize()) for box in upright]
    assert len(turned) == 2
    for box in expected:
        assert min(max(abs(a - b) for a, b in zip(box, other, strict=True)) for other in turned) < 8


def test_a_crop_box_moves_the_origin() -> None:
    page = new_page()
    bars(page, CHART)
    page.set_cropbox(pymupdf.Rect(50, 100, 545, 700))

    (region,) = found(page)

    assert region.rect_pt.intersection(Box(*CHART).moved(-50, -100)).area > 0.85 * CHART.get_area()


def ruled_table(page: pymupdf.Page) -> None:
    for row in range(8):
        for column in range(4):
            box = pymupdf.Rect(80 + column * 100, 200 + row * 20, 180 + column * 100, 220 + row * 20)
            page.draw_rect(box, width=0.5, fill=(0.85, 0.9, 0.95) if row == 0 else None)
            page.insert_text((box.x0 + 8, box.y1 - 6), f"{row * 731 + column * 17:,}", fontsize=9)


def booktabs_table(page: pymupdf.Page) -> None:
    for y in (200, 220, 340):
        page.draw_line((80, y), (500, y), width=0.7)
    for row in range(7):
        for column in range(4):
            page.insert_text((90 + column * 100, 214 + row * 20), f"{row * 3.7 + column:.1f}", fontsize=9)


def underlined_text(page: pymupdf.Page) -> None:
    for row in range(8):
        page.insert_text((80, 214 + row * 18), f"Item {row} costs {row * 12} EUR in 2025, delivery included", fontsize=10)
        page.draw_line((80, 216 + row * 18), (80 + 25 * (row + 3), 216 + row * 18), width=0.5)


def boxed_paragraph(page: pymupdf.Page) -> None:
    page.draw_rect(pymupdf.Rect(80, 200, 500, 290), fill=(0.9, 0.95, 0.9), radius=0.1)
    page.insert_textbox(pymupdf.Rect(90, 210, 490, 280), PROSE, fontsize=11)


def logo(page: pymupdf.Page) -> None:
    page.draw_circle((300, 260), 55, fill=(0.1, 0.3, 0.6))
    page.draw_curve((250, 270), (300, 200), (350, 270), color=(1, 1, 1), width=4)
    page.insert_text((265, 340), "Harbour Light", fontsize=12)


def background(page: pymupdf.Page) -> None:
    page.draw_rect(page.rect, fill=(0.95, 0.93, 0.85), overlay=False)
    page.draw_rect(pymupdf.Rect(20, 20, 575, 822), width=2)
    page.draw_rect(pymupdf.Rect(26, 26, 569, 816), width=0.5)


def background_picture(page: pymupdf.Page) -> None:
    image = Image.new("RGB", (60, 84), (250, 240, 230))
    image.paste((200, 200, 255), (10, 10, 30, 30))
    page.insert_image(page.rect, stream=png(image), overlay=False)


def photograph(page: pymupdf.Page) -> None:
    noise = np.random.default_rng(5).normal(0, 18, (160, 240, 3))
    ramp = np.linspace(20, 220, 240)[None, :, None] + np.linspace(-40, 40, 160)[:, None, None]
    page.insert_image(CHART, stream=png(Image.fromarray(np.clip(ramp + noise, 0, 255).astype(np.uint8))), keep_proportion=False)


def uniform_picture(page: pymupdf.Page) -> None:
    page.insert_image(CHART, stream=png(Image.new("RGB", (90, 60), (10, 90, 160))), keep_proportion=False)


def icon(page: pymupdf.Page) -> None:
    raster(page, pymupdf.Rect(100, 200, 150, 235))


def form(page: pymupdf.Page) -> None:
    for row in range(8):
        page.insert_text((80, 214 + row * 26), f"{row + 1}. Field", fontsize=10)
        page.draw_rect(pymupdf.Rect(160, 200 + row * 26, 420, 218 + row * 26), width=0.6)
        page.draw_rect(pymupdf.Rect(440, 203 + row * 26, 452, 215 + row * 26), width=0.6)


def formula(page: pymupdf.Page) -> None:
    page.insert_text((250, 255), "x = 12 + 7", fontsize=12)
    page.draw_line((240, 262), (330, 262), width=0.7)
    page.insert_text((260, 278), "34 y", fontsize=12)
    page.draw_polyline([(226, 262), (230, 258), (234, 284), (240, 240), (330, 240)], width=0.8)


def png(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


@pytest.mark.parametrize(
    "draw",
    [
        ruled_table, booktabs_table, underlined_text, boxed_paragraph, logo, background, background_picture, photograph,
        uniform_picture, icon, form, formula,
    ],
)  # fmt: skip
def test_what_is_no_chart_is_no_candidate(draw: Callable[[pymupdf.Page], None]) -> None:
    page = new_page()
    draw(page)

    assert found(page) == []


@pytest.mark.parametrize("draw", [background, background_picture, ruled_table])
def test_a_chart_is_found_beside_or_upon_what_is_none(draw: Callable[[pymupdf.Page], None]) -> None:
    page = new_page()
    draw(page)
    bars(page, pymupdf.Rect(100, 400, 440, 580))

    (region,) = found(page)

    assert region.rect_pt.top > 370


def test_an_image_cut_into_strips_is_one_candidate() -> None:
    page = new_page()
    sheet = pymupdf.open().new_page(width=CHART.width, height=CHART.height)
    bars(sheet, sheet.rect)
    for strip in range(4):
        top = strip * CHART.height / 4
        part = sheet.get_pixmap(dpi=144, clip=pymupdf.Rect(0, top, CHART.width, top + CHART.height / 4))
        box = pymupdf.Rect(CHART.x0, CHART.y0 + top, CHART.x1, CHART.y0 + top + CHART.height / 4)
        page.insert_image(box, stream=part.tobytes("png"), keep_proportion=False)

    (region,) = found(page, RegionSettings(margin=0.0))

    assert region.rect_pt == pytest.approx(tuple(CHART), abs=1.5)


def test_an_image_is_rendered_at_its_own_density() -> None:
    page = new_page()
    raster(page, CHART)  # 144 pixels an inch

    (region,) = found(page)

    assert region.dpi == pytest.approx(144, rel=0.02)


def test_a_drawing_is_rendered_so_that_its_smallest_text_is_20_pixels_high() -> None:
    page = new_page()
    lines(page, CHART)  # tick labels of 7.5 points: 20 px * 72 / 7.5 = 192

    (region,) = found(page)

    assert region.dpi == pytest.approx(192, rel=0.05)


@pytest.mark.slow
def test_fifty_thousand_paths_are_thinned_and_the_chart_is_still_found() -> None:
    page = new_page()
    scatter(page, CHART)
    generator = random.Random(3)
    dots = b"".join(
        b"%.1f %.1f 1 1 re f\n" % (generator.uniform(160, 430), 842 - generator.uniform(250, 380)) for _ in range(50_000)
    )
    contents = page.parent.get_new_xref()
    page.parent.update_object(contents, "<<>>")
    page.parent.update_stream(contents, dots)
    streams = " ".join(f"{xref} 0 R" for xref in [*page.get_contents(), contents])
    page.parent.xref_set_key(page.xref, "Contents", f"[{streams}]")

    marks = drawings.page_marks(page, Box(0, 0, 595, 842))
    (region,) = found(page)

    assert marks.num_paths > 50_000
    assert len(marks.kept) <= drawings.MAX_MARKS
    assert marks.stride > 1
    assert region.rect_pt.intersection(Box(*CHART)).area > 0.85 * CHART.get_area()


def test_of_one_path_only_so_many_segments_are_looked_at() -> None:
    path = {
        "type": "s",
        "color": (0, 0, 0),
        "rect": (0, 0, 500, 500),
        "items": [("re", (i, i, i + 5, i + 5), 1) for i in range(100_000)],
    }

    assert len(list(drawings.marks_of(path, Box(0, 0, 600, 600)))) == drawings.MAX_ITEMS


@pytest.mark.parametrize(
    "text", ["12", "1,234.5", "12%", "$1.2k", "-3", "−5", "(3.4)", "2025", "١٢٣", "१२", "10–20", "€4bn", "1e5", "10²", "10⁻³"]
)
def test_numbers_are_recognised(text: str) -> None:
    assert is_number(text)


@pytest.mark.parametrize("text", ["", "Q1", "A4", "twelve", "-", "H2O", "%", "3rd"])
def test_other_words_are_no_numbers(text: str) -> None:
    assert not is_number(text)


def test_a_line_is_cut_where_a_wide_gap_parts_two_charts() -> None:
    words = [Word(str(i), left, 100, left + 10, 110, block=0, line=0, size_px=8) for i, left in enumerate((100, 113, 300, 313))]

    assert [(line.text, line.num_numbers) for line in label_lines(words)] == [("0 1", 2), ("2 3", 2)]


def test_a_page_that_is_one_figure_is_a_candidate() -> None:
    page = pymupdf.open().new_page(width=388, height=300)
    scatter(page, page.rect)
    page.draw_rect(pymupdf.Rect(5, 5, 383, 295), width=0.8)

    (region,) = found(page)

    assert region.rect_pt.area > 0.8 * 388 * 300


def test_clusters_join_what_is_near_and_part_what_is_far() -> None:
    def box(left: float) -> drawings.Mark:
        return drawings.Mark(Box(left, 100, left + 20, 120), "box", (0.0,))

    near_and_far = clusters([box(100), box(126), box(200)], Box(0, 0, 600, 800))

    assert sorted((round(around.left), len(marks)) for around, marks in near_and_far) == [(100, 2), (200, 1)]


def test_polylines_without_numbers_are_drawings_but_no_charts() -> None:
    page = new_page()
    page.draw_polyline([(100 + 10 * i, 300 + 60 * math.sin(i)) for i in range(30)], width=1)

    assert found(page) == []
