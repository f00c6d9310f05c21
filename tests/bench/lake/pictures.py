"""What `output.images` costs: CPU of drawing a page and of reading it by `classic`, and kB, for none, regions and pages; and what
each way to encode a picture would cost instead.

    python -m tests.bench pictures FILE.pdf [FILE.pdf …]     (the first six pages of each; the examples without one)

The first page of each file is drawn and read once before, so that no start is counted.
"""

import argparse
import asyncio
import io
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import get_args

import numpy as np
from PIL import Image

from pipeline.planning.engines import describe_engines
from pipeline.planning.recipes import asked_recipes
from schemas.page import Chunk, RenderedChunk, RenderedPage
from schemas.records import ChunkRecords
from schemas.settings import Images, Settings
from schemas.source import Document
from tests.bench.inputs.places import EXAMPLES
from tests.pipeline.made import make_source
from workers.engines.registry import describe_engine, make_engine
from workers.reading.read_pages import PageReader
from workers.rendering.pictures import as_image
from workers.rendering.renderer import Renderer

PAGES_PER_FILE = 6
ENCODERS: dict[str, tuple[str, dict[str, object]]] = {
    "jpeg 85": ("JPEG", {"quality": 85}),
    "jpeg 90": ("JPEG", {"quality": 90}),
    "webp 80, least effort": ("WEBP", {"quality": 80, "method": 0}),
    "webp 80, some": ("WEBP", {"quality": 80, "method": 2}),
    "png": ("PNG", {}),
}


@dataclass
class Cost:
    render_s: float = 0.0
    read_s: float = 0.0
    num_pages: int = 0
    num_bytes: int = 0
    pages: list[RenderedPage] = field(default_factory=list)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", type=Path, nargs="*", help="PDFs; the examples by default")
    files = parser.parse_args().files or sorted(EXAMPLES.glob("*.pdf"))
    costs = {images: asyncio.run(measured(files, images)) for images in get_args(Images)}
    alone = costs["none"]
    print(f"{alone.num_pages} pages of {len(files)} files; CPU ms a page")
    print(f"{'':24}{'drawn':>8}{'read':>8}{'of none':>9}{'kB':>8}")
    for images, cost in costs.items():
        ratio = (cost.render_s + cost.read_s) / (alone.render_s + alone.read_s)
        each = 1000 / cost.num_pages
        kb = cost.num_bytes / cost.num_pages / 1000
        print(f"{images:24}{cost.render_s * each:8.1f}{cost.read_s * each:8.1f}{ratio:9.2f}{kb:8.1f}")
    figures = [
        as_image(page.image).crop(tuple(map(int, region.bbox_px)))
        for page in alone.pages
        if page.image is not None
        for region in page.regions
        if region.origin != "standalone"
    ]
    for what, images in (("figures", figures), ("pages", [as_image(page.image) for page in alone.pages if page.image])):
        print(f"\n{len(images)} {what}, a page of all:\n{'':24}{'CPU ms':>8}{'kB':>8}{'PSNR dB':>9}")
        for name, (kind, options) in ENCODERS.items():
            started = time.process_time()
            bodies = [_saved(image, kind, options) for image in images]
            cpu_ms = 1000 * (time.process_time() - started) / alone.num_pages
            fidelity = np.mean([_psnr(*pair) for pair in zip(images, bodies, strict=True)])
            print(f"{name:24}{cpu_ms:8.1f}{sum(map(len, bodies)) / alone.num_pages / 1000:8.1f}{fidelity:9.1f}")


async def measured(files: Sequence[Path], images: Images) -> Cost:
    settings = Settings()
    info, engines = describe_engine(settings.engine), describe_engines(settings.engine, settings.read.tasks)
    engine = make_engine(settings.engine)
    await engine.start()
    reader = PageReader(engine, info, asked_recipes(settings, engines), settings.read, 1, "bench", images=images)
    cost = Cost()
    with Renderer(settings.render, settings.regions, [], draws_regions=False, images=images) as renderer:
        for path in files:
            try:
                document = renderer.probe(path, None, None)
            except Exception as error:  # noqa: BLE001 (what cannot be opened is not measured)
                print(f"{path.name}: {error}")
                continue
            numbers = range(min(document.num_pages or 0, PAGES_PER_FILE))
            first = [page for page in renderer.render(path, [0]) if page.image is not None]
            await reader.read_chunk(chunk_of(path, document, first))
            started = _cpu_s() + _child_s(renderer)
            pages = [page for page in renderer.render(path, numbers) if page.image is not None]
            cost.render_s += _cpu_s() + _child_s(renderer) - started
            started = _cpu_s()
            records = await reader.read_chunk(chunk_of(path, document, pages))
            cost.read_s += _cpu_s() - started
            cost.num_pages += len(pages)
            cost.num_bytes += _bytes(records)
            cost.pages += pages if images == "none" else []
    return cost


def chunk_of(path: Path, document: Document, pages: list[RenderedPage]) -> RenderedChunk:
    numbers = [page.page_index for page in pages]
    chunk = Chunk(
        plan_id="000001",
        shard_index=0,
        source_index=0,
        source=make_source(path.name),
        document=document,
        tasks=["ocr", "chart"],
        pages=numbers,
        num_selected=len(numbers),
    )
    return RenderedChunk(chunk=chunk, pages=pages)


def _bytes(records: ChunkRecords) -> int:
    return sum(image.size_bytes for image in records.images)


def _cpu_s() -> float:
    return time.process_time()


def _child_s(renderer: Renderer) -> float:
    """CPU seconds of the sandboxed process. Source: proc(5), utime and stime are the 14th and 15th field."""
    fields = Path(f"/proc/{renderer.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _saved(image: Image.Image, kind: str, options: dict[str, object]) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def _psnr(image: Image.Image, body: bytes) -> float:
    """99 where nothing is lost."""
    there = np.asarray(Image.open(io.BytesIO(body)).convert("RGB"), np.float32)
    error = np.square(there - np.asarray(image, np.float32)).mean()
    return float(10 * np.log10(255**2 / error)) if error else 99.0


if __name__ == "__main__":
    main()
