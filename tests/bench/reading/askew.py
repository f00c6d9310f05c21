"""Cells of made tables that `classic` reads right on scans that lie askew, and img2table.

    python -m tests.bench askew [--seed 5] [--peer /tmp/peer/bin/python]

Tables with a grid, with lines between rows, with shaded rows and without either, at 0, 0.5, 1, 2 and 3 degrees, drawn at 130 to 200
dots an inch. A cell is right where its row and column hold its text to the letter. `--peer`: the interpreter of a virtual
environment of its own, which reads the same pictures in the same run, straightened by itself, as bordered or not, as is better:

    python3 -m venv /tmp/peer && /tmp/peer/bin/pip install img2table rapidocr onnxruntime
"""

import argparse
import asyncio
import json
import math
import random
import subprocess
import tempfile
from collections import Counter
from collections.abc import Sequence

import pymupdf
from PIL import Image

from schemas.page import PageImage
from schemas.settings import ClassicSettings, EngineSettings
from workers.engines.engine import Prompt, Request
from workers.engines.registry import make_engine

Rows = list[list[str]]
DEGREES = (0.0, 0.5, -1.0, 2.0, -3.0)
ALL = math.inf
"""Stands for all degrees."""
DPI = (150, 200, 150, 150, 130)
STYLES = {"grid": ("helv", "hebo"), "lines": ("tiro", "tibo"), "shaded": ("helv", "hebo"), "plain": ("cour", "cobo")}
CITIES = (
    "Lisbon", "Porto", "Faro", "Braga", "Coimbra", "Aveiro", "Évora", "Setúbal", "Viseu", "Leiria", "Guarda", "Beja", "Tomar",
    "Lagos", "Sines", "Tavira", "Loulé", "Elvas",
)  # fmt: skip
TOP, ROW, SIZE = 120, 20, 10
_PEER = """
import json, sys
from img2table.document import Image
from img2table.ocr import RapidOCR
ocr = RapidOCR()
for path in sys.argv[1:]:
    ways = []
    for borderless in (False, True):
        tables = Image(path, detect_rotation=True).extract_tables(ocr=ocr, borderless_tables=borderless)
        ways.append([[[cell.value or "" for cell in row] for row in table.content.values()] for table in tables])
    print("@@" + json.dumps(ways))
"""


def made(style: str, dice: random.Random) -> tuple[pymupdf.Page, Rows]:
    num_rows, num_columns = dice.randint(6, 18), dice.randint(3, 6)
    rows = [["City", *(str(2018 + column) for column in range(num_columns - 1))]]
    rows += [[city, *(f"{dice.randint(1, 99_999):,}" for _ in range(num_columns - 1))] for city in CITIES[:num_rows]]
    page = pymupdf.open().new_page(width=595, height=842)
    edges = [60, *(180 + 360 / (num_columns - 1) * column for column in range(num_columns))]
    below = TOP + ROW * len(rows)
    if style == "shaded":
        page.draw_rect((edges[0], TOP, edges[-1], TOP + ROW), color=None, fill=(0.2, 0.3, 0.5))
        for y in range(TOP + ROW, below, 2 * ROW):
            page.draw_rect((edges[0], y, edges[-1], y + ROW), color=None, fill=(0.92, 0.93, 0.96))
    for row, texts in enumerate(rows):
        font = STYLES[style][row == 0]
        for column, text in enumerate(texts):
            width = pymupdf.get_text_length(text, fontname=font, fontsize=SIZE)
            x = edges[column + 1] - 6 - width if column else edges[0] + 5
            colour = (1, 1, 1) if style == "shaded" and row == 0 else (0, 0, 0)
            page.insert_text((x, TOP + ROW * row + 14), text, fontname=font, fontsize=SIZE, color=colour)
    for y in range(TOP, below + 1, ROW) if style in ("grid", "lines") else ():
        page.draw_line((edges[0], y), (edges[-1], y), width=0.5)
    for x in edges if style == "grid" else ():
        page.draw_line((x, TOP), (x, below), width=0.5)
    return page, rows


def scanned(page: pymupdf.Page, degrees: float, dpi: int) -> Image.Image:
    pixels = page.get_pixmap(dpi=dpi)
    image = Image.frombytes("RGB", (pixels.width, pixels.height), pixels.samples)
    return image.rotate(degrees, fillcolor="white", resample=Image.Resampling.BICUBIC)


async def read(images: Sequence[Image.Image]) -> list[list[Rows]]:
    """The tables of each."""
    engine = make_engine(EngineSettings(classic=ClassicSettings(tesseract_languages=[])))
    await engine.start()
    found = []
    for image in images:
        request = Request(
            label="", task="ocr", image=PageImage.from_rgb(*image.size, image.tobytes()), prompt=Prompt("", "0"),
            answer_schema=None, max_output_tokens=0,
        )  # fmt: skip
        blocks = json.loads((await engine.read(request)).text)["blocks"]
        found.append([block["table"] for block in blocks if "table" in block])
    await engine.close()
    return found


def read_by_peer(python: str, images: Sequence[Image.Image], truth: Sequence[Rows]) -> list[list[Rows]]:
    with tempfile.TemporaryDirectory() as folder:
        paths = [f"{folder}/{number}.png" for number in range(len(images))]
        for image, path in zip(images, paths, strict=True):
            image.save(path)
        said = subprocess.run([python, "-c", _PEER, *paths], stdout=subprocess.PIPE, check=True, text=True).stdout
    ways = [json.loads(line[2:]) for line in said.splitlines() if line.startswith("@@")]
    return [max(each, key=lambda tables: num_right(tables, rows)) for each, rows in zip(ways, truth, strict=True)]


def num_right(tables: Sequence[Rows], rows: Rows) -> int:
    """Of the best of the tables."""
    wanted = {(row, column): text for row, texts in enumerate(rows) for column, text in enumerate(texts)}
    cells = [{(row, column): text for row, texts in enumerate(table) for column, text in enumerate(texts)} for table in tables]
    return max((sum(found.get(place) == text for place, text in wanted.items()) for found in cells), default=0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=5)
    parser.add_argument("--peer", help="interpreter that has img2table and RapidOCR")
    arguments = parser.parse_args()
    dice = random.Random(arguments.seed)
    scans = [(style, degrees, *made(style, dice), dpi) for style in STYLES for degrees, dpi in zip(DEGREES, DPI, strict=True)]
    images, truth = [scanned(page, degrees, dpi) for _, degrees, page, _, dpi in scans], [rows for *_, rows, _ in scans]
    readers = {"classic": asyncio.run(read(images))}
    if arguments.peer:
        readers["img2table"] = read_by_peer(arguments.peer, images, truth)
    print(f"| cells right | {' | '.join(f'{abs(degrees):g}°' for degrees in DEGREES)} | all |")
    print("|---|" + "---:|" * (len(DEGREES) + 1))
    for name, found in readers.items():
        right: Counter[tuple[str, float]] = Counter()
        total: Counter[tuple[str, float]] = Counter()
        for (style, degrees, *_), tables, rows in zip(scans, found, truth, strict=True):
            for key in ((style, degrees), ("all", degrees), (style, ALL), ("all", ALL)):
                right[key] += num_right(tables, rows)
                total[key] += sum(map(len, rows))
        for style in (*STYLES, "all"):
            parts = (f"{right[style, degrees]}/{total[style, degrees]}" for degrees in (*DEGREES, ALL))
            print(f"| {name}: {style} | {' | '.join(parts)} |")
    if not arguments.peer:
        print("\nimg2table is left out: no --peer was named")


if __name__ == "__main__":
    main()
