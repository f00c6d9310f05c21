"""Which process holds something, told so that another process of the same machine can see that it is dead."""

import os
import socket
from pathlib import Path


def this_process() -> str | None:
    """Host, boot, process-id namespace, id and start time; None where /proc does not tell (not Linux)."""
    place = _place()
    try:
        started = _started(os.getpid())
    except OSError:
        return None
    return f"{place}/{os.getpid()}/{started}" if place and started else None


def is_dead(process: str) -> bool:
    """True only when it surely is: it ran on this machine, since this boot, in our namespace, and is there no more.

    A container with a process-id namespace of its own is never judged from outside, nor one of another machine. A process that
    cannot be looked at is not taken for dead: too many open files here, or a /proc that hides what others run.
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
    """Its start time, in clock ticks since boot; None for a process that is dead and not yet waited for.

    Raises FileNotFoundError, ProcessLookupError where /proc has no such process; another OSError where it cannot be read.
    """
    state, *fields = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
    return None if state in "ZX" else fields[18]


def _is_unknown(pid: int) -> bool:
    """A second witness: under `hidepid` the process of another user is not in /proc, and yet the kernel knows it."""
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
