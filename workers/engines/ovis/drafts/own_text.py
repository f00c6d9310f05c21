"""Drafts from what the answer has said before: keys, rows of tables, names that come again."""

from collections.abc import Sequence

MIN_MATCH = 3
"""Tokens that must agree. With two, the punctuation of JSON would match everywhere."""


class OwnText:
    def __init__(self) -> None:
        self._after: dict[tuple[int, ...], int] = {}
        """For each run of MIN_MATCH tokens the place behind its last occurrence but the answer's end."""
        self._num_seen = 0

    def propose(self, answer: Sequence[int], most: int) -> list[int]:
        for end in range(max(self._num_seen, MIN_MATCH), len(answer)):
            self._after[tuple(answer[end - MIN_MATCH : end])] = end
        self._num_seen = len(answer)
        at = self._after.get(tuple(answer[-MIN_MATCH:]))
        return list(answer[at : at + most]) if at is not None else []
