"""Asks one question until the answer is usable, a bounded number of times, and keeps the best answer."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Literal

from schemas.answers import JSON_ANSWER, MARKDOWN_ANSWER, OcrAnswer
from schemas.failure import Failure, FailureKind, PageError
from schemas.page import TextLayer
from schemas.settings import ReadSettings
from workers.answers.forms.parsing import parse_form
from workers.answers.parse import Parsed
from workers.contained import page_failure
from workers.engines.engine import Completion, Request
from workers.text.loops import find_loop
from workers.text.trust import judge

LIMIT_FACTOR, LIMIT_EXTRA_TOKENS = 1.5, 512
HOTTER = (0.2, 0.5)
"""Increases of the temperature, step by step."""
PENALTIES = (1.05, 1.1)

Trouble = Literal["none", "bad", "truncated", "loop"]


@dataclass(frozen=True)
class Outcome:
    """The result of asking one question."""

    completion: Completion
    """The completion of the best ask, or of the last if no answer is usable."""
    parsed: Parsed | None
    failure: Failure | None
    """Why there is no answer, or only a partial one."""
    num_asks: int
    num_prompt_tokens: int | None
    num_output_tokens: int | None
    engine_s: float
    """Seconds at the engine, summed over asks."""
    prompt: str = ""
    """The question's text."""

    @classmethod
    def of_failure(cls, failure: Failure) -> "Outcome":
        """The outcome of a question that could not be asked."""
        return cls(Completion(stop_reason="error", failure=failure), None, failure, 0, None, None, 0.0)

    def without_answer(self, failure: Failure) -> "Outcome":
        """The same outcome, whose answer cannot be used after all."""
        return replace(self, parsed=None, failure=failure)


@dataclass(frozen=True)
class _Try:
    completion: Completion
    parsed: Parsed | None = None
    failure: Failure | None = None
    trouble: Trouble = "none"
    before_loop: str = ""

    @property
    def rank(self) -> tuple[int, int]:
        """Sort key: a whole answer is better than a part, a longer part better than a shorter one, a part better than none."""
        if self.parsed is None:
            return 0, 0
        return (2, 0) if self.failure is None else (1, len(self.completion.text))


async def ask(
    read: Callable[[Request], Awaitable[Completion]], request: Request, settings: ReadSettings, *, takes_prefix: bool
) -> Outcome:
    """Gives the best answer of at most `max_asks`. Each ask after the first depends on what was wrong with the answer before.

    A failure that the engine reports ends the asking, because engines retry transient errors themselves. An exception in the
    engine, or while its answer is judged, ends it too and is a failure `internal_error`.
    """
    tries: list[_Try] = []
    asked: Request | None = request
    num_loops = 0
    while asked is not None:
        tries.append(judged := await asyncio.to_thread(_judge_contained, asked, await read(asked)))
        num_loops += judged.trouble == "loop"
        if len(tries) == settings.max_asks:
            break
        first = replace(request, ask=len(tries), max_output_tokens=asked.max_output_tokens)
        asked = _again(first, asked, judged, num_loops, settings, takes_prefix)
        asked = replace(asked, draft=judged.completion.text) if asked is not None else None
    best = max(reversed(tries), key=lambda one: one.rank)
    return Outcome(
        completion=best.completion,
        parsed=best.parsed,
        failure=best.failure,
        num_asks=len(tries),
        num_prompt_tokens=_sum([one.completion.num_prompt_tokens for one in tries]),
        num_output_tokens=_sum([one.completion.num_output_tokens for one in tries]),
        engine_s=sum(one.completion.engine_s or 0.0 for one in tries),
        prompt=request.prompt.text,
    )


def max_output_tokens(layer: TextLayer | None, width_px: int, height_px: int, settings: ReadSettings) -> int:
    """The limit for an answer. With a trusted text layer it is 1.5 times the layer's tokens plus 512, so that a loop stays
    short."""
    if layer is None or not judge(layer, width_px, height_px).is_trusted:
        return settings.max_output_tokens
    return min(settings.max_output_tokens, int(LIMIT_FACTOR * _estimated_tokens(layer)) + LIMIT_EXTRA_TOKENS)


def _estimated_tokens(layer: TextLayer) -> float:
    """A high estimate of the answer's tokens: a third of a token for an ASCII letter, one for any other character, and one more per
    word for the JSON around a table's cell. In Qwen's tokenizer a digit is one token, and so are most CJK and Indic characters."""
    chars = Counter("".join(word.text for word in layer.words))
    num_letters = sum(count for char, count in chars.items() if char.isascii() and not char.isdigit())
    num_others = chars.total() - num_letters
    return num_letters / 3 + num_others + len(layer.words)


def _judge_contained(request: Request, completion: Completion) -> _Try:
    try:
        return _judge(request, completion)
    except Exception as error:  # noqa: BLE001 - the border of a page
        return _Try(completion, failure=page_failure(error, "validate", said=completion.text))


def _judge(request: Request, completion: Completion) -> _Try:
    if completion.failure is not None:
        is_part = bool(completion.text) and completion.stop_reason == "stop"
        return _Try(completion, parsed_answer(request, completion.text, is_complete=True) if is_part else None, completion.failure)
    if completion.stop_reason in ("cancelled", "error"):
        return _Try(completion, failure=_failure(FailureKind.engine_error, f"stop reason {completion.stop_reason}", completion))
    is_complete = completion.stop_reason == "stop"
    text, before_loop = completion.text, ""
    trouble: Trouble = "none" if is_complete else "truncated"
    if completion.stop_reason in ("length", "loop"):
        loop = find_loop(text)
        if loop is not None:
            completion = replace(completion, stop_reason="loop")
            before_loop, text = text[: loop.start], text[: loop.start + loop.period]
        trouble = "loop" if completion.stop_reason == "loop" else "truncated"
    failure: Failure | None = None
    if trouble == "loop":
        failure = _failure(FailureKind.repeated, "the answer fell into a loop; what came before it is kept", completion)
    elif trouble == "truncated":
        failure = _failure(FailureKind.truncated, f"the answer hit its limit of {request.max_output_tokens} tokens", completion)
    try:
        parsed = parsed_answer(request, text, is_complete=is_complete)
    except PageError as error:
        bad = error.failure("validate").model_copy(update={"raw_text": completion.text})
        if is_complete:
            return _Try(completion, failure=bad, trouble="bad")
        return _Try(completion, failure=failure or bad, trouble=trouble, before_loop=before_loop)
    return _Try(completion, parsed, failure, trouble, before_loop)


def parsed_answer(request: Request, text: str, *, is_complete: bool) -> Parsed:
    """The parsed answer. Raises PageError, also for an empty text: blank pages are not asked about, so every answer must have text,
    and an empty JSON answer is not an empty text."""
    if is_complete and not text.strip():
        raise PageError(FailureKind.bad_answer, "the engine stopped without a word")
    is_free_text = request.answer_schema is None and request.shape == JSON_ANSWER
    parsed = parse_form(request.task, text, MARKDOWN_ANSWER if is_free_text else request.shape, is_complete=is_complete)
    if request.answer_schema is None and is_complete and isinstance(parsed.answer, OcrAnswer) and not parsed.answer.blocks:
        raise PageError(FailureKind.bad_answer, "the answer holds no text, though the page is not blank")
    return parsed


def _failure(kind: FailureKind, message: str, completion: Completion) -> Failure:
    return Failure(stage="read", kind=kind, message=message, raw_text=completion.text or None)


def _again(
    first: Request, asked: Request, last: _Try, num_loops: int, settings: ReadSettings, takes_prefix: bool
) -> Request | None:
    """The next request; None if the question is answered, or asking again would change nothing.

    `first`: the first request, with the number of the next ask and the length limit of the last, which never falls again. `asked`:
    the last request.
    """
    if last.trouble == "none":
        return None
    if last.trouble == "truncated":  # the limit from the text layer may have been too low; the setting is the upper limit
        is_longest = asked.max_output_tokens >= settings.max_output_tokens
        return None if is_longest else replace(asked, ask=first.ask, max_output_tokens=settings.max_output_tokens)
    if last.trouble == "bad":
        return replace(first, temperature=first.temperature + HOTTER[min(first.ask, len(HOTTER)) - 1])
    return _after_loop(first, last.before_loop, num_loops, takes_prefix)


def _after_loop(request: Request, before_loop: str, num_loops: int, takes_prefix: bool) -> Request:
    """The request after a loop: first from before the loop, then also with a penalty, then also at a higher temperature."""
    step = num_loops - 1 if takes_prefix else num_loops
    return replace(
        request,
        answer_prefix=before_loop if takes_prefix else "",
        repetition_penalty=PENALTIES[min(step, len(PENALTIES)) - 1] if step else 1.0,
        temperature=request.temperature + (HOTTER[min(step - 1, len(HOTTER)) - 1] if step > 1 else 0.0),
    )


def _sum(counts: list[int | None]) -> int | None:
    known = [count for count in counts if count is not None]
    return sum(known) if known else None
