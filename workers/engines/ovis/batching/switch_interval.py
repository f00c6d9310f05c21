"""How long another Python thread may hold the interpreter's lock while the engine's thread waits for it.

Every torch call gives the lock away, and a thread that parses answers or stages pages then keeps it for Python's switch interval,
5 ms, which is half a decode step. See `tests.bench beside_python`.
"""

import sys
from threading import Lock

SHORT_S = 0.0001

_lock = Lock()
_before_s: list[float] = []
"""The interval before the first of the engines that run in this process, once for each of them."""


def shorten() -> None:
    """Shortens the interval of this process, until `restore` has been called as often."""
    with _lock:
        _before_s.append(_before_s[0] if _before_s else sys.getswitchinterval())
        sys.setswitchinterval(min(SHORT_S, _before_s[0]))


def restore() -> None:
    with _lock:
        before_s = _before_s.pop()
        if not _before_s:
            sys.setswitchinterval(before_s)
