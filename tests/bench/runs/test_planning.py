"""The benchmark of planning at a toy size: nothing is new, whether manifests or a snapshot say so."""

from datetime import date
from pathlib import Path

import pytest

from pipeline.lake.ledger import list_manifests
from pipeline.lake.paths import SNAPSHOTS
from pipeline.lake.snapshots import write_snapshots
from pipeline.object_store.local_store import LocalStore
from tests.bench.runs.planning import SHARD, bare, planned, write_lake
from tests.servers.static_s3 import static_s3


@pytest.mark.slow
def test_nothing_is_new_from_manifests_and_from_a_snapshot(tmp_path: Path) -> None:
    num_objects = 9 * SHARD
    write_lake(tmp_path, num_objects, date(2026, 1, 2))
    with static_s3(num_objects, tmp_path):
        assert bare() == {"num_listed": num_objects}
        assert planned() == {"num_listed": num_objects, "num_done": num_objects}
    store = LocalStore(str(tmp_path))
    write_snapshots(store, list_manifests(store))
    assert len(list(store.list(SNAPSHOTS))) == 1
    with static_s3(num_objects, tmp_path):
        assert planned() == {"num_listed": num_objects, "num_done": num_objects}
