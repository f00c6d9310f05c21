"""pyarrow without pandas, for processes of our own."""

import sys
from importlib.abc import MetaPathFinder
from typing import Any

import pyarrow as pa


class _NoPandas(MetaPathFinder):
    def find_spec(self, fullname: str, path: Any, target: Any = None) -> None:
        if fullname == "pandas":
            raise ModuleNotFoundError("left out", name=fullname)


def leave_out_pandas() -> None:
    """Keeps pyarrow from importing pandas by itself, which takes 0.2 s of CPU time and 45 MB. Only for a process that makes no
    arrays of what pandas has made, and before it makes any other.

    Whatever `pa.array` and `pa.scalar` are given, they first look for pandas, once, and import all of it where it is installed, as
    Ray wants it. `to_pandas` still imports it when it is called. Source: pyarrow 26, pandas-shim.pxi and numpy_to_arrow.cc.
    """
    if "pandas" in sys.modules:
        return
    finder = _NoPandas()
    sys.meta_path.insert(0, finder)
    try:
        pa.array([None])
    finally:
        sys.meta_path.remove(finder)
