"""Commands that ask the tables: SQL, and ready questions."""

import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer
from typer.core import TyperCommand

from pipeline.commands.answers import (
    CsvFlag,
    FormatFlag,
    JsonLinesFlag,
    OutFlag,
    ParamFlag,
    ParquetFlag,
    RawCsvFlag,
    RawFlag,
    Shape,
    values_of,
)
from pipeline.commands.flags import Output
from pipeline.commands.output import console, hint_at_empty, note
from schemas.errors import OperatorError

if TYPE_CHECKING:
    from collections.abc import Callable

    from pipeline.analytics.search import Place

_COMMENTED_SQL = re.compile(r"--(?![a-z-]+=)(\s|[^\n]*\n)")


class TakesSql(TyperCommand):
    """An argument that begins with an SQL comment is no flag: `query OUT "-- all of it …"`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        return super().parse_args(ctx, [f"\n{arg}" if _COMMENTED_SQL.match(arg) else arg for arg in args])


def query(
    output: Output,
    sql: Annotated[str | None, typer.Argument(help="SQL over the tables and their views.")] = None,
    file: Annotated[
        Path | None, typer.Option("-f", "--file", metavar="FILE", help="SQL from this file; - is standard input.", allow_dash=True)
    ] = None,
    param: ParamFlag = None,
    format: FormatFlag = None,
    out: OutFlag = None,
    raw: RawFlag = False,
    csv: CsvFlag = False,
    csv_raw: RawCsvFlag = False,
    json: JsonLinesFlag = False,
    parquet: ParquetFlag = None,
    ui: Annotated[bool, typer.Option("--ui", help="DuckDB's web interface, where its shell is installed.")] = False,
) -> None:
    """Ask the tables in OUT with DuckDB. Without SQL, on a terminal: DuckDB's own shell on them, where it is installed."""
    if ui or (sql is None and file is None and is_terminal()):
        if sql is not None or file is not None:
            raise OperatorError("--ui opens a shell, and SQL is asked without one; choose one.")
        open_shell(output, is_web=ui)
    shape = Shape(format, out, raw=raw, csv=csv, csv_raw=csv_raw, json=json, parquet=parquet)
    text, values = _sql_text(sql, file), values_of(param)
    from pipeline.analytics.duckdb_tables import connected, rows_of

    with connected(output, text) as connection:
        rows = rows_of(connection, text, values)
        shape.show(rows)
    hint_at_empty(output, rows.num_rows)


def ask(
    output: Output,
    question: Annotated[str | None, typer.Argument(metavar="[QUESTION]", help="One of the ready questions.")] = None,
    param: ParamFlag = None,
    format: FormatFlag = None,
    out: OutFlag = None,
    raw: RawFlag = False,
    csv: CsvFlag = False,
    csv_raw: RawCsvFlag = False,
    json: JsonLinesFlag = False,
    parquet: ParquetFlag = None,
) -> None:
    """Ask the tables in OUT one of the ready questions. Without one: list them, with their parameters."""
    from pipeline.analytics.questions import find_question, print_questions

    if question is None:
        if param:
            raise OperatorError("--param is a parameter of a question, and none is named.")
        print_questions(console(), output)
        return
    shape = Shape(format, out, raw=raw, csv=csv, csv_raw=csv_raw, json=json, parquet=parquet)
    text = find_question(question).sql("duckdb", values_of(param))
    from pipeline.analytics.duckdb_tables import connected, rows_of

    with connected(output, text) as connection:
        rows = rows_of(connection, text)
        shape.show(rows)
    hint_at_empty(output, rows.num_rows)


def is_terminal() -> bool:
    return sys.stdin.isatty()


def search(
    output: Output,
    text: Annotated[str, typer.Argument(metavar="WORDS", help='All on the page; "a phrase", -without, a OR b, name:report.')],
    limit: Annotated[int, typer.Option("--limit", min=1, max=10_000, help="Show at most this many pages.")] = 10,
    report: Annotated[str | None, typer.Option("--report", help="A folder of `pagefold report`: links lead there.")] = None,
    format: FormatFlag = None,
    out: OutFlag = None,
    csv: CsvFlag = False,
    csv_raw: RawCsvFlag = False,
    json: JsonLinesFlag = False,
    parquet: ParquetFlag = None,
) -> None:
    """Find pages by the words on them, in any script. The first search makes an index beside OUT, later ones add what is new."""
    if not text.strip():
        raise OperatorError("There are no words to search for.")
    is_shaped = bool(format or out or csv or csv_raw or json or parquet)
    shape = Shape(format, out, raw=False, csv=csv, csv_raw=csv_raw, json=json, parquet=parquet)
    from pipeline.analytics.search import as_table, print_places
    from pipeline.analytics.search import search as find

    link = _into_report(report) if report else None
    found = find(output, text, limit=limit, on_progress=lambda done, total: note(f"{done} of {total} pages are indexed"))
    if is_shaped:
        shape.show(as_table(found).to_reader())
    else:
        print_places(console(), found, link)
    hint_at_empty(output, found.num_pages)


def _into_report(report: str) -> "Callable[[Place], str]":
    """Links to where the report shows a place, at its block; to the source where it does not. Raises OperatorError."""
    from pipeline.analytics.search import source_link
    from pipeline.report.links import read_links

    links, root = read_links(report), Path(report).absolute().as_uri()

    def link(place: "Place") -> str:
        shown = links.of(place.uri, place.page_index, place.block_index)
        return f"{root}/{shown}" if shown else source_link(place)

    return link


def _sql_text(sql: str | None, file: Path | None) -> str:
    """From the argument, the file or standard input. Raises OperatorError."""
    if sql is not None and file is not None:
        raise OperatorError("SQL is given twice, as an argument and by --file; choose one.")
    if sql is None:
        if file is None or str(file) == "-":
            sql = sys.stdin.read()
        else:
            try:
                sql = file.read_text("utf-8")
            except OSError as error:
                raise OperatorError(f"{file} cannot be read: {error.strerror}.") from None
            except UnicodeDecodeError:
                raise OperatorError(f"{file} cannot be read: it is no UTF-8.") from None
    if not sql.strip():
        raise OperatorError("There is no SQL: give it as an argument, by --file, or on standard input.")
    return sql


def open_shell(output: str, *, is_web: bool) -> NoReturn:
    """DuckDB's own shell, on views over the files where they lie. Raises OperatorError where it is not installed."""
    program = shutil.which("duckdb")
    if program is None:
        raise OperatorError(
            "DuckDB's own shell is not installed (https://duckdb.org/install): with it this opens on the tables and views. "
            'Without it: pagefold query OUT "select …", --file FILE, or SQL on standard input.'
        )
    from pipeline.analytics.dialects import preferred_recipes, present_tables, render_sql

    with tempfile.TemporaryDirectory(prefix="pagefold-shell-") as folder:
        script = Path(folder) / "views.sql"
        script.write_text(
            render_sql(output, "duckdb", tables=present_tables(output, "duckdb"), preferred=preferred_recipes(output)), "utf-8"
        )
        done = subprocess.run([program, "-init", str(script), *(["-ui"] if is_web else [])], check=False)
    raise typer.Exit(done.returncode)
