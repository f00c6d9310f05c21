"""Answers that go round in circles, seen on their token ids."""

from collections.abc import Sequence

import numpy as np

MIN_TOKENS, MIN_ROUNDS, MAX_PERIOD = 96, 4, 256
"""A cheap look, kept looser than `workers.text.loops`, which then decides on the text (5 ms, against 0.1 ms here)."""
CHECK_EVERY = 32
"""Tokens between two looks: a loop is found at most this late."""


def find_cycle(tokens: Sequence[int]) -> int | None:
    """Length of the cycle that the tokens end in, the shortest one; None when they end in none.

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
