"""Text that is asked for as Markdown, not as JSON."""

import json

import pytest

from schemas.settings import ReadSettings
from tests.workers.made_pages import (
    TellingEngine,
    layer,
    page,
    read,
    rendered,
)
from tests.workers.reading.made_answers import SCAN_REGIONS, scan_answer
from workers.engines.engine import Completion
from workers.reading.prompts import prompt_for

MARKDOWN = ReadSettings(transport="markdown")


async def test_a_page_asked_as_markdown_lands_in_the_same_columns() -> None:
    engine = TellingEngine(ocr=["# Annual report\n\nSales rose by **4 %**.\n\n| a | b |\n|---|---|\n| 1 | 2 |"])

    records = await read(engine, rendered(page(2, text_layer=layer("Annual", "report"))), settings=MARKDOWN)

    (row,), (request,) = records.pages, engine.requests
    assert (request.prompt, request.answer_schema) == (prompt_for("ocr", "markdown"), None)
    assert (row.status, row.num_asks, row.flags) == ("ok", 1, [])
    assert row.text_markdown == "# Annual report\n\nSales rose by **4 %**.\n\n| a | b |\n| --- | --- |\n| 1 | 2 |"
    assert [(block.kind, block.text) for block in records.blocks[:2]] == [
        ("title", "Annual report"),
        ("paragraph", "Sales rose by **4 %**."),
    ]
    assert records.blocks[0].box_origin == "text_layer"
    assert records.blocks[2].html == "<table><tr><td>a</td><td>b</td></tr><tr><td>1</td><td>2</td></tr></table>"


@pytest.mark.parametrize("said", ["", " \n", "```\n```", "---", "<br>"])
async def test_an_answer_in_markdown_that_says_nothing_is_asked_again_and_then_a_failure(said: str) -> None:
    records = await read(TellingEngine(ocr=[said]), rendered(page()), settings=MARKDOWN)
    mended = await read(TellingEngine(ocr=[said, "# Annual report"]), rendered(page()), settings=MARKDOWN)

    (row,), (failure,) = records.pages, records.failures
    assert (row.status, row.num_asks, row.text_markdown, failure.kind) == ("failed", 4, None, "bad_answer")
    assert [(row.status, row.num_asks, row.text_markdown) for row in mended.pages] == [("ok", 2, "# Annual report")]
    assert mended.failures == []


async def test_an_empty_answer_at_its_length_limit_is_truncated() -> None:
    nothing = Completion(text="", stop_reason="length")

    for settings in (MARKDOWN, ReadSettings()):
        records = await read(TellingEngine(ocr=[nothing]), rendered(page()), settings=settings)

        (row,), (failure,) = records.pages, records.failures
        assert (row.status != "ok", failure.kind) == (True, "truncated")


async def test_markdown_that_was_cut_is_asked_again_and_then_kept_and_flagged() -> None:
    cut = Completion(text="# Kept\n\nand cut", stop_reason="length")

    records = await read(TellingEngine(ocr=[cut]), rendered(page(text_layer=layer("Kept"))), settings=MARKDOWN)

    (row,), (failure,) = records.pages, records.failures
    assert (row.status, row.text_plain, failure.kind) == ("partial", "Kept\n\nand cut", "truncated")
    assert row.flags == ["partial"]


async def test_markdown_that_goes_round_is_cut_before_the_second_round() -> None:
    looping = Completion(text="# Kept\n\n" + "over and over again, and\n\n" * 80, stop_reason="length")

    records = await read(TellingEngine(ocr=[looping]), rendered(page()), settings=MARKDOWN, takes_prefix=True)

    (row,), (failure,) = records.pages, records.failures
    assert (row.status, row.stop_reason, failure.kind) == ("partial", "loop", "repeated")
    assert row.text_plain == "Kept\n\nover and over again, and"


async def test_charts_are_asked_and_found_as_ever_where_text_is_asked_as_markdown() -> None:
    # given a scan: only an answer in JSON says where its chart is
    engine = TellingEngine(ocr=[scan_answer((0.5, 0.5, 1.0, 1.0))])

    records = await read(engine, rendered(page(is_scan=True)), settings=MARKDOWN, regions=SCAN_REGIONS)

    assert [(chart.region_index, chart.flags) for chart in records.charts] == [(0, ["places_asked_again"])]
    assert [(request.task, request.answer_schema is None) for request in engine.requests] == [
        ("ocr", True),
        ("ocr", False),
        ("chart", False),
    ]
    assert len(records.pages) == 1


async def test_an_engine_that_is_not_asked_by_prompt_knows_no_transport() -> None:
    records = await read(TellingEngine(), rendered(page()), settings=MARKDOWN, takes_prompts=False)
    assert records.pages[0].text_markdown == "# Annual report\n\nSales rose by **4 %**."


async def test_literal_text_of_an_engine_is_escaped_and_a_models_markdown_is_not() -> None:
    said = json.dumps({"languages": [], "blocks": [{"paragraph": "2*3*4"}]})
    literal = await read(TellingEngine(ocr=[Completion(text=said, text_origin="ocr", is_literal=True)]), rendered(page()))
    markdown = await read(TellingEngine(ocr=[said]), rendered(page()))

    assert [(row.text_markdown, row.text_plain) for row in literal.pages] == [("2\\*3\\*4", "2*3*4")]
    assert [(row.text_markdown, row.text_plain) for row in markdown.pages] == [("2*3*4", "234")]
