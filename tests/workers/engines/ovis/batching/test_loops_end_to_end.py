"""A model that goes round in circles: stopped early, asked again from before the loop, with a penalty, hotter, then recorded."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from schemas.answers import answer_schema
from schemas.failure import FailureKind
from schemas.page import PageImage
from schemas.settings import EngineSettings, OvisSettings, ReadSettings
from workers.engines.engine import Prompt, Request
from workers.engines.registry import make_engine
from workers.reading.asking import ask

LIMIT = 3000
BEFORE = '{"languages": ["en"], "blocks": [{"title": "Kept"}'


class Reciting:
    """An engine whose model says a given text, character by character; what it is asked is kept."""

    def __init__(self, engine, text_of):
        self.engine, self.text_of, self.requests, self.said = engine, text_of, [], []
        steps, tokenizer = engine.scheduler.steps, engine.tokenizer
        vocab_size = engine.model.config.llm_config.vocab_size

        def logits(sequences, atoms=None):
            rows = torch.zeros(len(sequences), vocab_size)
            for row, sequence in zip(rows, sequences, strict=True):
                text = self.text_of(self.requests[-1])
                at = len(tokenizer.decode(sequence.answer))
                row[tokenizer.encode(text[at])[0] if at < len(text) else tokenizer.eos_token_id] = 100
            return rows

        steps.next = steps.prompts = logits

    async def read(self, request):
        self.requests.append(request)
        self.said.append(await self.engine.read(request))
        return self.said[-1]


@pytest.fixture
async def engine(checkpoint):
    settings = EngineSettings(
        name="ovis", model=str(checkpoint), ovis=OvisSettings(kv_cache_bytes=2**25, max_batch=2, num_threads=1, drafts=False)
    )
    engine = make_engine(settings)
    await engine.start()
    yield engine
    await engine.close()


def request(task="ocr"):
    pixels = np.random.default_rng(0).integers(0, 256, 448 * 448 * 3, dtype=np.uint8)
    return Request(
        label="page",
        task=task,
        image=PageImage.from_rgb(448, 448, pixels.tobytes()),
        prompt=Prompt("Read.", "1"),
        answer_schema=answer_schema(task),
        max_output_tokens=LIMIT,
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    ("before", "unit"),
    [
        pytest.param(BEFORE + ', {"paragraph": "It goes ', "on and on and on again ", id="words"),
        pytest.param(BEFORE, ', {"paragraph": "one and the same block"}', id="blocks"),
        pytest.param(BEFORE + ', {"table": [["a", "b"]', ', ["total", "12.5"]', id="rows"),
    ],
)
async def test_a_loop_is_stopped_early_asked_again_in_order_and_recorded(engine, before, unit):
    reciting = Reciting(engine, lambda request: before + unit * 2000)

    outcome = await ask(reciting.read, request(), ReadSettings(), takes_prefix=True)

    assert [said.stop_reason for said in reciting.said] == ["loop"] * 4
    assert all(said.num_output_tokens < LIMIT * 0.75 for said in reciting.said)
    asked = [(one.ask, one.repetition_penalty, one.temperature) for one in reciting.requests]
    assert asked == [(0, 1.0, 0.0), (1, 1.0, 0.0), (2, 1.05, 0.0), (3, 1.1, 0.2)]
    assert reciting.requests[0].answer_prefix == ""
    assert all(before.startswith(one.answer_prefix) and one.answer_prefix for one in reciting.requests[1:])
    # and what came before the loop is kept, with at most one round of it
    assert (outcome.num_asks, outcome.failure.kind) == (4, FailureKind.repeated)
    assert "loop" in outcome.failure.message
    assert outcome.failure.raw_text.startswith(before)
    assert outcome.parsed.answer.blocks[0].title == "Kept"
    assert len(outcome.parsed.answer.blocks) <= 2
    assert outcome.completion.stop_reason == "loop"


@pytest.mark.slow
@pytest.mark.parametrize(("escapes_at", "num_asks"), [(1, 2), (2, 3), (3, 4)])
async def test_an_ask_that_leaves_the_loop_is_the_answer(engine, escapes_at, num_asks):
    whole = BEFORE + ', {"paragraph": "and the rest"}]}'
    looping = BEFORE + ', {"paragraph": "one and the same block"}' * 2000
    reciting = Reciting(engine, lambda request: whole if request.ask >= escapes_at else looping)

    outcome = await ask(reciting.read, request(), ReadSettings(), takes_prefix=True)

    assert (outcome.num_asks, outcome.failure, outcome.completion.text) == (num_asks, None, whole)
    assert outcome.num_output_tokens == sum(said.num_output_tokens for said in reciting.said)


@pytest.mark.slow
async def test_a_page_that_repeats_itself_is_no_loop(engine):
    table = BEFORE + ', {"table": [["0", "0", "0"]' + ', ["0", "0", "0"]' * 120 + "]}]}"
    reciting = Reciting(engine, lambda request: table)

    outcome = await ask(reciting.read, request(), ReadSettings(), takes_prefix=True)

    assert (outcome.num_asks, outcome.failure, outcome.completion.text) == (1, None, table)


@pytest.mark.slow
async def test_the_part_before_a_loop_is_not_computed_again(engine):
    looping = BEFORE + ', {"paragraph": "one and the same block"}' * 2000
    reciting = Reciting(engine, lambda request: looping)
    await ask(reciting.read, request(), ReadSettings(max_asks=2), takes_prefix=True)
    shared = engine.scheduler.statistics.num_shared
    assert shared >= reciting.said[0].num_prompt_tokens // 32 * 32
    assert engine.scheduler.encoder.num_encoded == 1
    first, second = reciting.requests
    assert replace(second, answer_prefix="", ask=0, draft=first.draft) == first
