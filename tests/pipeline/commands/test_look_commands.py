"""The commands that show a lake, its columns or this machine: failures, status, query, schema, doctor."""

import json
from pathlib import Path

import pytest

from pipeline.doctor import Finding, available_memory_bytes, examine
from schemas.settings import Settings
from schemas.tables import COLUMNS
from tests.pipeline.written_lake import row, write_lake


@pytest.fixture
def lake(tmp_path: Path) -> str:
    key = {"source_id": "s1", "plan_id": "000001", "uri": "/in/odd [bold]name.pdf"}
    rows = {
        "documents": [row("documents", document_id="d", num_pages=2, **key | {"name": "odd"})],
        "pages": [row("pages", page_index=0, status="ok", recipe_id="o", text_plain="Hello", **key)],
        "failures": [
            row("failures", page_index=1, kind="bad_json", message="no \x1b[31mJSON", task="ocr", **key),
            row("failures", kind="throttled", message="slow down", **key),
        ],
        "runs": [row("runs", run_id="r1", status="finished", seconds=3.2)],
    }
    return str(write_lake(tmp_path / "lake", rows))


@pytest.mark.slow
def test_failures_are_listed_with_what_to_do_and_harmless_to_the_terminal(pagefold, lake, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")  # no sentence is wrapped
    code, out, _ = pagefold("failures", lake)
    assert code == 0
    for part in ("bad_json", "see failures.raw_text", "odd [bold]name.pdf", "no [31mJSON", "try again by themselves"):
        assert part in out
    assert "\x1b" not in out
    rows = [json.loads(line) for line in pagefold("failures", lake, "--json", "--kind", "bad_json")[1].splitlines()]
    assert [(row["kind"], row["page_index"]) for row in rows] == [("bad_json", 1)]


@pytest.mark.slow
def test_status_of_an_idle_output(pagefold, lake):
    code, out, _ = pagefold("status", lake)
    assert code == 0
    for part in ("Idle", "Documents: 1 partial", "bad_json 1, throttled 1", "3.2 s"):
        assert part in out
    told = json.loads(pagefold("status", lake, "--json")[1])
    assert (told["state"], told["documents"], told["open_failures"]) == ("idle", {"partial": 1}, {"bad_json": 1, "throttled": 1})


@pytest.mark.slow
def test_query_prints_tables_csv_json_and_parquet(pagefold, lake, tmp_path):
    sql = "select name, num_failures from current_documents"
    assert pagefold("query", lake, sql)[1].split() == ["name", "num_failures", "odd", "2", "1", "row"]
    assert pagefold("query", lake, sql, "--csv")[1] == "name,num_failures\nodd,2\n"
    assert [pagefold("query", lake, "select '=1' as a", flag)[1] for flag in ("--csv", "--csv-raw")] == ["a\n'=1\n", "a\n=1\n"]
    assert json.loads(pagefold("query", lake, sql, "--json")[1]) == {"name": "odd", "num_failures": 2}
    assert pagefold("query", lake, sql, "--parquet", str(tmp_path / "x.parquet"))[0] == 0
    assert pagefold("query", lake, f"select * from '{tmp_path}/x.parquet'", "--csv")[1] == "name,num_failures\nodd,2\n"


def test_schema_prints_every_column(pagefold):
    told = json.loads(pagefold("schema", "--json")[1])
    assert {entry["table"]: len(entry["columns"]) for entry in told if not entry["is_view"]} == {
        name: len(columns) + (name != "runs") for name, columns in COLUMNS.items()
    }
    text = pagefold("schema", "--table", "charts")[1]
    assert all(column.name in text for column in COLUMNS["charts"])


@pytest.mark.slow
def test_doctor_checks_input_and_output(tmp_path):
    (tmp_path / "in").mkdir()
    found = {finding.check: finding for finding in examine(Settings(), str(tmp_path / "in"), str(tmp_path / "out"), with_ray=False)}
    assert (found["python"].verdict, found["libraries"].verdict) == ("ok", "ok")
    assert (found["input"].verdict, found["output"].verdict) == ("fail", "ok")
    assert any(check.startswith("sandbox") for check in found)
    missing = {finding.check: finding for finding in examine(Settings(), str(tmp_path / "nope"), "gs://b", with_ray=False)}
    assert (missing["input"].verdict, missing["output"].verdict) == ("fail", "fail")
    assert (available_memory_bytes() or 0) > 10**8


@pytest.mark.parametrize(("verdict", "code"), [("ok", 0), ("warn", 0), ("fail", 1)])
def test_doctor_exits_1_when_a_run_would_not_work(pagefold, monkeypatch, verdict, code):
    monkeypatch.setattr("pipeline.doctor.examine", lambda *_, **__: iter([Finding("x", verdict, "y\x1b[31m")]))
    got, out, _ = pagefold("doctor")
    assert got == code
    assert out.split() == [verdict, "x", "y", "[31m"]


def test_version_is_printed(pagefold):
    assert pagefold("--version")[1].startswith("pagefold 0")
