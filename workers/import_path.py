"""Where this process imports from, for a process that is to import the same."""

import os
import sys


def import_path() -> list[str]:
    """The folders of `sys.path`, but for folders of packages.

    While one thread imports OpenCV, its folder is there, and its `typing` would hide Python's from a process that another starts.
    """
    return [path for path in sys.path if path and not os.path.isfile(os.path.join(path, "__init__.py"))]
