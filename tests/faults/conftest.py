"""Makes trying many moments of a death cheap: files are not synced, and tables of a few rows use no threads.

Syncing matters after a power cut only. A killed process loses nothing that it has written.
"""

import os
from collections.abc import Iterator

import pyarrow as pa
import pytest


@pytest.fixture(autouse=True)
def no_sync(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    before = pa.cpu_count()
    pa.set_cpu_count(1)
    yield
    pa.set_cpu_count(before)
