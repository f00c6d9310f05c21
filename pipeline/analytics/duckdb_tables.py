"""The output as DuckDB tables and views, in a folder or in S3, also while it is still empty."""

from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from importlib.resources import files
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.dataset as ds
from botocore.session import get_session
from pyarrow import fs

from pipeline.lake.opening import open_store
from pipeline.object_store.store import Store
from schemas.errors import OperatorError
from schemas.tables import COLUMNS, PARTITIONED, arrow_schema
from workers.sources.s3 import make_client, split_uri

VIEWS = (
    "current_documents",
    "current_pages",
    "current_blocks",
    "current_tables",
    "current_table_cells",
    "current_charts",
    "current_chart_points",
    "open_failures",
    "current_sources",
    "source_contents",
    "page_versions",
)
_BATCH_ROWS = 10_000


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


def run_query(output: str, sql: str, parameters: Mapping[str, str] | None = None) -> pa.Table:
    """The result of one SQL text, in memory. Raises OperatorError with DuckDB's own words."""
    with closing(connect(output)) as connection:
        rows = rows_of(connection, sql, parameters)
        return pa.Table.from_batches(rows, rows.schema)


class QueryRows:
    """A result as it comes, batch by batch; none of it is kept. Iterating raises OperatorError with DuckDB's own words."""

    def __init__(self, reader: pa.RecordBatchReader) -> None:
        self._reader = reader
        self.schema: pa.Schema = reader.schema

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        with _in_duckdbs_words():
            yield from self._reader


def rows_of(connection: duckdb.DuckDBPyConnection, sql: str, parameters: Mapping[str, str] | None = None) -> QueryRows:
    """The rows of an SQL text, of its last statement where it has several; `$name` in it is the parameter's value.

    Values are texts, which DuckDB takes for a number or a date where one is compared with it. Raises OperatorError.
    """
    with _in_duckdbs_words():
        result = connection.sql(sql, params=dict(parameters)) if parameters else connection.sql(sql)
        return QueryRows(pa.table({}).to_reader() if result is None else result.to_arrow_reader(_BATCH_ROWS))


@contextmanager
def _in_duckdbs_words() -> Iterator[None]:
    try:
        yield
    except (duckdb.Error, pa.ArrowException, OSError) as error:
        raise OperatorError(str(error).strip()) from None
