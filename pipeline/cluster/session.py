"""The Ray that a run uses: the one that this process has joined, a cluster's, or a private one that ends with the run."""

import contextlib
import os
import re
import shutil
import socket
import sys
import tempfile
import time
from collections.abc import Iterator
from errno import ENOSPC

from pipeline.cluster.lean import lean_ray
from pipeline.planning.engines import check_engines, task_engines
from pipeline.reporting.figures import size
from pipeline.reporting.observer import Observer
from pipeline.scratch import RAY_PREFIX, Scratch
from pipeline.signals import Interrupted, signals_noted
from schemas.errors import DiskFull, OperatorError, exit_code, is_disk_full
from schemas.masking import masked, masked_url
from schemas.settings import MEBI, RaySettings, Settings
from workers.sources.cache import Cache

MAX_SOCKET_BYTES = 103 if sys.platform == "darwin" else 107
"""Longest path of a Unix socket."""
_INSIDE = "r"
"""Name of the folder that Ray gets. Ray makes it readable by everybody, so it lies in a folder that only this user may enter."""
_BELOW_BYTES = len("/pf-12345678/r/session_2026-01-31_12-00-00_123456_1234567/sockets/plasma_store")
SHARED_MEMORY = "/dev/shm"
ROOM_MIN_BYTES = 256 * MEBI
"""Free space that a private Ray needs for its logs and sessions."""
FULL_BYTES = 4 * MEBI
"""A disk with less free space counts as full."""
_FULL_FOR_S = 3.0
_CONNECT_S = 10.0


def cluster_address(settings: RaySettings) -> str | None:
    """The address of the cluster to join; None for a private Ray."""
    return settings.address or os.environ.get("RAY_ADDRESS")


def keep_to_loopback(settings: RaySettings) -> None:
    """Makes a private Ray listen on 127.0.0.1 only. Call it before Ray is imported, because Ray reads the switch then. The argument
    `_node_ip_address` of `ray.init` does not help: Ray replaces a loopback address by the machine's own."""
    if cluster_address(settings) is None:
        os.environ.setdefault("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")


@contextlib.contextmanager
def cluster(settings: RaySettings, observer: Observer) -> Iterator[int]:
    """Joins or starts Ray and gives its number of CPUs. Raises OperatorError if the cluster cannot be joined, and DiskFull in place
    of any error that a full disk below a private Ray has caused."""
    keep_to_loopback(settings)
    import ray

    if ray.is_initialized():
        yield _num_cpus()
        return
    address = cluster_address(settings)
    observer.phase("starting", f"Ray at {masked_url(address)}" if address else "a private Ray on this machine")
    if address:
        with _joined(address):
            yield _num_cpus()
    else:
        with lean_ray(), _private(settings):
            yield _num_cpus()


@contextlib.contextmanager
def _joined(address: str) -> Iterator[None]:
    import ray

    try:
        ray.init(address=address, log_to_driver=False)
    except (ConnectionError, ray.exceptions.AuthenticationError) as error:
        raise OperatorError(_refusal(masked_url(address), error)) from error
    try:
        yield
    finally:
        with signals_noted():
            ray.shutdown()


def _refusal(address: str, error: BaseException) -> str:
    """Why the cluster could not be joined. Ray names a wrong or missing token only in the text of the error's cause."""
    cause: BaseException | None = error
    while cause is not None:
        if "AuthenticationError" in f"{type(cause).__name__}: {cause}":
            named = "RAY_AUTH_TOKEN, RAY_AUTH_TOKEN_PATH or ~/.ray/auth_token names, and RAY_AUTH_MODE=token"
            return f"The Ray cluster at {address} wants another token than {named}."
        cause = cause.__cause__
    return f"No Ray cluster answers at {address}: {masked(str(error))}"


@contextlib.contextmanager
def _private(settings: RaySettings) -> Iterator[None]:
    """A Ray in a temporary folder of its own. The folder is removed at the end, or kept for its logs after an unforeseen error."""
    import ray

    try:
        scratch = Scratch(RAY_PREFIX, temporary_folder())
    except OSError as error:
        raise OperatorError(f"Ray needs a temporary folder: {error}.") from error
    is_kept = False
    try:
        ray.init(
            address="local",
            num_cpus=settings.num_cpus,
            object_store_memory=settings.object_store_bytes,
            include_dashboard=False,
            log_to_driver=False,
            _temp_dir=str(scratch.folder / _INSIDE),
        )
        yield
    except Exception as error:
        is_foreseen = exit_code(error) is not None or isinstance(error, Interrupted)
        if is_disk_full(error) or (not is_foreseen and is_full(error)):
            raise DiskFull(full_text()) from error
        is_kept = not is_foreseen
        raise
    finally:
        with signals_noted():
            ray.shutdown()
            if is_kept:
                scratch.keep()
                sys.stderr.write(f"Ray's own logs are kept for a week: {scratch.folder}/{_INSIDE}/session_latest/logs\n")
            else:
                scratch.remove()


def forget_fetched(settings: Settings) -> None:
    """Empties the cache of fetched objects after a run with a private Ray and no `fetch.cache_dir`, because only this run used it.
    Objects that another run has open stay."""
    if cluster_address(settings.ray) is not None or settings.fetch.cache_dir is not None:
        return
    cache = Cache(None, 0)
    with contextlib.suppress(OSError):
        cache.empty()


class RoomLeft:
    """Watches the free space on the disk of a private Ray's folder. On a full disk Ray's processes die and are restarted for ever,
    without a message (measured for ten minutes)."""

    def __init__(self, settings: RaySettings, observer: Observer) -> None:
        self._folder = temporary_folder() if cluster_address(settings) is None else None
        self._observer = observer
        self._full_since: float | None = None

    def check(self) -> None:
        """Reports a full disk at once, and raises DiskFull when the disk has been full for some seconds. It is cheap.

        The report does not wait for the error, because Ray may end this whole process before, without a message.
        """
        if self._folder is None or shutil.disk_usage(self._folder).free >= FULL_BYTES:
            self._full_since = None
            return
        if self._full_since is None:
            self._full_since = time.monotonic()
            self._observer.message(full_text())
        if time.monotonic() - self._full_since >= _FULL_FOR_S:
            raise DiskFull(full_text())


def temporary_folder() -> str:
    """The folder in which a private Ray puts its sessions. Raises OSError if no temporary folder can be written to."""
    return os.environ.get("RAY_TMPDIR") or tempfile.gettempdir()


def check_start(settings: Settings) -> None:
    """Checks for what would stop every run with these settings on this machine, before anything is listed, planned or started.

    Raises EngineStartError and OperatorError.
    """
    is_private = cluster_address(settings.ray) is None and not _is_joined()
    check_engines(settings.engine, settings.read.tasks, runs_here=is_private)
    if not is_private:
        _refuse_dead(cluster_address(settings.ray))
        return
    if sentence := sockets_text():
        raise OperatorError(sentence)
    if _asked_gpus(settings):
        keep_to_loopback(settings.ray)
        if (there := _num_gpus_here()) is not None:
            _refuse_gpus(settings, there)


def _refuse_dead(address: str | None) -> None:
    """Raises OperatorError if nothing listens at `host:port`. Other forms of address are left to Ray."""
    if not (parts := re.fullmatch(r"([\w.-]+):(\d+)", address or "")) or _is_joined():
        return
    try:
        socket.create_connection((parts[1], int(parts[2])), timeout=_CONNECT_S).close()
    except (OSError, OverflowError) as error:
        raise OperatorError(f"No Ray cluster answers at {address}: {error}.") from error


def check_room(settings: RaySettings) -> None:
    """Raises OperatorError if a private Ray would soon fill the disk. A run calls this before it makes a plan."""
    if cluster_address(settings) is None and not _is_joined() and (sentence := room_text(settings)):
        raise OperatorError(sentence)


def sockets_text() -> str | None:
    """Why Ray's sockets cannot lie in the temporary folder, in a sentence; None if they can."""
    folder = temporary_folder()
    most, length = MAX_SOCKET_BYTES - _BELOW_BYTES, len(os.fsencode(folder))
    if length <= most:
        return None
    return f"The path {folder} is {length - most} bytes too long for Ray's sockets: set TMPDIR to a shorter folder, such as /tmp."


def room_text(settings: RaySettings) -> str | None:
    """Why a private Ray has too little room, in a sentence; None if it has enough."""
    try:
        folder = temporary_folder()
        free = shutil.disk_usage(folder).free
    except OSError as error:
        return f"Ray needs a temporary folder: {error}."
    is_in_memory = os.path.isdir(SHARED_MEMORY) and shutil.disk_usage(SHARED_MEMORY).free >= settings.object_store_bytes
    wanted = ROOM_MIN_BYTES + (0 if is_in_memory else settings.object_store_bytes)
    if free >= wanted:
        return None
    why = "" if is_in_memory else f" ({SHARED_MEMORY} has less than ray.object_store_bytes, so the object store lies there, too)"
    return f"{size(free)} are free in {folder}, and Ray wants {size(wanted)} there{why}: make room, or set TMPDIR to another disk."


def is_full(error: BaseException) -> bool:
    """True if a full disk caused the error, by the error and its causes, or by the free space where a private Ray writes."""
    from ray.exceptions import OutOfDiskError

    link: BaseException | None = error
    while link is not None:
        if isinstance(link, OutOfDiskError) or is_disk_full(link):
            return True
        if os.strerror(ENOSPC) in str(link) or OutOfDiskError.__name__ in str(link):  # a worker's error comes as text
            return True
        link = link.__cause__ or link.__context__
    return shutil.disk_usage(temporary_folder()).free < FULL_BYTES


def full_text() -> str:
    folder = temporary_folder()
    free = shutil.disk_usage(folder).free
    return f"a disk of this machine is full ({size(free)} free in {folder}, where Ray keeps pages and logs): make room there"


def _is_joined() -> bool:
    """True if this process has joined a Ray already."""
    ray = sys.modules.get("ray")
    return ray is not None and ray.is_initialized()


def check_gpus(settings: Settings, observer: Observer) -> None:
    """Raises OperatorError if a private Ray has too few GPUs; on a cluster, which may grow, it says that readers wait for one.
    Without this check the readers would wait for ever, without a message."""
    import ray

    there = float(ray.cluster_resources().get("GPU", 0))
    if (asked := _asked_gpus(settings)) <= there:
        return
    if cluster_address(settings.ray) is None:
        _refuse_gpus(settings, there)
    observer.message(f"the cluster has {there:g} GPUs now and {asked:g} are asked for: waiting until it grows")


def _asked_gpus(settings: Settings) -> float:
    return sum(one.num_gpus_at_start for one in task_engines(settings.engine, settings.read.tasks))


def _refuse_gpus(settings: Settings, there: float) -> None:
    if (asked := _asked_gpus(settings)) > there:
        raise OperatorError(
            f"engine.num_gpus asks for {asked:g} GPUs to start with, and Ray finds {there:g} here; with engine.num_gpus=0 it runs "
            "on the CPU."
        )


def _num_gpus_here() -> float | None:
    """The number of GPUs that a Ray on this machine will count; None if this version of Ray counts them in another module."""
    try:
        from ray._private.accelerators import get_accelerator_manager_for_resource

        manager = get_accelerator_manager_for_resource("GPU")
        number, visible = manager.get_current_node_num_accelerators(), manager.get_current_process_visible_accelerator_ids()
    except (ImportError, AttributeError):
        return None
    return float(number if visible is None else min(number, len(visible)))


def _num_cpus() -> int:
    import ray

    return max(1, int(ray.cluster_resources().get("CPU", 1)))
