"""The tables and views as SQL for engines beside ours: DuckDB's own command line, Athena, Spark. Generated from `schemas.tables`.

Column names and types come from the schema, never from a file, so files of an older version have today's columns, as null.
Views are those of `views.sql`, which has no dialect.
"""

import os
import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import date

import pyarrow as pa

from pipeline.analytics.dictionary import columns_of
from pipeline.analytics.quick_views import ranked_view_texts
from pipeline.lake.opening import comparable, open_store
from pipeline.lake.preferences import read_preferred
from pipeline.object_store.store import StoreError
from schemas.errors import OperatorError
from schemas.tables import COLUMNS, IMAGE, PARTITIONED

DIALECTS = ("duckdb", "athena", "spark")
SINCE = "2026-01-01"
"""Athena's partition projection starts here: before the first version there was nothing to read."""

_TYPES: dict[pa.DataType, tuple[str, str]] = {
    pa.string(): ("VARCHAR", "string"),
    pa.int64(): ("BIGINT", "bigint"),
    pa.float64(): ("DOUBLE", "double"),
    pa.bool_(): ("BOOLEAN", "boolean"),
    pa.date32(): ("DATE", "date"),
    pa.timestamp("us", tz="UTC"): ("TIMESTAMP WITH TIME ZONE", "timestamp"),
    pa.list_(pa.string()): ("VARCHAR[]", "array<string>"),
    IMAGE: ("STRUCT(bytes BLOB, path VARCHAR)", "struct<bytes:binary,path:string>"),
}
"""(DuckDB, Hive); Athena and Spark both speak Hive's."""


def render_sql(
    location: str, dialect: str, *, since: str = SINCE, tables: Iterable[str] = tuple(COLUMNS), preferred: Sequence[str] = ()
) -> str:
    """All statements: tables, then views. `tables` are those with files; the others are made empty (Athena needs no files).
    `preferred` is the lake's ranking of recipes.

    Raises OperatorError for an unknown dialect, or a place that Athena cannot read.
    """
    check_dialect(dialect)
    if dialect == "athena" and not location.startswith("s3://"):
        raise OperatorError(f"Athena reads s3://bucket/prefix, not {location}.")
    root, present = comparable(location).replace("'", "''"), set(tables)
    statements = list(_tables(dialect, root, since, present)) + view_statements(dialect, preferred)
    return "\n\n".join(f"{statement};" for statement in statements) + "\n"


def present_tables(location: str, dialect: str) -> list[str]:
    """Tables that have files at `location`; all of them for Athena, which asks nobody. Raises OperatorError: no such folder."""
    check_dialect(dialect)
    if dialect == "athena":
        return list(COLUMNS)
    if not location.startswith("s3://") and not os.path.isdir(comparable(location)):
        raise OperatorError(f"There is no folder {location}.")
    store = open_store(location)
    return [table for table in COLUMNS if any(stored.path.endswith(".parquet") for stored in store.list(f"{table}/"))]


def preferred_recipes(location: str) -> tuple[str, ...]:
    """The lake's ranking of recipes; none where it is out of reach, as from a machine that only writes SQL for Athena."""
    try:
        return read_preferred(open_store(location))
    except (StoreError, OSError):
        return ()


def check_dialect(dialect: str) -> None:
    if dialect not in DIALECTS:
        raise OperatorError(f"there is no dialect {dialect!r}; there are {', '.join(DIALECTS)}, and dbt for its sources.")


def check_since(since: str) -> str:
    """The date as Athena's projection has it. Raises OperatorError if it is none: Athena would find no rows and not say why."""
    try:
        return date.fromisoformat(since).isoformat()
    except ValueError:
        raise OperatorError(f"--since {since} is no date, such as {SINCE}.") from None


def _tables(dialect: str, root: str, since: str, present: set[str]) -> Iterator[str]:
    for table in COLUMNS:
        if dialect == "athena":
            yield _athena_table(table, root, since)
        elif dialect == "duckdb":
            yield _duckdb_view(table, root, table in present)
        else:
            yield _spark_view(table, root, table in present)


def view_statements(dialect: str, preferred: Sequence[str] = ()) -> list[str]:
    """The views of `views.sql`, one statement each, without comments. Spark's are temporary, as the tables below them are."""
    kind = "CREATE OR REPLACE TEMPORARY VIEW" if dialect == "spark" else "CREATE OR REPLACE VIEW"
    return [f"{kind} {view} AS\n{text}" for view, text in ranked_view_texts(preferred).items()]


def _athena_table(table: str, root: str, since: str) -> str:
    columns = ",\n".join(f"  `{column.name}` {_TYPES[column.type][1]}" for column in COLUMNS[table])
    place = f"STORED AS PARQUET\nLOCATION '{root}/{table}/'"
    if table not in PARTITIONED:
        return f"CREATE EXTERNAL TABLE IF NOT EXISTS `{table}` (\n{columns}\n)\n{place}"
    properties = {
        "projection.enabled": "true",
        "projection.ingest_date.type": "date",
        "projection.ingest_date.format": "yyyy-MM-dd",
        "projection.ingest_date.range": f"{since},NOW",
        "projection.ingest_date.interval": "1",
        "projection.ingest_date.interval.unit": "DAYS",
        "storage.location.template": f"{root}/{table}/ingest_date=${{ingest_date}}/",
    }
    lines = ",\n".join(f"  '{name}' = '{value}'" for name, value in properties.items())
    partition = "PARTITIONED BY (`ingest_date` date)"
    return f"CREATE EXTERNAL TABLE IF NOT EXISTS `{table}` (\n{columns}\n)\n{partition}\n{place}\nTBLPROPERTIES (\n{lines}\n)"


def _duckdb_view(table: str, root: str, has_files: bool) -> str:
    columns = [(column.name, _TYPES[column.type][0]) for column in columns_of(table)]
    empty = ", ".join(f'CAST(NULL AS {type_}) AS "{name}"' for name, type_ in columns)
    view = f"CREATE OR REPLACE VIEW {table} AS\nSELECT {empty}\nWHERE false"
    if not has_files:
        return view
    place = re.sub(r"([*?[])", r"[\1]", root)  # signs of a pattern, which stand for themselves here
    pattern, hive = (f"{place}/{table}/*/*.parquet", "true") if table in PARTITIONED else (f"{place}/{table}/*.parquet", "false")
    return f"{view}\nUNION ALL BY NAME\nSELECT * FROM read_parquet('{pattern}', union_by_name = true, hive_partitioning = {hive})"


def _spark_view(table: str, root: str, has_files: bool) -> str:
    columns = [(column.name, _TYPES[column.type][1]) for column in columns_of(table)]
    if has_files:
        schema = ",\n".join(f"  `{name}` {type_}" for name, type_ in columns)
        return f"CREATE OR REPLACE TEMPORARY VIEW `{table}` (\n{schema}\n)\nUSING parquet\nOPTIONS (path '{root}/{table}')"
    empty = ", ".join(f"CAST(NULL AS {type_}) AS `{name}`" for name, type_ in columns)
    return f"CREATE OR REPLACE TEMPORARY VIEW `{table}` AS\nSELECT {empty} WHERE false"
