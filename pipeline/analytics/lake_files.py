"""A table's files as something that DuckDB reads: by itself in a folder, through pyarrow in S3.

DuckDB's own reader decodes only what a query needs of a file: a fifteenth of the work for one document's rows. Its S3 client is an
extension that it downloads, which a closed network refuses; there pyarrow reads, with boto3's credentials.
"""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.dataset as ds
from botocore.session import get_session
from pyarrow import fs

from pipeline.lake.opening import open_store
from pipeline.lake.preferences import read_preferred
from pipeline.lake.rewriting.state import LiveFiles, read_live_files
from schemas.errors import OperatorError
from schemas.tables import IMAGE, PARTITIONED, arrow_schema
from workers.sources.s3 import make_client, split_uri

DUCKDB_TYPES: dict[pa.DataType, str] = {
    pa.string(): "VARCHAR",
    pa.int64(): "BIGINT",
    pa.float64(): "DOUBLE",
    pa.bool_(): "BOOLEAN",
    pa.date32(): "DATE",
    pa.timestamp("us", tz="UTC"): "TIMESTAMP WITH TIME ZONE",
    pa.list_(pa.string()): "VARCHAR[]",
    IMAGE: "STRUCT(bytes BLOB, path VARCHAR)",
}
_DAY_OF_FILE = "CAST(REGEXP_EXTRACT(filename, '/ingest_date=([^/]*)/[^/]*$', 1) AS DATE)"


class LakeFiles:
    """The Parquet files of `output`, listed once for each table. Raises OperatorError, StoreError: no such folder or bucket."""

    def __init__(self, output: str) -> None:
        self._is_remote = output.startswith("s3://")
        self._store = open_store(output)
        self._filesystem, self._root = open_filesystem(output)
        self._live: LiveFiles | None = None
        self._listed: dict[str, list[str]] = {}

    @property
    def preferred(self) -> tuple[str, ...]:
        """The ranking of recipes: see `pipeline.lake.preferences`."""
        return read_preferred(self._store)

    def of(self, table: str) -> list[str]:
        """Paths below the table's folder, in order; files that are still being written, or that were replaced, are none of them."""
        if self._live is None:
            self._live = read_live_files(self._store)
        if table not in self._listed:
            names = [stored.path.removeprefix(f"{table}/") for stored in self._store.list(f"{table}/")]
            self._listed[table] = [name for name in names if _is_whole(name) and name in self._live]
        return self._listed[table]

    def register(self, connection: duckdb.DuckDBPyConnection, view: str, table: str, names: Sequence[str]) -> None:
        """The view `view` with the rows of those files, under today's schema: columns that older files lack are null."""
        if names and not self._is_remote:
            connection.execute(self._local_view(connection, view, table, names))
            return
        source = f"{view.replace('.', '_')}_files"
        connection.register(source, self._dataset(table, names))
        connection.execute(f"CREATE VIEW {view} AS SELECT * FROM {source}")

    def register_names(self, connection: duckdb.DuckDBPyConnection, view: str, table: str) -> None:
        """The view `view` with the `source_id` of each row of the table, and the `file_name` that has it, as `of` names it."""
        names = self.of(table)
        if names and not self._is_remote:
            folder = str(Path(self._root, table).absolute())
            reader = f"read_parquet([{self._quoted_paths(table, names)}], filename = true, hive_partitioning = false)"
            connection.execute(f"CREATE VIEW {view} AS SELECT source_id, filename[{len(folder) + 2}:] AS file_name FROM {reader}")
            return
        dataset = ds.FileSystemDataset.from_paths(
            [f"{self._root}/{table}/{name}" for name in names],
            schema=pa.schema([("source_id", pa.string()), ("file_name", pa.string())]),
            format=ds.ParquetFileFormat(),
            filesystem=self._filesystem,
            partitions=[ds.field("file_name") == name for name in names],
        )
        source = f"{view.replace('.', '_')}_files"
        connection.register(source, dataset)
        connection.execute(f"CREATE VIEW {view} AS SELECT * FROM {source}")

    def _quoted_paths(self, table: str, names: Sequence[str]) -> str:
        return ", ".join(_quoted(str(Path(self._root, table, name).absolute())) for name in names)

    def _local_view(self, connection: duckdb.DuckDBPyConnection, view: str, table: str, names: Sequence[str]) -> str:
        paths = self._quoted_paths(table, names)
        # Of a lake in a folder such as `name=x`, DuckDB would take x for the value of every row.
        has_days = table in PARTITIONED
        is_hive = has_days and "=" not in str(Path(self._root).absolute())
        reader = f"read_parquet([{paths}], union_by_name = true, filename = {not is_hive}, hive_partitioning = {is_hive})"
        if has_days and not is_hive:
            reader = f"(SELECT *, {_DAY_OF_FILE} AS ingest_date FROM {reader})"
        there = {name: type_ for name, type_, *_ in connection.execute(f"DESCRIBE SELECT * FROM {reader}").fetchall()}
        columns = [_column(field.name, DUCKDB_TYPES[field.type], there.get(field.name)) for field in nullable_schema(table)]
        return f"CREATE VIEW {view} AS SELECT {', '.join(columns)} FROM {reader}"

    def _dataset(self, table: str, names: Sequence[str]) -> ds.Dataset:
        schema = nullable_schema(table)
        if not names:
            return ds.dataset(schema.empty_table())
        partitioning = ds.partitioning(pa.schema([("ingest_date", pa.date32())]), flavor="hive") if table in PARTITIONED else None
        paths = [f"{self._root}/{table}/{name}" for name in names]
        return ds.FileSystemDataset.from_paths(
            paths,
            schema=schema,
            format=ds.ParquetFileFormat(),
            filesystem=self._filesystem,
            partitions=[partitioning.parse(path) if partitioning else ds.scalar(True) for path in paths],
        )


def _is_whole(name: str) -> bool:
    return name.endswith(".parquet") and not name.rpartition("/")[2].startswith(("_", "."))


def _column(name: str, type_: str, there: str | None) -> str:
    if there is None:
        return f'CAST(NULL AS {type_}) AS "{name}"'
    return f'"{name}"' if there == type_ else f'CAST("{name}" AS {type_}) AS "{name}"'


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def nullable_schema(table: str) -> pa.Schema:
    """With the partition column; everything nullable, for files of an older version."""
    fields = [field.with_nullable(True).remove_metadata() for field in arrow_schema(table)]
    return pa.schema(fields + ([pa.field("ingest_date", pa.date32())] if table in PARTITIONED else []))


def open_filesystem(output: str) -> tuple[fs.FileSystem, str]:
    """pyarrow's filesystem with boto3's credentials, region and endpoint, so that one chain serves reading and writing."""
    if not output.startswith("s3://"):
        local, folder = fs.LocalFileSystem(), os.path.expanduser(output)
        if local.get_file_info(folder).type != fs.FileType.Directory:
            raise OperatorError(f"There is no folder {output}.")
        return local, folder.rstrip("/")
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
