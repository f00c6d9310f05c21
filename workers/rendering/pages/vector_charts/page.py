"""From an open PDF page to the drawings of its regions, and what they say."""

from collections.abc import Sequence

from schemas.page import MAX_SIDE_PT, Box
from workers.rendering.pages.mupdf import pymupdf
from workers.rendering.pages.turned_pages import display_matrix
from workers.rendering.pages.vector_charts.found import Refused
from workers.rendering.pages.vector_charts.ink import Ink
from workers.rendering.pages.vector_charts.labels import labels_of
from workers.rendering.pages.vector_charts.marks.shapes import ShapeCollector
from workers.rendering.pages.vector_charts.reader import Drawing, Reading, read_chart


def read_areas(page: pymupdf.Page, shown: pymupdf.DisplayList, areas_pt: Sequence[Box], ink: Ink | None) -> list[Reading]:
    """One reading for each area, in points of the page as displayed. A page with more than charts hold is refused."""
    if not areas_pt:
        return []
    whole = areas_pt[0]
    for area in areas_pt[1:]:
        whole = whole.union(area)
    collector = ShapeCollector(whole, tuple(display_matrix(page)))
    page.get_cdrawings(extended=True, callback=collector.add)
    if collector.is_too_much:
        return [Reading(None, "too_much") for _ in areas_pt]
    text = shown.get_textpage(0)
    media = text.m_internal.mediabox
    media.x0 = media.y0 = -MAX_SIDE_PT
    media.x1 = media.y1 = MAX_SIDE_PT
    raw = pymupdf.TextPage(text).extractRAWDICT()
    readings = []
    for area in areas_pt:
        shapes = [shape for shape in collector.shapes if _meets(shape.box, area)]
        try:
            labels = labels_of(raw, area)
        except Refused as refused:
            readings.append(Reading(None, refused.reason, refused.detail))
            continue
        readings.append(read_chart(Drawing(area, shapes, labels, collector.num_lost), ink))
    return readings


def _meets(box: Box, area: Box) -> bool:
    """A part of it lies in the area; the grounds of the whole page do, too."""
    return box.left <= area.right and box.right >= area.left and box.top <= area.bottom and box.bottom >= area.top
