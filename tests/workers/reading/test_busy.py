"""An engine is busy while any request is at it, however many there are."""

from types import SimpleNamespace

import pytest

from workers.reading import busy
from workers.reading.busy import Busy


def test_overlapping_requests_count_once_and_pauses_not_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = SimpleNamespace(now=100.0)
    monkeypatch.setattr(busy, "time", SimpleNamespace(monotonic=lambda: clock.now))
    work = Busy()
    assert work.seconds == 0

    work.__enter__()
    clock.now += 2
    assert work.seconds == 2  # still at it
    work.__enter__()
    clock.now += 3
    work.__exit__(None, None, None)
    clock.now += 1
    work.__exit__(ValueError, ValueError(), None)  # a request that failed was at work, too
    clock.now += 50
    assert work.seconds == 6

    with work:
        clock.now += 4
    assert work.seconds == 10
