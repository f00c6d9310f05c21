"""The engine as the pipeline uses it: asynchronous, many requests at once, every completion accounted for."""

import asyncio
import hashlib
import json
import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import pytest

from schemas.answers import ChartAnswer, OcrAnswer, answer_schema
from schemas.failure import FailureKind
from schemas.page import PageImage, TextLayer, Word
from schemas.settings import EngineSettings, OvisSettings
from workers.engines.engine import EngineStartError, OnDevice, Prompt, Request
from workers.engines.ovis.batching.drafting import Drafting
from workers.engines.ovis.drafts.depth import StepCost
from workers.engines.registry import describe_engine, make_engine

pytestmark = pytest.mark.slow

SMALL = {"kv_cache_bytes": 2**25, "max_batch": 8, "num_threads": 1}


def settings_for(folder, *, timeout_s=300, **ovis):
    return EngineSettings(name="ovis", model=str(folder), timeout_s=timeout_s, ovis=OvisSettings(**(SMALL | ovis)))


@pytest.fixture
async def started(untied_checkpoint):
    """Starts engines and closes them again."""
    engines = []

    async def start(**given):
        engine = make_engine(settings_for(given.pop("folder", untied_checkpoint), **given))
        await engine.start()
        engines.append(engine)
        return engine

    yield start
    for engine in engines:
        await engine.close()


def image(seed=0, side=448):
    pixels = np.random.default_rng(seed).integers(0, 256, side * side * 3, dtype=np.uint8)
    return PageImage.from_rgb(side, side, pixels.tobytes())


def request(seed=0, task="ocr", *, is_bound=True, num_tokens=100, **given):
    return Request(
        label=f"page {seed}",
        task=task,
        image=given.pop("image", None) or image(seed),
        prompt=Prompt("Read all the text in the image.", "1"),
        answer_schema=answer_schema(task) if is_bound else None,
        max_output_tokens=num_tokens,
        **given,
    )


SHORT = {  # a schema that ends: random weights close a string sooner or later, but not a list
    "type": "object",
    "properties": {
        "chart": {"type": "string", "enum": ["bar", "line", "none"]},
        "n": {"type": "integer", "minimum": 0, "maximum": 9},
    },
    "required": ["chart", "n"],
    "additionalProperties": False,
}


async def test_every_finished_answer_parses(started):
    engine = await started()
    asked = [request(seed, task, num_tokens=600, temperature=0.7) for seed in range(4) for task in ("ocr", "chart")]
    completions = await asyncio.gather(*(engine.read(one) for one in asked))
    finished = [(one, said) for one, said in zip(asked, completions, strict=True) if said.stop_reason == "stop"]
    for one, said in finished:
        (OcrAnswer if one.task == "ocr" else ChartAnswer).model_validate_json(said.text)
    assert all(said.failure is None for said in completions)
    assert all(said.stop_reason in ("stop", "length", "loop") for said in completions)

    short = await asyncio.gather(*(engine.read(replace(request(seed), answer_schema=SHORT)) for seed in range(8)))
    for said in short:
        assert said.stop_reason == "stop"
        assert set(json.loads(said.text)) == {"chart", "n"}


async def test_a_completion_says_what_it_cost_and_how_sure_it_was(started):
    engine = await started()
    said = await engine.read(request(num_tokens=50))
    assert said.stop_reason == "length"
    assert said.num_output_tokens == 50
    assert said.num_prompt_tokens > 100
    assert said.min_logprob <= said.mean_logprob < 0
    assert 0 < said.grammar_overrides <= 1
    assert said.engine_s > 0
    free = await engine.read(request(num_tokens=20, is_bound=False))
    assert free.grammar_overrides is None


async def test_waiting_for_a_place_in_the_batch_is_no_time_at_work(started):
    engine = await started(max_batch=1)
    since = time.monotonic()
    completions = await asyncio.gather(*(engine.read(request(seed, num_tokens=10)) for seed in range(4)))
    assert 0 < sum(said.engine_s for said in completions) <= time.monotonic() - since


async def test_the_device_s_work_is_counted_and_rests_between_requests(started):
    engine = await started()
    assert isinstance(engine, OnDevice)
    before, since = engine.device_s, time.monotonic()
    await asyncio.gather(*(engine.read(request(seed, num_tokens=20)) for seed in range(3)))
    worked_s = 0.0
    while worked_s < engine.device_s - before:  # the step that gave the last answer is counted after it
        worked_s = engine.device_s - before
        await asyncio.sleep(0.2)
    assert 0 < worked_s <= time.monotonic() - since


async def test_the_same_question_gets_the_same_answer_alone_and_in_a_crowd(started):
    engine = await started()
    alone = [await engine.read(request(seed, num_tokens=60)) for seed in range(3)]
    await engine.close()
    crowded = await started(max_batch=16)
    together = await asyncio.gather(*(crowded.read(request(seed, num_tokens=60)) for seed in range(12)))
    assert [said.text for said in together[:3]] == [said.text for said in alone]


async def test_a_page_asked_as_markdown_is_free_of_the_grammar_and_lands_like_any_other(started):
    from schemas.settings import ReadSettings
    from tests.workers.made_pages import page, read, rendered
    from workers.reading.prompts import OCR_MARKDOWN

    engine = await started()
    records = await read(
        engine,
        rendered(page(0, image=image(3)), tasks=["ocr"]),
        settings=ReadSettings(transport="markdown", max_output_tokens=60, max_asks=1),
        takes_prefix=True,
    )
    (row,) = records.pages
    assert row.status in ("ok", "partial")
    assert (row.grammar_overrides, row.mean_logprob is None) == (None, False)
    assert row.num_prompt_tokens > len(engine.tokenizer.encode(OCR_MARKDOWN))
    assert not (row.text_markdown or "").startswith('{"languages"')


async def test_an_answer_goes_on_from_its_given_beginning(started):
    engine = await started()
    prefix = '{"languages": ["en"], "blocks": [{"paragraph": "total'
    said = await engine.read(request(answer_prefix=prefix, num_tokens=30))
    assert said.text.startswith(prefix)
    assert len(said.text) > len(prefix)
    assert said.num_output_tokens == 30


async def test_a_beginning_that_fits_no_answer_is_left_out(started):
    engine = await started()
    said = await engine.read(request(answer_prefix="Sure! Here", num_tokens=30))
    assert said.text.startswith('{"languages"')
    assert said.failure is None


async def test_one_bad_request_is_one_failure(started):
    engine = await started()
    broken = PageImage(width_px=448, height_px=448, pixels=b"no zstd")
    bad = [
        request(1, image=broken),
        replace(request(2), answer_schema={"type": "nonsense"}),
    ]
    *failures, good = await asyncio.gather(*(engine.read(one) for one in [*bad, request(3, num_tokens=10)]))
    assert [said.failure.kind for said in failures] == [FailureKind.engine_error] * 2
    assert [said.stop_reason for said in failures] == ["error"] * 2
    assert good.failure is None
    assert good.num_output_tokens == 10


async def test_a_request_that_takes_too_long_fails_as_such(started):
    engine = await started(timeout_s=0.3)
    said = await engine.read(request(num_tokens=3000, is_bound=False))
    assert said.failure.kind == FailureKind.engine_timeout
    assert said.stop_reason == "error"


async def test_a_cancelled_request_makes_room(started):
    engine = await started(max_batch=1)
    task = asyncio.create_task(engine.read(request(1, num_tokens=3000)))
    await asyncio.sleep(0.3)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    said = await asyncio.wait_for(engine.read(request(2, num_tokens=5)), 300)
    assert said.num_output_tokens == 5


async def test_a_chart_asked_again_may_think_and_its_thoughts_are_no_answer(started):
    engine = await started(chart_thinking_tokens=16)
    first = await engine.read(replace(request(1, "chart", num_tokens=200), answer_schema=SHORT))
    again = await engine.read(replace(request(1, "chart", num_tokens=200, ask=1), answer_schema=SHORT))
    assert "thought" not in first.flags
    assert "thought" in again.flags
    assert set(json.loads(again.text)) == {"chart", "n"}
    assert first.num_output_tokens < 40 < 16 + 40
    assert again.num_output_tokens > first.num_output_tokens
    # the answer found its question, image and all, in the cache
    assert engine.scheduler.encoder.num_encoded <= 2


async def test_thinking_that_leaves_no_room_for_an_answer_is_cut_off(started):
    engine = await started(chart_thinking_tokens=50)
    engine._end_of_thinking = -5  # no token ends the thought, so it uses up its budget, which is the whole limit
    engine._stops = frozenset()
    said = await engine.read(request(1, "chart", num_tokens=50, ask=1))
    assert said.failure.kind == FailureKind.truncated
    assert (said.stop_reason, said.text, said.num_output_tokens) == ("length", "", 50)


async def test_what_was_thought_is_no_answer_even_when_no_answer_follows(started):
    engine = await started(chart_thinking_tokens=3000, timeout_s=0.5)
    engine._end_of_thinking, engine._stops = -5, frozenset()
    said = await engine.read(request(1, "chart", num_tokens=3000, ask=1))
    assert said.failure.kind == FailureKind.engine_timeout
    assert said.text == ""
    assert said.mean_logprob is None


async def test_a_thought_that_ends_without_its_mark_is_closed_for_it(started, monkeypatch):
    # given a thought in which every token counts as an end token: it ends after one
    engine = await started(chart_thinking_tokens=30)
    prompts = []
    run = engine._run

    async def watched(sequence):
        if not prompts:
            sequence.stops = frozenset(range(1000))
        prompts.append(list(sequence.tokens))
        return await run(sequence)

    monkeypatch.setattr(engine, "_run", watched)
    monkeypatch.setattr(engine, "_stops", frozenset(range(1000)))
    said = await engine.read(replace(request(1, "chart", num_tokens=200, ask=1), answer_schema=SHORT))
    thinking, answer = prompts
    assert answer == thinking + engine._out_of_budget
    assert "thought" in said.flags


async def test_an_engine_closed_with_requests_in_flight_answers_them_all(started):
    engine = await started(max_batch=2)
    reads = [asyncio.create_task(engine.read(request(seed, num_tokens=3000))) for seed in range(6)]
    async with asyncio.timeout(240):
        while len(engine.scheduler.in_flight) < 6 or not engine.scheduler.admission.running:  # noqa: ASYNC110  # by another thread
            await asyncio.sleep(0.01)
    late = asyncio.create_task(engine.read(request(7)))  # still being prepared
    await asyncio.sleep(0)
    await engine.close()
    completions = await asyncio.wait_for(asyncio.gather(*reads, late), 300)
    assert [said.stop_reason for said in completions[:6]] == ["cancelled"] * 6
    assert completions[6].stop_reason in ("cancelled", "error")
    assert engine.scheduler.is_idle


async def test_an_engine_whose_thread_breaks_ends_its_process(started, monkeypatch):
    from workers.engines.ovis import engine as module

    ended = asyncio.get_running_loop().create_future()
    engine = await started()

    def breaks():
        raise KeyError("a bug")

    def leave(code):
        ended.get_loop().call_soon_threadsafe(ended.set_result, code)

    monkeypatch.setattr(module.os, "_exit", leave)
    monkeypatch.setattr(module.logging, "shutdown", lambda: None)
    monkeypatch.setattr(engine.scheduler, "turn", breaks)
    read = asyncio.create_task(engine.read(request()))
    assert await asyncio.wait_for(ended, 300) == module.BROKEN_EXIT_CODE
    read.cancel()


async def test_a_closed_engine_refuses_and_leaves_the_interpreter_as_it_was(started):
    before = sys.getswitchinterval()
    engine = await started()
    assert sys.getswitchinterval() < before
    await engine.close()
    assert sys.getswitchinterval() == before
    said = await engine.read(request())
    assert said.failure.kind == FailureKind.engine_error


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"device": "cuda"}, "sees no CUDA device"),
        ({"device": "abacus"}, "auto, cuda and cpu are known"),
    ],
)
async def test_what_cannot_start_says_why_in_one_sentence(untied_checkpoint, given, message):
    import torch

    if torch.cuda.is_available() and given.get("device") == "cuda":
        pytest.skip("there is a GPU here")
    with pytest.raises(EngineStartError, match=message) as raised:
        await make_engine(settings_for(untied_checkpoint, **given)).start()
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"model": None}, "needs a model"),
        ({"model": "AIDC-AI/Ovis2.5-2B"}, "Pin the revision"),
        ({"model": "/nowhere"}, "no folder"),
    ],
)
async def test_a_model_that_is_not_named_well_stops_the_run(given, message):
    with pytest.raises(EngineStartError, match=message):
        await make_engine(EngineSettings(name="ovis", **given)).start()


def test_what_changes_an_answer_is_in_the_recipe_and_torch_is_not_needed_to_say_so(checkpoint, untied_checkpoint):
    first, second = (describe_engine(settings_for(folder)) for folder in (checkpoint, untied_checkpoint))
    assert first.options["checkpoint"] != second.options["checkpoint"]
    assert first.chart_options != describe_engine(settings_for(checkpoint, chart_thinking_tokens=5)).chart_options
    assert first.options == describe_engine(settings_for(checkpoint, max_batch=3)).options
    code = (
        "import sys; from schemas.settings import EngineSettings; from workers.engines.registry import describe_engine;"
        f"describe_engine(EngineSettings(name='ovis', model={str(checkpoint)!r}));"
        "assert not {'torch', 'transformers', 'llguidance'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=600)


def test_what_the_number_in_the_recipe_stands_for_is_pinned():
    """Changed on purpose? Raise IMPLEMENTATION: the same settings and weights may answer differently now. The prompts have versions
    of their own, and the answers' shape has SCHEMA_VERSION."""
    from workers.engines.ovis.batching.grammar import OPTIONS
    from workers.engines.ovis.description import IMPLEMENTATION
    from workers.engines.ovis.model.image_processor import MAX_PIXELS, MIN_PIXELS
    from workers.engines.ovis.model.prompt import OUT_OF_THINKING_BUDGET, question, render

    asked = [render([question("?")], thinking=thinking) for thinking in (False, True)]
    stands_for = json.dumps([OPTIONS, asked, OUT_OF_THINKING_BUDGET, MIN_PIXELS, MAX_PIXELS], sort_keys=True)
    assert (IMPLEMENTATION, hashlib.sha256(stands_for.encode()).hexdigest()[:16]) == (2, "78d9189e181d30f8")


async def test_an_earlier_answer_is_checked_as_a_draft_and_changes_nothing(started):
    plain = await started(drafts=False)
    assert plain.scheduler.drafting is None
    first = await plain.read(request(num_tokens=80))
    engine = await started()
    engine.scheduler.drafting = Drafting(StepCost(1.0, 0.0))  # whatever was measured on a busy machine
    again = await engine.read(replace(request(num_tokens=80), draft=first.text))
    assert again.text == first.text
    assert (again.num_output_tokens, again.mean_logprob) == (80, pytest.approx(first.mean_logprob, abs=1e-4))
    assert engine.scheduler.statistics.num_accepted > 20
    assert engine.scheduler.statistics.num_decode_steps < plain.scheduler.statistics.num_decode_steps / 2


async def test_the_pdfs_own_words_are_checked_as_a_draft(started):
    words = [Word(text, 0, 0, 9, 9, block=at, line=0, size_px=9) for at, text in enumerate(["total", "value"])]
    engine = await started()
    drafter = engine._drafter(request(text_layer=TextLayer(words=words)))
    begun = engine._encode('{"languages": ["en"], "blocks": [{"paragraph": "total')
    assert engine.tokenizer.decode(drafter.propose(begun, 40)).startswith('"}, {"paragraph": "value')
