"""CPU a page of whole runs of `classic` over pages whose text layer is right, against PyMuPDF alone drawing them and reading words.

    python -m tests.bench born_digital --pages 150

Twice: for text alone, and for text and charts. In one process (`--on local`), where the start is left out by the difference of two
sizes, the pages once and nine times. PyMuPDF works right after each. Says where the rest goes, by the role of each process.
"""

import argparse
import tempfile
from pathlib import Path

import pymupdf

from schemas.failure import PageError
from schemas.settings import RegionSettings, RenderSettings
from tests.bench.inputs.pages import make_corpus, pdfs
from tests.bench.runs.render import TASKS, Cost, drawn_alone, run
from workers.engines.classic.layers import read_layer
from workers.engines.engine import Request
from workers.rendering.renderer import Renderer

TURNS = 9
"""Each render process takes half a second of CPU to start; over few pages one more or less is a third of the figure."""


def born_digital(num_pages: int) -> list[Path]:
    """PDFs with text layers that `classic` takes as they are, up to so many pages: of every folder some."""
    found: list[Path] = []
    with Renderer(RenderSettings(), RegionSettings(enabled=False), []) as renderer:
        for path in _mixed(pdfs()):
            if num_pages <= 0:
                break
            try:
                count = renderer.probe(path, None, None).num_pages or 0
            except PageError:
                continue
            if count <= num_pages and _is_read(renderer, path, count):
                found.append(path)
                num_pages -= count
    return found


def _mixed(paths: list[Path]) -> list[Path]:
    """One of each folder, then another one of each."""
    places: dict[Path, int] = {}
    keyed = []
    for path in paths:
        places[path.parent] = place = places.get(path.parent, -1) + 1
        keyed.append((place, path))
    return [path for _, path in sorted(keyed)]


def _is_read(renderer: Renderer, path: Path, num_pages: int) -> bool:
    for page in renderer.render(path, range(num_pages)):
        if page.image is None:
            return False
        request = Request(
            label=path.name,
            task="ocr",
            image=page.image,
            prompt="",
            answer_schema=None,
            max_output_tokens=1,
            temperature=0,
            text_layer=page.text_layer,
            is_scan=page.is_scan,
        )
        if read_layer(request).is_declined:
            return False
    return True


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pages", type=int, default=150)
    arguments = parser.parse_args()
    pymupdf.TOOLS.mupdf_display_errors(False)
    pymupdf.TOOLS.mupdf_display_warnings(False)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        paths = born_digital(arguments.pages)
        num_small = make_corpus(folder / "small", turns=1, paths=paths)
        num_pages = make_corpus(folder / "large", turns=TURNS, paths=paths) - num_small
        print(f"{num_small} pages of {len(paths)} PDFs, {TURNS} times; CPU ms a page:")
        for tasks, setting in TASKS.items():
            costs = [
                run(folder / size, folder / f"{size} {tasks}", setting, engine="classic", on="local") for size in ("small", "large")
            ]
            print_costs(tasks, *costs, num_pages, drawn_alone(folder / f"large {tasks}"))


def print_costs(tasks: str, small: Cost, large: Cost, num_pages: int, alone: tuple[int, float, float, float]) -> None:
    num_drawn, _, draw_s, words_s = alone
    alone_s = (draw_s + words_s) / num_drawn
    page_s = (large.total_s - small.total_s) / num_pages
    print(f"{'PyMuPDF alone, pixels and words':34}{1000 * alone_s:8.1f}   ({1000 * words_s / num_drawn:.1f} of them words)")
    print(f"{'a run for ' + tasks:34}{1000 * page_s:8.1f}{page_s / alone_s:7.2f}x")
    for role, cpu_s in sorted(large.cpu_s.items(), key=lambda item: -item[1]):
        if (share_ms := 1000 * (cpu_s - small.cpu_s.get(role, 0.0)) / num_pages) >= 0.1:
            print(f"{'    ' + role:34}{share_ms:8.1f}")


if __name__ == "__main__":
    main()
