"""The data dictionary, from `schemas.tables`: for `pagefold schema` and schemas/README.md."""

from typing import Any

import pyarrow as pa
from rich.console import Console
from rich.table import Table
from rich.text import Text

from schemas.tables import COLUMNS, IMAGE, PARTITIONED, Column

_TYPES = {
    pa.string(): "string",
    pa.int64(): "int64",
    pa.float64(): "double",
    pa.bool_(): "boolean",
    pa.timestamp("us", tz="UTC"): "timestamp (UTC)",
    pa.list_(pa.string()): "list of strings",
    IMAGE: "struct of bytes and path",
}
_PARTITION = Column("ingest_date", pa.date32(), "Day of the plan, UTC; the partition in the path, not in the files.")


def table_entries(table: str | None = None) -> list[dict[str, Any]]:
    """One per table, with its columns in order."""
    return [
        {"table": name, "is_view": False, "columns": [column_entry(column) for column in columns_of(name)]}
        for name in COLUMNS
        if table in (None, name)
    ]


def columns_of(table: str) -> list[Column]:
    return [*COLUMNS[table], *([_PARTITION] if table in PARTITIONED else [])]


def type_name(column: Column) -> str:
    return "date" if column.type == pa.date32() else _TYPES[column.type]


def column_entry(column: Column) -> dict[str, Any]:
    return {"name": column.name, "type": type_name(column), "nullable": column.nullable, "description": column.description}


def print_dictionary(console: Console, entries: list[dict[str, Any]]) -> None:
    for entry in entries:
        table = Table("column", "type", "null", "what it says", box=None, padding=(0, 2, 0, 0), header_style="bold")
        for column in entry["columns"]:
            null = "null" if column["nullable"] else ""
            table.add_row(column["name"], column["type"], null, Text(column["description"]))
        kind = Text(f" (view) {entry['description']}") if entry["is_view"] else Text()
        console.print(Text(entry["table"], "bold cyan").append_text(kind))
        console.print(table)
        console.print()
