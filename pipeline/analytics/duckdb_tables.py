"""The output as DuckDB tables and views, in a folder or in S3, also while it is still empty."""

import re
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import closing, contextmanager
from difflib import get_close_matches
from typing import TypeVar

import duckdb
import pyarrow as pa

from pipeline.analytics import quick_views
from pipeline.analytics.lake_files import LakeFiles
from pipeline.analytics.quick_views import named_in, view_texts
from schemas.errors import OperatorError
from schemas.tables import COLUMNS

VIEWS = tuple(view_texts())
Result = TypeVar("Result")
_BATCH_ROWS = 10_000
_NO_TABLE = re.compile(r"^Catalog Error: Table with name (\w+) does not exist")


def connect(output: str, sql: str | None = None) -> duckdb.DuckDBPyConnection:
    """An in-memory DuckDB with the tables and views of `output`, of which `sql` names the wanted ones. Nothing is copied: queries
    read the Parquet files that were there when it was made.

    Raises OperatorError, StoreError: no such folder or bucket. Raises OperatorError, too, for a file that is no Parquet.
    """
    lake = LakeFiles(output)
    connection = duckdb.connect(":memory:")
    connection.execute("SET TimeZone = 'UTC'; SET parquet_metadata_cache = true")
    with _damage_told():
        quick_views.create(connection, lake, named_in(sql) if sql is not None else {*COLUMNS, *VIEWS})
    return connection


@contextmanager
def connected(output: str, sql: str | None = None) -> Iterator[duckdb.DuckDBPyConnection]:
    """`connect`, closed at the end. A file that proves damaged while it is read is an OperatorError as well."""
    with closing(connect(output, sql)) as connection, _damage_told():
        yield connection


@contextmanager
def _damage_told() -> Iterator[None]:
    try:
        yield
    except duckdb.Error as error:
        # What DuckDB's Parquet reader finds has the bare class; a mistake in our SQL has one of its own.
        if type(error) is not duckdb.Error and not isinstance(error, duckdb.InvalidInputException | duckdb.IOException):
            raise
        words = str(error).partition("\n")[0]
        raise OperatorError(
            f"a table's file cannot be read ({words}): restore it. What else can be done, `pagefold plan IN OUT` says."
        ) from error


def run_query(output: str, sql: str, parameters: Mapping[str, str] | None = None) -> pa.Table:
    """The result of one SQL text, in memory. Raises OperatorError with DuckDB's own words."""
    with connected(output, sql) as connection:
        rows = rows_of(connection, sql, parameters)
        return pa.Table.from_batches(rows, rows.schema)


class QueryRows:
    """A result as it comes, batch by batch; none of it is kept. Iterating raises OperatorError with DuckDB's own words."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, reader: pa.RecordBatchReader) -> None:
        self._connection, self._reader = connection, reader
        self.schema: pa.Schema = reader.schema
        self.num_rows = 0
        """Of those that came so far."""

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        with _in_duckdbs_words():
            while (batch := _interruptibly(self._connection, lambda: next(self._reader, None))) is not None:
                self.num_rows += batch.num_rows
                yield batch


def rows_of(connection: duckdb.DuckDBPyConnection, sql: str, parameters: Mapping[str, str] | None = None) -> QueryRows:
    """The rows of an SQL text, of its last statement where it has several; `$name` in it is the parameter's value.

    Values are texts, which DuckDB takes for a number or a date where one is compared with it. Raises OperatorError.
    """

    def reader() -> pa.RecordBatchReader:
        result = connection.sql(sql, params=dict(parameters)) if parameters else connection.sql(sql)
        return pa.table({}).to_reader() if result is None else result.to_arrow_reader(_BATCH_ROWS)

    with _in_duckdbs_words():
        return QueryRows(connection, _interruptibly(connection, reader))


def _interruptibly(connection: duckdb.DuckDBPyConnection, step: Callable[[], Result]) -> Result:
    """Gives `step()`, which is done in another thread, because Ctrl-C does not reach a thread that waits for DuckDB."""
    with ThreadPoolExecutor(1) as thread:
        answer = thread.submit(step)
        try:
            return answer.result()
        except KeyboardInterrupt:
            while not answer.done():  # a query that has not begun yet ignores it
                connection.interrupt()
                wait([answer], timeout=0.1)
            raise


@contextmanager
def _in_duckdbs_words() -> Iterator[None]:
    try:
        yield
    except (duckdb.Error, pa.ArrowException, OSError) as error:
        raise OperatorError(_said(str(error))) from None


def _said(words: str) -> str:
    """DuckDB's words without the line that points below another one. Its guesses for a misspelt table are replaced by ours, because
    it has only the tables that the SQL names."""
    if found := _NO_TABLE.match(words):
        known = [*COLUMNS, *VIEWS]
        close = get_close_matches(found[1].lower(), known, n=1)
        others = f"did you mean {close[0]}?" if close else f"there are {', '.join(known)}."
        return f"there is no table or view {found[1]}; {others}"
    return "\n".join(line for line in words.splitlines() if line.strip(" ^"))
