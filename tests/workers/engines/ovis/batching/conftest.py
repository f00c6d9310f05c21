"""The world of the scheduler's tests."""

import pytest

from tests.workers.engines.ovis.batching.world import make_world


@pytest.fixture(scope="session")
def world(tmp_path_factory):
    return make_world(tmp_path_factory.mktemp("world"))
