import cv2
import numpy as np
import pymupdf
import pytest

from workers.engines.classic.lacking_signs.signs import SIGNS, are_missing, with_lacking_signs

ALL = frozenset(SIGNS)


def drawn(text, *, without=SIGNS, font="helv", dpi=200, is_worn=False):
    """What a model makes of a line that has no such signs: the rest of its text, their columns, and the line's pixels."""
    page = pymupdf.open().new_page(width=600, height=60)
    writer = pymupdf.TextWriter(page.rect)
    writer.append((20, 30), text, font=pymupdf.Font(font), fontsize=11)
    writer.write_text(page)
    spans = page.get_text("rawdict")["blocks"][0]["lines"][0]["spans"]
    chars = [char for span in spans for char in span["chars"] if char["c"] != " "]
    assert "".join(char["c"] for char in chars) == text.replace(" ", "")
    pixmap = page.get_pixmap(dpi=dpi, clip=(15, 18, chars[-1]["bbox"][2] + 4, 34))
    bgr = np.frombuffer(pixmap.samples, np.uint8).reshape(pixmap.height, pixmap.width, 3)
    if is_worn:
        bgr = cv2.GaussianBlur(bgr, (3, 3), 0)
        bgr = np.clip(bgr + np.random.default_rng(1).normal(0, 6, bgr.shape), 0, 255).astype(np.uint8)
    step = 72 / dpi * pixmap.height / 48 * 8
    columns = [int(((char["bbox"][0] + char["bbox"][2]) / 2 - 15) / step) for char in chars if char["c"] not in without]
    return "".join(char for char in text if char not in without), columns, bgr


@pytest.mark.parametrize("font", ["helv", "tiro"])
@pytest.mark.parametrize(
    "text",
    [
        "Er sagte: „Das ist gut“ und ging.",
        "„Guten Tag“, sagte sie. („Wie geht es?“)",
        "Řekl: „Dobrý den“ a odešel.",
        "Das ‚kleine Glück‘ war ihm genug.",
        "Han sagde ‹nej› til ham.",
        "›Wirklich?‹ fragte er.",
        "¡Hola! ¿Cómo está usted? ¡Qué día!",
    ],
)
def test_a_sign_that_was_left_out_is_put_in_by_its_shape(text, font):
    assert with_lacking_signs(*drawn(text, font=font), ALL) == text
    assert with_lacking_signs(*drawn(text, font=font, is_worn=True), ALL) == text


@pytest.mark.parametrize(
    "text",
    [
        'Er sagte: "Das ist gut", und ging...',
        "It's nothing; “love you”, he said, i.e. 1,000.",
        "« rapide » saute, i < j > k, jij!",
        "A, b, c. ,, .. 'quoted' words: fine",
    ],
)
def test_what_was_read_stays_as_it_is(text):
    assert with_lacking_signs(*drawn(text), ALL) == text


def test_a_sign_taken_for_another_is_replaced():
    text, columns, pixels = drawn("Das ‚kleine‘ und ‹nej› gesagt.", without="")
    read = text.replace("‚", ",").replace("‹", "<").replace("›", ">")

    assert with_lacking_signs(read, columns, pixels, ALL) == text


def test_nothing_is_put_in_that_the_dictionary_has():
    read, columns, pixels = drawn("Er sagte: „Das ist gut“ und ging.")

    assert with_lacking_signs(read, columns, pixels, frozenset("¡")) == read


@pytest.mark.parametrize(
    "text",
    [
        "Er sagte: Das ist gut“ und ging.",
        "Powiedział: Nie mam czasu” i wyszedł.",
        "No lo sé. Ven aquí ahora mismo! Es de la casa y de las mesas.",
    ],
)
def test_mates_that_stand_alone_show_that_signs_are_missing(text):
    assert are_missing(text)


@pytest.mark.parametrize(
    "text",
    [
        "Er sagte: „Das ist gut“ und ging.",
        'Er sagte: "Das ist gut“ und ging.',
        "Powiedział: „Nie mam czasu” i wyszedł.",
        "Hän sanoi: ”Hyvä on” ja lähti.",
        "¡Ven aquí ahora mismo! Es de la casa y de las mesas.",
        "It is the end of the part, and that was for this”",
        "Das ist gut! Und der Wagen ist für die Stadt.",
        "",
    ],
)
def test_pairs_are_not_missed(text):
    assert not are_missing(text)
