"""Adds a new token to its request, advances the grammar, and decides whether the request has ended."""

from workers.engines.ovis.batching.sequence import End, Sequence
from workers.engines.ovis.batching.token_cycles import CHECK_EVERY

NO_NUMBER = "the model gave no number (NaN) for this request"


def accept_token(sequence: Sequence, token: int, logprob: float, overridden: bool) -> tuple[End, str] | None:
    """Adds the next token. Gives (how the request ends with it, error text), or None if it goes on."""
    if sequence.fault:
        return "error", sequence.fault
    if logprob != logprob:
        return "error", NO_NUMBER
    if sequence.matcher is not None:
        sequence.num_overridden += overridden
        if not sequence.matcher.consume_token(token):
            return "error", f"the grammar refused its own token: {sequence.matcher.get_error().strip().partition(chr(10))[0]}"
    sequence.append(token)
    sequence.logprobs.append(logprob)
    if token in sequence.stops or (sequence.matcher is not None and sequence.matcher.is_stopped()):
        return "stop", ""
    if sequence.num_new >= sequence.max_new_tokens:
        return "length", ""
    if sequence.is_loop is not None and sequence.num_new % CHECK_EVERY == 0 and sequence.is_loop(sequence.answer):
        return "loop", ""
    return None
