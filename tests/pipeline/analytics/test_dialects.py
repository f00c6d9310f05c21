"""`pagefold sql`: the same answers from DuckDB's own reader, from Trino's dialect and from Spark as from `pagefold query`."""

import shutil
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import sqlglot
from fsspec.implementations.local import LocalFileSystem
from typer.testing import CliRunner

from pipeline.analytics.dialects import present_tables, queries, render_query, render_sql, view_statements
from pipeline.analytics.duckdb_tables import VIEWS, connect, run_query
from pipeline.cli import app
from schemas.errors import OperatorError
from schemas.tables import COLUMNS, PARTITIONED, arrow_schema, to_table
from tests.pipeline.written_lake import DAY, row, write_lake

WHOLE = {"num_pages": 2, "num_pages_read": 2, "ocr_recipe_id": "o1", "chart_recipe_id": "c1"}


def made_rows() -> dict[str, list[dict[str, Any]]]:
    """Two versions of one document, a second answer, a chart over time, a page to review, an open failure, two runs."""

    def key(source: str, plan: int, uri: str = "s3://b/in/a.pdf") -> dict[str, Any]:
        return {"source_id": source, "plan_id": f"{plan:06d}", "uri": uri, "document_id": f"bytes of {source}"}

    def time(year: int) -> datetime:
        return datetime(year, 1, 1, tzinfo=UTC)

    chart = {"page_index": 0, "region_index": 0, "recipe_id": "c1"}
    return {
        "documents": [
            row("documents", **key("v1", 1), **WHOLE, name="a.pdf"),
            row("documents", **key("v2", 2), **WHOLE, name="a.pdf", tasks=["ocr", "chart"]),
            row("documents", **key("v2", 3), **WHOLE | {"num_pages_read": 1}, name="a.pdf"),
            row("documents", **key("w1", 1, "s3://b/in/b.pdf"), **WHOLE, name="b.pdf"),
        ],
        "pages": [
            row("pages", **key("v1", 1), page_index=0, status="ok", text_plain="old version", recipe_id="o1"),
            row("pages", **key("v2", 2), page_index=0, status="ok", text_layer_agreement=0.99, recipe_id="o1"),
            row("pages", **key("v2", 2), page_index=1, status="failed", recipe_id="o1"),
            row("pages", **key("v2", 3), page_index=1, status="partial", attempt=1, recipe_id="o1", flags=["partial"], num_asks=2),
            row("pages", **key("w1", 1, "s3://b/in/b.pdf"), page_index=0, status="ok", recipe_id="o1", flags=["repaired"]),
            row("pages", **key("w1", 1, "s3://b/in/b.pdf"), page_index=1, status="ok", recipe_id="o1", confidence=0.5),
        ],
        "blocks": [row("blocks", **key("v2", 2), page_index=0, recipe_id="o1", text="Grüße, 世界; it's")],
        "charts": [
            row("charts", **key("v2", 2), **chart, status="ok", kind="line", title="Sales by year", series=["EU"], num_points=2)
        ],
        "chart_points": [
            row("chart_points", **key("v2", 2), **chart, point_index=1, series="EU", x_text="2025", x_time=time(2025), value=2.5),
            row("chart_points", **key("v2", 2), **chart, point_index=0, series="EU", x_text="2024", x_time=time(2024), value=1.5),
        ],
        "failures": [
            row("failures", **key("v2", 2), page_index=1, kind="bad_json", stage="validate", task="ocr"),
            row("failures", **key("v2", 3), page_index=1, attempt=1, kind="truncated", stage="read", task="ocr"),
        ],
        "deletions": [row("deletions", **key("w1", 3, "s3://b/in/b.pdf"), is_deleted=True)],
        "runs": [
            row("runs", run_id="r1", status="finished", started_at=time(2025), num_pages=4, num_output_tokens=100, cost=0.5),
            row("runs", run_id="r2", status="running", started_at=time(2026)),
        ],
    }


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_lake(tmp_path_factory.mktemp("it's a lake"), made_rows())


@pytest.fixture(scope="module")
def ours(lake: Path) -> duckdb.DuckDBPyConnection:
    """What `pagefold query` asks."""
    return connect(str(lake))


@pytest.fixture(scope="module")
def theirs(lake: Path) -> duckdb.DuckDBPyConnection:
    """What DuckDB has after our script."""
    return script_in_duckdb(lake)


def rows_of(connection: duckdb.DuckDBPyConnection, sql: str) -> list[dict[str, Any]]:
    return connection.sql(sql).to_arrow_table().to_pylist()


def script_in_duckdb(location: Path) -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'")
    connection.execute(render_sql(str(location), "duckdb", tables=present_tables(str(location), "duckdb")))
    return connection


# DuckDB


@pytest.mark.parametrize("name", [*COLUMNS, *VIEWS])
def test_duckdb_without_us_sees_what_we_see(ours, theirs, name):
    expected = sorted(rows_of(ours, f"SELECT * FROM {name}"), key=repr)
    assert sorted(rows_of(theirs, f"SELECT * FROM {name}"), key=repr) == expected
    assert expected


def test_a_table_without_files_is_empty_in_duckdb_and_keeps_its_columns(tmp_path):
    write_lake(tmp_path, {"documents": made_rows()["documents"]})
    connection = script_in_duckdb(tmp_path)
    assert rows_of(connection, "SELECT * FROM current_charts") == []
    described = [name for (name, *_) in connection.execute("DESCRIBE charts").fetchall()]
    assert described == [*(column.name for column in COLUMNS["charts"]), "ingest_date"]


@pytest.mark.parametrize(
    ("location", "dialect"),
    [("s3://b/lake", "oracle"), ("/lake", "athena"), ("/no such folder", "duckdb"), ("/no such folder", "spark")],
)
def test_what_cannot_be_rendered_is_the_operators_mistake(location, dialect):
    with pytest.raises(OperatorError):
        render_sql(location, dialect, tables=present_tables(location, dialect))


def test_an_unknown_query_names_the_known_ones():
    with pytest.raises(OperatorError, match="pages_to_review"):
        render_query("pages", "duckdb")


# The command


def printed(*arguments: str) -> str:
    result = CliRunner().invoke(app, ["sql", *arguments])
    assert result.exit_code == 0, result.output
    return result.stdout


def test_the_command_prints_a_script_that_duckdb_runs(lake):
    connection = duckdb.connect()
    connection.execute(printed(str(lake)))
    assert rows_of(connection, "SELECT COUNT(*) AS n FROM current_documents") == [{"n": 2}]


class ListedFiles(LocalFileSystem):
    """Local files that note in which order tables are listed."""

    protocol = "listed"

    def __init__(self) -> None:
        super().__init__()
        self.tables: list[str] = []

    def glob(self, path: str, **options: Any) -> Any:
        self.tables.append(path.partition("/lake/")[2].partition("/")[0])
        return super().glob(path.removeprefix("listed://"), **options)


@pytest.mark.parametrize("view", VIEWS)
def test_a_query_beside_a_writer_lists_documents_first_and_what_it_takes_rows_from_last(lake, tmp_path, view):
    """A shard's files are written with `documents` last: who lists it first finds the rows of each document that it found."""
    shutil.copytree(lake, tmp_path / "lake")
    files = ListedFiles()
    connection = duckdb.connect()
    connection.register_filesystem(files)
    connection.execute(printed(str(tmp_path / "lake")).replace(f"'{tmp_path}", f"'listed://{tmp_path}"))
    files.tables.clear()

    connection.sql(f"SELECT * FROM {view}").fetchall()

    first = {table: files.tables.index(table) for table in files.tables}
    assert min(first, key=lambda table: first[table]) == "documents"
    source = view.removeprefix("current_").removeprefix("open_")
    if source in COLUMNS and source != "documents":
        assert files.tables[-1] == source or view == "open_failures"


def test_the_command_prints_a_question_and_names_them_all():
    assert printed("out", "--query", "pages_to_review", "--dialect", "athena") == queries()["pages_to_review"]
    assert [line.split()[0] for line in printed("out", "--query", "list").splitlines()] == list(queries())


def test_the_command_asks_no_bucket_for_athena():
    assert "LOCATION 's3://bucket/lake/pages/'" in printed("s3://bucket/lake/", "--dialect", "athena", "--since", "2026-05-01")


# The ready questions

ANSWERS: dict[str, list[tuple[Any, ...]]] = {
    "chart_series": [("a.pdf", "Sales by year", "EU", "2024", 1.5), ("a.pdf", "Sales by year", "EU", "2025", 2.5)],
    "pages_to_review": [("a.pdf", 1, "partial"), ("b.pdf", 1, "ok"), ("b.pdf", 0, "ok")],
    "cost_per_run": [("r2", None), ("r1", 0.125)],
    "failure_trend": [(DAY, "bad_json", 1, 1 / 7), (DAY, "truncated", 1, 1 / 7)],
}
COLUMNS_OF = {
    "chart_series": ("name", "title", "series", "x_text", "value"),
    "pages_to_review": ("name", "page_index", "status"),
    "cost_per_run": ("run_id", "cost_per_page"),
    "failure_trend": ("ingest_date", "kind", "num_failures", "failures_per_page"),
}


def picked(name: str, rows: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
    return [tuple(row[column] for column in COLUMNS_OF[name]) for row in rows]


def test_every_ready_question_has_an_answer_here():
    assert queries().keys() == ANSWERS.keys()


@pytest.mark.parametrize("name", ANSWERS)
def test_a_ready_question_is_answered_by_pagefold_query(ours, name):
    assert picked(name, rows_of(ours, render_query(name, "duckdb"))) == ANSWERS[name]


# Athena


@pytest.mark.parametrize("table", COLUMNS)
def test_athenas_tables_have_our_columns_in_hives_types(table):
    script = render_sql("s3://b/lake", "athena", since="2026-02-03")
    statement = next(part for part in script.split(";\n\n") if part.startswith(f"CREATE EXTERNAL TABLE IF NOT EXISTS `{table}` "))
    created = sqlglot.parse_one(statement, read="athena")
    types = {column.name: column.kind.sql("hive").lower() for column in created.this.expressions}
    hive = {
        pa.string(): "string",
        pa.int64(): "bigint",
        pa.float64(): "double",
        pa.bool_(): "boolean",
        pa.timestamp("us", tz="UTC"): "timestamp",
        pa.list_(pa.string()): "array<string>",
    }
    assert types == {column.name: hive[column.type] for column in COLUMNS[table]}
    assert f"LOCATION 's3://b/lake/{table}/'" in statement
    partitioned = "PARTITIONED BY (`ingest_date` date)" in statement
    assert partitioned == (table in PARTITIONED)
    assert ("'projection.ingest_date.range' = '2026-02-03,NOW'" in statement) == partitioned
    template = f"'storage.location.template' = 's3://b/lake/{table}/ingest_date=${{ingest_date}}/'"
    assert (template in statement) == partitioned


def test_the_folders_of_a_lake_are_where_athena_looks_for_them(lake):
    script = render_sql("s3://b/lake", "athena")
    for table in PARTITIONED:
        (folder,) = (lake / table).iterdir()
        template = f"s3://b/lake/{table}/ingest_date=${{ingest_date}}/"
        assert template in script
        assert folder.name == template.rstrip("/").rpartition("/")[2].replace("${ingest_date}", str(DAY))


@pytest.mark.slow
def test_views_and_questions_in_trinos_dialect_answer_as_duckdb_does(ours):
    """Read as Trino's, written as DuckDB's by sqlglot, and run: what Trino would read otherwise would come out otherwise."""
    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'")
    for table in COLUMNS:
        connection.register(table, ours.sql(f"SELECT * FROM {table}").to_arrow_table())
    for statement in view_statements("athena"):
        (transpiled,) = sqlglot.transpile(statement, read="trino", write="duckdb", unsupported_level=sqlglot.ErrorLevel.RAISE)
        connection.execute(transpiled)
    for view in VIEWS:
        found = sorted(rows_of(connection, f"SELECT * FROM {view}"), key=repr)
        assert found == sorted(rows_of(ours, f"SELECT * FROM {view}"), key=repr)
    for name, expected in ANSWERS.items():
        (transpiled,) = sqlglot.transpile(render_query(name, "athena"), read="trino", write="duckdb")
        assert picked(name, rows_of(connection, transpiled)) == expected


# Spark


def test_sparks_script_parses_and_leaves_nothing_behind(lake):
    script = render_sql(str(lake), "spark")
    statements = sqlglot.parse(script, read="spark")
    assert len(statements) == len(COLUMNS) + len(VIEWS)
    assert all(statement is not None and statement.key == "create" for statement in statements)
    assert script.count("CREATE OR REPLACE TEMPORARY VIEW") == len(statements)


@pytest.mark.slow
def test_spark_answers_as_duckdb_does(lake, ours, grown_lake, tmp_path):
    """Needs `pip install pyspark` and Java: neither is in the `dev` group, for its size."""
    sessions = pytest.importorskip("pyspark.sql", reason="pyspark is not installed")
    if shutil.which("java") is None:
        pytest.skip("there is no Java")
    builder = sessions.SparkSession.builder.master("local[1]").config("spark.ui.enabled", "false")
    options = {
        "spark.sql.shuffle.partitions": "1",
        "spark.sql.session.timeZone": "UTC",
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.sql.warehouse.dir": str(tmp_path),
    }
    for name, value in options.items():
        builder = builder.config(name, value)
    spark = builder.getOrCreate()
    try:
        tell_spark(spark, lake)
        for view in ("current_pages", "current_documents", "open_failures", "current_chart_points"):
            columns = ("uri", "plan_id", "ingest_date")
            found = {tuple(row[column] for column in columns) for row in spark.sql(f"SELECT * FROM {view}").collect()}
            assert found == {tuple(row[column] for column in columns) for row in rows_of(ours, f"SELECT * FROM {view}")}
        for name, expected in ANSWERS.items():
            assert picked(name, [row.asDict() for row in spark.sql(render_query(name, "spark")).collect()]) == expected
        tell_spark(spark, grown_lake)
        for view in VIEWS:
            yesterdays = run_query(str(grown_lake), f"SELECT COUNT(*) AS count FROM {view}").to_pylist()
            assert [row.asDict() for row in spark.sql(f"SELECT COUNT(*) AS count FROM {view}").collect()] == yesterdays
    finally:
        spark.stop()


def tell_spark(spark, lake: Path) -> None:
    for statement in render_sql(str(lake), "spark", tables=present_tables(str(lake), "spark")).split(";\n\n"):
        spark.sql(statement.rstrip().rstrip(";"))


# Schema evolution: columns are only ever added


YESTERDAY = {
    "documents": ["chart_recipe_id", "producer"],
    "pages": ["grammar_overrides", "num_asks", "flags"],
    "runs": ["settings_json"],
}
"""Columns that the files of an imagined older version lack."""


@pytest.fixture(scope="module")
def grown_lake(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One day written by an older version, with fewer columns and in another order, and one by today's."""
    rows, root = made_rows(), tmp_path_factory.mktemp("grown")
    for table, missing in YESTERDAY.items():
        old = pa.Table.from_pylist(rows[table][:1], schema=arrow_schema(table)).drop_columns(missing)
        old = old.select(old.column_names[::-1]).replace_schema_metadata({"pagefold.schema_version": "0"})
        folder = root / table / (f"ingest_date={date(2025, 12, 31)}" if table in PARTITIONED else "")
        folder.mkdir(parents=True)
        pq.write_table(old, folder / "000001-00000.parquet")
    return write_lake(root, {table: items if table not in YESTERDAY else items[1:] for table, items in rows.items()}, name="today")


@pytest.mark.parametrize("table", YESTERDAY)
def test_yesterdays_files_have_todays_columns_as_null(grown_lake, table):
    for rows in (
        run_query(str(grown_lake), f"SELECT * FROM {table}").to_pylist(),
        rows_of(script_in_duckdb(grown_lake), f"SELECT * FROM {table}"),
    ):
        assert len(rows) == len(made_rows()[table])
        (old,) = [row for row in rows if all(row[name] is None for name in YESTERDAY[table])]
        assert old[COLUMNS[table][0].name] == made_rows()[table][0][COLUMNS[table][0].name]


@pytest.mark.slow
@pytest.mark.parametrize("view", VIEWS)
def test_todays_views_read_yesterdays_files(grown_lake, view):
    theirs = sorted(rows_of(script_in_duckdb(grown_lake), f"SELECT * FROM {view}"), key=repr)
    assert theirs == sorted(run_query(str(grown_lake), f"SELECT * FROM {view}").to_pylist(), key=repr)
    assert theirs


def test_files_say_which_version_wrote_them(lake):
    for path in lake.rglob("*.parquet"):
        assert pq.read_schema(path).metadata[b"pagefold.schema_version"].isdigit()


RELEASED = Path(__file__).parents[1] / "released_columns.txt"


def test_no_column_that_was_released_is_gone_or_of_another_type():
    """The rule: columns are added, never renamed, removed or retyped. New ones are added to the file at a release."""
    today = {f"{table}.{column.name} {column.type}" for table, columns in COLUMNS.items() for column in columns}
    assert set(RELEASED.read_text("utf-8").splitlines()) - today == set()


def test_a_lost_column_would_be_noticed():
    released = RELEASED.read_text("utf-8").splitlines()
    assert "pages.text_plain string" in released
    assert len(released) > 200


def test_to_table_refuses_a_value_of_another_type():
    with pytest.raises(pa.ArrowInvalid):
        to_table("runs", [row("runs", num_pages="many")])
