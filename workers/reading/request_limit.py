"""How many requests are at an engine at once: a fixed number, or one that follows what the endpoint can do.

The limit doubles while that makes the endpoint faster, then grows by a quarter, and stays where more requests only wait longer. It
falls when the endpoint pushes back: 429, 503, no answer in time. The endpoint's speed is the limit divided by the mean time of a
request (Little's law); requests of the first round under a limit are left out.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

START = 64
_FASTEST, _SLOWEST = 2.0, 1.25
"""Factors of growth."""
_MIN_GAIN = 0.2
"""Share of a growth that the endpoint has to become faster by, so that the growth stays."""
_FALL = 0.7
_ROUNDS = 1.5
_HOLD_ROUNDS = 8
"""Rounds after which a limit that was found to be enough is put to the test again."""


@runtime_checkable
class PushesBack(Protocol):
    """An engine that counts how often its endpoint asked for fewer requests."""

    @property
    def num_pushbacks(self) -> int: ...


@dataclass
class Adaptive:
    """The limit's rule. It has no clock of its own: each request comes with its seconds."""

    most: int
    limit: int = 0
    epoch: int = 0
    """Number of the limit. A request counts for the one under which it began."""
    _seconds: list[float] = field(default_factory=list)
    """Of the requests that began under this limit, in the order of their ends."""
    _num_slack: int = 0
    """Of these, those at whose end no other request waited."""
    _before: tuple[int, float] | None = None
    """The limit from which this one was raised, and the requests a second that it gave; None if this one stands."""
    _factor: float = _FASTEST
    _num_held: int = 0

    def __post_init__(self) -> None:
        self.limit = self.limit or min(START, self.most)

    def ended(self, seconds: float, epoch: int, *, is_full: bool) -> None:
        """Takes in a request that ended. `is_full`: others waited for its place."""
        if epoch != self.epoch:
            return
        self._seconds.append(seconds)
        self._num_slack += not is_full
        if len(self._seconds) >= self.limit * _ROUNDS:
            self._judge()

    def pushed_back(self) -> None:
        """The endpoint has asked for fewer requests."""
        self._set(max(1, int(self.limit * _FALL)))
        self._before, self._factor, self._num_held = None, _SLOWEST, 0

    def _judge(self) -> None:
        settled = self._seconds[self.limit :]  # the first round met an endpoint that had fewer, or more
        rate = self.limit / max(sum(settled) / len(settled), 1e-6)
        is_filled = self._num_slack <= len(self._seconds) // 10
        self._seconds, self._num_slack = [], 0
        if not is_filled:  # it is the work that is short, which says nothing of the endpoint
            return
        if self._before is None:
            self._num_held += 1
            if self._factor == _FASTEST or self._num_held >= _HOLD_ROUNDS:
                self._grow(rate)
            return
        limit, rate_before = self._before
        if rate / rate_before - 1 >= _MIN_GAIN * (self.limit / limit - 1):
            self._grow(rate)
        else:
            self._set(limit)
            was_fast, self._factor = self._factor == _FASTEST, _SLOWEST
            self._before, self._num_held = None, _HOLD_ROUNDS - 1 if was_fast else 0

    def _grow(self, rate: float) -> None:
        higher = min(self.most, max(self.limit + 1, int(self.limit * self._factor)))
        self._before = (self.limit, rate) if higher > self.limit else None
        self._num_held = 0
        self._set(higher)

    def _set(self, limit: int) -> None:
        self.limit = limit
        self.epoch += 1
        self._seconds, self._num_slack = [], 0


class Places:
    """Places that are given in the order in which they were asked for. All calls come from one event loop."""

    def __init__(self, limit: Callable[[], int]) -> None:
        """`limit`: how many there are by now."""
        self._limit = limit
        self._num_taken = 0
        self._waiting: deque[asyncio.Future[None]] = deque()

    @property
    def is_full(self) -> bool:
        return bool(self._waiting)

    async def enter(self) -> None:
        if self._num_taken < self._limit() and not self._waiting:
            self._num_taken += 1
            return
        place = asyncio.get_running_loop().create_future()
        self._waiting.append(place)
        try:
            await place
        except asyncio.CancelledError:
            if place.done() and not place.cancelled():  # the place was given and is not taken
                self.leave()
            raise

    def leave(self) -> None:
        self._num_taken -= 1
        while self._waiting and self._num_taken < self._limit():
            place = self._waiting.popleft()
            if not place.done():
                self._num_taken += 1
                place.set_result(None)


class Requests:
    """The places at an engine. All calls come from one event loop."""

    def __init__(self, most: int, *, is_adaptive: bool = False, clock: Callable[[], float] = time.monotonic) -> None:
        self._rule = Adaptive(most) if is_adaptive else None
        self._most, self._clock = most, clock
        self._places = Places(lambda: self.limit)
        self._num_pushbacks = 0
        self._deaf_until = 0.0

    @property
    def limit(self) -> int:
        return self._most if self._rule is None else self._rule.limit

    @property
    def found(self) -> int | None:
        """What the limit has come to; None if it is fixed."""
        return None if self._rule is None else self._rule.limit

    async def enter(self) -> tuple[float, int]:
        """Waits for a place. Gives what `leave` needs."""
        await self._places.enter()
        return self._clock(), 0 if self._rule is None else self._rule.epoch

    def leave(self, entered: tuple[float, int], num_pushbacks: int = 0) -> None:
        """Gives the place back. `num_pushbacks`: what the engine has counted by now."""
        if self._rule is not None:
            since, epoch = entered
            now = self._clock()
            if num_pushbacks > self._num_pushbacks and now >= self._deaf_until:
                self._rule.pushed_back()
                self._deaf_until = now + (now - since)  # what is there now was asked before, and may be pushed back as well
            elif num_pushbacks == self._num_pushbacks:
                self._rule.ended(now - since, epoch, is_full=self._places.is_full)
            self._num_pushbacks = num_pushbacks
        self._places.leave()
