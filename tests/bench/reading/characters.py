"""How many pages of the shared data lose characters on the way from the PDF's text layer to `text_plain`.

Looked at are PDF pages whose text layer is trusted, read by `classic` as in a run. Of a page's non-blank characters, as a multiset,
two losses are counted. From the engine's answer to `text_plain` none may be lost. From the layer to `text_plain`, dots that lead
the eye and hyphens at line ends are left out on purpose. Exits 1 where one is lost from an answer.

    python -m tests.bench characters [FOLDER]
"""

import argparse
import asyncio
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from schemas.failure import PageError
from schemas.page import RenderedPage
from schemas.settings import EngineSettings, RegionSettings, RenderSettings
from tests.bench.inputs.places import SHARED_DATA
from tests.bench.reading.cer import plain, request_of
from workers.answers.parse import parse_answer
from workers.engines.classic.reading_order.lines.line_text import letters_of
from workers.engines.registry import make_engine
from workers.rendering.renderer import Renderer
from workers.text.content import ocr_content
from workers.text.trust import judge

MAX_PAGES = 20
"""Of one document."""
LEFT_OUT = frozenset(".·…-\u00ad\u2010")


def trusted_pages(folder: Path) -> Iterator[tuple[str, RenderedPage]]:
    renderer = Renderer(RenderSettings(), RegionSettings(enabled=False), [])
    try:
        for path in sorted(folder.glob("**/*.pdf")):
            try:
                num_pages = renderer.probe(path, None, None).num_pages
                for page in renderer.render(path, range(min(num_pages, MAX_PAGES))):
                    if page.image and judge(page.text_layer, page.image.width_px, page.image.height_px).is_trusted:
                        yield f"{path.relative_to(folder)}#page={page.page_index}", page
            except PageError:
                continue  # damaged on purpose
    finally:
        renderer.close()


def characters(text: str) -> Counter[str]:
    return Counter(char for char in text if not char.isspace())


async def main(folder: Path) -> int:
    engine = make_engine(EngineSettings())
    await engine.start()
    num_pages = num_changed = num_lost = 0
    for label, page in trusted_pages(folder):
        completion = await engine.read(request_of(page))
        if completion.failure is not None or page.text_layer is None:
            continue
        num_pages += 1
        answer = parse_answer("ocr", completion.text, is_complete=True).answer
        found = characters(ocr_content(answer, page, is_literal=completion.is_literal, running_text=True).text_plain)
        layer = characters("".join(letters_of(word.text) for word in page.text_layer.words))
        num_changed += any(char not in LEFT_OUT for char in layer - found)
        if lost := characters(plain(completion.text)) - found:
            num_lost += 1
            print(f"{label}: {''.join(lost.elements())!r}")
    await engine.close()
    print(f"{num_pages} pages: {num_lost} lose characters of the answer, {num_changed} characters of the layer")
    return int(num_lost > 0)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, nargs="?", default=SHARED_DATA, help="of PDFs; the shared data by default")
    sys.exit(asyncio.run(main(parser.parse_args().folder)))
