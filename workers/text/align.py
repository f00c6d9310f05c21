"""Finds the box of a block on the page by the words of the PDF's text layer, so that boxes take no output tokens."""

from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Sequence

from rapidfuzz.distance import Indel

from schemas.page import Box, Word
from workers.text.agreement import tokens_of

MIN_SHARE = 0.6
"""Share of a block's characters that must be found, in order, for a box."""
MAX_OCCURRENCES = 32
"""Words and pairs of words that occur more often do not vote on the place where a block begins."""
MAX_VOTERS = 200
SHORT = 3
"""A block of so few tokens has nothing but its words, however often they occur."""
MAX_NEAR = 200
"""Of a word that occurs more than twice as often, so many places before and behind the last block vote."""
SLACK = 8
"""Extra tokens that the layer may have for a block, besides a quarter of the block's own number."""

MAX_GAP = 3
"""Most unmatched tokens of the layer in a row that belong to the block if its words are on both sides."""


class Aligner:
    """Places blocks one after the other, in reading order. A word of the layer belongs to one block."""

    def __init__(self, words: Sequence[Word]) -> None:
        self._words = words
        self._tokens: list[str] = []
        self._word_of: list[int] = []
        for index, word in enumerate(words):
            tokens = tokens_of(word.text)
            self._tokens += tokens
            self._word_of += [index] * len(tokens)
        self._places: dict[tuple[str, ...], list[int]] = defaultdict(list)
        """Places of each word and of each pair of words. Pairs are more specific, above all in scripts where a token is a
        character."""
        for place, token in enumerate(self._tokens):
            self._places[token,].append(place)
            self._places[tuple(self._tokens[place : place + 2])].append(place)
        self._is_used = [False] * len(self._tokens)
        self._end = 0
        """The end of the block before. Of equally good places the next one after it is taken."""

    def place(self, text: str) -> Box | None:
        """The box of the words of `text`, in the layer's pixels; None if too little of it is found."""
        tokens = tokens_of(text)
        start = self._start(tokens)
        if start is None:
            return None
        slack = SLACK + len(tokens) // 4
        low, high = max(0, start - SLACK), min(len(self._tokens), start + len(tokens) + slack)
        free = [place for place in range(low, high) if not self._is_used[place]]
        there = [self._tokens[place] for place in free]
        matched = _trimmed([(token, free[index]) for token, index in _tightened(_matches(tokens, there), there)])
        if sum(len(tokens[token]) for token, _ in matched) < MIN_SHARE * sum(map(len, tokens)):
            return None
        places = _bridged([place for _, place in matched], self._is_used)
        places = [*self._before(places[0], matched[0][0]), *places, *self._after(places[-1], len(tokens) - 1 - matched[-1][0])]
        for place in places:
            self._is_used[place] = True
        self._end = places[-1] + 1
        return _around([self._words[index].box for index in sorted({self._word_of[place] for place in places})])

    def _before(self, place: int, num_missing: int) -> list[int]:
        """Places of misread words before `place`: as many as are missing, in the same paragraph of the PDF."""
        return [near for near in range(max(0, place - min(num_missing, MAX_GAP)), place) if self._belongs(near, place)]

    def _after(self, place: int, num_missing: int) -> list[int]:
        return [
            near
            for near in range(place + 1, min(place + 1 + min(num_missing, MAX_GAP), len(self._tokens)))
            if self._belongs(near, place)
        ]

    def _belongs(self, near: int, place: int) -> bool:
        return not self._is_used[near] and self._words[self._word_of[near]].block == self._words[self._word_of[place]].block

    def _start(self, tokens: list[str]) -> int | None:
        """The place in the layer that most words agree on as the block's beginning, give or take 3."""
        votes: Counter[int] = Counter()
        step = max(1, len(tokens) // MAX_VOTERS)
        for offset in range(0, len(tokens), step):
            for key in {(tokens[offset],), tuple(tokens[offset : offset + 2])}:
                places = self._places.get(key, [])
                if len(places) <= MAX_OCCURRENCES or len(tokens) <= SHORT:
                    votes.update(place - offset for place in self._near(places) if not self._is_used[place])
        if not votes:
            return None
        near = {start: sum(votes.get(start + shift, 0) for shift in range(-3, 4)) for start in votes}
        return max(near, key=lambda start: (near[start], votes[start], -abs(start - self._end)))

    def _near(self, places: list[int]) -> list[int]:
        if len(places) <= 2 * MAX_NEAR:
            return places
        middle = bisect_left(places, self._end)
        return places[max(0, middle - MAX_NEAR) : middle + MAX_NEAR]


def _matches(left: list[str], right: list[str]) -> list[tuple[int, int]]:
    """The longest common subsequence, as pairs of indices."""
    return [
        (opcode.src_start + index, opcode.dest_start + index)
        for opcode in Indel.opcodes(left, right)
        if opcode.tag == "equal"
        for index in range(opcode.src_end - opcode.src_start)
    ]


def _tightened(matched: list[tuple[int, int]], there: list[str]) -> list[tuple[int, int]]:
    """Of the equally long subsequences the most compact one, so that a `the` of the heading above is not taken."""
    matched = list(matched)
    middle = len(matched) // 2
    for number in range(middle - 1, -1, -1):
        token, place = matched[number]
        later = next((near for near in range(matched[number + 1][1] - 1, place, -1) if there[near] == there[place]), place)
        matched[number] = token, later
    for number in range(middle + 1, len(matched)):
        token, place = matched[number]
        sooner = next((near for near in range(matched[number - 1][1] + 1, place) if there[near] == there[place]), place)
        matched[number] = token, sooner
    return matched


def _trimmed(matched: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """The pairs without a stray word or two at either end that are apart in the layer but not in the text, such as a neighbour's
    `the`."""
    for _ in range(2):
        for num_stray in (1, 2):
            if len(matched) > 2 * num_stray:
                (token, place), (next_token, next_place) = matched[num_stray - 1 : num_stray + 1]
                if next_place - place - (next_token - token) > MAX_GAP:
                    matched = matched[num_stray:]
                    break
        matched = [(-token, -place) for token, place in reversed(matched)]  # then from the other end
    return matched


def _bridged(places: list[int], is_used: Sequence[bool]) -> list[int]:
    """The places with those of words in small gaps, which are misread words, or a word hyphenated at a line's end."""
    return [
        place
        for first, following in zip(places, [*places[1:], places[-1] + 1], strict=True)
        for place in range(first, following if following - first <= MAX_GAP + 1 else first + 1)
        if not is_used[place]
    ]


def _around(boxes: list[Box]) -> Box:
    box = boxes[0]
    for other in boxes[1:]:
        box = box.union(other)
    return box
