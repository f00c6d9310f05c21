"""The rows of many files as one, sorted by document and page, in row groups whose statistics let a filter skip the others."""

import io
from collections.abc import Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipeline.lake.tables.table_writer import TableWriter
from pipeline.object_store.store import Store
from pipeline.object_store.stored_objects import read_object
from schemas.plan import Cover
from schemas.rewrite import RewritePlan
from schemas.tables import IMAGE, REWRITE, arrow_schema

_AT_ONCE = 16
_GROUP_BYTES = 16 * 2**20
"""Bytes of a row group before compression."""
_ORDER = ("document_id", "source_id", "page_index")
"""The sort is stable, so rows of one page keep their order."""
_LARGE_BYTES = 2**30
"""Texts and pictures of more bytes than 2^31 need other offsets while they are sorted."""


class SortedFile(NamedTuple):
    body: bytes
    rows: int


def read_rows(store: Store, table: str, paths: Sequence[str], columns: Sequence[str] | None = None) -> pa.Table:
    """The rows of those files under today's columns, which older files may lack. Raises FileNotFoundError, Damaged, StoreError."""
    wanted = [arrow_schema(table).field(name) for name in columns] if columns else list(arrow_schema(table))
    schema = pa.schema([field.with_nullable(True) for field in wanted])
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        return pa.concat_tables(pool.map(lambda path: _read(store, path, schema), paths))


def _read(store: Store, path: str, schema: pa.Schema) -> pa.Table:
    advice = "restore it, or remove its manifest to have its sources read again"
    file = read_object(store, path, lambda body: pq.ParquetFile(io.BytesIO(body)), "a table file", advice)
    there = set(file.schema_arrow.names)
    rows = file.read([name for name in schema.names if name in there], use_threads=False)
    columns = [rows.column(field.name) if field.name in there else pa.nulls(rows.num_rows, field.type) for field in schema]
    return pa.Table.from_arrays(columns, schema=schema)


def write_rows(table: str, rows: pa.Table, plan: RewritePlan) -> SortedFile | None:
    """The file of these rows; None if there are none."""
    if not rows.num_rows:
        return None
    position = rows.column_names.index(REWRITE.name)
    numbers = pa.repeat(pa.scalar(plan.number, REWRITE.type), rows.num_rows)
    rows = rows.set_column(position, rows.schema.field(position), numbers)
    rows = (rows.cast(_with_large_texts(rows.schema)) if rows.nbytes > _LARGE_BYTES else rows).combine_chunks()
    order = pc.sort_indices(rows, sort_keys=[(name, "ascending") for name in _ORDER if name in rows.column_names])
    group_rows = min(plan.row_group_rows, 1 + _GROUP_BYTES * rows.num_rows // max(1, rows.nbytes))
    cover = Cover(chunks=[], compression_level=plan.compression_level, row_group_rows=group_rows)
    schema = _schema(table, rows)
    writer = TableWriter(table, cover, schema)
    for start in range(0, rows.num_rows, group_rows):
        writer.add(rows.take(order.slice(start, group_rows)).cast(schema))
    body = writer.finish()
    assert body is not None
    return SortedFile(body, writer.num_rows)


def _schema(table: str, rows: pa.Table) -> pa.Schema:
    """Today's, but for columns that an older file lacked: these have nulls."""
    schema = arrow_schema(table)
    fields = [field.with_nullable(field.nullable or rows.column(field.name).null_count > 0) for field in schema]
    return pa.schema(fields, metadata=schema.metadata)


def _with_large_texts(schema: pa.Schema) -> pa.Schema:
    large = {pa.string(): pa.large_string(), IMAGE: pa.struct([("bytes", pa.large_binary()), ("path", pa.large_string())])}
    return pa.schema([field.with_type(large.get(field.type, field.type)) for field in schema])


def split(rows: pa.Table, repeated: Collection[str]) -> tuple[pa.Table, pa.Table]:
    """Rows of sources that were read once, and of those in `repeated`."""
    if not repeated:
        return rows, rows.slice(0, 0)
    is_repeated = pc.is_in(rows["source_id"], value_set=pa.array(sorted(repeated), pa.string()))
    return rows.filter(pc.invert(is_repeated)), rows.filter(is_repeated)


def repeated_sources(documents: pa.Table) -> set[str]:
    """Sources whose bytes, or whose uri, have more than one row in `documents`: those whose rows the views have to choose from."""
    contents = pc.coalesce(documents["document_id"], documents["source_id"])
    rows = pa.table({"source_id": documents["source_id"], "content": contents, "uri": documents["uri"]})
    found: set[str] = set()
    for column in ("content", "uri"):
        counts = rows.group_by(column).aggregate([(column, "count")])
        often = counts.filter(pc.greater(counts[f"{column}_count"], 1))[column]
        found.update(rows.filter(pc.is_in(rows[column], value_set=often))["source_id"].to_pylist())
    return found
