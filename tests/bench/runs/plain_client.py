"""The least that reads pages through an endpoint: a process pool that draws and encodes, asyncio that asks. For comparison.

    python -m tests.bench plain_client FOLDER BASE_URL [--image jpeg] [--in-flight 32]

No retries, no checks, no tables, no text layer: answers are counted and thrown away.
"""

import argparse
import asyncio
import base64
import io
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import httpx
import pymupdf
from PIL import Image

DPI = 150
MAX_PIXELS = 2_170_000
"""A4 at 150 dpi; larger pages are drawn at this area."""


def list_pages(folder: Path) -> Iterator[tuple[str, int]]:
    for path in sorted(folder.glob("*.pdf")):
        with pymupdf.open(path, filetype="pdf") as document:
            yield from ((str(path), index) for index in range(len(document)))


def draw(path: str, page_index: int, kind: str) -> str:
    """A data URL."""
    pymupdf.TOOLS.mupdf_display_errors(False)
    with pymupdf.open(path, filetype="pdf") as document:
        page = document[page_index]
        zoom = min(DPI / 72, (MAX_PIXELS / abs(page.rect)) ** 0.5)
        pixels = page.get_pixmap(matrix=pymupdf.Matrix(zoom, zoom), alpha=False)
    if kind == "png":
        body = pixels.tobytes("png")
    else:
        out = io.BytesIO()
        image = Image.frombuffer("RGB", (pixels.width, pixels.height), pixels.samples, "raw", "RGB", 0, 1)
        image.save(out, "JPEG", quality=95, subsampling=0)
        body = out.getvalue()
    return f"data:image/{kind};base64,{base64.b64encode(body).decode()}"


async def ask_all(pages: Sequence[tuple[str, int]], base_url: str, kind: str, in_flight: int) -> int:
    """Number of answers."""
    slots = asyncio.Semaphore(in_flight)
    loop = asyncio.get_running_loop()
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        async with httpx.AsyncClient(timeout=300, limits=httpx.Limits(max_connections=in_flight)) as client:

            async def ask(path: str, page_index: int) -> bool:
                async with slots:
                    url = await loop.run_in_executor(pool, draw, path, page_index, kind)
                    content = [{"type": "image_url", "image_url": {"url": url}}, {"type": "text", "text": "Read this page."}]
                    body = {"model": "ovis", "messages": [{"role": "user", "content": content}], "max_tokens": 8192}
                    reply = await client.post(f"{base_url}/chat/completions", json=body)
                    return bool(reply.json()["choices"][0]["message"]["content"])

            return sum(await asyncio.gather(*(ask(*page) for page in pages)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("base_url")
    parser.add_argument("--image", choices=["jpeg", "png"], default="jpeg")
    parser.add_argument("--in-flight", type=int, default=32)
    arguments = parser.parse_args()
    pages = list(list_pages(arguments.folder))
    print(asyncio.run(ask_all(pages, arguments.base_url, arguments.image, arguments.in_flight)), "answers")


if __name__ == "__main__":
    main()
