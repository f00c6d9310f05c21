"""Asking again: hotter, with a longer limit, from before a loop; and which answer is kept."""

import json
from dataclasses import replace
from typing import Any

import pytest

from schemas.settings import ReadSettings
from schemas.tables import to_table
from tests.workers.made_pages import (
    OCR,
    TellingEngine,
    layer,
    page,
    read,
    rendered,
)
from tests.workers.reading.made_answers import LOOPING, TRUNCATED
from workers.engines.engine import Completion
from workers.engines.profiles.profile import shipped
from workers.reading.prompts import prompt_for


@pytest.mark.parametrize(
    ("bad", "kind"),
    [("not at all", "bad_json"), ('{"rows": 1}', "bad_answer"), ('{"blocks": [{"title": "a"', "bad_json"), ("", "bad_json")],
)
async def test_a_bad_answer_is_asked_again_hotter(bad: str, kind: str) -> None:
    engine = TellingEngine(ocr=[bad, bad, OCR])

    records = await read(engine, rendered(page()))

    (row,) = records.pages
    assert (row.status, row.num_asks, row.num_prompt_tokens, row.num_output_tokens) == ("ok", 3, 300, 21)
    assert [request.temperature for request in engine.requests] == [0.0, 0.2, 0.5]
    assert [request.ask for request in engine.requests] == [0, 1, 2]
    assert records.failures == []


@pytest.mark.parametrize(("bad", "kind"), [("not at all", "bad_json"), ('{"rows": 1}', "bad_answer")])
async def test_an_answer_that_stays_bad_is_a_failure_with_its_raw_text(bad: str, kind: str) -> None:
    engine = TellingEngine(ocr=["first", bad])

    records = await read(engine, rendered(page()), settings=ReadSettings(max_asks=2))

    assert (records.pages[0].status, records.pages[0].num_asks, records.blocks) == ("failed", 2, [])
    (failure,) = records.failures
    assert (failure.stage, failure.kind, failure.raw_text) == ("validate", kind, bad)


async def test_raw_text_is_kept_so_that_a_file_can_hold_it_and_a_terminal_show_it() -> None:
    engine = TellingEngine(ocr=["no\tanswer \x1b[31m\x00\x9b \ud83d\nat all"])

    records = await read(engine, rendered(page()), settings=ReadSettings(max_asks=1))

    (failure,) = records.failures
    assert failure.raw_text == "no\tanswer ␛[31m␀\ufffd \ufffd\nat all"
    to_table("failures", [failure.row()])


async def test_a_truncated_answer_is_kept_in_part_and_is_a_failure() -> None:
    engine = TellingEngine(ocr=[TRUNCATED])

    records = await read(engine, rendered(page()))

    (row,) = records.pages
    assert (row.status, row.stop_reason, row.num_asks) == ("partial", "length", 1)  # a longer answer is not to be had
    assert row.text_plain is not None
    assert "Kept" in row.text_plain
    assert "partial" in row.flags
    (failure,) = records.failures
    assert (failure.kind, failure.stage, failure.raw_text) == ("truncated", "read", TRUNCATED.text)


async def test_a_truncated_answer_that_holds_nothing_is_truncated_and_failed() -> None:
    records = await read(TellingEngine(ocr=[Completion(text="<think>hm", stop_reason="length")]), rendered(page()))

    assert records.pages[0].status == "failed"
    assert [failure.kind for failure in records.failures] == ["truncated"]


async def test_the_length_limit_follows_a_trusted_text_layer_and_is_lifted_when_too_short() -> None:
    engine = TellingEngine(ocr=[TRUNCATED, OCR])
    text_layer = layer(*["letters"] * 12)

    records = await read(engine, rendered(page(text_layer=text_layer)))

    # 84 ASCII letters / 3 + 12 words = 40 tokens; 1.5 * 40 + 512
    assert [request.max_output_tokens for request in engine.requests] == [572, 8192]
    assert (records.pages[0].status, records.failures) == ("ok", [])


@pytest.mark.parametrize(
    ("answers", "limits"),
    [([LOOPING, TRUNCATED, OCR], [572, 572, 8192]), ([TRUNCATED, LOOPING, OCR], [572, 8192, 8192])],
)
async def test_a_limit_that_was_too_short_is_lifted_whenever_that_shows_and_stays_so(answers: list[Any], limits: list[int]) -> None:
    engine = TellingEngine(ocr=answers)

    records = await read(engine, rendered(page(text_layer=layer(*["letters"] * 12))))

    assert [request.max_output_tokens for request in engine.requests] == limits
    assert [request.ask for request in engine.requests] == [0, 1, 2]
    assert records.pages[0].status == "ok"


async def test_an_untrusted_text_layer_sets_no_limit() -> None:
    engine = TellingEngine()
    hidden = layer(*["letters"] * 12).model_copy(update={"num_hidden": 84})

    await read(engine, rendered(page(text_layer=hidden)))

    assert engine.requests[0].max_output_tokens == 8192


async def test_after_a_loop_an_engine_goes_on_from_before_it_then_with_a_penalty_then_hotter() -> None:
    engine = TellingEngine(ocr=[LOOPING, LOOPING, LOOPING, LOOPING, OCR])

    records = await read(engine, rendered(page()), settings=ReadSettings(max_asks=5), takes_prefix=True)

    before = '{"languages": ["en"], "blocks": [{"title": "Kept"}'
    asked = [(request.answer_prefix, request.repetition_penalty, request.temperature) for request in engine.requests]
    assert [item[1:] for item in asked] == [(1.0, 0.0), (1.0, 0.0), (1.05, 0.0), (1.1, 0.2), (1.1, 0.5)]
    assert asked[0][0] == ""
    assert [request.draft[:60] for request in engine.requests] == [
        "",
        *[LOOPING.text[:60]] * 4,
    ]  # the earlier answer, to draft from
    assert all(before.startswith(prefix) and prefix for prefix, _, _ in asked[1:])
    assert records.pages[0].status == "ok"


async def test_an_engine_that_takes_no_prefix_starts_with_the_penalty() -> None:
    engine = TellingEngine(ocr=[LOOPING, OCR])

    await read(engine, rendered(page()))

    assert [(request.answer_prefix, request.repetition_penalty) for request in engine.requests] == [("", 1.0), ("", 1.05)]


@pytest.mark.parametrize("stop_reason", ["length", "loop"])
async def test_a_loop_that_stays_is_repeated_and_keeps_what_came_before(stop_reason: Any) -> None:
    records = await read(TellingEngine(ocr=[replace(LOOPING, stop_reason=stop_reason)]), rendered(page()))

    (row,), (failure,) = records.pages, records.failures
    assert (row.status, row.stop_reason, row.num_asks) == ("partial", "loop", 4)
    assert row.text_plain is not None
    assert row.text_plain.count("over and over again") <= 2
    assert (failure.kind, failure.raw_text) == ("repeated", LOOPING.text)


async def test_the_best_answer_is_kept_not_the_last() -> None:
    longer = replace(LOOPING, text='{"blocks": [{"title": "Longer"}, {"title": "part"}' + ', {"title": "and again"}' * 100)

    records = await read(TellingEngine(ocr=[longer, LOOPING, "nothing"]), rendered(page()))

    assert records.pages[0].status == "partial"
    assert records.pages[0].text_plain is not None
    assert records.pages[0].text_plain.startswith("Longer")


async def test_a_repeated_prompt_is_flagged() -> None:
    echo = json.dumps({"languages": [], "blocks": [{"paragraph": prompt_for("ocr").text.splitlines()[-1]}]})

    records = await read(TellingEngine(ocr=[echo]), rendered(page()))

    assert "prompt_echo" in records.pages[0].flags


async def test_a_repeated_prompt_of_a_profile_is_flagged() -> None:
    profile = shipped()["ovisocr2"]
    assert profile.ocr is not None
    echo = "# Fees\n\n" + profile.ocr.prompt.partition('"')[0]

    records = await read(TellingEngine(ocr=[echo]), rendered(page(), tasks=["ocr"]), tasks=["ocr"], profile=profile)

    assert "prompt_echo" in records.pages[0].flags


async def test_an_answer_without_text_is_flagged() -> None:
    records = await read(TellingEngine(ocr=['{"languages": [], "blocks": []}']), rendered(page()))

    assert "empty_answer" in records.pages[0].flags
