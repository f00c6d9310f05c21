"""`pagefold doctor` checks whether a run would work on this machine. Each finding is one check with its figures."""

import asyncio
import os
import platform
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from importlib.metadata import PackageNotFoundError, version
from importlib.resources import files
from itertools import islice
from typing import Literal, NamedTuple

from rich.console import Console
from rich.table import Table
from rich.text import Text

from pipeline.cluster.session import SHARED_MEMORY, cluster, cluster_address, room_text, sockets_text, temporary_folder
from pipeline.lake.opening import open_store, probe_store
from pipeline.object_store.store import StoreError
from pipeline.planning.engines import TaskEngine, task_engines
from pipeline.reporting.figures import size
from pipeline.reporting.observer import Silent
from pipeline.reporting.terminal import quiet_ray
from pipeline.scratch import scratch
from schemas.failure import clean_message
from schemas.masking import masked, masked_url
from schemas.settings import EngineSettings, RaySettings, Settings
from workers.engines.engine import EngineStartError
from workers.engines.registry import check_engine, describe_engine
from workers.sources.listing import InputError, list_sources
from workers.usable_cpus import usable_cpus

LIBRARIES = ("pagefold", "ray", "pymupdf", "pyarrow", "duckdb", "onnxruntime", "rapidocr", "pydantic", "boto3")
MEMORY_MIN_BYTES = 2 * 1024**3
DISK_MIN_BYTES = 1024**3


class Finding(NamedTuple):
    check: str
    verdict: Literal["ok", "warn", "fail"]
    """`warn`: a run works, but something that it should have is missing."""
    detail: str


def examine(
    settings: Settings, input: str | None, output: str | None, *, with_ray: bool, with_trial: bool = True
) -> Iterator[Finding]:
    """All checks of this machine and the engine, then of input and output if given, and of Ray if asked, which takes seconds."""
    yield from _python()
    yield from _machine(settings)
    if cluster_address(settings.ray) is None:
        yield _ray_folder(settings.ray)
    yield from _sandbox()
    yield from _models()
    for read_by in task_engines(settings.engine, settings.read.tasks):
        yield from _engine(read_by, settings, runs_here=cluster_address(settings.ray) is None, with_trial=with_trial)
    if input is not None:
        yield _input(input, is_empty_fine=settings.input.allow_empty)
    if output is not None:
        yield _output(output, unsafe=settings.output.unsafe_single_writer)
    if with_ray:
        yield _ray(settings.ray)


def _python() -> Iterator[Finding]:
    good = sys.version_info >= (3, 11)
    yield Finding("python", "ok" if good else "fail", f"{platform.python_version()} on {platform.system()} {platform.machine()}")
    found = {name: _version(name) for name in LIBRARIES}
    missing = [name for name, number in found.items() if number is None]
    detail = ", ".join(f"{name} {number}" for name, number in found.items() if number)
    yield Finding("libraries", "fail" if missing else "ok", f"missing: {', '.join(missing)}" if missing else detail)


def _machine(settings: Settings) -> Iterator[Finding]:
    yield Finding("cpu", "ok", f"{usable_cpus()} cores")
    memory = available_memory_bytes()
    if memory is not None:
        enough = memory >= MEMORY_MIN_BYTES + settings.ray.object_store_bytes
        why = "" if enough else f"; {size(MEMORY_MIN_BYTES)} and ray.object_store_bytes wanted"
        yield Finding("memory", "ok" if enough else "warn", f"{size(memory)} available{why}")
    for name, folder in (("disk", tempfile.gettempdir()), ("shared memory", SHARED_MEMORY)):
        if os.path.isdir(folder):
            free = shutil.disk_usage(folder).free
            wanted = settings.ray.object_store_bytes if name == "shared memory" else DISK_MIN_BYTES
            why = "" if free >= wanted else f"; {size(wanted)} wanted{'' if name == 'disk' else ' (ray.object_store_bytes)'}"
            yield Finding(name, "ok" if free >= wanted else "warn", f"{size(free)} free in {folder}{why}")


def _ray_folder(settings: RaySettings) -> Finding:
    """Whether a private Ray's folder has room, and a path short enough for sockets."""
    if sentence := sockets_text() or room_text(settings):
        return Finding("ray's folder", "fail", sentence)
    folder = temporary_folder()
    return Finding("ray's folder", "ok", f"{size(shutil.disk_usage(folder).free)} free in {folder}")


def available_memory_bytes() -> int | None:
    """Available memory of the machine or limit of its control group, whichever is less; None if neither is known."""
    found = []
    for path, parse in _MEMORY_FILES.items():
        try:
            with open(path, encoding="ascii") as file:
                found.append(parse(file.read()))
        except (OSError, ValueError, StopIteration):
            continue
    return min(found, default=None)


_MEMORY_FILES: dict[str, Callable[[str], int]] = {
    "/proc/meminfo": lambda text: (
        1024 * int(next(line for line in text.splitlines() if line.startswith("MemAvailable")).split()[1])
    ),
    "/sys/fs/cgroup/memory.max": lambda text: int(text),  # `max` is no number: no limit
}


def _sandbox() -> Iterator[Finding]:
    from workers.rendering.sandbox.limits import capabilities

    for capability in capabilities():
        yield Finding(f"sandbox: {capability.name}", "ok" if capability.enforced else "warn", capability.detail)


def _models() -> Iterator[Finding]:
    folder = files("rapidocr").joinpath("models")
    names = sorted(entry.name for entry in folder.iterdir() if entry.name.endswith(".onnx")) if folder.is_dir() else []
    yield Finding("ocr models", "ok" if names else "warn", ", ".join(names) or "none: pages without a text layer will fail")


def _engine(read_by: TaskEngine, all_settings: Settings, *, runs_here: bool, with_trial: bool) -> Iterator[Finding]:
    settings = read_by.engine
    try:
        info = describe_engine(settings)
        if settings.name != "ovis":  # its own checks, below, say more than this one
            check_engine(settings, runs_here=runs_here)
    except EngineStartError as error:
        yield Finding(f"engine {settings.name}", "fail", str(error))
        return
    model = f", model {info.model}" if info.model else ""
    tasks = [task for task in read_by.tasks if task in info.tasks]
    lacking = [task for task in read_by.tasks if task not in info.tasks]
    detail = f"{' and '.join(tasks) or 'nothing that is asked for'}{model}{f'; it does not do {lacking[0]}' if lacking else ''}"
    yield Finding(f"engine {settings.name}", "warn" if lacking else "ok", detail)
    if settings.name == "server":
        endpoint = _endpoint(settings)
        yield endpoint
        if with_trial and endpoint.verdict != "fail":
            yield _trial(all_settings, settings)
    if settings.name == "classic" and runs_here:
        from workers.engines.classic.doctor import other_scripts_text

        is_fine, detail = other_scripts_text(settings.classic.tesseract_languages)
        yield Finding("other scripts", "ok" if is_fine else "warn", detail)
    if settings.name == "ovis":
        from workers.engines.ovis.doctor import checks

        for name, is_fine, detail in checks(settings, runs_here=runs_here):
            yield Finding(f"ovis: {name}", "ok" if is_fine else "fail", clean_message(detail))


def _trial(all_settings: Settings, settings: EngineSettings) -> Finding:
    from pipeline.trial.endpoint import try_endpoint

    try:
        received = try_endpoint(all_settings, settings)
    except EngineStartError as error:
        return Finding("trial page", "fail", str(error))
    verdict: Literal["ok", "warn", "fail"] = "ok" if received.is_read else "fail" if received.trial.failure else "warn"
    return Finding("trial page", verdict, clean_message(received.sentence()))


def _endpoint(settings: EngineSettings) -> Finding:
    from workers.engines.server.engine import list_models

    if not settings.server.base_url:
        return Finding("endpoint", "fail", "engine.server.base_url is not set")
    started = time.monotonic()
    try:
        names = asyncio.run(list_models(settings, timeout_s=10))
    except EngineStartError as error:
        return Finding("endpoint", "fail", f"{masked_url(settings.server.base_url)}: {error}")
    took = f"answered in {time.monotonic() - started:.2f} s"
    if settings.model and settings.model not in names:
        return Finding("endpoint", "warn", f"{took}; it does not list {settings.model}, but {', '.join(names[:5])}")
    return Finding("endpoint", "ok", f"{took}; models: {', '.join(names[:5])}")


def _input(input: str, *, is_empty_fine: bool) -> Finding:
    try:
        found = list(islice(list_sources(input, timeout_s=10, max_tries=2), 1000))
    except InputError as error:
        return Finding("input", "fail", str(error))
    if not found:
        return Finding("input", "warn" if is_empty_fine else "fail", f"{input}: nothing in it (input.allow_empty)")
    return Finding("input", "ok", f"{input}: {len(found)}{' or more' if len(found) == 1000 else ''} objects")


def _output(output: str, *, unsafe: bool) -> Finding:
    try:
        probe_store(open_store(output, timeout_s=10, max_tries=2))
    except StoreError as error:
        return Finding("output", "warn" if unsafe else "fail", str(error))
    return Finding("output", "ok", f"{output}: can be written; racing writes have one winner each")


def _ray(settings: RaySettings) -> Finding:
    started = time.monotonic()
    with scratch() as folder, quiet_ray(folder / "ray.log"):
        try:
            with cluster(settings, Silent()):
                import ray

                ray.get(ray.remote(num_cpus=0)(platform.node).remote(), timeout=60)
                resources = ray.cluster_resources()
        except Exception as error:  # noqa: BLE001  # whatever stops Ray is the finding
            return Finding("ray", "fail", clean_message(masked(f"{type(error).__name__}: {error}")))
    what = f"{resources.get('CPU', 0):g} CPUs, {resources.get('GPU', 0):g} GPUs"
    place = masked_url(cluster_address(settings) or "private")
    return Finding("ray", "ok", f"{place}: {what}; a task ran {time.monotonic() - started:.1f} s after the start")


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


_STYLES = {"ok": "green", "warn": "yellow", "fail": "bold red"}


def print_findings(console: Console, findings: list[Finding]) -> None:
    table = Table(box=None, padding=(0, 2, 0, 0), show_header=False)
    for finding in findings:
        table.add_row(Text(finding.verdict, _STYLES[finding.verdict]), finding.check, Text(clean_message(finding.detail)))
    console.print(table)
