"""Planned sources, and the packed form in which a plan of a million of them fits into memory, a file and Ray's store.

A source is 1.6 kB as an object and 60 bytes in a frame.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple, overload

import pyarrow as pa
from pydantic import Field, GetCoreSchemaHandler, TypeAdapter
from pydantic_core import CoreSchema, core_schema

from schemas.failure import Task
from schemas.frozen import Frozen
from schemas.page import Box
from schemas.source import Source


class PlannedSource(Frozen):
    """A source and what is asked of it."""

    source: Source
    tasks: list[Task]
    attempt: int = 0
    pages: list[int] | None = None
    """page_index of the pages to read; None for all that the plan's page range selects."""
    regions: list[tuple[int, int]] | None = None
    """(page_index, region_index) of the charts to read; None for all on these pages."""
    places: dict[int, list[Box]] = Field(default_factory=dict)  # a plain {} is copied for every source
    """Places of charts on scans by page_index, in pixels of the rendered page, if only charts are read. For a scan without an entry
    the text is asked, to find its charts."""
    place_sizes: dict[int, tuple[int, int]] = Field(default_factory=dict)
    """(width_px, height_px) of the page images on which these places were found, by page_index."""
    document_id: str | None = None
    """Set if the source was read before; it is then read again even if others have the same bytes. None: it may be a duplicate."""


_SOURCES = TypeAdapter(list[PlannedSource])


def encoded(planned: PlannedSource) -> bytes:
    """The source as a line of a frame."""
    return planned.model_dump_json(exclude_defaults=True).encode()


class SourceFrame(NamedTuple):
    """Some sources of a shard, one after the other: a line of JSON for each, compressed with zstd."""

    num_sources: int
    size_bytes: int
    """Sum of the sources' own sizes."""
    body: bytes

    @classmethod
    def of(cls, sources: Sequence[PlannedSource]) -> "SourceFrame":
        return cls.of_lines(list(map(encoded, sources)), sum(planned.source.size_bytes for planned in sources))

    @classmethod
    def of_lines(cls, lines: Sequence[bytes], size_bytes: int) -> "SourceFrame":
        sink = pa.BufferOutputStream()
        with pa.CompressedOutputStream(sink, "zstd") as compressed:
            compressed.writelines(line + b"\n" for line in lines)
        return cls(len(lines), size_bytes, sink.getvalue().to_pybytes())

    def sources(self) -> list[PlannedSource]:
        """Raises ValueError or OSError if the frame is damaged."""
        return unpacked(self.body)


def unpacked(body: bytes) -> list[PlannedSource]:
    """The sources in the body of a frame. Raises ValueError or OSError if it is damaged."""
    lines = pa.CompressedInputStream(pa.BufferReader(body), "zstd").read()
    return _SOURCES.validate_json(b"[" + lines.rstrip(b"\n").replace(b"\n", b",") + b"]")


class Shards(Sequence[list[PlannedSource]]):
    """The sources of a plan by shard. A shard is unpacked when it is asked for, and only the last one is kept unpacked."""

    __slots__ = ("_frames", "_kept")

    def __init__(self, frames: Iterable[Sequence[SourceFrame]]) -> None:
        self._frames = [tuple(shard) for shard in frames]
        self._kept: tuple[int, list[PlannedSource]] | None = None

    @classmethod
    def of(cls, shards: Iterable[Sequence[PlannedSource]]) -> "Shards":
        return cls([SourceFrame.of(shard)] for shard in shards)

    def __len__(self) -> int:
        return len(self._frames)

    @overload
    def __getitem__(self, index: int) -> list[PlannedSource]: ...

    @overload
    def __getitem__(self, index: slice) -> "Shards": ...

    def __getitem__(self, index: int | slice) -> "list[PlannedSource] | Shards":
        if isinstance(index, slice):
            return Shards(self._frames[index])
        if self._kept is None or self._kept[0] != index:
            self._kept = index, [planned for frame in self._frames[index] for planned in frame.sources()]
        return self._kept[1]

    def __iter__(self) -> Iterator[list[PlannedSource]]:
        return (self[index] for index in range(len(self)))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and len(self) == len(other) and all(map(list.__eq__, self, other))

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"Shards of {self.num_sources} sources in {len(self)}"

    @property
    def num_sources(self) -> int:
        return sum(map(self.num_sources_of, range(len(self))))

    def frames(self, index: int) -> tuple[SourceFrame, ...]:
        """The frames of a shard. No group of sources that may have the same bytes lies in two of them."""
        return self._frames[index]

    def num_sources_of(self, index: int) -> int:
        return sum(frame.num_sources for frame in self._frames[index])

    def size_bytes_of(self, index: int) -> int:
        return sum(frame.size_bytes for frame in self._frames[index])

    def mapped(self, change: Callable[[PlannedSource], PlannedSource]) -> "Shards":
        """The same sources in the same frames, each as `change` makes it."""
        return Shards([SourceFrame.of(list(map(change, frame.sources()))) for frame in shard] for shard in self._frames)

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        plain = handler(list[list[PlannedSource]])
        packed = core_schema.no_info_after_validator_function(cls.of, plain)
        return core_schema.json_or_python_schema(
            json_schema=packed,
            python_schema=core_schema.union_schema([core_schema.is_instance_schema(cls), packed]),
            serialization=core_schema.plain_serializer_function_ser_schema(list, return_schema=plain),
        )
