"""Blanks at the line ends of Korean: which the engine `classic` puts where the text has none, and which it leaves out.

    python -m tests.bench korean [FILE]

FILE is a text, a paragraph a line; without one the Universal Declaration that `UDHR_TEXTS` names (see `made_scans`). Its pages are
drawn twice, with lines broken inside words, as most programs break Korean, and between words alone. Paragraphs whose letters do not
come out as they went in are left out, and counted.
"""

import argparse
import asyncio
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pymupdf

from schemas.settings import EngineSettings, RegionSettings, RenderSettings
from tests.bench.inputs.made_scans import paragraphs_of, text_files
from tests.bench.reading.cases import read_file
from workers.engines.registry import make_engine
from workers.rendering.renderer import Renderer

SHAPES = ((11.0, 475.0), (10.0, 230.0), (12.0, 420.0))
"""Font size and width of a column, a page each in turn, in points."""
LINES = 38


class Made(NamedTuple):
    pdf: bytes
    paragraphs: list[str]
    num_ends: int
    """Line ends inside paragraphs."""


def wrapped(paragraph: str, font: pymupdf.Font, size: float, width: float, *, inside_words: bool) -> list[str]:
    lines = [""]
    for part in list(paragraph) if inside_words else paragraph.replace(" ", " \0").split("\0"):
        if lines[-1] and font.text_length((lines[-1] + part).rstrip(), size) > width:
            lines.append("")
        lines[-1] += part.lstrip() if not lines[-1] else part
    return [line.rstrip() for line in lines if line.strip()]


def made_pages(paragraphs: list[str], *, inside_words: bool) -> Iterator[Made]:
    font = pymupdf.Font("korea")
    rest = list(paragraphs)
    place = 0
    while rest:
        size, width = SHAPES[place % len(SHAPES)]
        document = pymupdf.open()
        writer, num_lines, kept, num_ends = pymupdf.TextWriter(document.new_page().rect), 0, [], 0
        while rest:
            lines = wrapped(rest[0], font, size, width, inside_words=inside_words)
            if kept and num_lines + len(lines) > LINES:
                break
            kept.append(rest.pop(0))
            for line in lines:
                writer.append((60, 60 + 1.5 * size * num_lines + 0.8 * size * len(kept)), line, font, size)
                num_lines += 1
            num_ends += len(lines) - 1
        writer.write_text(document[0])
        document.subset_fonts()
        yield Made(document.tobytes(), kept, num_ends)
        place += 1


def blanks(text: str) -> set[int]:
    """How many letters stand before each blank."""
    found, num_letters = set(), 0
    for char in text:
        if char.isspace():
            found.add(num_letters)
        else:
            num_letters += 1
    return found


async def measure(paragraphs: list[str]) -> None:
    engine = make_engine(EngineSettings())
    await engine.start()
    renderer = Renderer(RenderSettings(), RegionSettings(enabled=False), [])
    print("| lines are broken | line ends | blanks too many | too few | paragraphs left out |\n|---|---:|---:|---:|---:|")
    with tempfile.TemporaryDirectory() as folder:
        for inside_words in (True, False):
            num_ends = num_added = num_lost = num_out = 0
            for made in made_pages(paragraphs, inside_words=inside_words):
                path = Path(folder, "page.pdf")
                path.write_bytes(made.pdf)  # noqa: ASYNC240 - nothing else runs
                read = await read_file(engine, renderer, path)
                letters = "".join(read.text.split())
                places = blanks(read.text)
                num_ends += made.num_ends
                for paragraph in made.paragraphs:
                    start = letters.find(bare := "".join(paragraph.split()))
                    if start < 0:
                        num_out += 1
                        continue
                    ours = {place - start for place in places if start < place < start + len(bare)}
                    num_added += len(ours - blanks(paragraph))
                    num_lost += len(blanks(paragraph) - ours)
            print(f"| {'inside words' if inside_words else 'between words'} | {num_ends} | {num_added} | {num_lost} | {num_out} |")
    renderer.close()
    await engine.close()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", nargs="?", type=Path)
    named = parser.parse_args().file
    file = named or text_files().get("kor")
    if file is None:
        print("left out: no text in Korean (name a file, or a folder by UDHR_TEXTS)")
        return 0
    paragraphs = [" ".join(line.split()) for line in file.read_text().splitlines()] if named else paragraphs_of(file, 10_000)
    asyncio.run(measure([paragraph for paragraph in paragraphs if paragraph]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
