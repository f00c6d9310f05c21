"""Requests at an engine follow what its endpoint can do, on a simulated clock."""

import asyncio
import heapq
import random
from collections import deque

import pytest

from workers.reading.request_limit import START, Adaptive, Requests


class Endpoint:
    """So many slots, each of which takes a while; what comes beyond them waits, or is refused beyond `refuses_above`."""

    def __init__(self, slots: int, latency_s: float = 4.0, spread: float = 0.0, refuses_above: int | None = None) -> None:
        self.slots, self.latency_s, self.spread, self.refuses_above = slots, latency_s, spread, refuses_above
        self.dice = random.Random(1)
        self.now = self.used_s = 0.0
        self.num_refused = 0

    def run(self, rule: Adaptive, seconds: float, work_per_s: float | None = None) -> list[int]:
        """Keeps as many requests there as the rule allows. Gives the limit by second."""
        queue: deque[tuple[float, int]] = deque()
        at_work: list[tuple[float, float, float, int]] = []
        limits: list[int] = []
        num_sent, end, deaf_until = 0, self.now + seconds, 0.0
        while self.now < end:
            started = self.now
            while len(queue) + len(at_work) < rule.limit and (work_per_s is None or num_sent < work_per_s * self.now):
                num_sent += 1
                if self.refuses_above is not None and len(queue) + len(at_work) >= self.refuses_above:
                    self.num_refused += 1
                    if self.now >= deaf_until:
                        rule.pushed_back()
                        deaf_until = self.now + self.latency_s
                    break
                queue.append((self.now, rule.epoch))
            while queue and len(at_work) < self.slots:
                sent, epoch = queue.popleft()
                takes = self.latency_s * self.dice.uniform(1 - self.spread, 1 + self.spread)
                heapq.heappush(at_work, (self.now + takes, takes, sent, epoch))
            if at_work and at_work[0][0] <= self.now + 0.05:
                self.now, takes, sent, epoch = heapq.heappop(at_work)
                self.used_s += takes
                rule.ended(self.now - sent, epoch, is_full=work_per_s is None or len(queue) + len(at_work) + 1 >= rule.limit)
            else:
                self.now = started + 0.05
            limits += [rule.limit] * (int(self.now) - len(limits))
        return limits


@pytest.mark.parametrize("slots", [16, 80, 256, 300, 1000])
@pytest.mark.parametrize("spread", [0.0, 0.5])
@pytest.mark.slow
def test_an_endpoint_is_filled_and_not_flooded(slots: int, spread: float) -> None:
    endpoint, rule = Endpoint(slots, spread=spread), Adaptive(most=2000)
    endpoint.run(rule, 90)
    endpoint.used_s = 0.0

    limits = endpoint.run(rule, 120)

    assert endpoint.used_s / (120 * slots) >= 0.95
    assert max(limits) <= max(1.25 * START, 2.2 * slots)


def test_it_takes_a_few_rounds_to_fill_a_large_endpoint() -> None:
    limits = Endpoint(1000).run(Adaptive(most=2000), 60)

    assert next(second for second, limit in enumerate(limits) if limit >= 950) <= 45


def test_it_never_grows_beyond_what_is_allowed() -> None:
    assert max(Endpoint(1000).run(Adaptive(most=100), 60)) == 100
    assert Adaptive(most=3).limit == 3


def test_an_endpoint_that_refuses_is_left_room() -> None:
    endpoint, rule = Endpoint(100, refuses_above=120), Adaptive(most=2000)

    limits = endpoint.run(rule, 300)

    assert endpoint.used_s / (300 * 100) >= 0.8
    assert max(limits[60:]) <= 150
    assert endpoint.num_refused < 40


def test_too_little_work_is_no_reason_to_grow() -> None:
    limits = Endpoint(1000).run(Adaptive(most=2000), 120, work_per_s=5)

    assert max(limits) == START


async def test_places_are_given_in_order_and_never_too_many() -> None:
    requests, inside, most = Requests(3), 0, 0
    order = []

    async def ask(number: int) -> None:
        nonlocal inside, most
        entered = await requests.enter()
        order.append(number)
        inside, most = inside + 1, max(most, inside + 1)
        await asyncio.sleep(0.001)
        inside -= 1
        requests.leave(entered)

    await asyncio.gather(*map(ask, range(20)))

    assert (most, order) == (3, list(range(20)))


async def test_a_request_that_is_given_up_takes_no_place() -> None:
    requests = Requests(1)
    first = await requests.enter()
    waiting = [asyncio.create_task(requests.enter()) for _ in range(3)]
    await asyncio.sleep(0)
    waiting[0].cancel()  # while it waits
    requests.leave(first)
    waiting[1].cancel()  # when the place was given to it

    assert await asyncio.wait_for(waiting[2], 60)


async def test_one_wave_of_refusals_is_one_fall() -> None:
    now = 100.0
    requests = Requests(1000, is_adaptive=True, clock=lambda: now)
    places = [await requests.enter() for _ in range(START)]
    now = 104.0
    for number, place in enumerate(places):
        requests.leave(place, num_pushbacks=1 + number)

    assert requests.limit == int(START * 0.7)
    (again,) = [await requests.enter()]
    now = 110.0
    requests.leave(again, num_pushbacks=START + 1)
    assert requests.limit == int(int(START * 0.7) * 0.7)
