"""`pagefold demo`: the examples that come along, read on this machine alone, and what came of it."""

import os
from importlib.resources import files
from pathlib import Path
from typing import Any

import duckdb
from rich.console import Console
from rich.table import Table
from rich.text import Text

from pipeline.config import resolve
from pipeline.query import as_text, connect
from pipeline.report import duration
from pipeline.summary import Summary
from schemas.failure import KINDS, FailureKind
from schemas.settings import MEBI, Settings

EXAMPLES = Path(str(files("pipeline").joinpath("examples")))

_DOCUMENTS = """
SELECT name, status, coalesce(num_pages::varchar, '?') AS pages, num_chart_candidates AS charts_seen, num_failures AS failures
FROM current_documents ORDER BY name"""
_LINES = """
SELECT name, p.page_index + 1 AS page, p.text_origin AS "from", p.text_plain
FROM current_pages p JOIN current_documents d USING (source_id)
WHERE p.num_chars > 0 AND p.page_index = 0 ORDER BY name"""
_FAILURES = """
SELECT name, f.kind, count(*) AS times, min(f.message) AS message
FROM open_failures f JOIN current_documents d USING (source_id) GROUP BY ALL ORDER BY name, f.kind"""


def demo_settings() -> Settings:
    """The engine without GPU and weights, and a private Ray with a small object store, whatever the environment names."""
    os.environ.pop("RAY_ADDRESS", None)
    return resolve({"engine.name": "classic", "ray.object_store_bytes": 160 * MEBI})


def print_findings(console: Console, output: str, summary: Summary) -> None:
    """From DuckDB, as any reader of the tables would see it."""
    connection = connect(output)
    if summary.status == "nothing_to_do":
        console.print("Nothing to do: all examples are read. This is what is in the tables:")
    else:
        console.print(f"{summary.num_documents} documents, {summary.num_pages_read} pages in {duration(summary.seconds)}.")
    _heading(console, "Documents", _DOCUMENTS)
    console.print(_table(connection.sql(_DOCUMENTS)))
    _heading(console, "The first words of each", None)
    lines = Table("name", "from", "text", box=None, padding=(0, 2, 0, 0), header_style="bold")
    for name, _, origin, text in connection.sql(_LINES).fetchall():
        lines.add_row(as_text(name), as_text(origin), Text(_shortened(text)))
    console.print(lines)
    _heading(console, "What could not be read, and why", None)
    failed = Table("name", "why", "times", "what to do", box=None, padding=(0, 2, 0, 0), header_style="bold")
    for name, kind, times, _ in connection.sql(_FAILURES).fetchall():
        info = KINDS[FailureKind(kind)]
        failed.add_row(as_text(name), f"{kind}: {info.meaning}", str(times), Text(info.what_to_do))
    console.print(failed)
    console.print()
    if not summary_has_charts(connection):
        console.print("Charts were found but not read: the engine `classic` has no model. `server` and `ovis` read them.")
    console.print(Text(f'Ask on: .venv/bin/pagefold query {output} "select name, page_index, text_plain from current_pages …"'))


def summary_has_charts(connection: duckdb.DuckDBPyConnection) -> bool:
    found = connection.sql("SELECT count(*) FROM current_charts").fetchone()
    return bool(found and found[0])


def _heading(console: Console, title: str, sql: str | None) -> None:
    console.print()
    console.print(Text(title, "bold cyan"))
    if sql:
        console.print(Text("  ".join(sql.split()), "dim"))


def _table(relation: Any) -> Table:
    table = Table(*relation.columns, box=None, padding=(0, 2, 0, 0), header_style="bold")
    for row in relation.fetchall():
        table.add_row(*(Text(as_text(value)) for value in row))
    return table


def _shortened(text: str) -> str:
    line = as_text(text)
    return line if len(line) <= 60 else line[:59] + "…"
