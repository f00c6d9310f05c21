"""From an open PDF page to the drawings of its regions, and what they say."""

from collections.abc import Sequence
from typing import Any

from schemas.page import MAX_SIDE_PT, Box
from workers.labels.powers import axis_multiplier
from workers.rendering.pages.mupdf import pymupdf, raise_if_out_of_memory
from workers.rendering.pages.turned_pages import display_matrix
from workers.rendering.pages.vector_charts.found import Refused
from workers.rendering.pages.vector_charts.ink import Ink
from workers.rendering.pages.vector_charts.labels import Label, labels_of
from workers.rendering.pages.vector_charts.marks.shapes import ShapeCollector
from workers.rendering.pages.vector_charts.reader import Drawing, Reading, read_chart

OUTSIDE_PT = 18.0


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
    return [_read(area, collector, raw, ink) for area in areas_pt]


def _read(area: Box, collector: ShapeCollector, raw: dict[str, Any], ink: Ink | None) -> Reading:
    shapes = [shape for shape in collector.shapes if _meets(shape.box, area)]
    try:
        return read_chart(Drawing(area, shapes, _labels(raw, area), collector.num_lost), ink)
    except Refused as refused:
        return Reading(None, refused.reason, refused.detail)
    except MemoryError:
        raise
    except Exception as error:  # noqa: BLE001 (a fault in one must not cost the page's others)
        raise_if_out_of_memory(error)
        return Reading(None, "odd_drawing", f"{type(error).__name__}: {error}")


def _labels(raw: dict[str, Any], area: Box) -> list[Label]:
    """Those in the area, and a multiplier just outside: without it all values would be wrong."""
    wide = Box(area.left - OUTSIDE_PT, area.top - OUTSIDE_PT, area.right + OUTSIDE_PT, area.bottom + OUTSIDE_PT)
    inside = labels_of(raw, area)
    return inside + [label for label in labels_of(raw, wide) if axis_multiplier(label.text) is not None and label not in inside]


def _meets(box: Box, area: Box) -> bool:
    """A part of it lies in the area; the grounds of the whole page do, too."""
    return box.left <= area.right and box.right >= area.left and box.top <= area.bottom and box.bottom >= area.top
