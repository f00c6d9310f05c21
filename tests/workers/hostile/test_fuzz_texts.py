"""Texts that were good once, mutated: labels, numbers, dates, tables, answers, replies, keys. How often: see `seeds`."""

import asyncio
import json
import math
import os
import random
import time
from collections.abc import Callable
from datetime import datetime

import httpx
import pyarrow as pa
import pytest

from pipeline.lake.paths import ChunkName, chunk_name, manifest_name, plan_number_of, staged_shard
from pipeline.lake.staging import encode_chunk
from schemas.failure import storable_text
from schemas.page import RenderedPage
from schemas.settings import EngineSettings, ReadSettings
from tests.workers.hostile.seeds import seeds
from tests.workers.made_pages import CHART, OCR, TellingEngine, layer, page, read, region, rendered
from workers.answers.latex import mend_latex
from workers.answers.lenient_json import NotJson, load
from workers.engines.server.chat import status_inside
from workers.engines.server.engine import ServerEngine, _retry_after_s
from workers.engines.server.replies import Reply
from workers.labels.axis_units import axis_unit
from workers.labels.numbers import parse_number
from workers.labels.times import parse_time
from workers.sources.listing import local_path, storable
from workers.sources.s3 import split_uri
from workers.text.languages import bcp47
from workers.text.loops import find_loop
from workers.text.tables import grid_of, rows_of_table_text, to_html, to_markdown

PIECES = [
    *("9" * 30, "1e400", "-", "−", "٣", "½", "万", "NaN", "null", "^", "|", "/", "..", "\n", " "),
    *("\u202e", "\ud800", "\udc80", "\x00", "\x1b[2J", "\x9b", "\ufeff", "&#x110000;"),
    *("'", '"', "\\", "\\u", "{", "}", "[", "]", "[" * 300, ",", ":", "<", "<td rowspan=99999>", "</tr>"),
]
TABLE = "<table><tr><th>Year</th><td colspan=2>1</td></tr><tr><td rowspan=2>2</td><td>3</td></tr></table>"
MARKDOWN = "| a | b |\n|---|---|\n| 1 | 2 |\n| 3 | 4 |"
REPLY = json.dumps(
    {
        "choices": [
            {
                "message": {"content": OCR, "refusal": None},
                "finish_reason": "stop",
                "logprobs": {"content": [{"token": "a", "logprob": -0.5}]},
            }
        ],
        "usage": {"prompt_tokens": 10, "completion_tokens": 5},
    }
)


def numbers(text: str) -> None:
    found = parse_number(text)
    assert found is None or math.isfinite(found.value)
    axis_unit(text, text)


def times(text: str) -> None:
    found = parse_time(text)
    assert found is None or isinstance(found, datetime)


def retry_after(text: str) -> None:
    found = _retry_after_s(text)
    assert found is None or 0 <= found <= 120


def tables(text: str) -> None:
    rows = rows_of_table_text(text)
    if rows is not None:
        grid = grid_of(rows)
        assert len(to_html(grid)) < 100_000
        to_markdown(grid)


def partial_json(text: str) -> None:
    for keep in (True, False):
        try:
            json.dumps(load(text, keep_unfinished=keep).value).encode()
        except NotJson:
            continue


def words(text: str) -> None:
    find_loop(text)
    mend_latex(text)
    mend_latex(text, is_formula=True)
    assert all(tag.isascii() for tag in bcp47([text]))
    stored = storable_text(text)
    assert not any(char < "\t" or "\x0b" <= char < " " or "\x7f" <= char <= "\x9f" for char in stored)
    pa.array([stored])


def names(text: str) -> None:
    for parse in (plan_number_of, manifest_name, chunk_name, staged_shard):
        parse(text)
    if (found := chunk_name(text)) is not None:
        assert ChunkName.parse(str(found)) == found
    bucket, key = split_uri(text)
    assert f"{bucket}/{key}".startswith(bucket)
    name = os.fsdecode(text.encode("utf-8", "surrogatepass"))
    storable(name).encode()
    assert local_path(storable(name)) == name


def landed(engine: TellingEngine, *pages: RenderedPage) -> None:
    chunk = rendered(*pages)
    records = asyncio.run(read(engine, chunk, settings=ReadSettings(max_asks=1)))
    assert [record.page_index for record in records.pages] == [page.page_index for page in pages]
    encode_chunk(chunk.chunk, records, "r1")


def answers(text: str) -> None:
    """Whatever the model says, there are rows that Arrow takes."""
    landed(TellingEngine(ocr=[text], chart=[text]), page(0, text_layer=layer("Annual", "10"), regions=[region()]))


def replies(text: str) -> None:
    """Whatever the endpoint says."""
    settings = EngineSettings.model_validate({"name": "server", "model": "m", "server": {"base_url": "http://127.0.0.1:9/v1"}})
    content = text.encode("utf-8", "surrogatepass")
    reply = Reply(200, httpx.Headers(), content)
    assert status_inside(reply.body) is None or 400 <= status_inside(reply.body) < 600
    completion = ServerEngine(settings)._outcome(reply)
    landed(TellingEngine(ocr=[completion]), page(0))


TARGETS: dict[Callable[[str], None], list[str]] = {
    numbers: ["1,234.5 €", "−12.5 %", "(1.234)", "1.2 Mrd. US$", "3×10^9", "12万", "½", "1 234,56", "+5bn"],
    times: ["Q2 2021", "2021/22", "12.03.2021", "March 2024", "2024年3月5日", "'98", "2021-03-05T10:00:00z", "1er janvier 2020"],
    retry_after: ["7", "1.5", "Wed, 25 Nov 2026 22:00:00 GMT", "Wed, 25 Nov 2026 22:00:00 +0000"],
    tables: [TABLE, MARKDOWN, "a\tb\n1\t2", "<table>" + "<tr><td>x" * 20],
    partial_json: [OCR, CHART, '{"a": [1, 2.5e3, "x\\u00e9\\n", null, true], "b": {"c": "d"}}'],
    words: ["the same words " * 20, "\\frac{1}{2} \\neq \\nabla \\unknown", "zh-Hans-CN", "deu", "plain text"],
    names: [
        "s3://bucket/a b/c.pdf",
        "_pagefold/manifests/2026-01-01/000001-00000.json",
        "_pagefold/plans/000001.json",
        "_pagefold/staging/000001/00000/00000.00000-00001.of-00003.arrow",
        "/in/bild ü.png",
    ],
    answers: [OCR, CHART],
    replies: [REPLY, '{"choices": null, "error": {"code": 429, "type": "x", "status": "UNAVAILABLE", "message": "rate limit"}}'],
}
NUM_TEXTS = 400
DEAR = {answers: 60, replies: 20}
"""Targets that take milliseconds and are given fewer texts."""


def mutated(dice: random.Random, texts: list[str]) -> str:
    text = dice.choice(texts)
    for _ in range(dice.randint(1, 6)):
        at = dice.randrange(len(text) + 1)
        length = dice.randint(0, 12)
        text = dice.choice(
            [
                text[:at] + dice.choice(PIECES) + text[at:],
                text[:at] + text[at + length :],
                text[:at] + text[at : at + length] * dice.randint(2, 30) + text[at:],
                text[:at] + chr(dice.randrange(0x11000)) + text[at + 1 :],
                text[:at],
                text[:at] + dice.choice(texts)[at:],
            ]
        )
    return text


@pytest.mark.slow
@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.__name__)
def test_no_text_breaks_what_reads_it(target: Callable[[str], None]) -> None:
    for seed in seeds(DEAR.get(target, NUM_TEXTS)):
        text = mutated(random.Random(seed), TARGETS[target])
        started = time.process_time()
        try:
            target(text)
        except Exception as error:
            raise AssertionError(f"seed {seed}: {text!r}") from error
        assert time.process_time() - started < 60, f"seed {seed}: slow over {text!r}"
