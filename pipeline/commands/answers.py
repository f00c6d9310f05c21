"""Flags that say how rows are printed, for the commands that ask the tables."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.commands.output import console
from schemas.errors import OperatorError

if TYPE_CHECKING:
    from pipeline.analytics.result_formats import Rows

ParamFlag = Annotated[
    list[str] | None, typer.Option("-p", "--param", metavar="NAME=VALUE", help="Value of a parameter, $NAME in SQL; repeatable.")
]
FormatFlag = Annotated[
    str | None,
    typer.Option("--format", help="table, line, csv, csv-raw, json, jsonl, markdown, parquet; by the suffix of --out."),
]
OutFlag = Annotated[Path | None, typer.Option("--out", metavar="FILE", help="Write all rows to this file, and say how many.")]
RawFlag = Annotated[bool, typer.Option("--raw", help="Print the values of the one column, and nothing else.")]
CsvFlag = Annotated[
    bool, typer.Option("--csv", help="CSV; a text that begins like a formula (= + - @) has an apostrophe before it.")
]
RawCsvFlag = Annotated[bool, typer.Option("--csv-raw", help="CSV, every text as it is.")]
JsonLinesFlag = Annotated[bool, typer.Option("--json", help="One JSON object per row, as --format jsonl.")]
ParquetFlag = Annotated[Path | None, typer.Option("--parquet", metavar="FILE", help="As --format parquet --out FILE.")]


class Shape:
    """What the flags ask for: a format, and a file. Raises OperatorError where they ask for two."""

    def __init__(
        self, format: str | None, out: Path | None, *, raw: bool, csv: bool, csv_raw: bool, json: bool, parquet: Path | None
    ) -> None:
        from pipeline.analytics.result_formats import Format, format_of

        if format is not None and format not in set(Format) - {Format.raw}:
            raise OperatorError(f"there is no format {format!r}; there are {', '.join(set_ for set_ in Format if set_ != 'raw')}.")
        asked = {
            f"--format {format}": format and Format(format),
            "--raw": Format.raw if raw else None,
            "--csv": Format.csv if csv else None,
            "--csv-raw": Format.csv_raw if csv_raw else None,
            "--json": Format.jsonl if json else None,
            "--parquet": Format.parquet if parquet else None,
        }
        flags = [flag for flag, kind in asked.items() if kind]
        if len(flags) > 1:
            raise OperatorError(f"{' and '.join(flags)} ask for two formats; choose one.")
        if parquet and out:
            raise OperatorError("--parquet and --out name two files; choose one.")
        self.path = parquet or out
        named = next((kind for kind in asked.values() if kind), None)
        self.format: Format = named or (format_of(self.path) if self.path else Format.table)

    def show(self, rows: "Rows") -> None:
        """On stdout, or in the file."""
        from pipeline.analytics.result_formats import Format, print_rows, write_file, write_rows
        from pipeline.reporting.figures import counted

        if self.path is not None:
            count = write_file(rows, self.path, self.format)
            sys.stderr.write(f"{counted(count, 'row')} in {self.path}\n")
        elif self.format in (Format.table, Format.line):
            print_rows(console(), rows, self.format)
        elif self.format is not Format.parquet:
            write_rows(rows, sys.stdout, self.format)
        elif sys.stdout.isatty():
            raise OperatorError("Parquet is nothing for a terminal: add --out FILE.")
        else:
            write_rows(rows, sys.stdout.buffer, self.format)


def values_of(params: list[str] | None) -> dict[str, str]:
    """By name. Raises OperatorError for one without a value, or with two."""
    values: dict[str, str] = {}
    for param in params or ():
        name, equals, value = param.partition("=")
        if not (name and equals):
            raise OperatorError(f"--param {param}: write NAME=VALUE.")
        name = name.removeprefix("$")
        if name in values:
            raise OperatorError(f"--param {name} is given twice; choose one.")
        values[name] = value
    return values
