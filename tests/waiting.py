"""Waiting for what another process or thread does: as long as it takes, on a busy machine too."""

import time
from collections.abc import Callable


def wait_until(is_true: Callable[[], object]) -> None:
    end = time.monotonic() + 240
    while not is_true():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)
