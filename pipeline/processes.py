"""Which process holds something, told so that another process of the same machine can see that it is dead."""

import os
import socket
from pathlib import Path


def this_process() -> str | None:
    """Host, boot, process-id namespace, id and start time; None where /proc does not tell (not Linux)."""
    return _identity(os.getpid())


def is_dead(process: str) -> bool:
    """True only when it surely is: it ran on this machine, since this boot, in our namespace, and is there no more.

    A container with a process-id namespace of its own is never judged from outside, nor one of another machine.
    """
    place, _, pid = process.rpartition("/")[0].rpartition("/")
    return place == _place() and pid.isdecimal() and _identity(int(pid)) != process


def _identity(pid: int) -> str | None:
    """`<place>/<pid>/<start time>`; None for a process that is gone, or dead and not yet waited for."""
    try:
        state, *fields = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
    except OSError:
        return None
    place = _place()
    return f"{place}/{pid}/{fields[18]}" if place and state not in "ZX" else None


def _place() -> str | None:
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{socket.gethostname()}/{boot}/{os.readlink('/proc/self/ns/pid')}"
    except OSError:
        return None
