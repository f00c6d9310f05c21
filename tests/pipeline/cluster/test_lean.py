"""A private Ray does without processes that serve nobody there, and a cluster's Ray is left as it is."""

import pickle
from importlib import import_module
from importlib.metadata import version
from itertools import count
from types import SimpleNamespace

import pytest

from pipeline.cluster import lean
from pipeline.cluster.lean import CHANGES, TESTED_WITH, Change, Nobody, lean_ray

pytestmark = [
    pytest.mark.slow,  # each needs Ray Data
    pytest.mark.skipif(not version("ray").startswith(TESTED_WITH), reason=f"its internals are known of Ray {TESTED_WITH}"),
]


@pytest.fixture(autouse=True)
def _ray_data() -> None:
    import ray.data  # noqa: F401


def found(change: Change) -> object:
    return getattr(import_module(change.module), change.name)


def test_this_version_of_ray_keeps_each_where_it_is_replaced_and_has_it_back_at_the_end() -> None:
    before = [found(change) for change in CHANGES]
    with lean_ray():
        assert all(found(change) is not there for change, there in zip(CHANGES, before, strict=True))
    assert [found(change) for change in CHANGES] == before


def test_another_version_of_ray_is_left_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lean, "version", lambda package: "2.61.0")
    before = [found(change) for change in CHANGES]
    with lean_ray():
        assert [found(change) for change in CHANGES] == before


def test_what_ray_keeps_elsewhere_is_left_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    others = (Change("ray.no_such", "x", id), Change("ray._private.services", "no_such", id), CHANGES[0])
    monkeypatch.setattr(lean, "CHANGES", others)
    with lean_ray():
        services = import_module("ray._private.services")
        assert not hasattr(services, "no_such")
        assert services.start_api_server() == (None, None)


def test_an_actor_that_nobody_asks_takes_any_call_in_any_process() -> None:
    nobody = pickle.loads(pickle.dumps(Nobody()))
    assert nobody.update.remote(1, two=2) is None


def test_ray_data_has_the_machine_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ray.cluster_resources", lambda: {"CPU": 3.0, "GPU": 1.0, "memory": 5.0, "object_store_memory": 7.0})
    with lean_ray():
        executor = import_module("ray.data._internal.execution.streaming_executor")
        resources = executor.create_cluster_autoscaler("topology", execution_id="x").get_total_resources()
    assert (resources.cpu, resources.gpu, resources.memory, resources.object_store_memory) == (3, 1, 5, 7)


@pytest.mark.parametrize(("num_refusals", "is_there"), [(2, True), (99, False)])
def test_a_node_may_take_its_time_to_start(num_refusals: int, is_there: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    seconds = count(step=10)
    monkeypatch.setattr(lean, "time", SimpleNamespace(monotonic=lambda: next(seconds), sleep=lambda seconds: None))
    refusals = iter(range(num_refusals))

    def get_node(address: str) -> str:
        if next(refusals, None) is not None:
            raise RuntimeError("not there yet")
        return f"node at {address}"

    monkeypatch.setattr("ray._private.services.get_node", get_node)
    with lean_ray():
        asked = import_module("ray._private.services").get_node
        if is_there:
            assert asked("here") == "node at here"
        else:
            with pytest.raises(RuntimeError, match="not there yet"):
                asked("here")
