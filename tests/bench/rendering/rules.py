"""What finding a page's rules costs, against drawing the page: CPU of both in one run, the least of several tries of each page.

    python -m tests.bench rules [FOLDER]

Pages are the first of every second PDF in the folder (default: the ICDAR-2013 tables of the shared data).
"""

import argparse
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pymupdf

from schemas.page import RenderedPage
from schemas.settings import RegionSettings, RenderSettings
from tests.bench.inputs.places import SHARED_DATA
from workers.engines.classic.rules import find_rules
from workers.rendering.renderer import Renderer

TRIES = 7


def least_s(work: Callable[[], object]) -> float:
    tries = []
    for _ in range(TRIES):
        started = time.process_time()
        work()
        tries.append(time.process_time() - started)
    return min(tries)


def first_pages(folder: Path) -> Iterator[tuple[Path, RenderedPage]]:
    renderer = Renderer(RenderSettings(), RegionSettings(enabled=False), [])
    for path in sorted(folder.glob("**/*.pdf"))[::2]:
        renderer.probe(path, None, None)
        yield from ((path, page) for page in renderer.render(path, (0,)) if page.image and page.text_layer)
    renderer.close()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, nargs="?", default=SHARED_DATA / "a_icdar2013_tables")
    folder = parser.parse_args().folder
    if not folder.is_dir():
        sys.exit(f"{folder} is not there: nothing is measured.")
    rules_s = drawing_s = 0.0
    num_pages = 0
    for path, page in first_pages(folder):
        assert page.image
        assert page.text_layer
        image, words = page.image, page.text_layer.words
        pixels = np.frombuffer(image.rgb(), np.uint8).reshape(image.height_px, image.width_px, 3)
        boxes = np.array([word.box for word in words], dtype=float).reshape(-1, 4)
        size = float(np.median([word.size_px for word in words])) if words else 1.0
        drawn = pymupdf.open(path)[0]
        scale = pymupdf.Matrix(image.width_px / drawn.rect.width, image.height_px / drawn.rect.height)
        rules_s += least_s(lambda pixels=pixels, boxes=boxes, size=size: find_rules(pixels, boxes, size, is_scan=False))  # type: ignore[misc]
        drawing_s += least_s(lambda drawn=drawn, scale=scale: drawn.get_pixmap(matrix=scale, alpha=False))  # type: ignore[misc]
        num_pages += 1
    print(f"{num_pages} pages: rules {1000 * rules_s / num_pages:.1f} ms, drawing {1000 * drawing_s / num_pages:.1f} ms")
    print(f"rules / drawing: {rules_s / drawing_s:.2f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
