"""Finds answers that repeat themselves, by their token ids."""

from collections.abc import Sequence

import numpy as np

MIN_TOKENS, MIN_ROUNDS, MAX_PERIOD = 96, 4, 256
"""Limits of this cheap check (0.1 ms). They are looser than those of `workers.text.loops` (5 ms), which then decides on the
text."""
CHECK_EVERY = 32
"""Tokens between two checks, the longest delay in finding a loop."""


def find_cycle(tokens: Sequence[int]) -> int | None:
    """Length of the shortest cycle in which the tokens end; None if there is none.

    >>> find_cycle([7, 8] + [1, 2, 3] * 60)
    3
    """
    tail = np.asarray(tokens[-max(MIN_TOKENS, MIN_ROUNDS * MAX_PERIOD) :])
    if len(tail) < MIN_TOKENS:
        return None
    candidates = np.flatnonzero(tail[-2 : -MAX_PERIOD - 2 : -1] == tail[-1]) + 1
    for period in candidates.tolist():
        span = max(MIN_TOKENS, MIN_ROUNDS * period)
        if span <= len(tail) and np.array_equal(tail[-span + period :], tail[-span:-period]):
            return int(period)
    return None
