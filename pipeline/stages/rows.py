"""The rows that travel between the stages.

A row is a bundle of chunks with up to K pages in all. Probing makes the bundles. Every later stage gives exactly one row for each
row, whatever happened to its chunks.
"""

import pickle
from dataclasses import dataclass, replace
from typing import Any

import pyarrow as pa

from schemas.page import Chunk, Packed, RenderedChunk, RenderedPage, pack, unpack
from schemas.receipt import Spent
from schemas.records import ChunkRecords
from workers.contained import page_failure
from workers.rendering.bounds import Bounds
from workers.rendering.renderer import understood

_JSONS = pa.list_(pa.string())
BUNDLE = pa.schema([pa.field("chunks", _JSONS, nullable=False), pa.field("spent", _JSONS, nullable=False)])
RENDERED = pa.schema(
    [
        *BUNDLE,
        pa.field("pages", pa.list_(_JSONS), nullable=False),
        pa.field("buffers", pa.list_(pa.list_(pa.list_(pa.large_binary()))), nullable=False),
    ]
)
HALF_READ = pa.schema(
    [
        *RENDERED,
        pa.field("left", pa.list_(pa.list_(pa.int64())), nullable=False),
        pa.field("records", pa.list_(pa.large_binary()), nullable=False),
        pa.field("receipts", _JSONS, nullable=False),
    ]
)
"""Between two readers. A chunk of which nothing is left to read has its receipt; of the others there are the pages that are left,
their page_index, and the records so far, pickled by the process before."""
RECEIPTS = pa.schema([pa.field("receipts", pa.list_(pa.string()), nullable=False)])


@dataclass(frozen=True)
class HalfRead:
    """A chunk between two readers, as a row has it."""

    body: str
    spent: str
    pages: list[str]
    buffers: list[list[bytes]]
    left: list[int]
    """page_index of each of `pages`."""
    records: bytes = b""
    receipt: str | None = None

    @property
    def before(self) -> ChunkRecords | None:
        """The rows of earlier readers; None if there were none."""
        return pickle.loads(self.records) if self.records else None

    def rendered(self, chunk: Chunk, bounds: Bounds) -> RenderedChunk:
        """The chunk with the pages that are left. Only what comes from a render process is checked against the bounds."""
        if not self.records:
            return unpacked(bounds, self.body, self.pages, self.buffers)
        return RenderedChunk(
            chunk=chunk, pages=[page for packed in map(Packed, self.pages, self.buffers) for page in unpack(packed)]
        )

    def passed_on(self, spent: Spent, records: ChunkRecords, left: list[RenderedPage]) -> "HalfRead":
        """The chunk for the next reader."""
        packed = [pack(page) for page in left]
        return replace(
            self,
            spent=spent.model_dump_json(),
            pages=[page.body for page in packed],
            buffers=[page.buffers for page in packed],
            left=[page.page_index for page in left],
            records=pickle.dumps(records),
        )

    def done(self, receipt: str) -> "HalfRead":
        return replace(self, pages=[], buffers=[], left=[], records=b"", receipt=receipt)


def half_read(row: dict[str, Any]) -> list[HalfRead]:
    """The chunks of a row, from rendering or from another reader."""
    if "receipts" in row:
        columns = (row[name] for name in ("chunks", "spent", "pages", "buffers", "left", "records", "receipts"))
        return [HalfRead(*each) for each in zip(*columns, strict=True)]
    columns = (row[name] for name in ("chunks", "spent", "pages", "buffers"))
    return [
        HalfRead(body, spent, pages, buffers, left=Chunk.model_validate_json(body).pages)
        for body, spent, pages, buffers in zip(*columns, strict=True)
    ]


def half_read_table(rows: list[list[HalfRead]]) -> pa.Table:
    names = {"chunks": "body", "spent": "spent", "pages": "pages", "buffers": "buffers", "left": "left", "records": "records"}
    columns = {column: [[getattr(part, name) for part in row] for row in rows] for column, name in names.items()}
    return pa.table(columns | {"receipts": [[part.receipt for part in row] for row in rows]}, schema=HALF_READ)


def unpacked(bounds: Bounds, body: str, pages: list[str], buffers: list[list[bytes]]) -> RenderedChunk:
    """A chunk with its pages, from the columns of a rendered row."""
    chunk = Chunk.model_validate_json(body)
    packed = map(Packed, pages, buffers)
    return RenderedChunk(chunk=chunk, pages=[_understood(*each, bounds) for each in zip(packed, chunk.pages, strict=True)])


def _understood(packed: Packed, page_index: int, bounds: Bounds) -> RenderedPage:
    try:
        return understood(packed, page_index, bounds)
    except Exception as error:  # noqa: BLE001 - the border of a page
        return RenderedPage(page_index=page_index, failure=page_failure(error, "render", page_index=page_index))
