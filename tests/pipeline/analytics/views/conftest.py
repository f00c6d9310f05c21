"""The lake of hand-written rows as a fixture."""

from pathlib import Path

import pytest

from tests.pipeline.analytics.views.hand_written_lake import Lake


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(tmp_path)
