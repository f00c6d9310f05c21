"""Objects are read ahead, in order and not too many."""

import threading
import time

import pytest

from pipeline.object_store.reading_ahead import AT_ONCE, read_ahead


class Slow:
    """Takes its time for each item, and counts."""

    def __init__(self, pause_s: float = 0.0) -> None:
        self._pause_s = pause_s
        self._lock = threading.Lock()
        self.num_begun = self.num_at_once = self.most_at_once = 0

    def read(self, item: int) -> int:
        with self._lock:
            self.num_begun += 1
            self.num_at_once += 1
            self.most_at_once = max(self.most_at_once, self.num_at_once)
        time.sleep(self._pause_s * (item % 3))
        with self._lock:
            self.num_at_once -= 1
        if item == 50:
            raise FileNotFoundError(item)
        return item


def test_items_come_in_order_and_are_read_side_by_side() -> None:
    slow = Slow(pause_s=0.005)

    assert list(read_ahead(slow.read, range(45))) == list(range(45))
    assert 2 <= slow.most_at_once <= AT_ONCE


def test_no_more_is_read_ahead_than_may_wait() -> None:
    slow = Slow()
    ahead = read_ahead(slow.read, range(1000))

    assert next(ahead) == 0
    time.sleep(0.05)
    assert slow.num_begun <= AT_ONCE
    ahead.close()
    assert slow.num_begun <= AT_ONCE


def test_an_error_comes_in_its_place() -> None:
    slow = Slow()
    ahead = read_ahead(slow.read, range(1000))

    with pytest.raises(FileNotFoundError):
        assert [next(ahead) for _ in range(1000)] == []
    assert 51 <= slow.num_begun <= 50 + AT_ONCE + 1


def test_nothing_gives_nothing() -> None:
    assert list(read_ahead(Slow().read, [])) == []
