"""A turn that never ends is noticed from outside, and only that. The clock is the test's."""

import threading

import pytest

from workers.engines.ovis.batching.watchdog import Watchdog

WAIT_S = 300


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


def test_a_turn_that_hangs_is_noticed_while_it_hangs(clock):
    noticed = threading.Event()
    watchdog = Watchdog(0.05, noticed.set, clock)
    with watchdog.turn():
        clock.now = 0.06
        assert noticed.wait(WAIT_S)


def test_many_short_turns_and_the_rest_between_them_are_no_hang(clock):
    watchdog = Watchdog(1.0, lambda: None, clock)
    for _ in range(5):
        with watchdog.turn():
            clock.now += 0.9
            assert not watchdog.hangs()
        clock.now += 2.0
        assert not watchdog.hangs()
    with watchdog.turn():
        clock.now += 1.1
        assert watchdog.hangs()
    watchdog.close()


def test_a_turn_that_raises_is_over(clock):
    watchdog = Watchdog(1.0, lambda: None, clock)
    with pytest.raises(ValueError, match="a bug"), watchdog.turn():
        raise ValueError("a bug")
    clock.now = 2.0
    assert not watchdog.hangs()
    watchdog.close()
