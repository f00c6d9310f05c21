"""The same pages on Ray and in one process, `scripted` without delay: where does Ray pay off on this machine?

    python -m tests.bench ways --pages 400

Of each way: what a start costs (a document of five pages), and CPU and time a page after it. The work's process of the local way
shares one interpreter lock, so its CPU time bounds the pages a second however many cores there are; Ray's processes share none.
"""

import argparse
import shutil
import tempfile
from pathlib import Path

from tests.bench.inputs.pages import make_corpus
from tests.bench.inputs.places import EXAMPLES
from tests.bench.runs.render import Cost, run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pages", type=int, default=400)
    arguments = parser.parse_args()
    costs: dict[str, tuple[Cost, Cost]] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        num_pages = make_corpus(folder / "in", arguments.pages)
        (folder / "one").mkdir()
        shutil.copy(EXAMPLES / "report.pdf", folder / "one")
        for on in ("local", "ray"):
            one, many = (run(folder / name, folder / f"{name}-{on}", 'read.tasks=["ocr"]', on=on) for name in ("one", "in"))
            costs[on] = one, many
            start, whole = costs[on]
            page_ms = 1000 * (whole.total_s - start.total_s) / num_pages
            print(
                f"{on:6} start {start.wall_s:5.1f} s, {start.total_s:5.1f} CPU s; then {page_ms:5.1f} CPU ms a page, "
                f"{num_pages / (whole.wall_s - start.wall_s):5.1f} pages/s",
                flush=True,
            )
            roles = {role: 1000 * (cpu_s - start.cpu_s.get(role, 0)) / num_pages for role, cpu_s in whole.cpu_s.items()}
            print(" " * 7 + ", ".join(f"{role} {cpu_ms:.1f}" for role, cpu_ms in sorted(roles.items(), key=lambda item: -item[1])))
    (local_start, local), (ray_start, ray) = costs["local"], costs["ray"]
    slope = (local.total_s - local_start.total_s) - (ray.total_s - ray_start.total_s)
    if slope <= 0:
        print("a page costs no less on Ray, so Ray never pays off where all cores are busy either way")
    else:
        print(f"Ray pays off from {num_pages * (ray_start.total_s - local_start.total_s) / slope:.0f} pages, by CPU time")


if __name__ == "__main__":
    main()
