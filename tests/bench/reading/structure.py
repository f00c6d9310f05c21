"""How well a page's structure is kept: `python -m tests.bench structure [--peer PYTHON]`.

Counted are olmOCR-bench's tests of presence, absence and order, on what lands in `text_plain`, and sentences torn across blocks on
the pages of the ICDAR-2013 documents. A sentence is torn where a block ends in its middle (in a letter or a comma) and the next one
begins with a small letter, but for running heads and feet between them. Halves are of documents, in turn: the rules were tuned on
the first.

The peer is pymupdf4llm, in an environment of its own (`python -m venv peer; peer/bin/pip install pymupdf pymupdf_layout`), its
Python named by --peer; without one it is left out. Its running heads and feet are switched off, as ours are by default.
"""

import argparse
import asyncio
import json
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from schemas.answers import OcrAnswer
from schemas.page import PageEdges
from schemas.settings import EngineSettings, RegionSettings, RenderSettings
from tests.bench.inputs.places import SHARED_DATA
from tests.bench.reading.cer import normal, passes, request_of
from workers.engines.engine import Engine
from workers.engines.registry import make_engine
from workers.rendering.renderer import Renderer
from workers.text.content import ocr_content

OLMOCR = SHARED_DATA / "a_olmocr_bench"
ICDAR = SHARED_DATA / "a_icdar2013_tables"
PEER = """
import json, sys
import pymupdf4llm
for path in sys.argv[1:]:
    pages = pymupdf4llm.to_markdown(path, page_chunks=True, header=False, footer=False, show_progress=False)
    print(json.dumps([path, [page["text"] for page in pages]]), flush=True)
"""
TESTS = ("present", "absent", "order")
RUNNING = ("header", "footer")
PROSE = ("paragraph", "list_item", "heading", "title", "caption", "footnote")
HALVES = ("tuned on", "unseen")


class Read(NamedTuple):
    """A page as somebody reads it."""

    text: str
    blocks: list[tuple[str, str]]
    """Kind and plain text, in order, without running heads and feet; a peer's have no kinds but `table` and `paragraph`."""


Document = dict[int, Read]
"""By page_index."""


async def read_all(engine: Engine, path: Path, renderer: Renderer) -> Document:
    document = renderer.probe(path, None, None)
    pages: Document = {}
    for page in renderer.render(path, range(document.num_pages or 0)):
        completion = await engine.read(
            replace(request_of(page), regions=tuple(page.regions), edges=PageEdges(page.nearby, page.page_index == 0))
        )
        if completion.failure is None:
            content = ocr_content(OcrAnswer.model_validate_json(completion.text), page, is_literal=completion.is_literal)
            blocks = [(block.kind, block.text) for block in content.blocks if block.kind not in RUNNING]
            pages[page.page_index] = Read(content.text_plain, blocks)
    return pages


def read_by_peer(python: str, paths: Sequence[Path]) -> dict[Path, Document]:
    said = subprocess.run([python, "-c", PEER, *map(str, paths)], capture_output=True, text=True, check=False, env={})
    found = {}
    for line in said.stdout.splitlines():
        if line.startswith("["):
            path, texts = json.loads(line)
            found[Path(path)] = {index: Read(text, list(markdown_blocks(text))) for index, text in enumerate(texts)}
    if len(found) < len(paths):
        print(f"the peer read {len(found)} of {len(paths)} files: {said.stderr[-500:]}", file=sys.stderr)
    return found


def markdown_blocks(text: str) -> Iterator[tuple[str, str]]:
    """Paragraphs of Markdown without their marks; each item of a list is one."""
    for part in re.split(r"\n\s*\n|\n(?=\s*(?:[-*+]|\d+\.)\s)", re.sub(r"<br\s*/?>", " ", text)):
        plain = re.sub(r"\*\*|__|(?<!\w)_|_(?!\w)|`|^\s*(?:[#>]+|[-*+])\s+", "", part, flags=re.MULTILINE).strip()
        if plain.startswith("|"):
            yield "table", plain
        elif "==>" in plain or plain.startswith("!["):
            yield "figure", plain
        elif plain:
            yield "paragraph", plain


def num_torn(blocks: Sequence[tuple[str, str]]) -> int:
    return sum(is_torn(before, after) for before, after in pairwise(blocks))


def is_torn(before: tuple[str, str], after: tuple[str, str]) -> bool:
    """`after` goes on with the sentence that `before` began."""
    if before[0] not in PROSE or after[0] not in PROSE:
        return False
    ends, begins = before[1].rstrip(), after[1].lstrip()
    is_open = re.search(r"(?:[^\W\d_]|[,\-])$", ends)
    return bool(is_open and begins[:1].islower() and re.match(r"\w*[^.)\w]|\w{3,}", begins))  # not "a) first"


def half_of(path: Path, paths: Sequence[Path]) -> str:
    return HALVES[paths.index(path) % 2]


def olmocr_tests() -> list[dict[str, str]]:
    tests = map(json.loads, (OLMOCR / "dataset.jsonl").read_text().splitlines())
    return [test for test in tests if test["type"] in TESTS and (OLMOCR / "pdfs" / test["pdf"]).exists()]


def print_olmocr(name: str, read: dict[Path, Document], paths: Sequence[Path], *, is_verbose: bool) -> None:
    passed: Counter[tuple[str, str]] = Counter()
    total: Counter[tuple[str, str]] = Counter()
    for test in olmocr_tests():
        path = OLMOCR / "pdfs" / test["pdf"]
        page = read.get(path, {}).get(int(test["page"]) - 1)
        key = half_of(path, paths), test["type"]
        is_right = passes(test, normal(page.text if page else ""))
        total[key] += 1
        passed[key] += is_right
        if is_verbose and not is_right:
            print(f"  {name} fails {test['type']} {test['pdf']}: {test.get('text', test.get('before'))}")
    cells = (f"{passed[half, kind]}/{total[half, kind]}" for kind in TESTS for half in HALVES)
    print(f"| {name} | " + " | ".join(cells) + " |")


def print_torn(name: str, read: dict[Path, Document], paths: Sequence[Path], *, is_verbose: bool) -> None:
    torn: Counter[str] = Counter()
    pages: Counter[str] = Counter()
    for path in paths:
        for index, page in read.get(path, {}).items():
            torn[half_of(path, paths)] += num_torn(page.blocks)
            pages[half_of(path, paths)] += 1
            for before, after in pairwise(page.blocks):
                if is_verbose and is_torn(before, after):
                    print(f"  {name} {path.name} {index}: {before[0]} …{before[1][-50:]!r} | {after[0]} {after[1][:50]!r}")
    print(f"| {name} | " + " | ".join(f"{torn[half]} on {pages[half]}" for half in HALVES) + " |")


async def measure(peer: str, *, is_verbose: bool) -> None:
    engine = make_engine(EngineSettings())
    await engine.start()
    renderer = Renderer(RenderSettings(), RegionSettings(), [])
    pdfs = {
        print_olmocr: sorted({OLMOCR / "pdfs" / test["pdf"] for test in olmocr_tests()}),
        print_torn: sorted(ICDAR.glob("*/*.pdf")),
    }
    for printed, paths in pdfs.items():
        if printed is print_olmocr:
            print("| olmOCR-bench passed | " + " | ".join(f"{kind}, {half}" for kind in TESTS for half in HALVES) + " |")
            print("|---|" + "---:|" * len(TESTS) * len(HALVES))
        else:
            print("\n| sentences torn, pages | " + " | ".join(HALVES) + " |\n|---|---:|---:|")
        printed("classic", {path: await read_all(engine, path, renderer) for path in paths}, paths, is_verbose=is_verbose)
        if peer:
            printed("pymupdf4llm", read_by_peer(peer, paths), paths, is_verbose=is_verbose)
    if not peer:
        print("\npymupdf4llm is left out: no --peer was named")
    renderer.close()
    await engine.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peer", default="", help="a Python that has pymupdf4llm")
    parser.add_argument("--verbose", action="store_true", help="each test that fails and each sentence torn")
    arguments = parser.parse_args()
    asyncio.run(measure(arguments.peer, is_verbose=arguments.verbose))
