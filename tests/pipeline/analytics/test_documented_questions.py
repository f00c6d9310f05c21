"""Every `query`, `ask` and `sql` in the README files is run as it stands there, over a small lake."""

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from pipeline.analytics.questions import questions
from pipeline.cli import app
from tests.pipeline.analytics.documented_answers import answers
from tests.pipeline.analytics.made_lake import made_rows
from tests.pipeline.written_lake import write_lake
from tests.refresh_readme import ANSWERS_PAGE, PAGES, replaced

pytestmark = pytest.mark.slow

COMMAND = re.compile(r"^(?:\.venv/bin/)?pagefold ((?:query|ask|sql|search) .*)$", re.MULTILINE)
INLINE = re.compile(r"`pagefold ((?:query|ask|sql|search) [^`]*)`")
PLACES = ("out", "lake", "OUT", "s3://my-bucket/lake", "demo-out")
"""What the lake is called there."""

NOT_ONE = ("query OUT SQL", "ask OUT [QUESTION]", "search OUT WORDS", "query out")
"""How a command is called, and the shell."""


def documented() -> list[Any]:
    found = []
    for page, path in PAGES.items():
        text = path.read_text("utf-8")
        for block in re.findall(r"^```sh\n(.*?)^```", text, re.DOTALL | re.MULTILINE):
            found += [pytest.param(command, id=f"{page}: {command}") for command in COMMAND.findall(block)]
        prose = re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE)
        found += [pytest.param(" ".join(command.split()), id=f"{page}: {command}") for command in INLINE.findall(prose)]
    return [param for param in found if param.values[0] not in NOT_ONE]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("documented")
    (write_lake(root / "a lake", made_rows()) / "_pagefold").mkdir()
    (root / "pagefold-report").mkdir()
    (root / "pagefold-report" / "links.json").write_text("{}")
    (root / "question.sql").write_text("-- how many\nselect count(*) as n from current_pages")
    return root


@pytest.mark.parametrize("command", documented())
def test_a_documented_question_has_an_answer(folder, monkeypatch, command):
    monkeypatch.chdir(folder)
    arguments = shlex.split(re.split(r" [|>] ", command)[0].replace("NAME", next(iter(questions()))), comments=True)
    assert arguments[1] in PLACES
    is_elsewhere = arguments[0] == "sql" and "athena" in arguments
    result = CliRunner().invoke(app, [arguments[0], arguments[1] if is_elsewhere else "a lake", *arguments[2:]])
    assert result.exit_code == 0, result.output
    assert not {"0 rows", "0 pages"} & set((result.stdout + result.stderr).splitlines())
    assert result.stdout.strip() or result.stderr.strip()


def test_the_answers_in_the_docs_are_what_is_printed():
    text = PAGES[ANSWERS_PAGE].read_text("utf-8")
    assert replaced(text, "answers", answers()) == text, "run `make docs` and read the difference"


def test_there_are_documented_questions():
    assert len(documented()) > 15
