"""Run the whole pipeline with `classic` over every input of the shared data: `python -m tests.bench shared_inputs [OUT]`.

Prints expected against what `documents` and `failures` say, then each disagreement. Exits 1 when there is one, or when an input
is missing from `documents`.
"""

import argparse
import sys
import tempfile
from collections import Counter
from pathlib import Path

from pipeline.analytics.duckdb_tables import run_query
from pipeline.runner import run
from schemas.settings import Settings
from tests.bench.inputs.places import SHARED_DATA
from tests.bench.rendering.sweep_render import allowed, inputs

OF_THE_ENGINE = {"unsupported_script", "engine_error", "engine_timeout"}
"""The file opened and its pages were drawn; that `classic` cannot read them is another matter."""

SQL = """
select d.uri, d.status, d.num_pages_read, d.num_pages_blank, f.kinds
from current_documents d left join (
    select source_id, string_agg(distinct kind, ',' order by kind) as kinds from open_failures group by source_id
) f on f.source_id = coalesce(d.duplicate_of, d.source_id)  -- what has the same bytes fails alike, and is said once
"""


def outcome(status: str, num_pages: int, num_blank: int, kinds: set[str]) -> str:
    kinds -= OF_THE_ENGINE
    if kinds:
        return "partial" if status == "partial" else min(kinds)
    return "blank" if num_pages and num_blank == num_pages else "ok"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", nargs="?", help="where its tables go; a temporary folder by default")
    given = parser.parse_args().out
    if not SHARED_DATA.is_dir():
        sys.exit(f"{SHARED_DATA} is not there: nothing is read.")
    rows = inputs(SHARED_DATA)
    with tempfile.TemporaryDirectory() as folder:
        drop, out = Path(folder, "drop"), given or str(Path(folder, "out"))
        for row in rows:  # links, because the folder also holds ground truth and licences
            link = drop / row["path"]
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(SHARED_DATA / row["path"])
        passwords = sorted({row["password"] for row in rows if row["password"]})
        settings = Settings.model_validate(
            {
                "input": {"passwords": passwords, "pages": "1-4"},
                "render": {"wall_s": 20, "cpu_s": 15},
                "plan": {"shard_sources": 64},
            }
        )
        summary = run(str(drop), out, settings)
        found = {
            str(Path(uri).relative_to(drop)): (status, outcome(status, num_pages, num_blank, set((kinds or "").split(",")) - {""}))
            for uri, status, num_pages, num_blank, kinds in (tuple(row.values()) for row in run_query(out, SQL).to_pylist())
        }
    print(f"{summary.status} in {summary.seconds:.0f} s: {summary.num_documents} documents, pages {dict(summary.num_pages)}")
    print("failures:", ", ".join(f"{kind} {count}" for kind, count in sorted(summary.failures.items())))
    missing = ("missing", "missing")
    wrong = [row for row in rows if found.get(row["path"], missing)[1] not in allowed(row["path"], row["expected"])]
    counts = Counter((row["expected"], *found.get(row["path"], missing), row in wrong) for row in rows)
    print(f"\n{'expected':32}{'status':10}{'outcome':24}inputs")
    for (expected, status, result, is_wrong), count in sorted(counts.items()):
        print(f"{expected:32}{status:10}{result:24}{count:6}{'   <- not as expected' if is_wrong else ''}")
    print(f"\n{len(rows)} inputs, {len(wrong)} not as expected")
    for row in wrong:
        print(f"  {row['path']}: expected {row['expected']}, found {found.get(row['path'])}")
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
