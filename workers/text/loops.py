"""Finds loops in truncated answers. Only answers that hit their length limit are checked, because an answer that stops is in no
loop.

A loop is a suffix that repeats itself exactly and is longer than repetition on real pages. A table of zeros, dotted leaders and the
lines of a form repeat too. So repetition without letters must be far longer, and short words must repeat longer than long passages.
"""

import re
from typing import NamedTuple

WINDOW_CHARS = 12_000
"""Characters at the end that are checked, about 3,000 tokens. Z-function and scan take some 5 ms."""
MIN_CHARS = 1_200
MIN_REPEATS = 4
MIN_LETTERS = 4
"""Letters in one round. With fewer it counts as repetition without words."""
MIN_CHARS_WITHOUT_WORDS = 6_000
"""A table of zeros of 40 rows and 12 columns has 2,400 characters of JSON."""

_KEY = re.compile(r'"[a-z_]+":')


class Loop(NamedTuple):
    start: int
    """Index at which the first round begins."""
    period: int
    """Number of characters in one round."""


def find_loop(text: str) -> Loop | None:
    """The loop in which `text` ends, the one with the shortest round; None if there is none."""
    tail = text[-WINDOW_CHARS:][::-1]
    lengths = _z(tail)
    for period in range(1, len(tail) // MIN_REPEATS + 1):
        length = lengths[period] + period
        if length < MIN_CHARS or length < MIN_REPEATS * period:
            continue
        if _num_letters(text[-period:]) >= MIN_LETTERS or length >= MIN_CHARS_WITHOUT_WORDS:
            return Loop(_start(text, period), period)
        return None  # a longer round is the same one several times over
    return None


def _num_letters(unit: str) -> int:
    """Letters of one round, without the keys of the answer's JSON: what a third adds to two, since a round may end in a key."""
    two, three = (sum(map(str.isalpha, _KEY.sub("", unit * rounds))) for rounds in (2, 3))
    return three - two


def _start(text: str, period: int) -> int:
    start = len(text) - period
    while start > 0 and text[start - 1] == text[start - 1 + period]:
        start -= 1
    return start


def _z(text: str) -> list[int]:
    """z[i]: length of the longest common prefix of `text` and `text[i:]`."""
    lengths = [0] * len(text)
    left = right = 0
    for i in range(1, len(text)):
        length = min(right - i, lengths[i - left]) if i < right else 0
        while i + length < len(text) and text[length] == text[i + length]:
            length += 1
        lengths[i] = length
        if i + length > right:
            left, right = i, i + length
    return lengths
