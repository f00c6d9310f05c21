"""The boxes of a PDF form that are ticked or not: their state is in the form, and what is drawn of it is seldom a letter."""

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

from schemas.page import ACROSS, Box, Word
from workers.rendering.pages.mupdf import pymupdf
from workers.rendering.pages.text.pdf_text import PdfText

MAX_FIELDS = 2_000
"""Of a page."""
TICKED, OPEN = "☑", "☐"
_HIDDEN = 2 | 32
"""Of an annotation's flags: hidden, not viewed. Source: ISO 32000-2, table 167."""
_MAX_SIZE_PT = 12.0


class TickBox(NamedTuple):
    box: Box
    """In points of the page as shown."""
    is_ticked: bool


def tick_boxes(page: pymupdf.Page) -> list[TickBox]:
    """Check boxes and radio buttons that are shown, in the form's order."""
    kinds = (pymupdf.PDF_WIDGET_TYPE_CHECKBOX, pymupdf.PDF_WIDGET_TYPE_RADIOBUTTON)
    found = []
    field, num_fields = page.first_widget, 0
    while field is not None and num_fields < MAX_FIELDS:
        num_fields += 1
        if field.field_type in kinds and not _number(page, field.xref, "F") & _HIDDEN:
            box = Box(*(pymupdf.Rect(field.rect) * page.rotation_matrix).normalize())
            if box.width > 0 and box.height > 0:
                kind, state = page.parent.xref_get_key(field.xref, "AS")
                found.append(TickBox(box, kind == "name" and state not in ("/Off", "/")))
        field = field.next
    return found


def _number(page: pymupdf.Page, xref: int, key: str) -> int:
    kind, value = page.parent.xref_get_key(xref, key)
    return int(value) if kind == "int" else 0


def with_ticks(text: PdfText, boxes: Sequence[TickBox], page_pt: Box) -> PdfText:
    """The text with a word for each box in place of what is drawn in it."""
    shown = [tick for tick in boxes if tick.box.intersection(page_pt).area]
    if not shown:
        return text
    rest = [word for word in text.words if len(word.text) > 1 or not any(_is_in(word, tick.box) for tick in shown)]
    block = max((word.block for word in rest), default=-1) + 1
    ticks = []
    for place, (box, is_ticked) in enumerate(shown):
        left, top, right, bottom = box.intersection(page_pt)
        size = min(box.width, box.height, _MAX_SIZE_PT)
        middle = (top + bottom) / 2  # as high as a letter of the line: a large box would reach into others
        mark = TICKED if is_ticked else OPEN
        ticks.append(Word(mark, left, middle - 0.6 * size, right, middle + 0.6 * size, block + place, 0, size, ACROSS))
    num_chars = text.num_chars - sum(len(word.text) for word in text.words) + sum(len(word.text) for word in rest) + len(ticks)
    return replace(text, words=[*rest, *ticks], num_chars=num_chars)


def _is_in(word: Word, box: Box) -> bool:
    return box.left <= (word.left + word.right) / 2 <= box.right and box.top <= (word.top + word.bottom) / 2 <= box.bottom
