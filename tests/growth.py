"""How work grows with its input: a bound that no slow or busy machine breaks, since both sizes are measured in one process."""

import time
from collections.abc import Callable

FACTOR = 4
MOST_GROWTH = 10
"""Between what linear work costs (4) and what quadratic work costs (16) at four times the size."""
TOO_SHORT_S = 0.02
"""Less says nothing of growth; and as quadratic work it would still be little."""


def assert_grows_linearly(work: Callable[[int], object], size: int, *, tries: int = 3) -> None:
    """`work(size)` costs at least a tenth of what `work(4 * size)` costs, in CPU time of this process.

    A disturbed measurement is repeated: quadratic work fails each time.
    """
    growth = []
    for _ in range(tries):
        small, large = _cpu_s(work, size), _cpu_s(work, FACTOR * size)
        growth.append(large / max(small, TOO_SHORT_S))
        if growth[-1] < MOST_GROWTH:
            return
    raise AssertionError(f"{FACTOR} times the size cost {', '.join(f'{times:.0f}' for times in growth)} times the CPU")


def _cpu_s(work: Callable[[int], object], size: int) -> float:
    start = time.process_time()
    work(size)
    return time.process_time() - start
