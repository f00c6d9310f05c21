"""httpx without its command line: all of this package import `httpx` from here.

`import httpx` takes in `httpx._main` where click and rich are installed, and with it pygments: 70 ms of CPU time in every reader,
for a command that nothing here calls. It stands in a `try` for ImportError, and None in `sys.modules` is Python's own way to say
that a module is missing. Source: httpx 0.28, __init__.py; docs.python.org, "sys.modules".
"""

import sys

_is_kept_out = sys.modules.setdefault("httpx._main", None) is None  # type: ignore[arg-type]
try:
    import httpx
finally:
    if _is_kept_out:
        del sys.modules["httpx._main"]

__all__ = ["httpx"]
