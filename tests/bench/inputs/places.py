"""Where the inputs of benchmarks lie: the examples in the repository, and shared ones in a folder beside it, where there is one."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
EXAMPLES = ROOT / "pipeline" / "examples"
SHARED = ROOT.parent / "shared"
SHARED_DATA = SHARED / "data"
SHARED_CASES = SHARED / "cases"
SHARED_CHARTS = SHARED / "charts"
