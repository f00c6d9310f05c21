"""How well the engine `classic` reads tables: cell adjacency on ICDAR-2013, olmOCR-bench's tests of tables, false tables on prose.

    .venv/bin/python -m tests.bench tables [--peer /tmp/peer/bin/python] [--each]

`--peer`: the interpreter of a virtual environment of its own with pymupdf4llm, which then reads the same files in the same run:
    python3 -m venv /tmp/peer && /tmp/peer/bin/pip install pymupdf4llm pymupdf==2.0

Halves: the table finder was tuned on every second document by name, from the first (even). Of the others (odd) three were looked at
for their low scores; they are counted as tuned on, and `not looked at` is the rest. `pooled`: F of the relations of all documents
together; `mean`: of the documents' own F.
"""

import argparse
import asyncio
import html
import json
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import reduce
from pathlib import Path
from statistics import fmean

import pymupdf
from rapidfuzz import fuzz

from schemas.settings import EngineSettings, RegionSettings, RenderSettings
from tests.bench.inputs.places import SHARED_DATA
from tests.bench.reading.cer import request_of
from tests.bench.reading.table_scores import Score, icdar_relations, normal, relations_of_tables, score
from workers.engines.engine import Engine
from workers.engines.registry import make_engine
from workers.rendering.renderer import Renderer
from workers.text.tables import Rows, grid_of

ICDAR = SHARED_DATA / "a_icdar2013_tables"
OLMOCR = SHARED_DATA / "a_olmocr_bench"
LOOKED_AT = ("eu-018", "us-002", "us-034")
PROSE = ("mathfuncs.pdf", "mathfuncs_colswitch.pdf", "multi_column_miss.pdf", "buildingnotes.pdf", "headers_footers/*.pdf")
"""Of the olmOCR sample, pages without a table."""

PagesOfTables = list[list[Rows]]

_PEER = """
import json, sys
import pymupdf4llm
out = {}
for path in sys.argv[1:]:
    try:
        pages = json.loads(pymupdf4llm.to_json(path, use_ocr=False))["pages"]
        out[path] = [[box["table"]["extract"] for box in page["boxes"] if box.get("table")] for page in pages]
    except Exception as error:
        print(path, repr(error), file=sys.stderr)
        out[path] = []
print("\\n@@" + json.dumps(out))
"""


async def read_tables(engine: Engine, paths: Sequence[Path]) -> dict[Path, PagesOfTables]:
    """As the pipeline reads them: drawn in the sandboxed child, then read."""
    renderer = Renderer(RenderSettings(), RegionSettings(), [])
    found: dict[Path, PagesOfTables] = {}
    for path in paths:
        document = renderer.probe(path, None, None)
        pages = []
        for page in renderer.render(path, range(document.num_pages or 0)):
            request = replace(request_of(page), regions=tuple(page.regions))
            answer = json.loads((await engine.read(request)).text or '{"blocks": []}')
            pages.append([block["table"] for block in answer["blocks"] if "table" in block])
        found[path] = pages
    renderer.close()
    return found


def read_by_peer(python: str, paths: Sequence[Path]) -> dict[Path, PagesOfTables]:
    """pymupdf4llm's grids; its None, a place that another cell covers, continues the cell on the left."""
    done = subprocess.run([python, "-c", _PEER, *map(str, paths)], stdout=subprocess.PIPE, check=True, text=True)
    return {Path(path): pages for path, pages in json.loads(done.stdout.rsplit("@@", 1)[1]).items()}


Reader = Callable[[Sequence[Path]], dict[Path, PagesOfTables]]


def icdar(readers: dict[str, Reader], *, each: bool) -> None:
    paths = sorted(ICDAR.glob("*/*.pdf"))
    expected = {path: icdar_relations(path.with_name(f"{path.stem}-str.xml")) for path in paths}
    print("\n| ICDAR-2013, cell adjacency | documents | relations | precision | recall | F pooled | F mean | s/page |")
    print("|---|---:|---:|---:|---:|---:|---:|---:|")
    tuned = [path for index, path in enumerate(paths) if index % 2 == 0 or path.stem in LOOKED_AT]
    by_document: dict[Path, list[Score]] = {path: [] for path in paths}
    for name, reader in readers.items():
        started = time.monotonic()
        found = reader(paths)
        seconds = (time.monotonic() - started) / sum(map(len, found.values()))
        scores = {path: score(relations_of_tables(rows for page in found[path] for rows in page), expected[path]) for path in paths}
        for path in paths:
            by_document[path].append(scores[path])
        for half, chosen in (("all", paths), ("tuned on", tuned), ("not looked at", sorted(set(paths) - set(tuned)))):
            print(_icdar_row(f"{name}: {half}", [scores[path] for path in chosen], seconds), flush=True)
    if each:
        for path, scores_of_it in by_document.items():
            figures = (f"{each.f:.3f} ({each.num_right}/{each.num_found}/{each.num_expected})" for each in scores_of_it)
            print("tuned on" if path in tuned else "not looked at", path.stem, *figures)


def _icdar_row(name: str, scores: Sequence[Score], seconds: float) -> str:
    total = reduce(Score.plus, scores)
    precision, recall = total.num_right / max(total.num_found, 1), total.num_right / max(total.num_expected, 1)
    figures = (precision, recall, total.f, fmean(each.f for each in scores))
    return f"| {name} | {len(scores)} | {total.num_expected} | {' | '.join(f'{each:.3f}' for each in figures)} | {seconds:.2f} |"


def olmocr(readers: dict[str, Reader]) -> None:
    tests = [json.loads(line) for line in (OLMOCR / "dataset.jsonl").read_text().splitlines()]
    tests = [test for test in tests if test["type"] == "table"]
    paths = sorted({OLMOCR / "pdfs" / test["pdf"] for test in tests})
    for name, reader in readers.items():
        found = reader(paths)
        pages = {test["pdf"]: found[OLMOCR / "pdfs" / test["pdf"]] for test in tests}
        failed = [test["id"] for test in tests if not any(_passes(test, rows) for rows in pages[test["pdf"]][test["page"] - 1])]
        num_passed = len(tests) - len(failed)
        print(f"\nolmOCR-bench, tests of tables, {name}: {num_passed} of {len(tests)}; fails: {' '.join(failed) or 'none'}")


def _passes(test: dict[str, str], rows: Rows) -> bool:
    """A cell with the text has the neighbours that the test names, those over a blank cell not counted; heads are the nearest row's
    or column's first cells above or left of it that say so."""
    texts = _spread(rows)
    for row, line in enumerate(texts):
        for column, text in enumerate(line):
            if _alike(test["cell"], text) and all(_has(test, texts, row, column, where) for where in _PLACES):
                return True
    return False


_PLACES: dict[str, tuple[int, int, bool]] = {
    "up": (-1, 0, False),
    "down": (1, 0, False),
    "left": (0, -1, False),
    "right": (0, 1, False),
    "top_heading": (-1, 0, True),
    "left_heading": (0, -1, True),
}


def _has(test: dict[str, str], texts: list[list[str]], row: int, column: int, where: str) -> bool:
    if not (wanted := test.get(where)):
        return True
    down, right, is_heading = _PLACES[where]
    row, column = row + down, column + right
    while 0 <= row < len(texts) and 0 <= column < len(texts[row]):
        if _alike(wanted, texts[row][column]):
            return True
        if not is_heading:
            return False
        row, column = row + down, column + right
    return False


def _spread(rows: Rows) -> list[list[str]]:
    """A spanned cell's text in all of its places."""
    grid = grid_of(rows)
    texts = [list(row) for row in grid.rows]
    for cell in grid.cells:
        for row in range(cell.row, cell.row + cell.num_rows):
            for column in range(cell.column, cell.column + cell.num_columns):
                texts[row][column] = cell.text
    return texts


def _alike(wanted: str, text: str) -> bool:
    return fuzz.ratio(normal(wanted), normal(text)) >= 90


def false_tables(readers: dict[str, Reader], folder: Path) -> None:
    """Tables found on pages without one: prose in one column and two, mathematics, headed pages, declarations in 40 languages."""
    paths = [path for name in PROSE for path in sorted((OLMOCR / "pdfs").glob(name))] + declarations(folder)
    for name, reader in readers.items():
        found = reader(paths)
        pages = [(path, tables) for path, of_pages in found.items() for tables in of_pages]
        wrong = [f"{path.stem} ({len(rows)} rows)" for path, tables in pages for rows in tables]
        print(f"\nfalse tables, {name}: {len(wrong)} on {len(pages)} pages without one; {', '.join(wrong) or 'none'}")


def declarations(folder: Path) -> list[Path]:
    """The Universal Declaration of Human Rights in one column, and in two."""
    made = []
    for source in sorted((SHARED_DATA / "e_udhr_text").glob("udhr_*.xml")):
        text = source.read_text()
        paragraphs = [" ".join(re.sub("<[^>]*>", " ", part).split()) for part in re.findall(r"<para>(.*?)</para>", text, re.DOTALL)]
        if not all(ord(char) < 0x590 for char in "".join(paragraphs)):
            continue  # MuPDF shapes other scripts with fonts that it has only for some
        document = pymupdf.open()
        body = "".join(f"<p>{html.escape(html.unescape(each))}</p>" for each in paragraphs[3:14])
        document.new_page().insert_htmlbox(pymupdf.Rect(50, 50, 545, 790), body, css="body{font-size:10px; text-align:justify}")
        page = document.new_page()
        for left, part in ((50, paragraphs[3:9]), (305, paragraphs[9:15])):
            halves = "".join(f"<p>{html.escape(html.unescape(each))}</p>" for each in part)
            page.insert_htmlbox(pymupdf.Rect(left, 50, left + 240, 790), halves, css="body{font-size:9px}")
        made.append(folder / f"{source.stem}.pdf")
        document.save(made[-1])
    return made


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peer", help="interpreter that has pymupdf4llm")
    parser.add_argument("--each", action="store_true", help="also each document's own F")
    parser.add_argument("--only", choices=("icdar", "olmocr", "prose"))
    arguments = parser.parse_args()
    engine = make_engine(EngineSettings())
    with asyncio.Runner() as runner, tempfile.TemporaryDirectory() as folder:
        runner.run(engine.start())
        readers: dict[str, Reader] = {"Pagefold": lambda paths: runner.run(read_tables(engine, paths))}
        if arguments.peer:
            readers["pymupdf4llm"] = lambda paths: read_by_peer(arguments.peer, paths)
        else:
            print("pymupdf4llm is not run beside: no --peer.", file=sys.stderr)
        if arguments.only in (None, "icdar"):
            icdar(readers, each=arguments.each)
        if arguments.only in (None, "olmocr"):
            olmocr(readers)
        if arguments.only in (None, "prose"):
            false_tables(readers, Path(folder))
        runner.run(engine.close())


if __name__ == "__main__":
    main()
