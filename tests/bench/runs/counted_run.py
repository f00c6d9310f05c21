"""`pagefold`, noting which process did which pages: `PAGES_DONE=FILE python -m tests.bench counted_run run IN OUT …`.

Each chunk adds a line `<stage> <process id> <pages>` to the file.
"""

import os
from pathlib import Path
from typing import Any

from pipeline.stages import documents, pools, reading
from schemas.page import Chunk, Packed, RenderedChunk
from schemas.records import ChunkRecords

VARIABLE = "PAGES_DONE"


def note(stage: str, num_pages: int) -> None:
    with Path(os.environ[VARIABLE]).open("a") as file:  # one short write each: lines do not mix
        file.write(f"{stage} {os.getpid()} {num_pages}\n")


class RenderPages(documents.RenderPages):
    def render(self, chunk: Chunk) -> list[Packed]:
        pages = super().render(chunk)
        note("render", len(pages))
        return pages


class ReadPages(reading.ReadPages):
    async def read(self, rendered: RenderedChunk, before: ChunkRecords | None = None) -> ChunkRecords:
        records = await super().read(rendered, before)
        note("read", len(rendered.pages))
        return records


def main() -> Any:
    pools.RenderPages, pools.ReadPages = RenderPages, ReadPages  # type: ignore[misc]
    from pipeline.cli import main

    return main()


if __name__ == "__main__":
    # by its own name: what lies in `__main__` would be sent to the workers by value
    from tests.bench.runs.counted_run import main as counted_main

    counted_main()
