"""Kinds of charts that have no region by their bars and lines alone, that lie in several pieces, or too close to each other."""

import random
from collections.abc import Callable

import pymupdf
import pytest

from schemas.page import Box
from schemas.settings import RegionSettings, RenderSettings
from workers.rendering.pages.finding_regions import drawings
from workers.rendering.pages.finding_regions.regions import find_regions
from workers.rendering.pages.shown_page import ShownPage

PROSE = (
    "The harbour master wrote down the height of the water twice a day for two hundred years, and in 1871 a float gauge took over. "
)
PLOT = pymupdf.Rect(140, 220, 420, 400)
HEIGHTS = (0.4, 0.9, 0.65, 0.3, 0.75, 0.5)
BLUE, GREY = (0.2, 0.4, 0.7), (0.3, 0.3, 0.3)


def new_page() -> pymupdf.Page:
    page = pymupdf.open().new_page(width=595, height=842)
    page.insert_textbox(pymupdf.Rect(60, 60, 535, 140), PROSE * 3, fontsize=11)
    page.insert_textbox(pymupdf.Rect(60, 640, 535, 720), PROSE * 3, fontsize=11)
    return page


def regions(page: pymupdf.Page) -> list[Box]:
    return [Box(*found.rect_pt) for found in find_regions(ShownPage(page, RenderSettings()).view(), RegionSettings())]


def axes(page: pymupdf.Page, plot: pymupdf.Rect, names: tuple[str, ...] = ("Oak", "Birch", "Elm", "Fir", "Ash", "Yew")) -> None:
    """Ticks with numbers on the left, names below, and both axis lines."""
    page.draw_line(plot.bl, plot.br, width=0.6)
    page.draw_line(plot.bl, plot.tl, width=0.6)
    for index in range(5):
        y = plot.y1 - index * plot.height / 4
        page.draw_line((plot.x0 - 4, y), (plot.x0, y), width=0.6)
        page.insert_text((plot.x0 - 22, y + 2.5), str(index * 25), fontsize=8)
    for index, name in enumerate(names):
        page.insert_text((plot.x0 + (index + 0.25) * plot.width / len(names), plot.y1 + 12), name, fontsize=8)


def bar_boxes(plot: pymupdf.Rect) -> list[pymupdf.Rect]:
    slot = plot.width / len(HEIGHTS)
    return [
        pymupdf.Rect(plot.x0 + (i + 0.2) * slot, plot.y1 - share * plot.height, plot.x0 + (i + 0.8) * slot, plot.y1)
        for i, share in enumerate(HEIGHTS)
    ]


def bars(page: pymupdf.Page, plot: pymupdf.Rect, colour: tuple[float, ...] = BLUE) -> None:
    axes(page, plot)
    for box in bar_boxes(plot):
        page.draw_rect(box, color=None, fill=colour)


def step_line(page: pymupdf.Page, plot: pymupdf.Rect) -> None:
    axes(page, plot)
    points = []
    for box in bar_boxes(plot):
        points += [(box.x0, box.y0), (box.x1 + 0.4 * box.width, box.y0)]
    page.draw_polyline(points, color=BLUE, width=1.2)


def round_bars(page: pymupdf.Page, plot: pymupdf.Rect) -> None:
    axes(page, plot)
    for box in bar_boxes(plot):
        page.draw_rect(box, color=None, fill=BLUE, radius=0.15)


def pictures_for_bars(page: pymupdf.Page, plot: pymupdf.Rect) -> None:
    """A gradient, as office programs write it: a small image for each bar."""
    axes(page, plot)
    ramp = pymupdf.Pixmap(pymupdf.csRGB, pymupdf.IRect(0, 0, 4, 16))
    for y in range(16):
        for x in range(4):
            ramp.set_pixel(x, y, (40, 90 + 10 * y, 60))
    for box in bar_boxes(plot):
        page.insert_image(box, pixmap=ramp, keep_proportion=False)


def hatched_outlines(page: pymupdf.Page, plot: pymupdf.Rect) -> None:
    """Bars that stand apart, each an outline with lines in it, and an axis that stands off."""
    for index in range(5):
        y = plot.y1 - index * plot.height / 4
        page.draw_line((plot.x0 - 24, y), (plot.x0 - 20, y), width=0.6)
        page.insert_text((plot.x0 - 44, y + 2.5), str(index * 25), fontsize=8)
    page.draw_line((plot.x0 - 20, plot.y0), (plot.x0 - 20, plot.y1), width=0.6)
    for index, box in enumerate(bar_boxes(plot)):
        page.draw_rect(box, width=0.7)
        page.insert_text((box.x0, plot.y1 + 12), ("Oak", "Birch", "Elm", "Fir", "Ash", "Yew")[index], fontsize=8)
        for y in range(int(box.y0) + 12, int(box.y1), 8):
            page.draw_line((box.x0, y), (box.x1, y - 10), width=0.4)


def heat_map(page: pymupdf.Page, plot: pymupdf.Rect) -> None:
    """A number in each box, and names at two sides."""
    dice = random.Random(4)
    for row in range(4):
        for column in range(5):
            box = pymupdf.Rect(plot.x0 + 56 * column, plot.y0 + 45 * row, plot.x0 + 56 * column + 56, plot.y0 + 45 * row + 45)
            share = dice.random()
            page.draw_rect(box, color=None, fill=(0.85 * share, 0.3 + 0.5 * share, 0.85))
            page.insert_text((box.x0 + 18, box.y0 + 26), f"{share:.2f}", fontsize=8)
    for index, name in enumerate(("Oak", "Birch", "Elm", "Fir")):
        page.insert_text((plot.x0 - 26, plot.y0 + 45 * index + 26), name, fontsize=8)


@pytest.mark.parametrize("draw", [step_line, round_bars, pictures_for_bars, hatched_outlines, heat_map])
def test_a_chart_of_this_kind_is_one_candidate_with_all_its_labels(draw: Callable[..., None]) -> None:
    page = new_page()
    draw(page, PLOT)

    (region,) = regions(page)

    assert region.top > 150
    assert region.bottom < 640
    for name in ("Oak", "Fir"):
        (box,) = page.search_for(name)
        assert region.left <= box.x0, name
        assert box.x1 <= region.right, name


def test_bars_beyond_their_clip_are_seen_where_they_are_shown() -> None:
    """As at a broken axis: the bar goes on over the page, and a clip ends it."""
    page = new_page()
    axes(page, PLOT)
    contents = page.parent.get_new_xref()
    left, low, width, height = PLOT.x0, 842 - PLOT.y1, PLOT.width, PLOT.height
    shown = f"q {left} {low} {width} {height} re W n 0.2 0.4 0.7 rg ".encode()
    for index, share in enumerate((0.4, 0.9, 5.0, 0.7)):
        shown += f"{left + 20 + 60 * index} {low} 30 {share * height} re f ".encode()
    page.parent.update_object(contents, "<<>>")
    page.parent.update_stream(contents, shown + b"Q")
    page.parent.xref_set_key(page.xref, "Contents", f"[{' '.join(f'{xref} 0 R' for xref in [*page.get_contents(), contents])}]")

    marks = drawings.page_marks(page, Box(0, 0, 595, 842)).kept
    (region,) = regions(page)

    assert min(mark.box.top for mark in marks if mark.fill) == pytest.approx(PLOT.y0, abs=0.5)
    assert region.top > 190


@pytest.mark.slow
def test_panels_with_labels_of_their_own_are_regions_of_their_own() -> None:
    page = new_page()
    plots = [pymupdf.Rect(x, y, x + 180, y + 130) for y in (180, 340) for x in (100, 310)]
    for index, plot in enumerate(plots):
        bars(page, plot, BLUE)
        page.insert_text((plot.x0 + 60, plot.y0 - 4), f"Region {index}", fontsize=9)

    found = regions(page)

    assert len(found) == 4
    for plot in plots:
        (region,) = [each for each in found if each.intersection(Box(*plot)).area == pytest.approx(Box(*plot).area)]
        assert region.left <= plot.x0 - 22
        assert region.bottom >= plot.y1 + 10


def test_panels_that_share_an_axis_stay_together() -> None:
    page = new_page()
    bars(page, pymupdf.Rect(100, 200, 280, 330))
    for box in bar_boxes(pymupdf.Rect(300, 200, 480, 330)):
        page.draw_rect(box, color=None, fill=BLUE)
    page.draw_line((300, 330), (480, 330), width=0.6)
    for index, name in enumerate("abcdef"):
        page.insert_text((310 + 30 * index, 342), name, fontsize=8)

    (region,) = regions(page)

    assert region.right > 480


def test_two_charts_that_nearly_touch_have_each_their_own_labels() -> None:
    page = new_page()
    bars(page, pymupdf.Rect(90, 200, 290, 330))
    page.insert_text((303, 290), "Members", fontsize=8, rotate=90)  # the right one's axis title, nearer to the left one
    bars(page, pymupdf.Rect(330, 200, 530, 330), (0.8, 0.4, 0.1))

    left, right = regions(page)
    (title,) = page.search_for("Members")

    assert left.right < title.x0 + 4
    assert right.left <= title.x0


def test_a_far_legend_in_the_chart_s_colours_belongs_to_it() -> None:
    page = new_page()
    bars(page, pymupdf.Rect(90, 200, 330, 330))
    page.draw_rect(pymupdf.Rect(425, 205, 434, 214), color=None, fill=BLUE)
    page.insert_text((440, 213), "sold", fontsize=8)

    (region,) = regions(page)

    assert region.right > 455


def test_the_margin_takes_in_no_running_text() -> None:
    page = new_page()
    bars(page, pymupdf.Rect(100, 180, 500, 600))
    page.insert_textbox(pymupdf.Rect(60, 618, 535, 660), PROSE, fontsize=9)

    (region,) = regions(page)

    assert region.bottom <= 625


def test_a_table_beside_ticks_is_no_axis() -> None:
    """Numbers that grow evenly down a ruled table: its rules lie between them, not at them."""
    page = new_page()
    for row in range(8):
        page.draw_line((100, 200 + 20 * row), (400, 200 + 20 * row), width=0.5)
        for column in range(3):
            page.insert_text((110 + 100 * column, 214 + 20 * row), str(10 * (8 - row) + column), fontsize=8)

    assert regions(page) == []


@pytest.mark.slow
def test_many_clusters_are_left_as_they_are() -> None:
    page = new_page()
    for index in range(400):
        page.draw_rect(
            pymupdf.Rect(20 + 28 * (index % 20), 20 + 38 * (index // 20), 30 + 28 * (index % 20), 34 + 38 * (index // 20)),
            fill=BLUE,
        )

    assert len(regions(page)) <= 1
