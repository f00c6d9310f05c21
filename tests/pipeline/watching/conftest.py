"""A queue of moto's, and a clock that moves when somebody waits."""

from types import SimpleNamespace

import pytest

from pipeline.watching import watch as watching
from tests.servers.sqs import MadeQueue, make_queue


@pytest.fixture
def queue(s3_endpoint: str) -> MadeQueue:
    return make_queue(s3_endpoint)


@pytest.fixture
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """A clock that only moves when somebody waits; gives what was waited for."""
    slept: list[float] = []

    def sleep(seconds: float) -> None:
        slept.append(seconds)

    monkeypatch.setattr(watching, "time", SimpleNamespace(monotonic=lambda: sum(slept), sleep=sleep))
    return slept
