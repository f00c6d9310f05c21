"""Thinking with a budget, as the reference does it: think, be cut short if need be, answer.

Everything up to and including the first `</think>` is thought; it is never part of the answer.
"""

from collections.abc import Callable, Sequence


def close_thinking(thought: Sequence[int], *, end: int, stops: Sequence[int], out_of_budget: Sequence[int]) -> list[int] | None:
    """What the second phase goes on from; None when the first phase has finished the answer by itself.

    `end` is the id of `</think>`; `out_of_budget` the ids that close a thought cut short. The forced text counts as output.
    """
    if any(stop in thought for stop in stops):
        return None
    return list(thought) if end in thought else [*thought, *out_of_budget]


def split_thinking(output: Sequence[int], *, end: int, decode: Callable[[Sequence[int]], str]) -> tuple[str, str]:
    """(thinking, response), both stripped. Without `</think>` all of it is response: an unfinished thought, to be taken for
    truncated."""
    if end not in output:
        return "", decode(output).strip()
    cut = list(output).index(end) + 1
    return decode(output[:cut]).strip(), decode(output[cut:]).strip()
