"""Runs a module where only some places can be read: `python -P -m workers.rendering.sandbox.confined MODULE PLACE…`.

In a module of its own, so that it comes before MODULE's imports: threads that libraries start would not be bound otherwise.
"""

import runpy
import sys

from workers.rendering.sandbox.landlock import read_only_below

if __name__ == "__main__":
    module, *places = sys.argv[1:]
    sys.argv = [module]
    read_only_below(places)
    runpy.run_module(module, run_name="__main__", alter_sys=True)
