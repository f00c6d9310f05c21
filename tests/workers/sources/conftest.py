"""A fetcher with a cache of its own, and a file of a folder."""

from pathlib import Path

import pytest

from schemas.settings import FetchSettings
from schemas.source import Source
from tests.workers.sources.made_objects import BODY
from workers.sources.fetch import Fetcher
from workers.sources.listing import list_sources


@pytest.fixture
def fetcher(tmp_path: Path) -> Fetcher:
    return Fetcher(FetchSettings(cache_dir=tmp_path / "cache"))


@pytest.fixture
def local(tmp_path: Path) -> Source:
    (tmp_path / "in").mkdir()
    (tmp_path / "in/a.pdf").write_bytes(BODY)
    (source,) = list_sources(str(tmp_path / "in"))
    return source
