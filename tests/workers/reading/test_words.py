"""The words that are kept of a page: which, in what order, and where they stand."""

import pytest

from schemas.failure import FailureKind
from schemas.page import ACROSS, INVISIBLE, Box, TextLayer, Word
from tests.workers.made_pages import TellingEngine, failed, layer, page, read, rendered

LINES = [("Harbour", 0, 0), ("dues", 0, 0), ("Due", 0, 1), ("now", 1, 0)]
WORDS = [Word(text, 20 + 90 * n, 40, 100 + 90 * n, 56, block, line, 12.0) for n, (text, block, line) in enumerate(LINES)]
SHOWN = TextLayer(words=WORDS, num_chars=18, unseen=[Word("secret", 20, 80, 100, 96, 2, 0, 12.0)])


async def test_words_of_the_text_layer_are_rows_in_its_order_by_line_with_their_boxes():
    records = await read(TellingEngine(), rendered(page(3, text_layer=SHOWN), page(4)), words=True)

    assert [(row.page_index, row.word_index, row.line_index, row.text) for row in records.words] == [
        (3, 0, 0, "Harbour"),
        (3, 1, 0, "dues"),
        (3, 2, 1, "Due"),
        (3, 3, 2, "now"),
    ]
    first, (page_row, _) = records.words[0], records.pages
    assert (first.bbox_px, first.text_origin) == (Box(20, 40, 100, 56), "text_layer")
    assert (first.lineage, first.reading) == (page_row.lineage, page_row.reading)


async def test_no_words_are_kept_by_default():
    assert (await read(TellingEngine(), rendered(page(text_layer=SHOWN)))).words == []


async def test_words_that_the_page_does_not_show_are_left_out():
    hidden = Word("hidden", 20, 200, 100, 216, 9, 0, 12.0, ACROSS | INVISIBLE)
    shown = SHOWN.model_copy(update={"words": [hidden, *WORDS], "num_hidden": 6, "num_chars": 24})

    records = await read(TellingEngine(), rendered(page(text_layer=shown)), words=True)

    assert [(row.word_index, row.line_index, row.text) for row in records.words[:2]] == [(0, 0, "Harbour"), (1, 0, "dues")]
    assert len(records.words) == 4


@pytest.mark.parametrize(
    "untrusted",
    [
        SHOWN.model_copy(update={"num_unmapped": 9}),
        SHOWN.model_copy(update={"num_hidden": 10}),
        layer(*["дaбeц"] * 9),
    ],
    ids=["without meaning", "an earlier OCR", "mixed scripts"],
)
async def test_words_of_a_layer_that_is_not_trusted_are_left_out(untrusted):
    records = await read(TellingEngine(), rendered(page(text_layer=untrusted)), words=True)
    assert ([row.status for row in records.pages], records.words) == (["ok"], [])


async def test_a_page_without_text_has_no_words():
    engine = TellingEngine(ocr=[failed(FailureKind.engine_error)])
    records = await read(engine, rendered(page(text_layer=SHOWN), page(1, is_blank=True, text_layer=SHOWN)), words=True)
    assert ([row.status for row in records.pages], records.words) == (["failed", "blank"], [])


async def test_charts_alone_have_no_words():
    assert (await read(TellingEngine(), rendered(page(text_layer=SHOWN), tasks=["chart"]), tasks=["chart"], words=True)).words == []
