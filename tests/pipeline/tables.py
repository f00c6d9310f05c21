"""Tables of an output, as rows that two runs can be compared by."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.lake.opening import open_store
from pipeline.lake.paths import plan_number
from pipeline.object_store.store import Store
from schemas.tables import TABLES

VOLATILE = {"run_id", "render_s", "read_s", "read_at", "failed_at"}
"""What differs between two runs over the same input: who and when."""

KEYS = {
    "documents": ("source_id", "plan_id"),
    "pages": ("source_id", "page_index", "recipe_id", "attempt"),
    "blocks": ("source_id", "page_index", "recipe_id", "attempt", "block_index"),
    "charts": ("source_id", "page_index", "region_index", "recipe_id", "attempt"),
    "chart_points": ("source_id", "page_index", "region_index", "recipe_id", "attempt", "point_index"),
    "words": ("source_id", "page_index", "recipe_id", "attempt", "word_index"),
    "images": ("source_id", "page_index", "image_index", "plan_id", "attempt"),
}


def read_rows(output: str | Path, table: str) -> list[dict[str, Any]]:
    """All rows, without the volatile columns and with plans by number alone, in the order of their content."""
    store = open_store(str(output))
    files = [pa.BufferReader(store.get(path)) for path in _paths(store, table)]
    rows = [row for file in files for row in pq.read_table(file, use_threads=False).to_pylist()]
    return sorted((_steady(row) for row in rows), key=repr)


def _steady(row: dict[str, Any]) -> dict[str, Any]:
    kept = {key: value for key, value in row.items() if key not in VOLATILE}
    return kept | {"plan_id": plan_number(row["plan_id"])} if "plan_id" in row else kept


def read_all(output: str | Path) -> dict[str, list[dict[str, Any]]]:
    return {table: read_rows(output, table) for table in TABLES}


def doubled_keys(output: str | Path) -> list[tuple[str, tuple[Any, ...]]]:
    """Keys that stand in a table more than once; empty is right."""
    return doubled_in({table: read_rows(output, table) for table in KEYS})


def doubled_in(tables: dict[str, list[dict[str, Any]]]) -> list[tuple[str, tuple[Any, ...]]]:
    """As `doubled_keys`, of tables that were read already."""
    doubled = []
    for table, columns in KEYS.items():
        seen = set()
        for row in tables[table]:
            key = tuple(row[column] for column in columns)
            if key in seen:
                doubled.append((table, key))
            seen.add(key)
    return doubled


def _paths(store: Store, table: str) -> list[str]:
    return [stored.path for stored in store.list(f"{table}/")]
