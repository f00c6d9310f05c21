"""Reader processes report to the driver that they load their engine, and when the engine is ready and on which device.

The reports come before a reader's first receipt. They go through the key-value store that every Ray has. This store is an internal
of Ray; without it the driver gets no reports, and the run goes on all the same.
"""

import contextlib
import os
import time
from collections.abc import Iterator
from importlib import import_module
from typing import Any, Literal

from pipeline.reporting.observer import Observer
from schemas.frozen import Frozen

_NAMESPACE = b"pagefold"
_LOOK_EVERY_S = 1.0
_SAY_LOADING_AFTER_S = 2.0
"""Loading is mentioned only once it has lasted this long."""


class Reader(Frozen):
    """The last report of one reader process."""

    state: Literal["loading", "ready"]
    process: str
    """Host and process id. If it changes under the same name, Ray has restarted the reader."""
    runs_on: str = ""
    load_s: float = 0.0


@contextlib.contextmanager
def reporting_its_start(run_id: str) -> Iterator[list[str | None]]:
    """Wraps the start of an engine in the reader's process. The caller appends what the engine runs on to the list."""
    process, started = f"{os.uname().nodename}:{os.getpid()}", time.monotonic()
    runs_on: list[str | None] = []
    _report(run_id, Reader(state="loading", process=process))
    yield runs_on
    _report(
        run_id, Reader(state="ready", process=process, runs_on="".join(filter(None, runs_on)), load_s=time.monotonic() - started)
    )


class Readers:
    """The driver's side: it reads the reports every second and passes changes on to the observer."""

    def __init__(self, run_id: str, observer: Observer) -> None:
        self._run_id, self._observer = run_id, observer
        self._known: dict[bytes, Reader] = {}
        self._loading_since: float | None = None
        self._looked = 0.0
        self._said = ""

    def look(self) -> None:
        now = time.monotonic()
        if now - self._looked >= _LOOK_EVERY_S:
            self._look(now)

    def _look(self, now: float) -> None:
        self._looked = now
        found = _readers(self._run_id)
        for name, reader in found.items():
            known = self._known.get(name)
            if known is not None and known.process != reader.process:
                self._observer.message("a reader process died and was started anew; what it had in hand is read again")
        self._known = found
        is_loading = any(reader.state == "loading" for reader in found.values())
        self._loading_since = (self._loading_since or now) if is_loading else None
        sentence = self._sentence(now)
        if sentence != self._said:
            self._said = sentence
            self._observer.phase("reading", sentence)

    def _sentence(self, now: float) -> str:
        ready = [reader for reader in self._known.values() if reader.state == "ready" and reader.runs_on]
        parts = []
        if ready:
            last = max(ready, key=lambda reader: reader.load_s)
            places = sorted({reader.runs_on for reader in ready})
            who = "reader ready" if len(ready) == 1 else "readers ready"
            parts.append(f"{len(ready)} {who} ({'; '.join(places)}; loaded in {last.load_s:.1f} s)")
        if self._loading_since is not None and now - self._loading_since >= _SAY_LOADING_AFTER_S:
            num = sum(reader.state == "loading" for reader in self._known.values())
            parts.append(f"{num} {'reader loads its' if num == 1 else 'readers load their'} engine")
        return ", ".join(parts)

    def forget(self) -> None:
        """Reads the reports a last time, because a short run ends before the next look. Then deletes them, because a cluster's
        store
        outlives the run."""
        self._look(time.monotonic())
        with contextlib.suppress(Exception):
            for name in self._known:
                _kv()._internal_kv_del(name, namespace=_NAMESPACE)


def _kv() -> Any:
    """Ray's key-value store. Raises RuntimeError if this process has joined no Ray, because any use of the store would start
    one."""
    import ray

    if not ray.is_initialized():
        raise RuntimeError("no Ray here")
    return import_module("ray.experimental.internal_kv")


def _report(run_id: str, reader: Reader) -> None:
    with contextlib.suppress(Exception):  # without the store nobody gets the report
        import ray

        store = _kv()
        name = f"{run_id}/{ray.get_runtime_context().get_actor_id()}"
        store._internal_kv_put(name, reader.model_dump_json(), namespace=_NAMESPACE)


def _readers(run_id: str) -> dict[bytes, Reader]:
    found: dict[bytes, Reader] = {}
    with contextlib.suppress(Exception):
        for name in sorted(_kv()._internal_kv_list(f"{run_id}/", namespace=_NAMESPACE)):
            found[name] = Reader.model_validate_json(_kv()._internal_kv_get(name, namespace=_NAMESPACE))
    return found
