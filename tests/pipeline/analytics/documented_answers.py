"""The answers that pipeline/README.md shows: each command is run over the lake of `made_lake`, and what it prints is pasted."""

import os
import shlex
from collections.abc import Iterator
from contextlib import chdir, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from typer.testing import CliRunner

from pipeline.cli import app
from tests.pipeline.analytics.made_lake import made_rows
from tests.pipeline.written_lake import write_lake

COMMANDS = {
    "The rows of tables that have a word in their header": "ask out tables_with_word --param word=sales",
    "A chart's series over the years": "ask out chart_series --param title=sales",
    "Pages whose text changed between two versions of a document": "ask out changed_pages",
    "Words on any page": 'search out "new version"',
    "Pages that the engine was not sure of": "ask out pages_to_review --param confidence=0.6 --param flagged=no --format csv",
    "Text in the lower half of a page": "ask out text_in_rectangle --param name=a.pdf --param page=1 --param top=0.5",
    "The same of a page whose words were kept": "ask out text_in_rectangle --param name=b.pdf --param page=1 --param top=0.5",
    "A document as Markdown": "ask out document_markdown --param name=a.pdf --raw",
    "Its tables as CSV": (
        'query out "select row_index, column_index, text from current_table_cells where name = $name" --param name=a.pdf --csv'
    ),
    "A page with its boxes": "ask out page_blocks --param name=a.pdf --param page=1",
    "Two models on the same pages, by words and cells": "ask out compared_pages --param first=2B --param second=9B",
    "What has changed since a run": "ask out since_run --param run=r1 --format markdown",
}


@contextmanager
def made_lake_as_out() -> Iterator[None]:
    """A folder in which the lake is called `out` is the current one; a terminal has 110 columns."""
    before = os.environ.get("COLUMNS")
    with TemporaryDirectory() as folder:
        (write_lake(Path(folder, "out"), made_rows()) / "_pagefold").mkdir()
        os.environ["COLUMNS"] = "110"
        try:
            with chdir(folder):
                yield
        finally:
            os.environ.pop("COLUMNS")
            if before is not None:
                os.environ["COLUMNS"] = before


def answers() -> str:
    """As Markdown: each question, its command and what it printed."""
    parts = []
    with made_lake_as_out():
        for question, command in COMMANDS.items():
            result = CliRunner().invoke(app, shlex.split(command))
            if result.exit_code:
                raise RuntimeError(f"{command}: {result.output}")
            printed = "\n".join(line.rstrip() for line in result.stdout.rstrip().splitlines())
            parts.append(f"{question}:\n\n```text\n$ pagefold {command}\n{printed}\n```")
    return "\n\n".join(parts)
