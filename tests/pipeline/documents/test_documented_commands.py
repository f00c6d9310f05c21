"""The commands of pipeline/README.md that show and take away, run as they stand there over the example report: they print what
it says."""

import re
import shlex
import shutil
from pathlib import Path

import pytest
from PIL import Image
from typer.testing import CliRunner

import pipeline
from pipeline.cli import app
from schemas.settings import Settings
from tests.refresh_readme import PAGES

pytestmark = pytest.mark.slow

README = PAGES["pipeline/README.md"]
EXAMPLE = Path(__file__).parents[3] / "pipeline" / "examples" / "report.pdf"


def documented() -> list[tuple[str, str]]:
    """Each command, and what the page says that it prints."""
    section = README.read_text("utf-8").partition("### One command each\n")[2].partition("\n## Taking documents away\n")[0]
    blocks = re.findall(r"^```text\n(.*?)^```", section, re.DOTALL | re.MULTILINE)
    parts = re.findall(r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", "".join(blocks), re.MULTILINE)
    assert len(parts) == 9
    return parts


def printed(command: str) -> str:
    """What it prints in this folder, without blanks at the ends of lines."""
    command, _, most = command.partition(" | head -")
    program, *arguments = shlex.split(command)
    if program == "cat":
        text = Path(arguments[0]).read_text("utf-8-sig")
    elif program == "ls":
        text = "\n".join(sorted(path.name for path in Path(arguments[0]).iterdir()))
    else:
        assert program == "pagefold"
        result = CliRunner().invoke(app, arguments, env={"COLUMNS": "150"})
        assert result.exit_code == 0, (result.output, result.exception)
        text = result.stdout
    lines = [line.rstrip() for line in text.splitlines()]
    return "\n".join(lines[: int(most)] if most else lines)


def test_what_the_page_shows_is_what_the_commands_print(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "in").mkdir()
    shutil.copy(EXAMPLE, "in")
    settings = Settings.model_validate({"output": {"images": "regions"}, "run": {"on": "local"}})
    assert pipeline.run("in", "out", settings).status == "finished"

    for command, said in documented():
        assert printed(command).strip() == "\n".join(line.rstrip() for line in said.splitlines()).strip(), command

    with Image.open("page.png") as page:
        assert page.width > 1000
    shown = Path("look/documents/report.pdf/index.html").read_text()
    chart = shown.partition('id="p1-c1"')[2].partition("</figure>")[0]
    assert chart.index("page-0002-chart-2.webp") < chart.index("<svg") < chart.index("Cold stores")
