"""Thinking with a budget, as in the reference: the model thinks, is cut short when the budget is used up, and answers.

Everything up to and including the first `</think>` is thought and never part of the answer.
"""

from collections.abc import Callable, Sequence


def close_thinking(thought: Sequence[int], *, end: int, stops: Sequence[int], out_of_budget: Sequence[int]) -> list[int] | None:
    """The tokens from which the second phase continues; None if the first phase has finished the answer by itself.

    `end` is the id of `</think>`, and `out_of_budget` the ids that close a thought cut short. The forced text counts as output.
    """
    if any(stop in thought for stop in stops):
        return None
    return list(thought) if end in thought else [*thought, *out_of_budget]


def split_thinking(output: Sequence[int], *, end: int, decode: Callable[[Sequence[int]], str]) -> tuple[str, str]:
    """(thinking, response), both stripped. Without `</think>` everything is response: an unfinished thought, which counts as
    truncated."""
    if end not in output:
        return "", decode(output).strip()
    cut = list(output).index(end) + 1
    return decode(output[:cut]).strip(), decode(output[cut:]).strip()
