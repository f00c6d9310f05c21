"""Any command: its help, a mistake of the operator, and a bug of ours."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline import preview, runner
from pipeline.reporting import terminal as report
from pipeline.reporting.summary import Summary
from schemas.errors import OperatorError


@pytest.mark.slow
def test_help_names_every_command_and_imports_nothing_heavy():
    code = (
        "import sys\n"
        "from pipeline.cli import app\n"
        "try: app(['--help'])\n"
        "except SystemExit: pass\n"
        "heavy = {'ray', 'pyarrow', 'pymupdf', 'duckdb', 'numpy', 'boto3', 'torch', 'pydantic'} & sys.modules.keys()\n"
        "sys.exit(f'imported {heavy}' if heavy else 0)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stderr
    for command in ("run", "watch", "plan", "status", "failures", "retry", "gc", "query", "ask", "export", "report", "demo"):
        assert f"  {command} " in done.stdout


def last_log(err: str) -> str:
    """What the log says that a bug's sentence ends with; removes it."""
    log = Path(err.rpartition(" ")[2].strip())
    text = log.read_text()
    shutil.rmtree(log.parent)
    return text


@pytest.mark.parametrize("words", ["last words of Ray\n", ""])
def test_a_bug_of_a_run_is_a_sentence_that_names_the_log_with_its_traceback(pagefold, monkeypatch, words):
    def run(*_: object, **__: object) -> Summary:
        os.write(2, words.encode())
        raise TypeError("a bug\n\x1b[31mof two lines")

    monkeypatch.setattr(runner, "run", run)
    code, out, err = pagefold("run", "in", "out", "-q")
    assert (code, out) == (1, "")
    assert err.startswith("pagefold: unexpected TypeError: a bug [31mof two lines; this is a bug, ")
    assert err.count("\n") == 1
    said = last_log(err)
    assert said.startswith(words)
    assert "Traceback (most recent call last)" in said
    assert "in run" in said


def test_a_bug_of_a_command_without_a_log_gets_one(pagefold, monkeypatch):
    monkeypatch.setattr(preview, "plan", lambda *_, **__: [][1])
    code, out, err = pagefold("plan", "in", "out")
    assert (code, out) == (1, "")
    assert err.startswith("pagefold: unexpected IndexError: list index out of range; ")
    assert "IndexError" in last_log(err)


def test_a_bug_where_no_log_can_be_written_is_on_stderr(pagefold, monkeypatch):
    def nowhere() -> None:
        raise OperatorError("There is no temporary folder to write to.")

    monkeypatch.setattr(report, "RunLog", nowhere)
    monkeypatch.setattr(preview, "plan", lambda *_, **__: [][1])
    code, _, err = pagefold("plan", "in", "out")
    assert code == 1
    assert err.splitlines()[-1].endswith("Its traceback stands above: no log can be written.")


@pytest.mark.parametrize(
    ("args", "part"),
    [
        (["run", "in"], "Missing argument"),
        (["run", "in", "out", "--engin", "x"], "No such option"),
        (["run", "in", "out", "--engine", "gpt"], "engine.name: input should be"),
        (["run", "in", "out", "--set", "render.dpimax=2"], "did you mean render.dpi_max"),
        (["plan", "in", "out", "--pages", "x"], "input.pages: 'x' is no choice of pages, such as 1-3,7,10-"),
        (["retry", "out", "--kind", "bad_jsn"], "did you mean bad_json"),
        (["failures", "out", "--kind", "zzz"], "no failure kind 'zzz'"),
        (["query", "missing", "select 1"], "There is no folder missing"),
        (["query", ".", "select nothing"], "nothing"),
        (["schema", "--table", "page"], "there are documents, pages"),
        (["status", "gs://b/x"], "neither a local folder"),
        (["sql", "out", "--since", "2026-01-31"], "it takes --dialect athena"),
        (["sql", "s3://b/lake", "--dialect", "athena", "--since", "January"], "--since January is no date, such as 2026-01-01"),
        (["sql", "out", "--param", "name=a.pdf"], "it takes --query"),
        (["sql", "out", "--dialect", "dbt", "--query", "page_blocks"], "it takes no --query"),
        (["sql", "out", "--dialect", "snow"], "there are duckdb, athena, spark, and dbt"),
        (["retry", "missing", "--engine", "scripted", "-q"], "missing holds no plan, so nothing can have failed there"),
        (["demo", "--output", "."], "--output is a folder with a name, not ."),
        (["demo", "--output", "s3://bucket/out"], "works on this machine alone"),
        (["nonsense"], "No such command"),
    ],
)
def test_an_operator_mistake_is_one_sentence_and_exit_code_2(pagefold, args, part):
    code, out, err = pagefold(*args)
    assert (code, out) == (2, "")
    assert part in err
    assert "Traceback" not in err
