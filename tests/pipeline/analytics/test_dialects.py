"""`pagefold sql`: the same answers from DuckDB's own reader, from Trino's dialect and from Spark as from `pagefold query`."""

import re
import shutil
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import sqlglot
import yaml
from fsspec.implementations.local import LocalFileSystem
from typer.testing import CliRunner

from pipeline.analytics.dialects import present_tables, render_sql, view_statements
from pipeline.analytics.duckdb_tables import VIEWS, connect, run_query
from pipeline.analytics.questions import find_question, questions
from pipeline.cli import app
from schemas.errors import OperatorError
from schemas.tables import COLUMNS, IMAGE, PARTITIONED, arrow_schema, to_table
from tests.pipeline.analytics.made_lake import made_rows
from tests.pipeline.written_lake import DAY, row, write_lake

pytestmark = pytest.mark.slow


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


def test_an_unknown_question_names_a_close_one_or_all():
    with pytest.raises(OperatorError, match=r"did you mean pages_to_review\?"):
        find_question("page_to_review")
    with pytest.raises(OperatorError, match=r"there are .*pages_to_review"):
        find_question("x")


# The command


def printed(*arguments: str) -> str:
    result = CliRunner().invoke(app, ["sql", *arguments])
    assert result.exit_code == 0, result.output
    return result.stdout


def test_the_command_prints_a_script_that_duckdb_runs(lake):
    connection = duckdb.connect()
    connection.execute(printed(str(lake)))
    assert rows_of(connection, "SELECT COUNT(*) AS n FROM current_documents") == [{"n": 2}]


@pytest.mark.slow
def test_the_folder_of_a_script_is_no_pattern(tmp_path):
    lake = write_lake(tmp_path / "out [8] *?", {"runs": [row("runs", run_id="r1", status="finished")]})
    assert rows_of(script_in_duckdb(lake), "SELECT run_id FROM runs") == [{"run_id": "r1"}]


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
    assert printed("out", "--query", "pages_to_review", "--dialect", "athena") == find_question("pages_to_review").sql("athena")
    assert [line.split()[0] for line in printed("out", "--query", "list").splitlines()] == list(questions())


def test_the_command_asks_no_bucket_for_athena():
    assert "LOCATION 's3://bucket/lake/pages/'" in printed("s3://bucket/lake/", "--dialect", "athena", "--since", "2026-05-01")


def test_dbt_gets_a_source_with_every_table_view_and_column():
    (source,) = yaml.safe_load(printed("lake", "--dialect", "dbt"))["sources"]
    assert source["name"] == "pagefold"
    tables = {table["name"]: table for table in source["tables"]}
    assert tables.keys() == {*COLUMNS, *VIEWS}
    assert [column["name"] for column in tables["runs"]["columns"]] == [column.name for column in COLUMNS["runs"]]
    assert all(column["description"] and column["data_type"] for table in source["tables"] for column in table["columns"])


# The ready questions


class Asked(NamedTuple):
    """A ready question with these parameters, and its answer in these columns."""

    columns: tuple[str, ...]
    rows: list[tuple[Any, ...]]
    values: dict[str, str] = {}


SERIES = [("a.pdf", "Sales by year", "EU", "2024", 1.5), ("a.pdf", "Sales by year", "EU", "2025", 2.5)]
ANSWERS: dict[str, list[Asked]] = {
    "chart_series": [
        Asked(("name", "title", "series", "x_text", "value"), SERIES),
        Asked(("name", "title", "series", "x_text", "value"), SERIES, {"title": "BY year", "name": "a"}),
        Asked(("name",), [], {"title": "it's"}),
    ],
    "pages_to_review": [
        Asked(("name", "page_index", "status"), [("a.pdf", 1, "partial"), ("b.pdf", 1, "ok"), ("b.pdf", 0, "ok")]),
        Asked(("name", "page_index"), [("a.pdf", 1), ("b.pdf", 1)], {"flagged": "no"}),
        Asked(("name", "page_index"), [("a.pdf", 1)], {"flagged": "no", "confidence": "0.1"}),
    ],
    "cost_per_run": [Asked(("run_id", "cost_per_page"), [("r2", None), ("r1", 0.125)])],
    "failure_trend": [
        Asked(
            ("ingest_date", "kind", "num_failures", "failures_per_page"),
            [(DAY, "bad_json", 1, 1 / 8), (DAY, "truncated", 1, 1 / 8)],
        )
    ],
    "document_markdown": [
        Asked(("text_markdown",), [("# new version",)], {"name": "A.pdf"}),
        Asked(("text_markdown",), [], {"name": "z.pdf"}),
        Asked(("text_markdown",), [], {"name": "a_pdf"}),  # no wildcard
    ],
    "page_blocks": [
        Asked(("name", "page_index", "block_index", "right_px"), [("a.pdf", 0, 0, 80.0), ("a.pdf", 0, 1, 90.0)], {"page": "1"}),
        Asked(("name",), [], {"page": "2"}),
    ],
    "text_in_rectangle": [
        Asked(("block_index",), [(0,), (1,)], {"name": "a.pdf"}),
        Asked(("block_index",), [(1,)], {"name": "a.pdf", "top": "0.5", "left": "0.1"}),
        Asked(("block_index",), [], {"name": "a.pdf", "right": "0.3"}),
        Asked(("line_index", "block_index", "text"), [(0, None, "Harbour dues"), (1, None, "1,250 EUR")], {"name": "b.pdf"}),
        Asked(("name", "line_index", "kind", "text"), [("b.pdf", 1, "words", "EUR")], {"left": "0.5", "top": "0.5"}),
        Asked(("text",), [], {"name": "b.pdf", "top": "0.9"}),
    ],
    "tables_with_word": [
        Asked(
            ("name", "page_index", "row_label", "header", "text", "value"),
            [("a.pdf", 0, None, "Year", "2024", 2024.0), ("a.pdf", 0, "2024", "Sales", "1.5", 1.5)],
            {"word": "sales"},
        ),
        Asked(("name",), [], {"word": "2024"}),
        Asked(("name",), [], {"word": "%"}),
    ],
    "changed_pages": [
        Asked(
            ("name", "version", "page_index", "change", "previous_text_plain", "text_plain"),
            [("a.pdf", 2, 0, "changed", "old version", "new version"), ("a.pdf", 2, 1, "added", None, None)],
        )
    ],
    "compared_pages": [
        Asked(("page_index", "first_recipe_id", "second_recipe_id", "words", "cells"), [(0, "o0", "o1", 0.3158, 0.2)]),
        Asked(("first_recipe_id", "second_recipe_id"), [("o1", "o0")], {"first": "9b", "second": "o0"}),
        Asked(("name",), [], {"first": "o1", "second": "o1"}),
        Asked(("name",), [], {"name": "b.pdf"}),
    ],
    "compared_charts": [
        Asked(
            ("region_index", "num_first_points", "num_second_points", "points"), [(0, 1, 2, 0.5)], {"first": "2b", "second": "c1"}
        ),
        Asked(("first_recipe_id",), [], {"second": "o0"}),
    ],
    "since_run": [
        Asked(("name", "what"), [("b.pdf", "deleted"), *[("a.pdf", "read")] * 3, ("b.pdf", "read"), ("a.pdf", "read")]),
        Asked(("name", "what", "run_id"), [("b.pdf", "deleted", ""), ("a.pdf", "read", "r2")], {"run": "r1"}),
    ],
}


def answered(rows: list[dict[str, Any]], asked: Asked) -> list[tuple[Any, ...]]:
    return [tuple(row[column] for column in asked.columns) for row in rows]


CASES = [pytest.param(name, asked, id=f"{name} {number}") for name, cases in ANSWERS.items() for number, asked in enumerate(cases)]


def test_every_ready_question_has_an_answer_here():
    assert questions().keys() == ANSWERS.keys()


@pytest.mark.parametrize("name", ANSWERS)
def test_every_parameter_that_a_question_uses_is_described_and_the_other_way_round(name):
    question = find_question(name)
    used = set(re.findall(r"\$(\w+)", "\n".join(line for line in question.text.splitlines() if not line.startswith("--"))))
    assert {parameter.name for parameter in question.parameters} == used
    assert not re.search(r"\$\w", re.sub(r"^--.*$", "", question.sql("athena"), flags=re.MULTILINE))


@pytest.mark.parametrize(("name", "asked"), CASES)
def test_a_ready_question_is_answered_by_pagefold_query(ours, name, asked):
    assert answered(rows_of(ours, find_question(name).sql("duckdb", asked.values)), asked) == asked.rows


def test_a_value_with_a_quote_is_a_value_in_every_dialect():
    for dialect, literal in (("duckdb", "it''s \\"), ("athena", "it''s \\"), ("spark", "it\\'s \\\\")):
        assert f"'{literal}'" in find_question("chart_series").sql(dialect, {"title": "it's \\"})


def test_a_parameter_that_a_question_does_not_have_is_a_mistake():
    with pytest.raises(OperatorError, match="has no parameter 'page'; it has title, name"):
        find_question("chart_series").sql("duckdb", {"page": "1"})


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
        IMAGE: "struct<bytes: binary, path: string>",
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
    for name, cases in ANSWERS.items():
        for asked in cases:
            (transpiled,) = sqlglot.transpile(find_question(name).sql("athena", asked.values), read="trino", write="duckdb")
            assert answered(rows_of(connection, transpiled), asked) == asked.rows


# Spark


def test_sparks_script_parses_and_leaves_nothing_behind(lake):
    script = render_sql(str(lake), "spark")
    statements = sqlglot.parse(script, read="spark")
    assert len(statements) == len(COLUMNS) + len(VIEWS)
    assert all(statement is not None and statement.key == "create" for statement in statements)
    assert script.count("CREATE OR REPLACE TEMPORARY VIEW") == len(statements)


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
        for name, cases in ANSWERS.items():
            for asked in cases:
                rows = spark.sql(find_question(name).sql("spark", asked.values)).collect()
                assert answered([row.asDict() for row in rows], asked) == asked.rows
        tell_spark(spark, grown_lake)
        for view in VIEWS:
            yesterdays = run_query(str(grown_lake), f"SELECT COUNT(*) AS count FROM {view}").to_pylist()
            assert [row.asDict() for row in spark.sql(f"SELECT COUNT(*) AS count FROM {view}").collect()] == yesterdays
    finally:
        spark.stop()


def tell_spark(spark, lake: Path) -> None:
    for statement in render_sql(str(lake), "spark", tables=present_tables(str(lake), "spark")).split(";\n\n"):
        spark.sql(statement.rstrip().rstrip(";"))


def test_what_spark_says_of_words_in_order_answers_as_duckdb_does(ours):
    """Read as Spark's and written as DuckDB's by sqlglot, where there is no Spark."""
    for asked in ANSWERS["text_in_rectangle"]:
        (transpiled,) = sqlglot.transpile(
            find_question("text_in_rectangle").sql("spark", asked.values), read="spark", write="duckdb"
        )
        assert answered(rows_of(ours, transpiled), asked) == asked.rows


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
