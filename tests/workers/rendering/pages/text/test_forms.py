from pathlib import Path

import pymupdf
import pytest

from schemas.page import ACROSS, DOWN, Box, Word
from workers.rendering.pages.text.forms import TickBox, comb_boxes, tick_boxes, with_combs, with_ticks
from workers.rendering.pages.text.pdf_text import PdfText

PAGE = Box(0, 0, 200, 200)


def form(*boxes: tuple[float, bool], rotation: int = 0) -> pymupdf.Page:
    document = pymupdf.open()
    page = document.new_page(width=200, height=400)
    for top, is_on in boxes:
        field = pymupdf.Widget()
        field.field_type, field.field_name = pymupdf.PDF_WIDGET_TYPE_CHECKBOX, f"box {top}"
        field.rect, field.field_value = pymupdf.Rect(10, top, 22, top + 12), is_on
        page.add_widget(field)
    page.set_rotation(rotation)
    return document.reload_page(page)


def test_a_form_says_which_boxes_are_ticked() -> None:
    assert tick_boxes(form((20, True), (40, False))) == [
        TickBox(Box(10, 20, 22, 32), True),
        TickBox(Box(10, 40, 22, 52), False),
    ]


def test_boxes_lie_where_the_page_shows_them() -> None:
    (tick,) = tick_boxes(form((20, True), rotation=90))

    assert tick.box == pytest.approx((400 - 32, 10, 400 - 20, 22))


def test_hidden_boxes_and_pages_without_a_form_have_none() -> None:
    page = form((20, True))
    page.parent.xref_set_key(page.first_widget.xref, "F", "2")

    assert tick_boxes(page) == []
    assert tick_boxes(pymupdf.open().new_page()) == []


def test_a_tick_stands_in_the_place_of_the_letter_that_draws_it() -> None:
    # given the letter 3 of Zapf Dingbats in the box, and a word beside it
    words = [Word("3", 11, 21, 20, 31, 0, 0, 10.0, ACROSS), Word("Resident", 30, 20, 80, 32, 1, 0, 10.0, ACROSS)]

    text = with_ticks(PdfText(words=words, num_chars=9), [TickBox(Box(10, 20, 22, 32), True)], PAGE)

    assert [word.text for word in text.words] == ["Resident", "☑"]
    assert text.num_chars == 9


def test_a_box_off_the_page_is_left_out(tmp_path: Path) -> None:
    text = PdfText(words=[], num_chars=0)

    assert with_ticks(text, [TickBox(Box(300, 20, 322, 32), True)], PAGE) is text


def test_characters_in_the_cells_of_a_field_are_one_word() -> None:
    page = pymupdf.open().new_page()
    field = pymupdf.Widget()
    field.field_type, field.field_name, field.field_value = pymupdf.PDF_WIDGET_TYPE_TEXT, "code", "A12"
    field.rect, field.text_maxlen, field.field_flags = pymupdf.Rect(60, 20, 120, 40), 3, pymupdf.PDF_TX_FIELD_IS_COMB
    page.add_widget(field)
    cells = [Word(char, left, 24, left + 7, 36, 1, 0, 10.0, ACROSS) for char, left in (("A", 64.0), ("1", 84.0), ("2", 104.0))]
    label = Word("Code", 10, 24, 40, 36, 0, 0, 10.0, ACROSS)

    boxes = comb_boxes(page)

    assert boxes == [(60, 20, 120, 40)]
    assert [(word.text, word.box) for word in with_combs(PdfText(words=[label, *cells]), boxes).words] == [
        ("Code", label.box),
        ("A12", (64, 24, 111, 36)),
    ]


def test_ticks_run_as_the_text_of_their_page_does() -> None:
    words = [Word("Resident", 10, 40, 22, 90, 0, 0, 10.0, DOWN)]

    text = with_ticks(PdfText(words=words), [TickBox(Box(8, 20, 24, 32), True)], PAGE)

    assert text.words[1][1:5] == pytest.approx((8.8, 20, 23.2, 32))
    assert text.words[1].style == DOWN
