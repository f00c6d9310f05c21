"""What the README files generate from the code, between `<!-- name -->` and `<!-- /name -->`. `make docs` writes it.

`--demo` also runs `pagefold demo` and pastes what it printed.
"""

import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, get_args

from pydantic import SecretStr

from pipeline.analytics.dictionary import columns_of, type_name
from pipeline.analytics.questions import questions
from pipeline.analytics.view_columns import DESCRIBED_VIEWS, view_columns
from pipeline.config import Setting, all_settings
from schemas.answers import ChartKind
from schemas.failure import KINDS, Task
from schemas.flags import FLAGS
from schemas.settings import EnginesSettings
from schemas.tables import COLUMNS
from tests.pipeline.analytics.documented_answers import answers

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
# The pages of the docs: the first one, and one for each folder.
FOLDERS = ("schemas", "pipeline", "workers", "infra", "tests")
PAGES = {name: ROOT / name for name in ("README.md", *(f"{folder}/README.md" for folder in FOLDERS))}


def settings() -> str:
    lines = ["| setting | default | what it does |", "|---|---|---|"]
    own = {f"engine.{task}": EnginesSettings.model_fields[task] for task in get_args(Task)}
    for setting in all_settings():
        table = next((name for name in own if setting.name.startswith(f"{name}.")), None)
        if table is None:
            lines.append(f"| `{setting.name}` | {_default(setting)} | {_cell(setting.info.description or '')} |")
        elif setting.name == f"{table}.name":
            lines.append(f"| `{table}.*` |  | {_cell(own[table].description or '')} |")
    return "\n".join(lines)


def failures() -> str:
    lines = ["| kind | what it means | what to do |", "|---|---|---|"]
    for kind, info in KINDS.items():
        again = "; the next runs try it again by themselves" if info.is_transient else ""
        lines.append(f"| `{kind}` | {_cell(info.meaning)} | {_cell(info.what_to_do)}{again} |")
    return "\n".join(lines)


def flags() -> str:
    return "\n".join(["| flag | what it means |", "|---|---|", *(f"| `{flag}` | {_cell(text)} |" for flag, text in FLAGS.items())])


def columns() -> str:
    parts = []
    for table in COLUMNS:
        rows = [
            f"| `{column.name}` | {type_name(column)}{', null' if column.nullable else ''} | {_cell(column.description)} |"
            for column in columns_of(table)
        ]
        head = [
            f"<details><summary><code>{table}</code>: {len(rows)} columns</summary>",
            "",
            "| column | type | what it says |",
            "|---|---|---|",
        ]
        parts.append("\n".join([*head, *rows, "", "</details>"]))
    return "\n\n".join(parts)


def views() -> str:
    lines = ["| view | its rows | its columns |", "|---|---|---|"]
    for view, shown in DESCRIBED_VIEWS.items():
        names = [column.name for column in view_columns()[view]]
        has_all = {column.name for column in columns_of(shown.table)} <= set(names)
        listed = ", ".join(f"`{name}`" for name in (shown.own if has_all else names))
        lines.append(f"| `{view}` | {_cell(shown.sentence)} | {f'those of `{shown.table}`, ' if has_all else ''}{listed} |")
    return "\n".join(lines)


def chart_kinds() -> str:
    return ", ".join(f"`{kind}`" for kind in get_args(ChartKind) if kind != "none")


def commands() -> str:
    from typer.main import get_command

    from pipeline.cli import app

    lines = ["| command | what it does |", "|---|---|"]
    for name, command in get_command(app).commands.items():  # type: ignore[attr-defined]
        arguments = [parameter for parameter in command.params if parameter.param_type_name == "argument"]
        shown = "".join(f" {argument.metavar or argument.name.upper()}" for argument in arguments)
        lines.append(f"| `pagefold {name}{shown}` | {_cell(' '.join((command.help or '').split()))} |")
    return "\n".join(lines)


def ready_questions() -> str:
    lines = ["| question | what it answers | parameters |", "|---|---|---|"]
    for question in questions().values():
        parameters = ", ".join(f"`{parameter.name}`" for parameter in question.parameters)
        lines.append(f"| [`{question.name}`](analytics/queries/{question.name}.sql) | {_cell(question.sentence)} | {parameters} |")
    return "\n".join(lines)


def metrics() -> str:
    from pipeline.reporting.metrics import Metrics

    lines = ["| metric | labels | what it says |", "|---|---|---|"]
    for name, labels, text in Metrics().described:
        lines.append(f"| `{name}` | {', '.join(f'`{label}`' for label in labels)} | {_cell(text)} |")
    return "\n".join(lines)


GENERATED = {
    "settings": settings,
    "failures": failures,
    "flags": flags,
    "columns": columns,
    "views": views,
    "chart_kinds": chart_kinds,
    "commands": commands,
    "questions": ready_questions,
    "metrics": metrics,
}

# Generated part -> the page that has it.
WHERE = {
    "settings": "schemas/README.md",
    "failures": "schemas/README.md",
    "flags": "schemas/README.md",
    "columns": "schemas/README.md",
    "views": "schemas/README.md",
    "chart_kinds": "schemas/README.md",
    "commands": "README.md",
    "questions": "pipeline/README.md",
    "metrics": "infra/README.md",
}


ANSWERS_PAGE = "pipeline/README.md"
"""It has the answers of `tests.pipeline.analytics.documented_answers`."""


def replaced(text: str, name: str, body: str) -> str:
    """A page's text with the part of that name renewed. Raises ValueError where its markers are missing or doubled."""
    pattern = re.compile(rf"(<!-- {name} -->\n).*?(<!-- /{name} -->)", re.DOTALL)
    text, count = pattern.subn(lambda match: f"{match[1]}{body}\n{match[2]}", text)
    if count != 1:
        raise ValueError(f"the page has {count} parts called {name}")
    return text


def refreshed(page: str, text: str) -> str:
    """The text of that page with its generated parts renewed."""
    for name, make in GENERATED.items():
        if WHERE[name] == page:
            text = replaced(text, name, make())
    return text


def demo_output() -> str:
    """What `pagefold demo` prints on stdout in a fresh folder."""
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            [sys.executable, "-m", "pipeline", "demo", "--quiet"],
            cwd=folder,
            env=_environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=600,
            check=True,
        )
    return done.stdout.rstrip()


def steady(output: str) -> str:
    """Without what differs from run to run and from machine to machine: times, the spaces that tables pad with, and what the
    OCR read (its last digit of arithmetic is the processor's)."""
    output = re.sub(r"\d+ min \d+ s|[\d.]+ s\b", "N s", output)
    lines = (" ".join(line.split()) for line in output.splitlines())
    return "\n".join(re.sub(r"^(\S+ ocr) .*", r"\1", line) for line in lines).strip()


def pasted_demo(text: str) -> str:
    match = re.search(r"<!-- demo -->\n```text\n(.*?)\n```\n<!-- /demo -->", text, re.DOTALL)
    if match is None:
        raise ValueError("README.md has no demo output")
    return match[1]


def _environment() -> dict[str, str]:
    import os

    return os.environ | {"PYTHONPATH": str(ROOT), "COLUMNS": "110", "PYTHONIOENCODING": "utf-8"}


def _default(setting: Setting) -> str:
    value: Any = setting.default
    if value is None or value == []:
        return ""
    if isinstance(value, SecretStr | bytes):
        return ""
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, list):
        return f"`{','.join(map(str, value))}`"
    if isinstance(value, int) and value >= 2**20 and value % 2**20 == 0:
        return f"`{value}` ({value // 2**20} Mi)"
    return f"`{value}`"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


if __name__ == "__main__":
    for page, path in PAGES.items():
        path.write_text(refreshed(page, path.read_text("utf-8")), "utf-8")
    page = PAGES[ANSWERS_PAGE]
    page.write_text(replaced(page.read_text("utf-8"), "answers", answers()), "utf-8")
    if "--demo" in sys.argv[1:]:
        README.write_text(replaced(README.read_text("utf-8"), "demo", f"```text\n{demo_output()}\n```"), "utf-8")
