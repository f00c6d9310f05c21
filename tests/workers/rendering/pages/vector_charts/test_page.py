"""Whole pages through MuPDF: drawings that are too much or odd end in a reason, and patterns are seen."""

import pymupdf
import pytest

from schemas.page import Box
from schemas.settings import RenderSettings
from tests.examples.charts import bar_chart
from workers.rendering.pages.shown_page import ShownPage
from workers.rendering.pages.vector_charts import page as page_module
from workers.rendering.pages.vector_charts.ink import Ink
from workers.rendering.pages.vector_charts.reader import Drawing, Reading


def page_of(content: str) -> pymupdf.Page:
    document = pymupdf.open()
    page = document.new_page(width=400, height=300)
    xref = document.get_new_xref()
    document.update_object(xref, "<<>>")
    document.update_stream(xref, content.encode())
    document.xref_set_key(page.xref, "Contents", f"{xref} 0 R")
    return pymupdf.open("pdf", document.tobytes())[0]


def reading(page: pymupdf.Page) -> Reading:
    shown = ShownPage(page, RenderSettings())
    (found,) = shown.vector_readings([shown.page_pt])
    return found


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (" ".join(f"{index % 390} {index % 290} 3 3 re f" for index in range(15_000)), "too_much"),
        ("0 0 m " + " ".join(f"{index % 390} {index * 7 % 290} l" for index in range(8_000)) + " S", "too_much"),
        ("q 0 0 400 300 re W n " * 200 + "10 10 50 50 re f " + "Q " * 200, "no_axes"),
        ("1e40 0 m 1e39 1e38 l S 1e99 1e99 1e99 1e99 re f", "no_axes"),
        ("", "no_axes"),
    ],
    ids=["paths", "segments", "clips", "figures", "nothing"],
)
@pytest.mark.slow
def test_odd_pages_end_in_a_reason(content: str, reason: str) -> None:
    found = reading(page_of(content))

    assert (found.answer, found.reason) == (None, reason)


def charted(*, rotation: int = 0) -> pymupdf.Document:
    document = pymupdf.open()
    page = document.new_page(width=400, height=300)
    bar_chart(page, pymupdf.Rect(20, 20, 380, 280), "Trees", ["Oak", "Elm", "Fir"], {"": [50, 20, 80]}, y_label="m")
    page.set_rotation(rotation)
    return pymupdf.open("pdf", document.tobytes())


def test_a_chart_is_read_from_its_page() -> None:
    found = reading(charted()[0])

    assert found.answer is not None, (found.reason, found.detail)
    assert found.answer.rows == [["Oak", "50"], ["Elm", "20"], ["Fir", "80"]]
    assert (found.answer.title, found.answer.y, found.answer.unit) == ("Trees", "m", "m")


def test_a_picture_over_the_plot_is_ink_that_no_path_explains() -> None:
    document = charted()
    picture = pymupdf.Pixmap(pymupdf.csRGB, pymupdf.IRect(0, 0, 20, 20))
    picture.set_rect(picture.irect, (200, 30, 30))
    document[0].insert_image(pymupdf.Rect(150, 80, 210, 140), pixmap=picture)

    found = reading(pymupdf.open("pdf", document.tobytes())[0])

    assert (found.answer, found.reason) == (None, "unexplained_ink")


def test_a_fault_in_one_chart_costs_none_of_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = ShownPage(charted()[0], RenderSettings())
    left, whole = Box(0, 0, 60, 300), shown.page_pt
    read_chart = page_module.read_chart

    def faulty(drawing: Drawing, ink: Ink | None) -> Reading:
        return Reading(None, detail=str(1 / 0)) if drawing.area == left else read_chart(drawing, ink)

    monkeypatch.setattr(page_module, "read_chart", faulty)

    odd, read = shown.vector_readings([left, whole])

    assert (odd.answer, odd.reason) == (None, "odd_drawing")
    assert "ZeroDivisionError" in odd.detail
    assert read.answer is not None


def test_a_multiplier_just_outside_of_the_region_counts() -> None:
    page = charted()[0]
    plot = reading(page).plot
    assert plot is not None
    page.insert_text((plot.left - 4, plot.top - 6), "1e6", fontsize=8)
    shown = ShownPage(page, RenderSettings())

    (found,) = shown.vector_readings([shown.page_pt._replace(top=plot.top - 2)])

    assert found.answer is not None, (found.reason, found.detail)
    assert found.answer.rows == [["Oak", "50000000"], ["Elm", "20000000"], ["Fir", "80000000"]]
