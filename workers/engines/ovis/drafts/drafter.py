"""Who proposes the next tokens of an answer. The model checks a whole draft in one step, so a good draft saves steps and a bad one
changes nothing: what is kept is what the model says."""

import logging
from collections.abc import Sequence
from typing import Protocol

log = logging.getLogger(__name__)


class Drafter(Protocol):
    def propose(self, answer: Sequence[int], most: int) -> list[int]:
        """Up to `most` tokens that may follow `answer`, the answer so far; [] if it has no idea. Between two calls of one drafter
        the answer only grows."""


class FirstOf:
    """The proposal of the first drafter that has one. A drafter that fails is left out from then on."""

    def __init__(self, *drafters: Drafter) -> None:
        self._drafters = list(drafters)

    def propose(self, answer: Sequence[int], most: int) -> list[int]:
        for drafter in list(self._drafters):
            try:
                if draft := drafter.propose(answer, most):
                    return draft
            except Exception:
                log.exception("a drafter failed; its request goes on without it")
                self._drafters.remove(drafter)
        return []
