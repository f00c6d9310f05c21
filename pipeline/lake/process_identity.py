"""The identity of a process, from which another process on the same machine can see that the first one is dead."""

import os
import socket
from pathlib import Path


def this_process() -> str | None:
    """Host, boot id, process-id namespace, process id and start time; None without /proc (not Linux)."""
    place = _place()
    try:
        started = _started(os.getpid())
    except OSError:
        return None
    return f"{place}/{os.getpid()}/{started}" if place and started else None


def is_dead(process: str) -> bool:
    """True only if the process is surely dead: it ran on this machine, since this boot, in our namespace, and no longer exists.

    False for processes of other machines and of containers with a namespace of their own, because they cannot be seen from here.
    False also for a process that cannot be examined: too many files are open, or /proc hides other users' processes.
    """
    before, _, started = process.rpartition("/")
    place, _, pid = before.rpartition("/")
    if place != _place() or not pid.isdecimal():
        return False
    try:
        return _started(int(pid)) != started
    except (FileNotFoundError, ProcessLookupError):
        return _is_unknown(int(pid))
    except OSError:
        return False


def _started(pid: int) -> str | None:
    """The process's start time in clock ticks since boot; None for a zombie, which is dead and not yet waited for.

    Raises FileNotFoundError or ProcessLookupError if /proc has no such process, another OSError if it cannot be read.
    """
    state, *fields = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
    return None if state in "ZX" else fields[18]


def _is_unknown(pid: int) -> bool:
    """True if the kernel knows no such process. With `hidepid` /proc does not show processes of other users that exist."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except (OSError, OverflowError):
        return False
    return False


def _place() -> str | None:
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{socket.gethostname()}/{boot}/{os.readlink('/proc/self/ns/pid')}"
    except OSError:
        return None
