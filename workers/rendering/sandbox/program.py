"""Runs a program of the system confined: `python -P -m workers.rendering.sandbox.program MEMORY CPU_S PLACE… -- PROGRAM ARGUMENT…`.

It can read the places and what programs consist of, writes nothing but its pipes, has `MEMORY` bytes of address space and `CPU_S`
seconds, and dies with the process that started it. Landlock and limits outlive `exec`; the filter of system calls that a render
process has would refuse `exec` itself, and is not set.
"""

import contextlib
import os
import resource
import sys
from collections.abc import Sequence

from workers.rendering.sandbox.landlock import EXECUTE, read_only_below
from workers.rendering.sandbox.limits import SYSTEM_PLACES, die_with_parent, lower_limit


def command(program: str, arguments: Sequence[str], *, memory_bytes: int, cpu_s: int, places: Sequence[str]) -> list[str]:
    """What to start; `places` are the files and folders that it may read beside /usr and the like."""
    limits = [str(memory_bytes), str(cpu_s), str(os.getpid())]
    return [sys.executable, "-P", "-m", "workers.rendering.sandbox.program", *limits, *places, "--", program, *arguments]


if __name__ == "__main__":
    end = sys.argv.index("--")
    memory_bytes, cpu_s, parent_pid = map(int, sys.argv[1:4])
    program = sys.argv[end + 1 :]
    die_with_parent(parent_pid)
    for what, value in (
        (resource.RLIMIT_AS, memory_bytes), (resource.RLIMIT_CPU, cpu_s), (resource.RLIMIT_FSIZE, 0), (resource.RLIMIT_CORE, 0),
    ):  # fmt: skip
        with contextlib.suppress(ValueError, OSError):  # macOS has no limit of the address space
            lower_limit(what, value)
    read_only_below([*SYSTEM_PLACES, *sys.argv[4:end]], also=EXECUTE)
    os.execv(program[0], program)
