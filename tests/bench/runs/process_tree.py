"""Memory and CPU of a process and all below it, sampled while it runs, each process by its role in a run.

Sampled, because Ray's processes are not all waited for by a parent: the CPU time of a process is what it had at the last look.
Memory of the tree is the sum of PSS: a page that n processes share counts 1/n in each, so Ray's object store (one mapping that
raylet, driver and workers share) counts once. Memory of one process, for growth, is RSS without shared memory: how much of the
object store a worker happens to have touched says nothing of the worker.
"""

import os
import re
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

import psutil

MEBI = 1024**2

_TITLES = (
    ("ProbeDocuments", "probe"),
    ("RenderPages", "render"),
    ("ReadPages", "read"),
    ("compact", "compaction"),
)
"""What a Ray worker's title says while it works for us."""
_PARTS = (
    ("pipeline.ways.child", "worker"),
    ("raylet/raylet ", "raylet"),  # first: its arguments name the others
    ("gcs_server", "gcs"),
    ("ray/dashboard/", "Ray's services"),
    ("ray/_private/runtime_env/agent/", "Ray's services"),
    ("ray/_private/log_monitor", "Ray's services"),
    ("ray/autoscaler/", "Ray's services"),
    ("ray::", "Ray's other workers"),
    ("default_worker.py", "Ray's other workers"),
)
_IDLE = {"", "other", "Ray's other workers"}
"""Roles that a process leaves for a better one. Any other stays: a worker has no title between two works."""


class Sample(NamedTuple):
    at: float
    """Progress."""
    num_bytes: int
    """RSS without shared memory."""


@dataclass
class Process:
    """What was seen of one process."""

    pid: int
    role: str = ""
    cpu_s: float = 0.0
    """User and system, its own threads; up to one interval at its end is not seen."""
    samples: list[Sample] = field(default_factory=list)

    def growth(self, start: float, end: float) -> tuple[int, int, float] | None:
        """(bytes at `start`, bytes at `end`, bytes per unit of progress between them, by least squares); None for a process that
        was not there all the while."""
        seen = [sample for sample in self.samples if start <= sample.at <= end]
        if not seen or self.samples[0].at > start or seen[-1].at < start + 0.9 * (end - start):
            return None
        middle = sum(sample.at for sample in seen) / len(seen)
        spread = sum((sample.at - middle) ** 2 for sample in seen)
        slope = sum((sample.at - middle) * sample.num_bytes for sample in seen) / spread if spread else 0.0
        return seen[0].num_bytes, seen[-1].num_bytes, slope


class Moment(NamedTuple):
    monotonic_s: float
    progress: float
    cpu_s: dict[int, float]
    """So far, by process id."""


class ProcessTree:
    """`with`: samples until the end. `progress` is the caller's own measure, asked at each sample."""

    def __init__(self, pid: int, progress: Callable[[], float] = lambda: 0.0, *, interval_s: float = 0.5) -> None:
        self._root, self._progress, self._interval_s = psutil.Process(pid), progress, interval_s
        self._known: dict[tuple[int, float], Process] = {}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._sample_until_stopped, daemon=True, name="process tree")
        self.peak_bytes = 0
        """Of the sum of PSS."""
        self.peak_by_role: dict[str, int] = {}
        """At that moment."""
        self.timeline: list[Moment] = []

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._stop.set()
        self._thread.join()

    @property
    def processes(self) -> list[Process]:
        """All that were seen, those that are gone too."""
        return list(self._known.values())

    def cpu_by_role(self) -> dict[str, float]:
        """CPU seconds so far."""
        total: defaultdict[str, float] = defaultdict(float)
        for process in self.processes:
            total[process.role] += process.cpu_s
        return dict(total)

    def cpu_between(self, first: Moment, last: Moment) -> dict[str, float]:
        """CPU seconds by role; each process under the role it came to have."""
        total: defaultdict[str, float] = defaultdict(float)
        roles = {process.pid: process.role for process in self.processes}
        for pid, seconds in last.cpu_s.items():
            total[roles[pid]] += seconds - first.cpu_s.get(pid, 0.0)
        return dict(total)

    def _sample_until_stopped(self) -> None:
        while not self._stop.wait(self._interval_s):
            self._sample()

    def _sample(self) -> None:
        progress = self._progress()
        by_role: defaultdict[str, int] = defaultdict(int)
        roles: dict[int, str] = {}
        try:
            found = [self._root, *self._root.children(recursive=True)]
        except psutil.NoSuchProcess:
            return
        for each in found:  # parents come before their children
            try:
                known = self._known.setdefault((each.pid, each.create_time()), Process(each.pid))
                if each.pid == self._root.pid:
                    known.role = "driver"
                elif known.role in _IDLE:
                    known.role = _role(" ".join(each.cmdline()), roles.get(each.ppid(), ""))
                roles[each.pid] = known.role
                times = each.cpu_times()
                known.cpu_s = times.user + times.system
                by_role[known.role] += pss(each.pid)
                known.samples.append(Sample(progress, own_rss(each.pid)))
            except (psutil.NoSuchProcess, psutil.ZombieProcess, FileNotFoundError, ProcessLookupError):
                continue  # it has ended meanwhile
        if (total := sum(by_role.values())) > self.peak_bytes:
            self.peak_bytes, self.peak_by_role = total, dict(by_role)
        self.timeline.append(Moment(time.monotonic(), progress, {process.pid: process.cpu_s for process in self.processes}))


def pss(pid: int) -> int:
    """Bytes, what is swapped out included. RSS where PSS may not be read: of a sandboxed process only root may."""
    try:
        rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
    except PermissionError:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    return _kilobytes(rollup, "Pss", "SwapPss")


def own_rss(pid: int) -> int:
    """Bytes, without shared memory."""
    return _kilobytes(Path(f"/proc/{pid}/status").read_text(), "RssAnon", "RssFile")


def _kilobytes(text: str, *names: str) -> int:
    found = dict(re.findall(r"^(\w+):\s+(\d+) kB", text, re.MULTILINE))
    return 1024 * sum(int(found.get(name, 0)) for name in names)


def _role(title: str, parent: str) -> str:
    if "workers.rendering.child" in title:
        return f"{parent}'s child"
    if title.startswith("ray::"):
        for part, role in _TITLES:
            if part in title:
                return role
    return next((role for part, role in _PARTS if part in title), "other")
