"""`pagefold query` and `pagefold ask`: where SQL and its parameters come from, and where the rows go."""

import json
import os
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from pipeline.cli import app
from schemas.errors import OperatorError
from tests.pipeline.analytics.made_lake import made_rows
from tests.pipeline.written_lake import write_lake

pytestmark = pytest.mark.slow

NAMES = "select name from current_documents order by name"


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(write_lake(tmp_path_factory.mktemp("lake"), made_rows()))


def printed(*arguments: str, input: str | None = None) -> str:
    result = CliRunner().invoke(app, [*arguments], input=input)
    assert result.exit_code == 0, (result.output, result.exception)
    return result.stdout


def mistake(*arguments: str, input: str | None = None) -> str:
    result = CliRunner().invoke(app, [*arguments], input=input)
    assert isinstance(result.exception, OperatorError), result.output
    return str(result.exception)


@pytest.mark.parametrize("before", ["-- all of them\n", "--all of them\n", "--\n"])
def test_sql_may_begin_with_a_comment(lake, before):
    assert printed("query", lake, before + NAMES, "--csv") == "name\na.pdf\nb.pdf\n"


def test_a_ready_question_that_was_printed_can_be_asked(lake):
    question = printed("sql", lake, "--query", "cost_per_run")
    assert question.startswith("--")
    assert printed("query", lake, question, "--csv") == printed("ask", lake, "cost_per_run", "--csv")


def test_a_mistyped_flag_is_not_taken_for_sql(lake):
    result = CliRunner().invoke(app, ["query", lake, "--cvs", "select 1"])
    assert (result.exit_code, "No such option" in result.output) == (2, True)


def test_sql_comes_from_a_file_or_standard_input(lake, tmp_path):
    (tmp_path / "q.sql").write_text(NAMES)
    asked = [
        printed("query", lake, NAMES, "--csv"),
        printed("query", lake, "-f", str(tmp_path / "q.sql"), "--csv"),
        printed("query", lake, "-f", "-", "--csv", input=NAMES),
        printed("query", lake, "--csv", input=NAMES),
    ]
    assert set(asked) == {"name\na.pdf\nb.pdf\n"}


def test_a_parameter_is_a_number_a_date_or_a_text_as_what_it_is_compared_with(lake):
    sql = "select page_index from pages where page_index = $page and ingest_date > $day and name = $name".replace(
        "pages", "current_pages"
    )
    assert printed("query", lake, sql, "-p", "page=1", "-p", "day=2026-01-01", "-p", "name=a.pdf", "--csv") == "page_index\n1\n"
    assert printed("query", lake, "select $x as x", "--param", "x=it's = 1", "--raw") == "it's = 1\n"


def test_a_file_has_all_rows_and_stdout_none(lake, tmp_path):
    result = CliRunner().invoke(app, ["query", lake, "select * from range(1000)", "--out", str(tmp_path / "x.parquet")])
    assert (result.stdout, result.stderr) == ("", f"1000 rows in {tmp_path / 'x.parquet'}\n")
    assert pq.read_table(tmp_path / "x.parquet").num_rows == 1000


def test_parquet_goes_through_a_pipe(lake, tmp_path):
    result = CliRunner().invoke(app, ["query", lake, NAMES, "--format", "parquet"])
    (tmp_path / "x.parquet").write_bytes(result.stdout_bytes)
    assert pq.read_table(tmp_path / "x.parquet").to_pylist() == [{"name": "a.pdf"}, {"name": "b.pdf"}]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["select 1", "--csv", "--json"], "--csv and --json ask for two formats"),
        (["select 1", "--format", "csv", "--raw"], "--format csv and --raw ask for two formats"),
        (["select 1", "--parquet", "x.parquet", "--out", "y.parquet"], "name two files"),
        (["select 1", "--format", "xlsx"], "there is no format 'xlsx'; there are table, line, csv"),
        (["select 1", "--out", "x.xlsx"], "add --format"),
        (["select 1, 2", "--raw"], "one column; there are 2"),
        (["select $x", "--param", "x"], "write NAME=VALUE"),
        (["select $x"], "Values were not provided"),
        (["select 1", "-p", "x=1"], "Expected 0, got 1"),
        (["select 1", "-f", "q.sql"], "given twice"),
        (["select $x", "-p", "x=1", "-p", "$x=2"], "--param x is given twice"),
        (["-f", "not there.sql"], "not there.sql cannot be read: No such file or directory."),
        (["select * from current_page"], "there is no table or view current_page; did you mean current_pages?"),
        (["select 1 from pages join zzz on true"], "there is no table or view zzz; there are documents, pages, blocks"),
        (["select 1 frm pages limit"], 'Parser Error: syntax error at or near "pages"\nLINE 1: select 1 frm pages limit$'),
        (["select 1", "--ui"], "choose one"),
        ([], "There is no SQL"),
    ],
)
def test_what_cannot_be_asked_is_one_sentence(lake, arguments, sentence):
    assert sentence in mistake("query", lake, *arguments) + "$"


@pytest.mark.parametrize(
    "command",
    [["query", "OUT", NAMES], ["ask", "OUT", "cost_per_run", "--csv"], ["search", "OUT", "word"], ["failures", "OUT"]],
    ids=lambda command: command[0],
)
def test_no_answer_from_a_place_without_documents_asks_whether_it_is_the_right_one(lake, tmp_path, command):
    def hint(place: str) -> str:
        result = CliRunner().invoke(app, [place if part == "OUT" else part for part in command])
        assert result.exit_code == 0
        return result.stderr

    assert hint(str(tmp_path)) == f"No document has been read into {tmp_path} yet: is it the right place?\n"
    assert hint(lake) == ""


def test_no_words_are_nothing_to_search_for(lake):
    assert "no words" in mistake("search", lake, " ")


def test_a_question_is_asked_with_its_parameters(lake):
    rows = printed("ask", lake, "pages_to_review", "--param", "flagged=no", "--json").splitlines()
    assert [(row["name"], row["page_index"]) for row in map(json.loads, rows)] == [("a.pdf", 1), ("b.pdf", 1)]
    assert "has no parameter 'page'" in mistake("ask", lake, "pages_to_review", "-p", "page=1")
    assert "is a number, such as 0.8, not 'high'" in mistake("ask", lake, "pages_to_review", "-p", "confidence=high")
    assert "--param is a parameter of a question, and none is named" in mistake("ask", lake, "-p", "confidence=0.8")


def test_the_list_of_questions_has_their_parameters(lake):
    out = printed("ask", lake)
    assert "  --param confidence='0.8'  the engine's own confidence" in out
    assert f"pagefold ask {lake} " in out


# DuckDB's own shell


def invoked(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> Any:
    """CliRunner's standard input is no terminal whatever it is given."""
    monkeypatch.setattr("pipeline.commands.ask.is_terminal", lambda: True)
    return CliRunner().invoke(app, ["query", *arguments])


def test_without_sql_on_a_terminal_and_without_a_shell_it_says_how(lake, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "duckdb.org/install" in str(invoked(monkeypatch, lake).exception)


@pytest.mark.parametrize(("flags", "more"), [([], []), (["--ui"], ["-ui"])])
def test_without_sql_on_a_terminal_duckdbs_shell_opens_on_the_views(lake, monkeypatch, tmp_path, flags, more):
    program = tmp_path / "duckdb"
    program.write_text(f'#!/bin/sh\necho "$@" > {tmp_path}/arguments; /bin/cat "$2" > {tmp_path}/script; exit 3\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path) + os.pathsep + os.defpath)
    assert invoked(monkeypatch, lake, *flags).exit_code == 3
    init, script, *rest = (tmp_path / "arguments").read_text().split()
    assert (init, rest, Path(script).exists()) == ("-init", more, False)
    assert "CREATE OR REPLACE VIEW current_pages" in (tmp_path / "script").read_text()
