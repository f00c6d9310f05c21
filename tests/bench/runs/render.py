"""CPU per page of a whole run, `scripted` without delay, against PyMuPDF alone drawing the same pages at the same size.

    python -m tests.bench render --pages 1000

Twice: for text and charts, where the parts of a page that may be a chart are looked for and drawn again at their own resolution,
and for text alone. Says where the rest goes, by the role of each process, and how many requests a second the machinery reaches.
What a run of one document costs is its start: Ray, imports, sandboxed children.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pymupdf

from tests.bench.inputs.pages import make_corpus
from tests.bench.inputs.places import EXAMPLES, ROOT
from tests.bench.runs.process_tree import ProcessTree


@dataclass
class Cost:
    wall_s: float
    cpu_s: dict[str, float]

    @property
    def total_s(self) -> float:
        return sum(self.cpu_s.values())


def run(corpus: Path, output: Path, *settings: str, engine: str = "scripted", on: str = "ray") -> Cost:
    """One `pagefold run`. Ends the benchmark where it does not finish."""
    more = [part for setting in settings for part in ("--set", setting)]
    command = [
        sys.executable,
        "-m",
        "pipeline",
        "run",
        str(corpus),
        str(output),
        "--engine",
        engine,
        "--on",
        on,
        "--quiet",
        *more,
    ]
    started = time.monotonic()
    process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    with ProcessTree(process.pid, interval_s=0.2) as tree:
        process.wait()
    if process.returncode:
        sys.exit(f"the run ended with exit code {process.returncode}")
    return Cost(time.monotonic() - started, tree.cpu_by_role())


TASKS = {"text and charts": 'read.tasks=["ocr","chart"]', "text alone": 'read.tasks=["ocr"]'}

Drawn = tuple[str, int, int, int]
"""uri, page_index, width_px, height_px"""


def drawn_alone(output: Path) -> tuple[int, float, float, float]:
    """(pages, million pixels, CPU seconds of drawing, CPU seconds of reading words) with PyMuPDF alone, a process on each core:
    cores share caches and memory, and that is part of the price in both."""
    pages: list[Drawn] = duckdb.sql(
        f"select uri, page_index, width_px, height_px from read_parquet('{output}/pages/**/*.parquet') "
        "where width_px is not null order by uri, page_index"
    ).fetchall()
    num_processes = os.cpu_count() or 1
    per_process = -(-len(pages) // num_processes)
    with ProcessPoolExecutor(num_processes) as pool:
        parts = list(pool.map(_draw, [pages[start : start + per_process] for start in range(0, len(pages), per_process)]))
    megapixels = sum(width * height for _, _, width, height in pages) / 1e6
    return len(pages), megapixels, sum(draw_s for draw_s, _ in parts), sum(words_s for _, words_s in parts)


def _draw(pages: list[Drawn]) -> tuple[float, float]:
    draw_s = words_s = 0.0
    document, opened = None, None
    for uri, page_index, width_px, height_px in pages:
        start = time.process_time()
        if uri != opened:
            document, opened = pymupdf.open(uri, filetype="pdf"), uri
        assert document is not None
        page = document[page_index]
        page.get_pixmap(matrix=pymupdf.Matrix(width_px / page.rect.width, height_px / page.rect.height), alpha=False)
        drawn = time.process_time()
        page.get_text("words")
        draw_s, words_s = draw_s + drawn - start, words_s + time.process_time() - drawn
    return draw_s, words_s


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pages", type=int, default=1000)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_corpus(folder / "in", arguments.pages)
        (folder / "one").mkdir()
        shutil.copy(EXAMPLES / "report.pdf", folder / "one")
        starts, runs = [], []
        for name, tasks in TASKS.items():
            starts.append(run(folder / "one", folder / f"one {name}", tasks))
            runs.append(run(folder / "in", folder / name, tasks))
        num_pages, megapixels, draw_s, words_s = drawn_alone(folder / next(iter(TASKS)))

    alone = 1000 * draw_s / num_pages

    def line(name: str, cpu_s: float, more: str = "") -> None:
        millis = 1000 * cpu_s / num_pages
        print(f"{name:34}{millis:8.1f}{millis / alone:7.1f}x{more}")

    print(f"{num_pages} pages of {megapixels / num_pages:.2f} megapixels; CPU ms a page:")
    line("PyMuPDF alone, pixels", draw_s)
    line("PyMuPDF alone, words too", draw_s + words_s)
    for name, start, whole in zip(TASKS, starts, runs, strict=True):
        print()
        line(f"a run for {name}", whole.total_s)
        line("  without its start", whole.total_s - start.total_s)
        for role, cpu_s in sorted(whole.cpu_s.items(), key=lambda item: -item[1]):
            at_start_s = start.cpu_s.get(role, 0.0)
            line(f"    {role}", cpu_s - at_start_s, f"   and {at_start_s:.1f} s at the start")
        rate = num_pages / (whole.wall_s - start.wall_s)
        print(f"  start {start.wall_s:.1f} s ({start.total_s:.0f} CPU s), then {rate:.0f} pages/s: the ceiling of the machinery")


if __name__ == "__main__":
    main()
