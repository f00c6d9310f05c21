"""Hand-written rows, and an output folder made of them."""

from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from schemas.tables import PARTITIONED, arrow_schema, to_table

DAY = date(2026, 1, 2)
WHEN = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def row(table: str, **values: Any) -> dict[str, Any]:
    """A row of `table` with these values; the rest is null where it may be, else 0, false, empty or the column's name."""
    filled = {field.name: None if field.nullable else _filler(field) for field in arrow_schema(table)}
    unknown = values.keys() - filled.keys()
    assert not unknown, unknown
    return filled | values


def _filler(field: pa.Field) -> Any:
    if pa.types.is_list(field.type):
        return []
    if pa.types.is_timestamp(field.type):
        return WHEN
    return {pa.int64(): 0, pa.float64(): 0.0, pa.bool_(): False}.get(field.type, field.name)


def write_lake(root: Path, rows: dict[str, list[dict[str, Any]]], name: str = "000001-00000", day: date = DAY) -> Path:
    """`rows` by table as the Parquet files of one shard."""
    for table, items in rows.items():
        folder = root / table / f"ingest_date={day}" if table in PARTITIONED else root / table
        folder.mkdir(parents=True, exist_ok=True)
        pq.write_table(to_table(table, items), folder / f"{name}.parquet")
    return root
