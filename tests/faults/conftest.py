"""What makes many moments cheap: no syncing, and no threads for tables of a few rows.

A killed process loses nothing that it has written: only a power cut does, and these tests cut none.
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
