"""How much memory a test takes."""

import contextlib
import sys
from pathlib import Path


class Peak:
    """`with`: what the process grew by at most. Zero where the kernel does not tell."""

    num_bytes = 0

    def __enter__(self) -> "Peak":
        if sys.platform == "linux":
            with contextlib.suppress(OSError):
                Path("/proc/self/clear_refs").write_text("5")  # forget the peak so far
            self._before = max(self._kib("VmRSS"), self._kib("VmHWM"))
        return self

    def __exit__(self, *_: object) -> None:
        if sys.platform == "linux":
            self.num_bytes = 1024 * (self._kib("VmHWM") - self._before)

    def _kib(self, name: str) -> int:
        lines = Path("/proc/self/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith(name))
