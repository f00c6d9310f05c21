"""The model's confidence: log probabilities of the tokens that carry content, without the JSON around them."""

import re
from collections.abc import Sequence

_STRING = re.compile(rb'"(?:[^"\\]|\\.)*(?:"|$)', re.DOTALL)
_NUMBER = re.compile(rb"-?\d[\d.eE+-]*")


def content_spans(text: bytes) -> list[tuple[int, int]]:
    """(start, end) of the values in a JSON answer, whole or cut short: the insides of strings that are no keys, and numbers.

    >>> content_spans(b'{"a": "bc", "d": 1.5}')
    [(7, 9), (17, 20)]
    """
    spans = []
    end = 0
    for match in _STRING.finditer(text):
        spans += [number.span() for number in _NUMBER.finditer(text, end, match.start())]
        end = match.end()
        if not text[end : end + 2].lstrip().startswith(b":"):
            closed = match.group().endswith(b'"') and len(match.group()) > 1
            spans.append((match.start() + 1, end - closed))
    return spans + [number.span() for number in _NUMBER.finditer(text, end)]


def logprob_figures(
    logprobs: Sequence[float], pieces: Sequence[bytes], *, before: bytes = b"", is_json: bool
) -> tuple[float | None, float | None]:
    """(mean, minimum) over content tokens; None without content tokens. In free text every token counts.

    `pieces` are the tokens' bytes, and `before` the beginning of the answer that was given.
    """
    chosen = list(logprobs)
    if is_json:
        spans = content_spans(before + b"".join(pieces))
        chosen = []
        at, span = len(before), 0
        for logprob, piece in zip(logprobs, pieces, strict=True):
            start, at = at, at + len(piece)
            while span < len(spans) and spans[span][1] <= start:
                span += 1
            if span < len(spans) and spans[span][0] < at and start < at:
                chosen.append(logprob)
    if not chosen:
        return None, None
    return sum(chosen) / len(chosen), min(chosen)
