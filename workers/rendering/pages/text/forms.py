"""The fields of a PDF form: boxes to tick, in which seldom a letter is drawn, and values that have a cell for each character."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import reduce
from typing import NamedTuple

from schemas.page import ACROSS, DOWN, OVER, UP, Box, Word
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


def _shown_fields(page: pymupdf.Page) -> Iterator[tuple[pymupdf.Widget, Box]]:
    """Fields of the form and where the page shows them, in the form's order."""
    field, num_fields = page.first_widget, 0
    while field is not None and num_fields < MAX_FIELDS:
        num_fields += 1
        box = Box(*(pymupdf.Rect(field.rect) * page.rotation_matrix).normalize())
        if box.width > 0 and box.height > 0 and not _number(page, field.xref, "F") & _HIDDEN:
            yield field, box
        field = field.next


def tick_boxes(page: pymupdf.Page) -> list[TickBox]:
    """Check boxes and radio buttons."""
    kinds = (pymupdf.PDF_WIDGET_TYPE_CHECKBOX, pymupdf.PDF_WIDGET_TYPE_RADIOBUTTON)
    found = []
    for field, box in _shown_fields(page):
        if field.field_type in kinds:
            kind, state = page.parent.xref_get_key(field.xref, "AS")
            found.append(TickBox(box, kind == "name" and state not in ("/Off", "/")))
    return found


def comb_boxes(page: pymupdf.Page) -> list[Box]:
    """Fields that have a cell for each character."""
    return [
        box
        for field, box in _shown_fields(page)
        if field.field_type == pymupdf.PDF_WIDGET_TYPE_TEXT and field.field_flags & pymupdf.PDF_TX_FIELD_IS_COMB
    ]


def with_combs(text: PdfText, boxes: Sequence[Box]) -> PdfText:
    """The text with the characters of each such field as one word."""
    words = text.words
    for box in boxes:
        inside = [word for word in words if _is_in(word, box)]
        if len(inside) < 2:
            continue
        ordered = sorted(inside, key=_place_in_line)
        left, top, right, bottom = reduce(Box.union, (word.box for word in ordered))
        whole = inside[0]._replace(text="".join(word.text for word in ordered), left=left, top=top, right=right, bottom=bottom)
        words = [whole if word is inside[0] else word for word in words if word is inside[0] or word not in inside]
    return text if words is text.words else replace(text, words=words)


def _place_in_line(word: Word) -> float:
    return {DOWN: word.top, UP: -word.bottom, OVER: -word.right}.get(word.style & OVER, word.left)


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
    direction = Counter(word.style & (ACROSS | OVER) for word in text.words).most_common(1)[0][0] if text.words else ACROSS
    for place, (box, is_ticked) in enumerate(shown):
        left, top, right, bottom = box.intersection(page_pt)
        size = min(box.width, box.height, _MAX_SIZE_PT)
        if direction in (DOWN, UP):
            middle = (left + right) / 2
            left, right = middle - 0.6 * size, middle + 0.6 * size
        else:
            middle = (top + bottom) / 2  # as high as a letter of the line: a large box would reach into others
            top, bottom = middle - 0.6 * size, middle + 0.6 * size
        ticks.append(Word(TICKED if is_ticked else OPEN, left, top, right, bottom, block + place, 0, size, direction))
    num_chars = text.num_chars - sum(len(word.text) for word in text.words) + sum(len(word.text) for word in rest) + len(ticks)
    return replace(text, words=[*rest, *ticks], num_chars=num_chars)


def _is_in(word: Word, box: Box) -> bool:
    return box.left <= (word.left + word.right) / 2 <= box.right and box.top <= (word.top + word.bottom) / 2 <= box.bottom
