"""The limits of a render process, and which of them this platform enforces.

A render process can read only some places from its start (see `command`), and confines itself after its imports. None of this can
be undone. `python -m workers.rendering.sandbox.limits` confines itself, tries what must fail, and prints what failed;
`capabilities()` runs this experiment.
"""

import contextlib
import ctypes
import json
import os
import platform
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from workers.import_path import import_path
from workers.rendering.sandbox.seccomp import allow_listed_syscalls

_PR_SET_PDEATHSIG, _PR_SET_NO_NEW_PRIVS, _PR_SET_DUMPABLE = 1, 38, 4
_KEPT_VARIABLES = ("LANG", "LC_ALL", "LC_CTYPE", "VIRTUAL_ENV", "SYSTEMROOT")
_SEARCHED = ("PATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")
"""Lists of folders."""
_TRIAL_S = 60
IS_LINUX = sys.platform == "linux"


class Capability(NamedTuple):
    name: str
    enforced: bool
    detail: str


def environment(parent: Mapping[str, str]) -> dict[str, str]:
    """The environment of a child: the places of programs and modules from its parent's, without keys, home and proxies."""
    kept = {name: parent[name] for name in _KEPT_VARIABLES if name in parent}
    searched = {name: _absolute(parent[name]) for name in _SEARCHED if name in parent}
    return {
        **kept,
        **searched,
        "PYTHONPATH": os.pathsep.join(import_path()),  # lets the child import what the parent can
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONUTF8": "1",
        "MALLOC_ARENA_MAX": "1",  # each arena reserves 64 MiB of the address space that RLIMIT_AS counts
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
    }


def _absolute(folders: str) -> str:
    """Without those that mean the folder we were started in, which may be a drop folder with a library in it. OpenCV leaves such a
    one in LD_LIBRARY_PATH: an empty name."""
    return os.pathsep.join(folder for folder in folders.split(os.pathsep) if os.path.isabs(folder))


def command(module: str, folders: Sequence[str]) -> list[str]:
    """The command that starts `module` so that it can read only these folders and its own program. Without Landlock it can read all
    that we can."""
    return [sys.executable, "-P", "-m", "workers.rendering.sandbox.confined", module, *_program_places(), *folders]


def _program_places() -> list[str]:
    """The places of Python, its packages, our two packages and the libraries that they load. A folder that contains the user's home
    is left out."""
    ours = Path(__file__).resolve().parents[3]
    home = os.path.realpath(os.path.expanduser("~"))
    paths = [os.path.realpath(path) for path in import_path()]
    libraries = [path for path in os.environ.get("LD_LIBRARY_PATH", "").split(os.pathsep) if path]
    return [
        *dict.fromkeys(path for path in paths if path != str(ours) and os.path.commonpath([path, home]) != path),
        *(str(ours / package) for package in ("workers", "schemas")),
        *dict.fromkeys([sys.prefix, sys.base_prefix, *libraries, *SYSTEM_PLACES]),
    ]


SYSTEM_PLACES = ("/usr", "/lib", "/lib64", "/nix/store", "/gnu/store", "/etc/ld.so.cache", "/sys/devices/system/cpu", "/proc/self")
"""Where programs and libraries lie, and what they read of the system."""


def die_with_parent(parent_pid: int) -> bool:
    """Makes the kernel kill this process when the thread that started it ends. False if the platform cannot; the end of stdin
    remains."""
    if not IS_LINUX or not _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL):
        return False
    if os.getppid() != parent_pid:  # the parent died before the call above
        os._exit(1)
    return True


def confine(memory_bytes: int) -> None:
    """Confines this process for good: address space (what is used now + memory_bytes), no core dump, no writing, network or
    process.

    CPU time is limited per page (see `cpu_limit`); the parent limits the wall-clock time.
    """
    import resource

    lower_limit(resource.RLIMIT_CORE, 0)
    lower_limit(resource.RLIMIT_FSIZE, 0)
    if IS_LINUX:
        lower_limit(resource.RLIMIT_AS, address_space_bytes(os.getpid()) + memory_bytes)
        _prctl(_PR_SET_DUMPABLE, 0)
        if _prctl(_PR_SET_NO_NEW_PRIVS, 1):
            allow_listed_syscalls()


class cpu_limit:
    """`with cpu_limit(30):` kills the process by SIGPROF after 30 s of CPU time, of all threads, user and system."""

    def __init__(self, cpu_s: float) -> None:
        self._cpu_s = cpu_s

    def __enter__(self) -> None:
        signal.setitimer(signal.ITIMER_PROF, self._cpu_s)

    def __exit__(self, *_: object) -> None:
        signal.setitimer(signal.ITIMER_PROF, 0)


def address_space_bytes(pid: int) -> int:
    """Virtual size of a process in bytes; 0 without /proc."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[0])
    except (OSError, ValueError, IndexError):
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE")


def capabilities() -> list[Capability]:
    """The limits that hold for a render process on this machine, found by trying in one."""
    try:
        tried = subprocess.run(
            command("workers.rendering.sandbox.limits", ["/tmp"]),
            env=environment(os.environ),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_TRIAL_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return [Capability("sandbox", False, f"a render process does not start: {error}")]
    try:
        found = [Capability(*entry) for entry in json.loads(tried.stdout)]
    except ValueError:
        reason = tried.stderr.decode(errors="replace").strip().splitlines()[-1:] or [f"exit status {tried.returncode}"]
        return [Capability("sandbox", False, f"a render process does not start: {reason[0]}")]
    return [*found, Capability("wall clock", True, "the parent kills the process")]


def _try_everything() -> list[Capability]:
    import resource

    died = die_with_parent(os.getppid())
    confine(memory_bytes=256 * 1024**2)
    where = f"{platform.system()} {platform.machine()}"

    def fails(act: Callable[[], object]) -> bool:
        try:
            act()
        except (OSError, MemoryError):
            return True
        return False

    def write() -> None:
        path = Path("/tmp", f"pagefold-sandbox-{os.getpid()}")  # not tempfile, which writes to find its folder
        try:
            path.write_bytes(b"x")
        finally:
            with contextlib.suppress(OSError):
                path.unlink()

    memory = fails(lambda: bytearray(512 * 1024**2))
    network = fails(lambda: socket.socket().close())
    files = fails(write)
    elsewhere = fails(lambda: os.listdir("/"))
    processes = fails(lambda: subprocess.run([sys.executable, "-c", ""], check=False))
    no_core = resource.getrlimit(resource.RLIMIT_CORE)[0] == 0
    no_filter = f"no system call filter on {where}"
    return [
        Capability("memory", memory, "RLIMIT_AS" if memory else f"{where} does not enforce RLIMIT_AS"),
        Capability("CPU time", hasattr(signal, "setitimer"), "ITIMER_PROF, for each page"),
        Capability("no core dumps", no_core, "RLIMIT_CORE"),
        Capability("no network", network, "seccomp" if network else no_filter),
        Capability("no files written", files, "RLIMIT_FSIZE and seccomp" if files else no_filter),
        Capability(
            "no other file read", elsewhere, "Landlock" if elsewhere else f"no Landlock on {where}: it may read what you may"
        ),
        Capability("no new processes", processes, "seccomp" if processes else no_filter),
        Capability("dies with its parent", died, "PR_SET_PDEATHSIG" if died else "only at its next read: end of stdin"),
    ]


def lower_limit(limit: int, value: int) -> None:
    """Sets one of `resource`'s limits for good, as low as `value`."""
    import resource

    hard = resource.getrlimit(limit)[1]
    value = value if hard == resource.RLIM_INFINITY else min(value, hard)
    resource.setrlimit(limit, (value, value))


def _prctl(option: int, value: int) -> bool:
    return ctypes.CDLL(None, use_errno=True).prctl(option, ctypes.c_ulong(value), 0, 0, 0) == 0


if __name__ == "__main__":
    print(json.dumps(_try_everything()))  # noqa: T201
