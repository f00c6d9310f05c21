"""What `pagefold report` and `pagefold export` cost: seconds, bytes and memory for a lake of many pages.

`python -m tests.bench report [PAGES]` (1,000 by default). The documents are copies of the example report, 5 pages each; their rows
are made by hand, so that nothing is read.
"""

import argparse
import hashlib
import resource
import shutil
import tempfile
import time
from pathlib import Path
from typing import Any

from pipeline.documents.export import export
from pipeline.report.site import write_report
from schemas.settings import Settings
from tests.bench.inputs.places import EXAMPLES
from tests.pipeline.written_lake import row, write_lake

EXAMPLE = EXAMPLES / "report.pdf"
PAGES = 5
BLOCKS = 12


def made_lake(root: Path, num_pages: int) -> str:
    rows: dict[str, list[dict[str, Any]]] = {"documents": [], "pages": [], "blocks": []}
    (root / "drop").mkdir(parents=True)
    for number in range(-(-num_pages // PAGES)):
        source = root / "drop" / f"report-{number:05d}.pdf"
        source.write_bytes(EXAMPLE.read_bytes() + b"\n%" + str(number).encode())
        status = source.stat()
        key = {
            "uri": str(source),
            "source_id": f"{number:032x}",
            "source_version": f"{status.st_size}-{status.st_mtime_ns}",
            "document_id": hashlib.sha256(source.read_bytes()).hexdigest(),
            "plan_id": "000001.12345678",
        }
        counts = {"num_pages": PAGES, "num_pages_read": PAGES, "num_pages_ok": PAGES, "size_bytes": status.st_size}
        rows["documents"].append(row("documents", **key, **counts, name=source.name, status="ok", ocr_recipe_id="o"))
        for page_index in range(PAGES):
            at = {"page_index": page_index, "recipe_id": "o"}
            size = {"width_px": 1240, "height_px": 1754}
            rows["pages"].append(row("pages", **key, **at, **size, status="ok", text_layer_agreement=1.0, num_blocks=BLOCKS))
            for block in range(BLOCKS):
                box = {"left_px": 100.0, "right_px": 1100.0, "top_px": 100.0 * block, "bottom_px": 100.0 * block + 80}
                text = "Generation rose by 11.8 % over the year before, while the price to members stayed the same. " * 3
                rows["blocks"].append(row("blocks", **key, **at, **box, block_index=block, kind="paragraph", text=text))
    return str(write_lake(root / "lake", rows))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pages", type=int, nargs="?", default=1_000, help="of the lake; 1,000 by default")
    num_pages = parser.parse_args().pages
    root = Path(tempfile.mkdtemp(prefix="pagefold-bench-"))
    try:
        lake = made_lake(root, num_pages)
        for name, work in (
            ("report", lambda: write_report(lake, str(root / "report"), Settings())),
            ("export", lambda: export(lake, str(root / "export"), Settings())),
            ("export again", lambda: export(lake, str(root / "export"), Settings())),
        ):
            started, cpu = time.perf_counter(), _cpu_s()
            for _ in work():
                continue
            seconds, cpu = time.perf_counter() - started, _cpu_s() - cpu
            target = root / name.partition(" ")[0]
            num_bytes = sum(path.stat().st_size for path in target.rglob("*") if path.is_file())
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
            print(
                f"{name:13} {num_pages} pages: {seconds:.1f} s, {cpu / num_pages * 1000:.0f} CPU ms a page, "
                f"{num_bytes / num_pages / 1024:.0f} KiB a page, peak {peak:.0f} MiB"
            )
    finally:
        shutil.rmtree(root)


def _cpu_s() -> float:
    """Of this process and the children that have ended."""
    own, children = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    return own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime


if __name__ == "__main__":
    main()
