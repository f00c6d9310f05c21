"""A private Ray without the processes that serve nobody there.

Ray has no switch for them, so functions of its internals are replaced while such a Ray is up, for the versions of Ray that this was
tested with. Another version stays as it is: then the run starts later, and is the same.

Left out of the node:
- the API server: `ray.init` waits for it, and without the dashboard it only reports usage;
- the autoscaler's monitor: one machine does not grow;
- the log monitor: it sends the workers' lines to a driver that asks for none.

Left out of Ray Data are three actors, each of which imports all of Ray Data: the dashboard's statistics, the places of actors, and
the autoscaler's coordinator. And Ray gives its node 30 seconds to start, which a busy machine takes longer for.
"""

import contextlib
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from importlib import import_module
from importlib.metadata import version
from typing import Any, NamedTuple

TESTED_WITH = ("2.60.",)
"""Beginnings of the versions of Ray whose internals are known."""
_START_S = 180.0
"""Seconds that the node may take to start."""


class Change(NamedTuple):
    module: str
    name: str
    changed: Callable[[Any], Any]
    """Gives what stands in place of what is there."""


class Nobody:
    """Stands in place of an actor: it takes any call and does nothing. It travels to workers."""

    def __getattr__(self, name: str) -> "Nobody":
        if name.startswith("__"):  # what pickle asks every object for
            raise AttributeError(name)
        return self

    def remote(self, *_: Any, **__: Any) -> None:
        """No answer, and nobody waits for one."""


@contextlib.contextmanager
def lean_ray() -> Iterator[None]:
    """The context in which a private Ray starts, works and ends. Ray Data's part applies if Ray Data is imported by then."""
    with contextlib.ExitStack() as undo:
        for change in CHANGES if version("ray").startswith(TESTED_WITH) else ():
            if "ray.data" in sys.modules or not change.module.startswith("ray.data."):
                with contextlib.suppress(ImportError, AttributeError):
                    _replace(change, undo)
        yield


def _replace(change: Change, undo: contextlib.ExitStack) -> None:
    module = import_module(change.module)
    found = getattr(module, change.name)
    setattr(module, change.name, change.changed(found))
    undo.callback(setattr, module, change.name, found)


def _giving(value: Any) -> Callable[[Any], Callable[..., Any]]:
    return lambda _: lambda *_, **__: value


def _patient(get_node: Callable[..., Any]) -> Callable[..., Any]:
    """Asks for the node until it is there."""

    def asked(*args: Any, **more: Any) -> Any:
        deadline = time.monotonic() + _START_S
        while True:
            try:
                return get_node(*args, **more)
            except RuntimeError:
                if time.monotonic() >= deadline:
                    raise
                time.sleep(0.1)

    return asked


class ThisMachine:
    """A cluster that stays as it is, to Ray Data in place of its autoscaler."""

    def __init__(self) -> None:
        import ray
        from ray.data import ExecutionResources

        self._resources = ExecutionResources.from_resource_dict(ray.cluster_resources())

    def try_trigger_scaling(self) -> None: ...

    def on_executor_shutdown(self) -> None: ...

    def get_total_resources(self) -> Any:
        return self._resources


_DATA = "ray.data._internal"
_ACTORS = f"{_DATA}.execution.operators.actor_pool_map_operator"
CHANGES = (
    Change("ray._private.services", "start_api_server", _giving((None, None))),  # as if its start had failed, which Ray allows for
    Change("ray._private.services", "get_node", _patient),
    Change("ray._private.parameter", "RayParams", lambda found: partial(found, no_monitor=True, include_log_monitor=False)),
    Change(f"{_DATA}.stats", "get_or_create_stats_actor", _giving(Nobody())),
    Change(_ACTORS, "get_or_create_actor_location_tracker", _giving(Nobody())),
    Change(_ACTORS, "get_actor_locations", _giving({})),
    Change(f"{_DATA}.execution.streaming_executor", "create_cluster_autoscaler", lambda _: lambda *_, **__: ThisMachine()),
)
