"""A turn that never ends is noticed from outside, and only that."""

import threading
import time

from workers.engines.ovis.batching.watchdog import Watchdog


def test_a_turn_that_hangs_is_noticed_while_it_hangs():
    noticed = threading.Event()
    watchdog = Watchdog(0.05, noticed.set)
    with watchdog.turn():
        assert noticed.wait(5)


def test_many_short_turns_and_the_rest_between_them_are_no_hang():
    noticed = threading.Event()
    watchdog = Watchdog(0.5, noticed.set)
    for _ in range(5):
        with watchdog.turn():
            time.sleep(0.01)
    assert not noticed.wait(0.7)
    watchdog.close()


def test_a_turn_that_raises_is_over():
    noticed = threading.Event()
    watchdog = Watchdog(0.2, noticed.set)
    try:
        with watchdog.turn():
            raise ValueError
    except ValueError:
        pass
    assert not noticed.wait(0.4)
    watchdog.close()
