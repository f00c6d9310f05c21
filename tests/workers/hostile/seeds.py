"""The seeds of fuzz tests: so many as a test asks for, the same on every machine.

`PAGEFOLD_FUZZ_TIMES=100` tries a hundred times as many. A failure names its seed: `PAGEFOLD_FUZZ_SEED` begins there again.
"""

import os

_FIRST = int(os.environ.get("PAGEFOLD_FUZZ_SEED", "1"))
_TIMES = int(os.environ.get("PAGEFOLD_FUZZ_TIMES", "1"))


def seeds(number: int) -> range:
    return range(_FIRST, _FIRST + _TIMES * number)
