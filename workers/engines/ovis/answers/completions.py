"""Makes completions of sequences that have ended: text, figures, and why they ended."""

from collections.abc import Collection
from functools import lru_cache
from typing import Any

from schemas.failure import Failure, FailureKind, clean_message
from workers.engines.engine import Completion, Request, StopReason
from workers.engines.ovis.answers.confidence import logprob_figures
from workers.engines.ovis.batching.sequence import Sequence

STOP_REASONS: dict[str, StopReason] = {
    "stop": "stop", "length": "length", "loop": "loop", "cancelled": "cancelled", "timeout": "error", "error": "error",
}  # fmt: skip


class Completions:
    def __init__(self, tokenizer: Any, vocabulary: Any, stops: Collection[int], timeout_s: float) -> None:
        """`vocabulary` is llguidance's view of the tokenizer, which knows each token's bytes."""
        self._tokenizer, self._stops, self._timeout_s = tokenizer, stops, timeout_s
        self._bytes_of = lru_cache(65_536)(lambda token: bytes(vocabulary.decode_bytes([token])))

    def of_answer(self, request: Request, sequence: Sequence, *, num_prompt: int, thought: Sequence | None) -> Completion:
        """The completion of an answer. `num_prompt` counts the question alone, without thought and given beginning."""
        num_thought, thought_s = (thought.num_new, thought.seated_s) if thought else (0, 0.0)
        tokens, given = sequence.new_tokens, sequence.answer[: sequence.num_given]
        said = tokens[:-1] if tokens and tokens[-1] in self._stops else tokens
        text = self._tokenizer.decode(given + said, skip_special_tokens=True)
        if sequence.end in ("length", "loop"):
            text = text.rstrip("\ufffd")  # the last character's bytes may be incomplete
        mean, least = logprob_figures(
            sequence.logprobs[: len(said)],
            [self._bytes_of(token) for token in said],
            before=b"".join(map(self._bytes_of, given)),
            is_json=request.answer_schema is not None,
        )
        return Completion(
            text=text,
            stop_reason=STOP_REASONS[sequence.end or "error"],
            num_prompt_tokens=num_prompt,
            num_output_tokens=num_thought + sequence.num_new,
            mean_logprob=mean,
            min_logprob=least,
            grammar_overrides=sequence.num_overridden / len(tokens) if sequence.matcher is not None and tokens else None,
            failure=self._failure(request, sequence),
            engine_s=thought_s + sequence.seated_s,
        )

    def of_thought(self, request: Request, thought: Sequence) -> Completion:
        """The completion of a thought that no answer follows. It has no text, because a thought is no part of an answer."""
        return Completion(
            stop_reason=STOP_REASONS[thought.end or "error"],
            num_prompt_tokens=thought.num_prompt,
            num_output_tokens=thought.num_new,
            failure=self._failure(request, thought),
            engine_s=thought.seated_s,
        )

    def _failure(self, request: Request, sequence: Sequence) -> Failure | None:
        if sequence.end == "error":
            return Failure(stage="read", kind=FailureKind.engine_error, message=clean_message(sequence.error), task=request.task)
        if sequence.end == "timeout":
            message = f"no answer after {self._timeout_s:g} s ({sequence.num_new} tokens so far)"
            return Failure(stage="read", kind=FailureKind.engine_timeout, message=message, task=request.task)
        return None


def failed_request(request: Request, kind: FailureKind, message: str) -> Completion:
    return Completion(
        stop_reason="error", failure=Failure(stage="read", kind=kind, message=clean_message(message), task=request.task)
    )
