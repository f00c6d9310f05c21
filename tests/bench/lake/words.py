"""What `output.words` costs: CPU of reading a page by `classic` and of staging it, without and with its words in turn, and bytes.

    python -m tests.bench words FILE.pdf [FILE.pdf …]     (the first pages of each; the examples without one)

CPU is the least of five rounds. The bytes are those of the committed file of `words`.
"""

import argparse
import asyncio
import time
from collections.abc import Sequence
from pathlib import Path

from pipeline.lake.staging import encode_chunk
from pipeline.lake.tables.table_writer import TableWriter
from pipeline.planning.engines import describe_engines
from pipeline.planning.recipes import asked_recipes
from schemas.failure import PageError
from schemas.page import RenderedChunk
from schemas.plan import Cover
from schemas.records import ChunkRecords
from schemas.settings import OutputSettings, Settings
from schemas.tables import to_table
from tests.bench.inputs.places import EXAMPLES
from tests.bench.lake.pictures import PAGES_PER_FILE, chunk_of
from workers.engines.registry import describe_engine, make_engine
from workers.reading.read_pages import PageReader
from workers.rendering.renderer import Renderer

ROUNDS = 5


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", type=Path, nargs="*", help="PDFs; the examples by default")
    chunks = drawn(parser.parse_args().files or sorted(EXAMPLES.glob("*.pdf")))
    num_pages = sum(len(chunk.pages) for chunk in chunks)
    (read_s, staged_s, _), (read_with_s, staged_with_s, records) = asyncio.run(measured(chunks))
    words = [word for each in records for word in each.words]
    output = OutputSettings()
    cover = Cover(chunks=[], compression_level=output.compression_level, row_group_rows=output.row_group_rows)
    writer = TableWriter("words", cover)
    writer.add(to_table("words", (word.row() for word in words)))
    num_bytes = len(writer.finish() or b"")
    each = 1000 / num_pages
    print(f"{num_pages} pages of {len(chunks)} files, {len(words) / num_pages:.0f} words a page; CPU ms a page")
    print(f"{'':16}{'read':>8}{'staged':>8}")
    print(f"{'without words':16}{read_s * each:8.1f}{staged_s * each:8.2f}")
    print(f"{'with words':16}{read_with_s * each:8.1f}{staged_with_s * each:8.2f}")
    ratio = (read_with_s + staged_with_s) / (read_s + staged_s)
    per_word = num_bytes / max(len(words), 1)
    print(f"{ratio:.2f} times the CPU; {num_bytes / num_pages / 1000:.1f} kB a page, {per_word:.1f} bytes a word")


def drawn(files: Sequence[Path]) -> list[RenderedChunk]:
    settings, found = Settings(), []
    with Renderer(settings.render, settings.regions, [], draws_regions=False) as renderer:
        for path in files:
            try:
                document = renderer.probe(path, None, None)
            except PageError as error:
                print(f"{path.name}: {error}")
                continue
            numbers = range(min(document.num_pages or 0, PAGES_PER_FILE))
            found.append(chunk_of(path, document, [page for page in renderer.render(path, numbers) if page.image is not None]))
    return found


async def measured(chunks: Sequence[RenderedChunk]) -> list[tuple[float, float, list[ChunkRecords]]]:
    """CPU seconds of reading and of staging, and the rows: without words, and with them."""
    settings = Settings()
    info, engines = describe_engine(settings.engine), describe_engines(settings.engine, settings.read.tasks)
    engine = make_engine(settings.engine)
    await engine.start()
    recipes = asked_recipes(settings, engines)
    found: list[list[tuple[float, float, list[ChunkRecords]]]] = [[], []]
    for _ in range(ROUNDS):
        for words in (False, True):
            reader = PageReader(engine, info, recipes, settings.read, 1, "bench", words=words)
            started = time.process_time()
            records = [await reader.read_chunk(chunk) for chunk in chunks]
            read = time.process_time()
            for chunk, rows in zip(chunks, records, strict=True):
                encode_chunk(chunk.chunk, rows, "bench")
            found[words].append((read - started, time.process_time() - read, records))
    return [(min(one[0] for one in ways), min(one[1] for one in ways), ways[0][2]) for ways in found]


if __name__ == "__main__":
    main()
