"""The output as DuckDB tables and views, in a folder or in S3, also while it is still empty."""

import csv
import json
import re
import sys
from collections.abc import Callable
from importlib.resources import files
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.dataset as ds
from botocore.session import get_session
from pyarrow import fs
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from pipeline.lake.opening import open_store
from pipeline.object_store.store import Store
from schemas.errors import OperatorError
from schemas.failure import clean_message, storable_text
from schemas.tables import COLUMNS, PARTITIONED, arrow_schema
from workers.sources.s3 import make_client, split_uri

VIEWS = (
    "current_documents",
    "current_pages",
    "current_blocks",
    "current_charts",
    "current_chart_points",
    "open_failures",
    "current_sources",
    "source_contents",
)
ROWS_MAX = 200
CELL_MAX_CHARS = 120
"""In a table on the terminal; CSV and JSON have all of it."""


def connect(output: str) -> duckdb.DuckDBPyConnection:
    """An in-memory DuckDB with every table and view of `output`. Nothing is copied: queries read the Parquet files.

    Through pyarrow's datasets, for folders and S3 alike: DuckDB's own S3 client is an extension that it downloads.
    Raises OperatorError, StoreError: no such folder or bucket.
    """
    store = open_store(output)
    filesystem, root = open_filesystem(output)
    connection = duckdb.connect(":memory:")
    connection.execute("SET TimeZone = 'UTC'")
    for table in COLUMNS:
        connection.register(table, open_table(store, filesystem, root, table))
    connection.execute(files("pipeline.analytics").joinpath("views.sql").read_text("utf-8"))
    return connection


def open_filesystem(output: str) -> tuple[fs.FileSystem, str]:
    """pyarrow's filesystem with boto3's credentials, region and endpoint, so that one chain serves reading and writing."""
    if not output.startswith("s3://"):
        local = fs.LocalFileSystem()
        if local.get_file_info(output).type != fs.FileType.Directory:
            raise OperatorError(f"There is no folder {output}.")
        return local, output.rstrip("/")
    bucket, prefix = split_uri(output)
    meta = make_client().meta
    credentials = get_session().get_credentials()
    frozen = credentials.get_frozen_credentials() if credentials else None
    endpoint = meta.endpoint_url
    options: dict[str, Any] = {} if endpoint.endswith(".amazonaws.com") else {"endpoint_override": endpoint}
    if frozen:
        options |= {"access_key": frozen.access_key, "secret_key": frozen.secret_key, "session_token": frozen.token or ""}
    s3 = fs.S3FileSystem(anonymous=frozen is None, region=meta.region_name or "us-east-1", **options)
    return s3, f"{bucket}/{prefix}".rstrip("/")


def open_table(store: Store, filesystem: fs.FileSystem, root: str, table: str) -> ds.Dataset:
    """The table's files under today's schema: columns that older files lack are null. Without files: no rows, same columns."""
    schema = nullable_schema(table)
    names = [stored.path for stored in store.list(f"{table}/")]
    paths = [f"{root}/{name}" for name in names if name.endswith(".parquet") and not name.rpartition("/")[2].startswith(("_", "."))]
    if not paths:
        return ds.dataset(schema.empty_table())
    partitioning = ds.partitioning(pa.schema([("ingest_date", pa.date32())]), flavor="hive") if table in PARTITIONED else None
    return ds.FileSystemDataset.from_paths(
        paths,
        schema=schema,
        format=ds.ParquetFileFormat(),
        filesystem=filesystem,
        partitions=[_partition(partitioning, path) for path in paths],
    )


def _partition(partitioning: ds.Partitioning | None, path: str) -> ds.Expression:
    return partitioning.parse(path) if partitioning else ds.scalar(True)


def nullable_schema(table: str) -> pa.Schema:
    """With the partition column; everything nullable, for files of an older version."""
    fields = [field.with_nullable(True).remove_metadata() for field in arrow_schema(table)]
    return pa.schema(fields + ([pa.field("ingest_date", pa.date32())] if table in PARTITIONED else []))


def run_query(output: str, sql: str) -> pa.Table:
    """The result of one SQL text. Raises OperatorError with DuckDB's own words."""
    connection = connect(output)
    try:
        result = connection.sql(sql)
        return pa.table({}) if result is None else result.to_arrow_table()
    except duckdb.Error as error:
        raise OperatorError(str(error).strip()) from None
    finally:
        connection.close()


def print_csv(result: pa.Table, *, is_raw: bool = False) -> None:
    """As it is into a file or a pipe; on a terminal control characters are pictures of themselves.

    Unless `is_raw`, a text that a spreadsheet would take for a formula begins with an apostrophe: documents come from strangers.
    """
    shown: Callable[[str], str] = storable_text if sys.stdout.isatty() else str

    def cell(value: Any) -> str:
        is_formula = not is_raw and isinstance(value, str) and value.startswith(_FORMULA_STARTS) and not _NUMBER.fullmatch(value)
        return shown(f"'{value}" if is_formula else _plain(value))

    writer = csv.writer(_Lines())  # it quotes the line breaks that its rows end with, so both kinds
    writer.writerow([cell(name) for name in result.column_names])
    for batch in result.to_batches():
        writer.writerows([cell(value) for value in row.values()] for row in batch.to_pylist())


class _Lines:
    """Standard output, to which a row ends with one line feed."""

    def write(self, row: str) -> int:
        return sys.stdout.write(row.removesuffix("\r\n") + "\n")


_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
"""Spreadsheets take the wide ones, too."""
_NUMBER = re.compile(r"[+-][0-9][0-9.,]*%?")


def print_json(result: pa.Table) -> None:
    """One object per line."""
    for batch in result.to_batches():
        for row in batch.to_pylist():
            text = json.dumps(row, ensure_ascii=False, default=str)
            sys.stdout.write(_C1.sub(lambda found: f"\\u{ord(found[0]):04x}", text) + "\n")


_C1 = re.compile("[\x7f-\x9f]")
"""`json` escapes the other control characters only, and a terminal may take these for commands, too."""


def as_text(value: Any) -> str:
    """A cell for the terminal: one printable line, cropped; null is empty."""
    if value is None:
        return ""
    text = clean_message(f"{value:.6g}" if isinstance(value, float) else _plain(value))
    return text if len(text) <= CELL_MAX_CHARS else text[: CELL_MAX_CHARS - 1] + "…"


def _plain(value: Any) -> str:
    if isinstance(value, list):
        return json.dumps(value, ensure_ascii=False, default=str)
    return "" if value is None else str(value)


def print_table(console: Console, result: pa.Table) -> None:
    """Rows on a terminal, cells cropped; columns that do not fit are folded by rich."""
    table = Table(
        *(escape(clean_message(name)) for name in result.column_names), box=None, padding=(0, 2, 0, 0), header_style="bold"
    )
    for row in result.slice(0, ROWS_MAX).to_pylist():
        table.add_row(*(Text(as_text(value)) for value in row.values()))
    console.print(table)
    if result.num_rows > ROWS_MAX:
        console.print(f"… and {result.num_rows - ROWS_MAX} rows more; --csv, --json and --parquet have them all.")
