"""Objects are read ahead, in order and not too many."""

import threading
import time

import pytest

from pipeline.object_store.reading_ahead import AT_ONCE, read_ahead


class Reader:
    """Counts. The first so many items are read only once all of them are at it, and the first one after another."""

    def __init__(self, num_together: int = 1) -> None:
        self._num_together, self._together = num_together, threading.Barrier(num_together, timeout=240)
        self._another_is_read = threading.Event()
        self._lock = threading.Lock()
        self.num_begun = self.num_at_once = self.most_at_once = 0

    def read(self, item: int) -> int:
        with self._lock:
            self.num_begun += 1
            self.num_at_once += 1
            self.most_at_once = max(self.most_at_once, self.num_at_once)
        if item < self._num_together:
            self._together.wait()
            if item == 0 and self._num_together > 1:
                assert self._another_is_read.wait(240)
            self._another_is_read.set()
        with self._lock:
            self.num_at_once -= 1
        if item == 50:
            raise FileNotFoundError(item)
        return item


def test_items_come_in_order_and_are_read_side_by_side() -> None:
    reader = Reader(num_together=AT_ONCE)

    assert list(read_ahead(reader.read, range(45))) == list(range(45))
    assert reader.most_at_once == AT_ONCE


def test_no_more_is_read_ahead_than_may_wait() -> None:
    reader = Reader()
    ahead = read_ahead(reader.read, range(1000))

    assert next(ahead) == 0
    time.sleep(0.05)
    assert reader.num_begun <= AT_ONCE
    ahead.close()
    assert reader.num_begun <= AT_ONCE


def test_an_error_comes_in_its_place() -> None:
    reader = Reader()
    ahead = read_ahead(reader.read, range(1000))

    with pytest.raises(FileNotFoundError):
        assert [next(ahead) for _ in range(1000)] == []
    assert 51 <= reader.num_begun <= 50 + AT_ONCE + 1


def test_nothing_gives_nothing() -> None:
    assert list(read_ahead(Reader().read, [])) == []
