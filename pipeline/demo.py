"""`pagefold demo` reads the packaged examples on this machine and prints what it found."""

import os
from collections.abc import Iterable
from importlib.resources import files
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from pipeline.analytics.duckdb_tables import connect
from pipeline.analytics.result_formats import as_text
from pipeline.config import resolve
from pipeline.reporting.figures import counted, duration
from pipeline.reporting.summary import Summary
from schemas.failure import KINDS, FailureKind, clean_message
from schemas.settings import MEBI, Settings

EXAMPLES = Path(str(files("pipeline").joinpath("examples")))

_DOCUMENTS = (
    "select name, status, num_pages as pages, num_chart_candidates as chart_candidates, num_failures as failures "
    "from current_documents order by name"
)
_WORDS = (
    'select name, text_origin as "from", text_plain as text from current_pages '
    "where page_index = 0 and num_chars > 0 order by name limit 5"
)
_CHARTS = (
    "select page_index, c.kind, c.title, c.num_points as points, p.series, p.x_text, p.value, p.unit from current_charts c "
    "join current_chart_points p using (source_id, page_index, region_index) where p.name = 'report.pdf' and p.point_index = 0 "
    "order by page_index, region_index"
)
_FAILURES = "select name, kind, page_index from open_failures order by name, kind, page_index"
_NEXT = "select page_index, kind, text from current_blocks where name = 'report.pdf' limit 20"
_TEXT_CELLS = 60


def demo_settings() -> Settings:
    """Settings with the engine `classic` and a private Ray with a small object store, even if the environment names a cluster.

    It runs on Ray Data although `auto` would not, to show how large amounts are read.
    """
    os.environ.pop("RAY_ADDRESS", None)
    return resolve({"engine.name": "classic", "run.on": "ray", "ray.object_store_bytes": 160 * MEBI})


def print_demo(console: Console, output: str, summary: Summary) -> None:
    """Prints the results of ready queries through DuckDB, which any reader of the tables can repeat."""
    connection = connect(output)
    if summary.status == "nothing_to_do":
        console.print("Nothing to do: all examples are read. This is what is in the tables:")
    else:
        read = f"{counted(summary.num_documents, 'document')}, {counted(summary.num_pages_read, 'page')}"
        console.print(f"{read} in {duration(summary.seconds)}.")
    _heading(console, "Documents", _DOCUMENTS)
    _print(console, ["name", "status", "pages", "chart candidates", "failures"], connection.sql(_DOCUMENTS).fetchall())
    _heading(console, "The first words of each, and where they are from", _WORDS)
    words = [(name, origin, _shortened(text)) for name, origin, text in connection.sql(_WORDS).fetchall()]
    _print(console, ["name", "from", "text"], words)
    _heading(console, "The charts of the report, read from their drawings: the first point of each", _CHARTS)
    columns = ["page", "kind", "title", "points", "series", "x", "value", "unit"]
    _print(console, columns, connection.sql(_CHARTS).fetchall())
    _heading(console, "What could not be read, and why", _FAILURES)
    failed = [(name, *_explained(kind, page)) for name, kind, page in connection.sql(_FAILURES).fetchall()]
    _print(console, ["name", "why", "what to do"], failed)
    console.print()
    ((num_left,),) = connection.sql("select count(*) from current_charts where status = 'not_asked'").fetchall()
    if num_left:
        console.print(f"{num_left} chart candidates are pictures, and were not read: the engines `server` and `ovis` read those.")
    console.print(Text(f'Ask on: pagefold query {clean_message(output)} "{_NEXT}"'), soft_wrap=True)


def _heading(console: Console, title: str, sql: str) -> None:
    console.print()
    console.print(Text(title, "bold cyan"))
    console.print(Text(sql, "dim"), soft_wrap=True)


def _print(console: Console, names: list[str], rows: Iterable[tuple[Any, ...]]) -> None:
    table = Table(*names, box=None, padding=(0, 2, 0, 0), header_style="bold")
    for row in rows:
        table.add_row(*(Text(as_text(value)) for value in row))
    console.print(table)


def _explained(kind: str, page_index: int | None) -> tuple[str, str]:
    info = KINDS[FailureKind(kind)]
    where = "" if page_index is None else f"page {page_index + 1}: "
    return f"{where}{kind}: {info.meaning}", info.what_to_do


def _shortened(text: str) -> str:
    """The beginning of the text, cut by its width on the terminal, where a Chinese character takes two cells."""
    line = Text(clean_message(text))
    line.truncate(_TEXT_CELLS, overflow="ellipsis")
    return line.plain
