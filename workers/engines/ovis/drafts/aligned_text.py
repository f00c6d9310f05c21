"""Drafts from a text that says about what the answer will say: a page's text layer, or an earlier answer.

A pointer goes through the text as the answer is written. Where the two part, it is set anew: behind the longest run of tokens on
which they agree, else a few tokens on, else it waits.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence

MAX_RUN = 8
"""Tokens that are compared backwards from a place, at most."""
AHEAD = 24
"""Tokens of the text that the answer may leave out, if only one token says so."""
MAX_PLACES = 64
"""Places that are compared for one pair of tokens. Frequent pairs are looked for among these."""
_SPACE = "\u0120"
MAX_LOST = 6
"""Tokens in a row that the text does not explain, after which it proposes nothing until it is found again."""


class AlignedText:
    def __init__(self, tokens: Sequence[int], bare: Mapping[int, int], marks: frozenset[int]) -> None:
        """`bare`: for a token with a space in front the same without, because a word begins a block with no space. `marks`: tokens
        without a letter or digit, such as `**` or `"}, {"`, which an answer may have where the text has none."""
        self._tokens, self._bare, self._marks = list(tokens), bare, marks
        self._plain = [bare.get(token, token) for token in tokens]
        self._places: dict[tuple[int, int], list[int]] = defaultdict(list)
        """For each pair of tokens the places behind it."""
        for place in range(2, len(self._plain) + 1):
            places = self._places[self._plain[place - 2], self._plain[place - 1]]
            if len(places) < MAX_PLACES:
                places.append(place)
        self._at = 0
        self._num_lost = 0
        self._num_seen = 0

    def propose(self, answer: Sequence[int], most: int) -> list[int]:
        for end in range(self._num_seen + 1, len(answer) + 1):
            self._follow(answer, end)
        self._num_seen = len(answer)
        if self._num_lost > MAX_LOST:
            return []
        draft = self._tokens[self._at : self._at + most]
        if draft and self._num_lost and self._is_mark(answer[-1]):
            draft[0] = self._bare.get(draft[0], draft[0])  # behind a mark that the text lacks, a word has no space
        return draft

    def _follow(self, answer: Sequence[int], end: int) -> None:
        """Moves the pointer by the token before `end`."""
        token = self._bare.get(answer[end - 1], answer[end - 1])
        if self._at < len(self._plain) and self._plain[self._at] == token:
            self._at += 1
            self._num_lost = 0
            return
        self._num_lost += 1
        found = self._behind_longest_run(answer, end)
        if found is None and not self._is_mark(token):
            ahead = self._plain[self._at : self._at + AHEAD]
            if token in ahead:
                found = self._at + ahead.index(token) + 1
        if found is not None:
            self._at, self._num_lost = found, 0
        elif not self._is_mark(token):
            self._at += 1  # one token for another

    def _behind_longest_run(self, answer: Sequence[int], end: int) -> int | None:
        """The place behind the longest run of tokens, two at least and not of marks alone, that ends the answer; of equals the
        nearest, rather ahead than back."""
        run = [self._bare.get(token, token) for token in answer[max(0, end - MAX_RUN) : end]]
        places = self._places.get((run[-2], run[-1]), ()) if len(run) >= 2 else ()
        best: tuple[int, int] | None = None
        for place in places:
            length = 2
            while length < len(run) and length < place and self._plain[place - length - 1] == run[-length - 1]:
                length += 1
            if all(self._is_mark(token) for token in run[-length:]):
                continue
            distance = place - self._at if place >= self._at else 2 * (self._at - place)
            if best is None or (length, -distance) > best:
                best, found = (length, -distance), place
        return found if best is not None else None

    def _is_mark(self, token: int) -> bool:
        return token in self._marks


def bare_tokens(vocabulary: Mapping[str, int]) -> tuple[dict[int, int], frozenset[int]]:
    """`bare` and `marks` of a byte-level vocabulary, in which a space is `\u0120` and all other signs below it are control
    characters."""
    bare = {token: vocabulary[text[1:]] for text, token in vocabulary.items() if text[:1] == _SPACE and text[1:] in vocabulary}
    marks = {token for text, token in vocabulary.items() if not any(map(_says_something, text))}
    return bare, frozenset(marks)


def _says_something(char: str) -> bool:
    """False for punctuation and white space of ASCII. A byte of any other character may be of a letter."""
    return char.isalnum() if char.isascii() else not "\u0100" <= char <= _SPACE
