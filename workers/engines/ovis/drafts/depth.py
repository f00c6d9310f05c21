"""How many tokens of a draft a request checks in one step: more while they are accepted, none below the break-even."""

import math
from dataclasses import dataclass

START = 0.8
"""Chance of acceptance that a request begins with. A page's own text is accepted more often than that, see `tests.bench drafts`."""
MEMORY = 5
"""Draft tokens over which a chance is averaged, about."""
FIRST_PAUSE = 16
"""Steps without a draft after which a request whose drafts failed tries again. Each failure doubles them."""


@dataclass(frozen=True)
class StepCost:
    """The measured time of a decode step: `base_s` whatever it holds, and `token_s` for each token."""

    base_s: float
    token_s: float

    def break_even(self, num_rows: int) -> float:
        """The chance of acceptance from which a draft token pays, in a step of so many rows: the share of the step's time that
        grows with its tokens. A step of R rows takes base + R * token seconds, so an accepted token saves (base + R * token) / R
        seconds, and costs token."""
        growing = num_rows * self.token_s
        return growing / (self.base_s + growing) if growing > 0 else 0.0


class Depth:
    """One request's chance that a draft token is accepted, as far as seen."""

    def __init__(self) -> None:
        self.chance = START
        self._pause, self._num_rested = FIRST_PAUSE, 0

    def most(self, break_even: float) -> int:
        """The number of draft tokens whose last is still accepted with the chance `break_even`, if each is accepted with `chance`.

        >>> Depth().most(0.5)
        3
        """
        if self.chance <= break_even:
            return 0
        return int(math.log(max(break_even, 1e-3)) / math.log(min(self.chance, 0.999)))

    def learn(self, num_accepted: int, num_drafted: int) -> None:
        """Tokens behind the first that was refused say nothing."""
        if num_accepted:
            self._pause = FIRST_PAUSE
        for _ in range(num_accepted):
            self.chance += (1 - self.chance) / MEMORY
        if num_accepted < num_drafted:
            self.chance -= self.chance / MEMORY

    def rest(self) -> None:
        """A step for which no draft is worth its cost."""
        self._num_rested += 1
        if self._num_rested >= self._pause:
            self.chance, self._num_rested, self._pause = max(self.chance, START), 0, 2 * self._pause
