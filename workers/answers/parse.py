"""Parses a completion's text into a typed answer, or gives the reason why there is none."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from pydantic import ValidationError

from schemas.answers import ChartAnswer, OcrAnswer
from schemas.failure import FailureKind, PageError, Task
from workers.answers.lenient_json import Loaded, NotJson, Pairs, load
from workers.answers.reshape import Shaped, shape_chart, shape_ocr

MAX_CHARS = 4_000_000
"""An answer of 8,192 tokens has some 40,000 characters. A hundred times that is no answer."""
MAX_STARTS = 8
"""Most places that are tried as the beginning of the JSON."""

_START = re.compile(r"""[{\[](?=\s*["'{\[}\]])|\{(?=\s*\Z)""")
_BRACKET = re.compile(r"[{}\[\]]")
_ANSWER_BEGUN = re.compile(rf"\s*(?:```\w*\s*)?(?:{_START.pattern})")


@dataclass(frozen=True)
class Parsed:
    answer: OcrAnswer | ChartAnswer
    is_partial: bool
    """True if the answer stopped early. It holds what was finished and nothing else."""
    repairs: tuple[str, ...] = ()
    """Flags (`schemas.flags`) for what was repaired or left out."""


def parse_answer(task: Task, text: str, *, is_complete: bool) -> Parsed:
    """The answer in a completion's text.

    `is_complete`: the engine stopped by itself. JSON that ends in the middle is `bad_json` then; only the outermost bracket may be
    missing. Otherwise the JSON is read as far as it goes: an unfinished text block is kept, an unfinished chart value or number
    not.

    Raises PageError: bad_json if there is no JSON, bad_answer if it has another shape.
    """
    if len(text) > MAX_CHARS:
        raise PageError(FailureKind.bad_json, f"the answer has {len(text)} characters")
    body = without_thinking(text)
    loaded, start = _find(task, body)
    if loaded.is_partial and is_complete and not loaded.is_unclosed:
        raise PageError(FailureKind.bad_json, "the answer ends in the middle of its JSON, though the model had stopped by itself")
    flags = set()
    if body[:start].strip() or len(body) != len(text) or body[loaded.end :].strip():
        flags.add("json_wrapped")
    if _START.search(body, loaded.end):
        flags.add("content_dropped")
    is_partial = loaded.is_partial and not (is_complete and loaded.is_unclosed)
    if loaded.is_repaired or (loaded.is_partial and not is_partial):
        flags.add("json_repaired")
    if is_partial:
        flags.add("partial")
    shaped = _shape(task, loaded.value)
    try:
        answer = (OcrAnswer if task == "ocr" else ChartAnswer).model_validate(shaped.value)
    except ValidationError as error:
        raise PageError(FailureKind.bad_answer, _sentence(error)) from None
    return Parsed(answer, is_partial, tuple(sorted(flags | shaped.flags)))


def without_thinking(text: str) -> str:
    """The text after `</think>`; empty if thinking was begun and not ended. An answer that only mentions the tag stays whole.

    A server whose template opens the thought leaves out `<think>`. Its `</think>` ends or begins a line, or JSON follows it.
    """
    before, end, after = text.partition("</think>")
    if text.lstrip().startswith("<think>"):
        return after
    is_at_edge = "\n" in (before.rstrip(" \t\r")[-1:] or "\n", after.lstrip(" \t\r")[:1] or "\n")
    is_end = bool(end) and (is_at_edge or _START.match(after.lstrip()))
    is_mention = "<think>" in before or _ANSWER_BEGUN.match(before)
    return after if is_end and not is_mention else text


def _find(task: Task, body: str) -> tuple[Loaded, int]:
    """The first JSON in the text that could be an answer."""
    error = "the answer holds no JSON object"
    other: tuple[Loaded, int] | None = None
    starts = list(_starts(body))
    for start in starts:
        try:
            loaded = load(body[start:], keep_unfinished=task == "ocr")
        except NotJson as not_json:
            error = str(not_json) if other is None else error
            continue
        found = _at(loaded, start), start
        if start > starts[0] and _BRACKET.search(body, found[0].end):
            continue  # a part of a larger value that is broken
        if _could_answer(loaded.value):
            return found
        other = other or found
    if other is not None:
        return other
    raise PageError(FailureKind.bad_json, error)


def _starts(body: str) -> Iterator[int]:
    for index, match in enumerate(_START.finditer(body)):
        if index == MAX_STARTS:
            return
        yield match.start()


def _at(loaded: Loaded, start: int) -> Loaded:
    return Loaded(loaded.value, loaded.end + start, loaded.is_partial, loaded.is_repaired, loaded.is_unclosed)


def _could_answer(value: object) -> bool:
    """True for an object or a list of objects, so that a `[1]` in a sentence before the answer does not count."""
    return isinstance(value, Pairs) or (isinstance(value, list) and all(isinstance(item, Pairs) for item in value))


def _shape(task: Task, value: object) -> Shaped:
    return shape_ocr(value) if task == "ocr" else shape_chart(value)


def _sentence(error: ValidationError) -> str:
    first = error.errors(include_url=False, include_input=False)[0]
    place = ".".join(str(part) for part in first["loc"])
    return f"the answer has another shape than asked: {place}: {first['msg']}" if place else f"the answer: {first['msg']}"
