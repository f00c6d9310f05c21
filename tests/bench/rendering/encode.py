"""What an image's encoding costs a client: CPU ms, kB and fidelity per page at 150 dpi, for each candidate and each PDF page given.

python -m tests.bench encode FILE.pdf [FILE.pdf …]      (two pages of each; `workers.engines.server.encode` has the decision)
"""

import argparse
import io
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pymupdf
from PIL import Image

from schemas.page import PageImage
from workers.engines.server.encode import data_url, encode_image

DPI = 150
PAGES_PER_FILE = 2


def saved(kind: str, **options: object) -> Callable[[PageImage], bytes]:
    def save(image: PageImage) -> bytes:
        out = io.BytesIO()
        Image.frombytes("RGB", (image.width_px, image.height_px), image.rgb()).save(out, kind, **options)
        return out.getvalue()

    return save


CANDIDATES: dict[str, Callable[[PageImage], bytes]] = {
    "png level 1": saved("PNG", compress_level=1),
    "png level 6": saved("PNG", compress_level=6),
    "webp lossless": saved("WEBP", lossless=True),
    "webp lossless, least effort": saved("WEBP", lossless=True, quality=0, method=0),
    "jpeg q95, half chroma": saved("JPEG", quality=95),
    "jpeg q95, full chroma": saved("JPEG", quality=95, subsampling=0),
    "ours: jpeg": lambda image: encode_image(image, "jpeg"),
    "ours: png": lambda image: encode_image(image, "png"),
    "ours: webp": lambda image: encode_image(image, "webp"),
    "pixels alone (zstd)": lambda image: image.rgb(),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", type=Path, nargs="+", help="PDFs")
    pages = [page for path in parser.parse_args().files for page in _pages(path)]
    if not pages:
        sys.exit("none of these PDFs has a page")
    print(f"{len(pages)} pages at {DPI} dpi, per page:\n{'':30}{'CPU ms':>8}{'kB':>8}{'PSNR dB':>9}")
    for name, candidate in CANDIDATES.items():
        start = time.process_time()
        bodies = [candidate(page) for page in pages]
        cpu_s = time.process_time() - start
        size = sum(map(len, bodies))
        fidelity = "" if "pixels" in name else f"{np.mean([_psnr(*pair) for pair in zip(pages, bodies, strict=True)]):9.1f}"
        print(f"{name:30}{1000 * cpu_s / len(pages):8.1f}{size / len(pages) / 1000:8.0f}{fidelity}")
    start = time.process_time()
    for page in pages:
        data_url(page, "jpeg")
    print(f"{'ours: jpeg as a data URL':30}{1000 * (time.process_time() - start) / len(pages):8.1f}")


def _pages(path: Path) -> list[PageImage]:
    with pymupdf.open(path) as document:
        pixmaps = [document[index].get_pixmap(dpi=DPI, alpha=False) for index in range(min(PAGES_PER_FILE, len(document)))]
        return [PageImage.from_rgb(pixmap.width, pixmap.height, pixmap.samples) for pixmap in pixmaps]


def _psnr(page: PageImage, body: bytes) -> float:
    """inf where nothing is lost."""
    there = np.asarray(Image.open(io.BytesIO(body)).convert("RGB"), np.float32).ravel()
    error = np.square(there - np.frombuffer(page.rgb(), np.uint8)).mean()
    return float(10 * np.log10(255**2 / error)) if error else float("inf")


if __name__ == "__main__":
    main()
