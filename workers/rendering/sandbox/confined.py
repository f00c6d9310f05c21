"""Runs a module that can read only some places: `python -P -m workers.rendering.sandbox.confined MODULE PLACE…`.

The confinement must come before MODULE's imports, because threads that libraries have started before would not be confined.
"""

import gc
import runpy
import sys

from workers.rendering.sandbox.landlock import read_only_below

if __name__ == "__main__":
    module, *places = sys.argv[1:]
    sys.argv = [module]
    read_only_below(places)
    gc.disable()  # the module enables it after its imports, which take a twelfth less time without it
    runpy.run_module(module, run_name="__main__", alter_sys=True)
