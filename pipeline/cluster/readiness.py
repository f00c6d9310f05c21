"""Reader processes report to the driver that they load their engine, and when the engine is ready and on which device.

The reports come before a reader's first receipt. On Ray they go through the key-value store that every Ray has. This store is an
internal of Ray; without it the driver gets no reports, and the run goes on all the same. A process of another kind says where its
reports go (`report_through`).
"""

import contextlib
import logging
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from importlib import import_module
from itertools import count
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
    warnings: list[str] = []
    """What the engine warned of while it started, such as a kernel that does not run here."""


_through: Callable[[str, Reader], None] | None = None
_numbers = count()


def report_through(send: Callable[[str, Reader], None]) -> None:
    """Makes the readers of this process report by `send(name, reader)`, and not through Ray. They are named by their number."""
    global _through
    _through = send


@contextlib.contextmanager
def reporting_its_start(run_id: str) -> Iterator[list[str | None]]:
    """Wraps the start of an engine in the reader's process. The caller appends what the engine runs on to the list."""
    process, started = f"{os.uname().nodename}:{os.getpid()}", time.monotonic()
    report = _through or partial(_report_to_ray, run_id)
    name = str(next(_numbers))
    runs_on: list[str | None] = []
    report(name, Reader(state="loading", process=process))
    with _warnings_kept() as warnings:
        yield runs_on
    said = "".join(filter(None, runs_on))
    report(name, Reader(state="ready", process=process, runs_on=said, load_s=time.monotonic() - started, warnings=warnings))


@contextlib.contextmanager
def _warnings_kept() -> Iterator[list[str]]:
    """What engines log as a warning meanwhile, in any thread."""
    kept: list[str] = []

    class Keeping(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            kept.append(record.getMessage())

    engines, keeping = logging.getLogger("workers.engines"), Keeping(logging.WARNING)
    engines.addHandler(keeping)
    try:
        yield kept
    finally:
        engines.removeHandler(keeping)


class Readers:
    """The driver's side: it reads the reports every second and passes changes on to the observer."""

    def __init__(self, read_reports: Callable[[], Mapping[str, Reader]], observer: Observer) -> None:
        self._read_reports, self._observer = read_reports, observer
        self._known: Mapping[str, Reader] = {}
        self._loading_since: float | None = None
        self._looked = 0.0
        self._said = ""
        self._warned: set[str] = set()

    def look(self) -> None:
        now = time.monotonic()
        if now - self._looked >= _LOOK_EVERY_S:
            self._look(now)

    def _look(self, now: float) -> None:
        self._looked = now
        found = self._read_reports()
        for name, reader in found.items():
            known = self._known.get(name)
            if known is not None and known.process != reader.process:
                self._observer.message("a reader process died and was started anew; what it had in hand is read again")
        self._known = found
        for warning in sorted({warning for reader in found.values() for warning in reader.warnings} - self._warned):
            self._warned.add(warning)
            self._observer.message(f"warning: {warning}")
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

    def look_a_last_time(self) -> None:
        """Reads the reports at once, because a short run ends before the next look."""
        self._look(time.monotonic())


def _kv() -> Any:
    """Ray's key-value store. Raises RuntimeError if this process has joined no Ray, because any use of the store would start
    one."""
    ray = sys.modules.get("ray")
    if ray is None or not ray.is_initialized():
        raise RuntimeError("no Ray here")
    return import_module("ray.experimental.internal_kv")


def _report_to_ray(run_id: str, _: str, reader: Reader) -> None:
    with contextlib.suppress(Exception):  # without the store nobody gets the report
        store = _kv()
        name = f"{run_id}/{sys.modules['ray'].get_runtime_context().get_actor_id()}"
        store._internal_kv_put(name, reader.model_dump_json(), namespace=_NAMESPACE)


def read_reports(run_id: str) -> dict[str, Reader]:
    """The last report of each reader of the run on Ray, by name."""
    found: dict[str, Reader] = {}
    with contextlib.suppress(Exception):
        for name in sorted(_kv()._internal_kv_list(f"{run_id}/", namespace=_NAMESPACE)):
            found[name.decode()] = Reader.model_validate_json(_kv()._internal_kv_get(name, namespace=_NAMESPACE))
    return found


def forget_reports(run_id: str) -> None:
    """Deletes the reports, because a cluster's store outlives the run."""
    with contextlib.suppress(Exception):
        for name in _kv()._internal_kv_list(f"{run_id}/", namespace=_NAMESPACE):
            _kv()._internal_kv_del(name, namespace=_NAMESPACE)
