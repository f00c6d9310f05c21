"""All benchmarks, one after the other: `make bench`. Those over shared inputs are skipped, and say so, where there are none."""

import subprocess
import sys
import time

from tests.bench.inputs.places import EXAMPLES, ROOT, SHARED_DATA

BENCHMARKS: list[tuple[str, list[str], bool]] = [
    ("tests.bench.encode", [str(EXAMPLES / "report.pdf"), str(EXAMPLES / "two_columns.pdf")], False),
    ("tests.bench.render", ["--pages", "1000"], False),
    ("tests.bench.born_digital", ["--pages", "150"], False),
    ("tests.bench.server", ["--pages", "400"], False),
    ("tests.bench.server", ["--one"], False),
    ("tests.bench.ways", ["--pages", "1000"], False),
    ("tests.bench.scale", [], False),
    ("tests.bench.planning", [], False),
    ("tests.bench.million", [], False),
    ("tests.bench.views", [], False),
    ("tests.bench.search", [], False),
    ("tests.bench.report", [], False),
    ("tests.bench.regions", [], True),
    ("tests.bench.chart_checks", [], True),
    ("tests.bench.sweep_render", [], True),
    ("tests.bench.cer", [], True),
    ("tests.bench.cases", [], False),
    ("tests.bench.structure", [], True),
    ("tests.bench.shared_inputs", [], True),
    ("tests.faults.kill", ["--kills", "20"], False),
    ("tests.faults.kill", ["--kills", "20", "--s3"], False),
    ("tests.faults.kill", ["--kills", "20", "--on", "local", "--longest-s", "4"], False),
    ("tests.faults.kill", ["--kills", "20", "--on", "local", "--longest-s", "4", "--s3"], False),
    ("tests.faults.world", [], False),
    ("tests.faults.world", ["--on", "local"], False),
    ("tests.faults.churn", ["--polls", "20"], False),
]
"""Module, arguments, does it need shared inputs."""


def main() -> int:
    """Runs them all; 1 where one failed."""
    failed = []
    for module, arguments, needs_shared in BENCHMARKS:
        print(f"\n== {module}", flush=True)
        if needs_shared and not SHARED_DATA.is_dir():
            print(f"skipped: it reads shared inputs beside the repository, and there are none ({SHARED_DATA})")
            continue
        started = time.monotonic()
        if subprocess.run([sys.executable, "-m", module, *arguments], cwd=ROOT, stdin=subprocess.DEVNULL, check=False).returncode:
            failed.append(module)
        print(f"-- {time.monotonic() - started:.0f} s", flush=True)
    if failed:
        print(f"\nfailed: {', '.join(failed)}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
