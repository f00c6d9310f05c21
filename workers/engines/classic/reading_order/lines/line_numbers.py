"""Numbers in the margin that count lines, as in pleadings, contracts and manuscripts: they are no part of the sentences."""

import re
from bisect import bisect_right
from collections import Counter, defaultdict
from itertools import pairwise

from schemas.page import Word
from workers.engines.classic.reading_order.pieces import Placed

MIN_NUMBERS = 5
MIN_COUNTED = 3
"""Numbers that stand as many lines apart as they count, several lines each."""
MAX_CANDIDATES = 2_000
_NUMBER = re.compile(r"\d{1,4}")
_LEAST = {1: 8, 2: 6, 5: 5, 10: 5}
"""Step from number to number -> how many there must be."""


def line_numbers(words: Placed) -> set[int]:
    """Positions of those: a column of five to eight and more, counting up, outside all else on their lines, beside running text."""
    candidates = [(index, word) for index, word in words if _NUMBER.fullmatch(word.text)]
    if not MIN_COUNTED <= len(candidates) <= MAX_CANDIDATES:
        return set()
    found: set[int] = set()
    for column in _columns(candidates):
        if _counts_lines(column, words) or (_counts_up(column) and _is_beside_prose(column, words)):
            found |= {index for index, _ in column}
    return found


def _columns(candidates: Placed) -> list[Placed]:
    """Numbers whose right edges, or left ones, are in line; from above."""
    columns = []
    for is_right in (True, False):
        by_edge: dict[int, Placed] = defaultdict(list)
        for index, word in candidates:
            by_edge[round((word.right if is_right else word.left) / max(word.size_px, 1.0))].append((index, word))
        for key in list(by_edge):  # an edge may fall on the border of two
            near = sorted([*by_edge[key], *by_edge.get(key + 1, [])], key=lambda item: item[1].top)
            columns += [column for column in (near, by_edge[key]) if len(column) >= MIN_COUNTED]
    return columns


def _counts_up(column: Placed) -> bool:
    """By one step nearly throughout, each below the one before."""
    steps = Counter(int(after.text) - int(before.text) for (_, before), (_, after) in pairwise(column))
    step, count = steps.most_common(1)[0]
    is_down = all(after.top > before.top + 0.3 * before.size_px for (_, before), (_, after) in pairwise(column))
    return len(column) >= _LEAST.get(step, MAX_CANDIDATES) and count >= 0.8 * (len(column) - 1) and is_down


def _counts_lines(column: Placed, words: Placed) -> bool:
    """Outside all else, every second, fifth or tenth line has the next number."""
    step = int(column[1][1].text) - int(column[0][1].text)
    if step not in _LEAST or step == 1 or any(int(b.text) - int(a.text) != step for (_, a), (_, b) in pairwise(column)):
        return False
    lines = _lines(_beside(column, words))
    middles = [(line[0].top + line[0].bottom) / 2 for line in lines]
    places = [bisect_right(middles, word.bottom) for _, word in column]
    return places[-1] > 0 and all(after - before == step for before, after in pairwise(places))


def _beside(column: Placed, words: Placed) -> list[Word]:
    """The words at the height of the numbers, where all of them stand on one side."""
    numbers = {index for index, _ in column}
    top, bottom = column[0][1].top, column[-1][1].bottom
    others = [word for index, word in words if index not in numbers and top <= (word.top + word.bottom) / 2 <= bottom]
    left, right = min(word.left for _, word in column), max(word.right for _, word in column)
    on_left, on_right = [word for word in others if word.right <= left], [word for word in others if word.left >= right]
    is_one_side = bool(on_left) != bool(on_right) and len(on_left) + len(on_right) == len(others)
    return (on_right or on_left) if is_one_side else []


def _is_beside_prose(column: Placed, words: Placed) -> bool:
    """Nothing stands on the outer side of the numbers, and most lines beside them go on with a sentence: a list or a table begins
    each of its lines anew."""
    lines = _lines(_beside(column, words))
    starts = [line[0].text for line in lines if len(line) >= 3]
    num_going_on = sum(start[:1].islower() for start in starts)
    return len(starts) >= MIN_NUMBERS and num_going_on >= 0.3 * len(starts)


def _lines(words: list[Word]) -> list[list[Word]]:
    lines: list[list[Word]] = []
    for word in sorted(words, key=lambda word: (word.top + word.bottom) / 2):
        middle = (word.top + word.bottom) / 2
        if lines and middle < lines[-1][0].bottom:
            lines[-1].append(word)
        else:
            lines.append([word])
    return [sorted(line, key=lambda word: word.left) for line in lines]
