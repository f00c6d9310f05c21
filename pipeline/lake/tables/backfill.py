"""Fills `tables` and `table_cells` of a lake that an older version wrote, from its `blocks`: nothing is read anew.

The files have the names that their shard's commit would have given them, and are a pure function of the shard's `blocks`. So no
lease is taken: whoever writes a file, and however often, writes the same bytes, and a killed call is simply repeated. `tables` is
written after `table_cells`, and its file says that a shard is done.
"""

import io
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipeline.lake.ledger import list_manifests
from pipeline.lake.paths import ManifestName, table_path
from pipeline.lake.tables.table_rows import TableRows
from pipeline.lake.tables.table_writer import TableWriter
from pipeline.object_store.store import Store
from pipeline.object_store.stored_objects import read_object
from schemas.plan import Cover
from schemas.settings import OutputSettings
from schemas.tables import arrow_schema

_SCHEMA = pa.schema([field.with_nullable(True) for field in arrow_schema("blocks")])


@dataclass
class Backfill:
    """What a call came to."""

    num_shards: int = 0
    """Committed shards and parts that have blocks."""
    num_filled: int = 0
    num_tables: int = 0
    num_cells: int = 0


def backfill(store: Store, settings: OutputSettings) -> Iterator[Backfill]:
    """Write what is missing; gives the counts so far after each shard. Raises Damaged, StoreError."""
    there = {stored.path for table in ("blocks", "tables") for stored in store.list(f"{table}/")}
    done = Backfill()
    for name, _ in list_manifests(store):
        if name.shard_index is None or name.shard_index < 0 or _path("blocks", name) not in there:
            continue
        done.num_shards += 1
        if _path("tables", name) not in there:
            _fill(store, name, settings, done)
        yield done


def _path(table: str, name: ManifestName) -> str:
    assert name.shard_index is not None
    return table_path(table, date.fromisoformat(name.ingest_date), name.plan_id, name.shard_index, name.part)


def _fill(store: Store, name: ManifestName, settings: OutputSettings, done: Backfill) -> None:
    path = _path("blocks", name)
    advice = "restore it, or remove its manifest to have its sources read again"
    file = read_object(store, path, lambda body: pq.ParquetFile(io.BytesIO(body)), "a table file", advice)
    if not pc.any(pc.equal(file.read(["kind"])["kind"], "table")).as_py():
        return
    rows = TableRows()
    cover = Cover(chunks=[], compression_level=settings.compression_level, row_group_rows=settings.row_group_rows)
    writers = {table: TableWriter(table, cover) for table in ("table_cells", "tables")}
    for blocks in _whole_pages(file):
        known, cells = rows.add(blocks)
        writers["tables"].add(known)
        writers["table_cells"].add(cells)
    writers["tables"].add(rows.finish())
    for table, writer in writers.items():
        if (body := writer.finish()) is not None:
            store.put(_path(table, name), body)
    done.num_filled += 1
    done.num_tables += writers["tables"].num_rows
    done.num_cells += writers["table_cells"].num_rows


def _whole_pages(file: pq.ParquetFile) -> Iterator[pa.Table]:
    """The rows under today's schema, in batches that part no page."""
    held = _SCHEMA.empty_table()
    for batch in file.iter_batches():
        held = pa.concat_tables([held, _todays(pa.Table.from_batches([batch]))])
        keys = list(zip(held["source_id"].to_pylist(), held["page_index"].to_pylist(), strict=True))
        start = keys.index(keys[-1]) if keys else 0
        yield held.slice(0, start)
        held = held.slice(start)
    yield held


def _todays(rows: pa.Table) -> pa.Table:
    """Columns that the file does not have are null."""
    columns = [
        rows.column(field.name) if field.name in rows.column_names else pa.nulls(rows.num_rows, field.type) for field in _SCHEMA
    ]
    return pa.Table.from_arrays(columns, schema=_SCHEMA)
