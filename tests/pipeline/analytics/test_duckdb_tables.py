"""Tables and views of an output folder or bucket, also of an empty one and of one written by an older version."""

import signal
import subprocess
import sys
from collections.abc import Iterator

import boto3
import duckdb
import psutil
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from moto.server import ThreadedMotoServer

from pipeline.analytics.duckdb_tables import VIEWS, connect, connected, run_query
from pipeline.analytics.lake_files import nullable_schema
from pipeline.object_store.store import StoreError
from schemas.errors import OperatorError
from schemas.tables import COLUMNS, arrow_schema
from tests.pipeline.written_lake import row, write_lake
from tests.waiting import wait_until

PAGE = {"source_id": "s1", "plan_id": "000001", "status": "ok", "recipe_id": "o1"}
ROWS = {
    "documents": [row("documents", source_id="s1", plan_id="000001", uri="a.pdf", document_id="d", num_pages=2)],
    "pages": [row("pages", page_index=index, text_plain=f"page {index}", flags=["a", "b"], **PAGE) for index in range(2)],
    "runs": [row("runs", run_id="r1", status="finished")],
}


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """An S3 endpoint with a bucket `lake`; the standard AWS variables point there."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    for name, value in {
        "AWS_ENDPOINT_URL": f"http://{host}:{port}",
        "AWS_ACCESS_KEY_ID": "someone",
        "AWS_SECRET_ACCESS_KEY": "something",
        "AWS_DEFAULT_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(name, value)
    boto3.client("s3").create_bucket(Bucket="lake")
    yield "s3://lake"
    server.stop()


@pytest.mark.slow
def test_a_folder_that_is_named_like_a_partition_gives_no_column_its_value(tmp_path):
    lake = write_lake(tmp_path / "uri=x" / "ingest_date=2020-01-01", ROWS)
    sql = "SELECT uri, ingest_date::varchar AS day FROM current_documents WHERE ingest_date = '2026-01-02'"
    assert run_query(str(lake), sql).to_pylist() == [{"uri": "a.pdf", "day": "2026-01-02"}]


@pytest.mark.slow
@pytest.mark.parametrize("num_bytes", [0, 100])
def test_a_file_that_breaks_off_is_named(tmp_path, num_bytes):
    (file,) = write_lake(tmp_path, ROWS).rglob("pages/**/*.parquet")
    file.write_bytes(file.read_bytes()[:num_bytes])
    with pytest.raises(OperatorError, match=rf"^a table's file cannot be read \(.*{file.name}.*\): restore it"):
        connect(str(tmp_path))


@pytest.mark.slow
@pytest.mark.parametrize("where", ["pages", "footer"])
def test_a_file_that_is_damaged_inside_is_no_bug(tmp_path, where):
    (file,) = write_lake(tmp_path, ROWS).rglob("pages/**/*.parquet")
    body = file.read_bytes()
    num_footer_bytes = int.from_bytes(body[-8:-4], "little")
    start = 4 if where == "pages" else len(body) - 8 - num_footer_bytes
    file.write_bytes(body[:start] + 20 * b"\x0f" + body[start + 20 :])
    with pytest.raises(OperatorError, match=r"^a table's file cannot be read"), connected(str(tmp_path)) as connection:
        connection.sql("SELECT * FROM pages").fetchall()


def test_a_mistake_in_sql_of_ours_stays_one(tmp_path):
    with pytest.raises(duckdb.BinderException), connected(str(tmp_path)) as connection:
        connection.sql("SELECT nothing FROM pages")


ENDLESS = """
import signal
from pipeline.analytics.duckdb_tables import connect, rows_of
signal.signal(signal.SIGINT, signal.default_int_handler)  # it is ignored below a process that ignores it
connection = connect(".", "")
print("ready", flush=True)
list(rows_of(connection, "SELECT sum(range % 7) FROM range(100000000000000)"))
"""


@pytest.mark.slow
def test_ctrl_c_ends_a_query(tmp_path):
    command = [sys.executable, "-c", ENDLESS]
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout.readline() == "ready\n"
            times = psutil.Process(process.pid).cpu_times
            before = sum(times()[:2])
            wait_until(lambda: sum(times()[:2]) > before + 0.1)  # it is at work
            process.send_signal(signal.SIGINT)
            _, said = process.communicate(timeout=240)
        finally:
            process.kill()
    assert said.rstrip().endswith("KeyboardInterrupt")


@pytest.mark.slow
def test_an_empty_folder_has_every_table_and_view_without_rows(tmp_path):
    connection = connect(str(tmp_path))
    for name in (*COLUMNS, *VIEWS):
        assert connection.sql(f"SELECT count(*) FROM {name}").fetchall() == [(0,)], name


@pytest.mark.slow
def test_rows_come_back_with_their_partition(tmp_path):
    write_lake(tmp_path, ROWS)
    result = run_query(str(tmp_path), "SELECT page_index, text_plain, flags, ingest_date::varchar d FROM current_pages ORDER BY 1")
    assert result.to_pylist() == [
        {"page_index": 0, "text_plain": "page 0", "flags": ["a", "b"], "d": "2026-01-02"},
        {"page_index": 1, "text_plain": "page 1", "flags": ["a", "b"], "d": "2026-01-02"},
    ]
    assert run_query(str(tmp_path), "SELECT count(*) n FROM pages WHERE ingest_date = '2026-01-03'").to_pylist() == [{"n": 0}]
    assert run_query(str(tmp_path), "SELECT run_id FROM runs").to_pylist() == [{"run_id": "r1"}]


def test_files_of_an_older_version_lack_columns_and_still_open(tmp_path):
    # given a file without two of today's columns, beside one of today
    write_lake(tmp_path, ROWS)
    folder = tmp_path / "pages" / "ingest_date=2025-01-01"
    folder.mkdir()
    old = pa.Table.from_pylist([row("pages", page_index=5, **PAGE)], schema=arrow_schema("pages")).drop_columns(
        ["flags", "num_asks"]
    )
    pq.write_table(old, folder / "000000-00000.parquet")
    # when
    result = run_query(str(tmp_path), "SELECT page_index, flags, num_asks FROM pages ORDER BY 1")
    # then
    assert result.column("flags").to_pylist() == [["a", "b"], ["a", "b"], None]
    assert result.column("num_asks").to_pylist() == [0, 0, None]


def test_files_that_are_being_written_are_left_out(tmp_path):
    write_lake(tmp_path, ROWS)
    (tmp_path / "pages" / "ingest_date=2026-01-02" / "_tmp-1.parquet").write_bytes(b"half a file")
    assert run_query(str(tmp_path), "SELECT count(*) n FROM pages").to_pylist() == [{"n": 2}]


@pytest.mark.slow
def test_a_bucket_is_read_through_the_standard_variables(tmp_path, s3):
    # given the same files, in a bucket, under a prefix
    write_lake(tmp_path, ROWS)
    client = boto3.client("s3")
    for path in tmp_path.rglob("*.parquet"):
        client.upload_file(str(path), "lake", f"some/where/{path.relative_to(tmp_path)}")
    # then
    for output in (f"{s3}/some/where", f"{s3}/some/where/"):
        result = run_query(output, "SELECT text_plain, ingest_date::varchar d FROM current_pages ORDER BY page_index")
        assert result.to_pylist() == [{"text_plain": "page 0", "d": "2026-01-02"}, {"text_plain": "page 1", "d": "2026-01-02"}]
    assert run_query(f"{s3}/else/where", "SELECT count(*) n FROM pages").to_pylist() == [{"n": 0}]


@pytest.mark.slow
def test_a_bucket_that_is_not_there_is_one_sentence(s3):
    with pytest.raises(StoreError, match="the bucket not-there does not exist"):
        run_query("s3://not-there/x", "SELECT 1")


@pytest.mark.parametrize(
    ("output", "sql", "sentence"),
    [
        ("nowhere", "SELECT 1", "There is no folder"),
        ("gs://bucket/x", "SELECT 1", "neither a local folder nor"),
        (".", "SELECT nothing FROM pages", "nothing"),
        (".", "SELEC 1", "syntax error"),
    ],
)
def test_a_mistake_is_the_operators(tmp_path, monkeypatch, output, sql, sentence):
    monkeypatch.chdir(tmp_path)
    with pytest.raises((OperatorError, StoreError), match=sentence):
        run_query(output, sql)


def test_a_statement_without_rows_is_no_error(tmp_path):
    assert run_query(str(tmp_path), "CREATE TABLE mine AS SELECT 1").num_rows in (0, 1)


@pytest.mark.slow
def test_the_schema_of_an_empty_table_is_that_of_its_files(tmp_path):
    empty = connect(str(tmp_path)).sql("SELECT * FROM pages").to_arrow_table().schema
    assert empty.names == nullable_schema("pages").names
