"""The fake endpoint, and retries without waits."""

from collections.abc import Iterator

import pytest

from tests.servers.fake_openai import FakeOpenAI, running
from workers.engines.server import engine as server_module


@pytest.fixture
def fake() -> Iterator[FakeOpenAI]:
    with running(FakeOpenAI()) as server:
        yield server


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Waits of milliseconds; the waits themselves are the library's."""
    monkeypatch.setattr(server_module, "_full_jitter", lambda state: 0.005)
    monkeypatch.setattr(server_module, "BACKOFF_MIN_S", 0.01)
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
