"""The Arrow schema of every table, with a description per column (the data dictionary), made from the type hints of
`schemas.records`.

The types are those that DuckDB, Athena and Spark read alike: strings, 64-bit integers, doubles, booleans, UTC timestamps in
microseconds, lists of strings; a picture is a struct of its bytes and a name. `ingest_date` is not in the files, because it is the
partition in their path.
"""

import json
from collections.abc import Iterable, Iterator
from datetime import datetime
from enum import StrEnum
from functools import cache
from inspect import get_annotations
from itertools import islice
from types import NoneType, UnionType
from typing import Any, Literal, NamedTuple, Union, get_args, get_origin

import pyarrow as pa

from schemas import SCHEMA_VERSION
from schemas.page import Box
from schemas.records import (
    BlockRecord,
    ChartPointRecord,
    ChartRecord,
    DeletionRecord,
    DocumentRecord,
    EncodedImage,
    FailureRecord,
    ImageRecord,
    Lineage,
    PageRecord,
    Reading,
    Record,
    RunRecord,
    TableCellRecord,
    TableRecord,
    WordRecord,
)

TIME = pa.timestamp("us", tz="UTC")
IMAGE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
"""As Hugging Face's `datasets` stores pictures."""
_TYPES: dict[Any, pa.DataType] = {
    str: pa.string(),
    int: pa.int64(),
    float: pa.float64(),
    bool: pa.bool_(),
    datetime: TIME,
    list[str]: pa.list_(pa.string()),
    EncodedImage: IMAGE,
}

RECORDS: dict[str, type[Record]] = {
    "documents": DocumentRecord,
    "pages": PageRecord,
    "blocks": BlockRecord,
    "charts": ChartRecord,
    "chart_points": ChartPointRecord,
    "tables": TableRecord,
    "table_cells": TableCellRecord,
    "images": ImageRecord,
    "words": WordRecord,
    "failures": FailureRecord,
    "deletions": DeletionRecord,
    "runs": RunRecord,
}


class Column(NamedTuple):
    name: str
    type: pa.DataType
    description: str
    nullable: bool = False


def record_columns(record: type) -> Iterator[Column]:
    """The columns of a record in order: its own, then those of its bases from left to right.

    Raises TypeError for a type that no column has, or a column without a description.
    """
    for part in record.__mro__:
        for name, hint in get_annotations(part).items():
            yield from record_columns(hint) if hint in (Lineage, Reading) else _columns(name, hint)


def _columns(name: str, hint: Any) -> Iterator[Column]:
    """The column of a field; four columns for a box, which has a description for each side."""
    described = getattr(hint, "__metadata__", None)
    if described is None:
        raise TypeError(f"the column {name} has no description")
    (description,) = described
    kind, nullable = _without_none(hint.__origin__)
    if kind is Box:
        yield from (Column(side, pa.float64(), said, nullable) for side, said in description.items())
    else:
        yield Column(name, _arrow_type(kind), description, nullable)


def _without_none(hint: Any) -> tuple[Any, bool]:
    """A type without its None, and whether it had one."""
    if get_origin(hint) not in (Union, UnionType):
        return hint, False
    (kind,) = (part for part in get_args(hint) if part is not NoneType)
    return kind, True


def _arrow_type(kind: Any) -> pa.DataType:
    if get_origin(kind) is Literal or (isinstance(kind, type) and issubclass(kind, StrEnum)):
        return pa.string()
    if kind not in _TYPES:
        raise TypeError(f"no column has the type {kind}")
    return _TYPES[kind]


TABLES = ("documents", "pages", "blocks", "charts", "chart_points", "tables", "table_cells", "images", "words", "failures")
"""The tables that a shard commits; `documents` is written last (see pipeline.lake.compaction). `deletions` and `runs` are not among
them."""

REWRITE = Column(
    "rewrite",
    pa.int64(),
    "Number of the rewrite by `pagefold optimize` that wrote the row's file; null in files as runs write them. Until `pagefold gc` "
    "removes the replaced files, engines that read folders find a row in both; the views show it once.",
    nullable=True,
)
"""The last column of the tables that optimize rewrites; no record has it."""

COLUMNS: dict[str, list[Column]] = {
    table: [*record_columns(record), *([REWRITE] if table in TABLES else [])] for table, record in RECORDS.items()
}

PARTITIONED = (*TABLES, "deletions")
"""The tables whose files lie below `ingest_date=…`."""


_ROWS_AT_ONCE = 10_000
"""As dicts a page's words take many times what they take as a table."""


@cache
def arrow_schema(table: str) -> pa.Schema:
    """The schema of one table, with the descriptions and the schema version in its metadata. It is cached, because every chunk
    needs it and making it takes 0.2 ms."""
    columns = [
        pa.field(column.name, column.type, nullable=column.nullable, metadata={"description": column.description})
        for column in COLUMNS[table]
    ]
    metadata = {"pagefold.table": table, "pagefold.schema_version": str(SCHEMA_VERSION)}
    if pictures := {column.name: {"_type": "Image"} for column in COLUMNS[table] if column.type == IMAGE}:
        metadata["huggingface"] = json.dumps({"info": {"features": pictures}})
    return pa.schema(columns, metadata=metadata)


@cache
def empty_table(table: str) -> pa.Table:
    """Kept, because a chunk needs five of them and making one takes 0.2 ms."""
    return arrow_schema(table).empty_table()


def to_table(table: str, rows: Iterable[dict[str, Any]]) -> pa.Table:
    """The rows as an Arrow table. They must have exactly the table's columns. Raises pa.ArrowInvalid on a value of another type."""
    schema, left = arrow_schema(table), iter(rows)
    parts = [pa.Table.from_pylist(part, schema=schema) for part in iter(lambda: list(islice(left, _ROWS_AT_ONCE)), [])]
    return pa.concat_tables(parts) if parts else empty_table(table)
