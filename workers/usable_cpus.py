"""How many CPUs there are for this process. Python and torch count those of the machine, in a container, too."""

import os
from pathlib import Path


def usable_cpus(cgroup: Path = Path("/sys/fs/cgroup")) -> int:
    """CPUs that this process may use: those that it may run on, or its container's quota of time if that is less (cgroup 2 or 1),
    rounded up."""
    cpus = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    for names in (["cpu.max"], ["cpu/cpu.cfs_quota_us", "cpu/cpu.cfs_period_us"]):
        try:
            quota, period = (int(word) for name in names for word in (cgroup / name).read_text().split())
        except (OSError, ValueError):  # there is no such file, or no quota (`max`)
            continue
        if quota > 0 and period > 0:
            cpus = min(cpus, -(-quota // period))
    return max(1, cpus)
