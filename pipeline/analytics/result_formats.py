"""The rows of a query as a table, lines, CSV, JSON, Markdown or Parquet, batch by batch: on a terminal, in a pipe or a file."""

import base64
import csv
import itertools
import json
import math
import os
import re
import sys
from collections.abc import Callable, Iterable, Iterator
from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from typing import IO, Any, Literal, Protocol

import pyarrow as pa
import pyarrow.parquet as pq
from rich.cells import cell_len
from rich.console import Console
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from pipeline.reporting.figures import counted
from schemas.errors import OperatorError
from schemas.failure import clean_message, storable_text

ROWS_MAX = 200
"""Of a table or lines on the terminal; the other formats have all rows."""
CELL_MAX_CHARS = 120
"""In a table; the other formats have all of it."""
COLUMN_MIN_CELLS = 14
"""Of a text in a table that is cropped; where even that is too wide, the table becomes lines."""
_GAP_CELLS = 2


class Format(StrEnum):
    table = "table"
    line = "line"
    csv = "csv"
    csv_raw = "csv-raw"
    json = "json"
    jsonl = "jsonl"
    markdown = "markdown"
    parquet = "parquet"
    raw = "raw"


SUFFIXES = {
    ".csv": Format.csv,
    ".json": Format.json,
    ".jsonl": Format.jsonl,
    ".ndjson": Format.jsonl,
    ".md": Format.markdown,
    ".parquet": Format.parquet,
    ".txt": Format.table,
}


class Rows(Protocol):
    """A result that is read once; pa.RecordBatchReader is one."""

    @property
    def schema(self) -> pa.Schema: ...
    def __iter__(self) -> Iterator[pa.RecordBatch]: ...


def format_of(path: Path) -> Format:
    """By the file's suffix. Raises OperatorError for one that says nothing."""
    if (found := SUFFIXES.get(path.suffix.lower())) is None:
        raise OperatorError(f"{path}: add --format, or a suffix that says it: {', '.join(SUFFIXES)}.")
    return found


def write_file(rows: Rows, path: Path, kind: Format) -> int:
    """Writes all rows into `path`, which is replaced once they are all there, and gives their number. Raises OperatorError."""
    part = path.parent / f".{path.name}.{os.getpid()}.part"
    try:
        with part.open("wb") if kind is Format.parquet else part.open("w", encoding="utf-8", newline="\n") as file:
            count = write_rows(rows, file, kind)
        part.replace(path)
    except OSError as error:
        raise OperatorError(f"{path} cannot be written: {error.strerror or error}.") from None
    finally:
        part.unlink(missing_ok=True)
    return count


def write_rows(rows: Rows, stream: IO[Any], kind: Format) -> int:
    """Writes all rows in that format, however many, and gives their number. On a terminal, control characters are replaced."""
    if kind is Format.parquet:
        return _write_parquet(rows, stream)
    if kind in (Format.table, Format.line):
        return print_rows(Console(file=stream, highlight=False, width=120), rows, kind, rows_max=sys.maxsize)
    names = rows.schema.names
    shown: Callable[[str], str] = storable_text if stream.isatty() else str
    if kind is Format.raw and len(names) != 1:
        raise OperatorError(f"--raw prints the values of one column; there are {len(names)}: {', '.join(names)}.")
    values, count = _counted(itertools.chain.from_iterable(map(_tuples, rows)))
    write: dict[Format, Callable[[], Iterable[str]]] = {
        Format.csv: lambda: _csv_lines(names, values, shown, is_raw=False),
        Format.csv_raw: lambda: _csv_lines(names, values, shown, is_raw=True),
        Format.json: lambda: _json_lines(names, values),
        Format.jsonl: lambda: (f"{_json_row(names, row)}\n" for row in values),
        Format.markdown: lambda: _markdown_lines(names, values, shown),
        Format.raw: lambda: (f"{shown(plain(value))}\n" for (value,) in values),
    }
    for line in write[kind]():
        stream.write(line)
    return count()


def _counted(values: Iterator[tuple[Any, ...]]) -> tuple[Iterator[tuple[Any, ...]], Callable[[], int]]:
    seen = 0

    def each() -> Iterator[tuple[Any, ...]]:
        nonlocal seen
        for row in values:
            seen += 1
            yield row

    return each(), lambda: seen


def _tuples(batch: pa.RecordBatch) -> Iterator[tuple[Any, ...]]:
    """By place, not by name: two columns may have one name."""
    return zip(*(column.to_pylist() for column in batch.columns), strict=True)


def _write_parquet(rows: Rows, stream: IO[bytes]) -> int:
    if len(set(rows.schema.names)) < len(rows.schema.names):
        raise OperatorError(f"Parquet wants a name of its own for each column: {', '.join(rows.schema.names)}.")
    count = 0
    with pq.ParquetWriter(stream, rows.schema, compression="zstd") as writer:
        for batch in rows:
            writer.write_batch(batch)
            count += batch.num_rows
    return count


# CSV


_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
"""Spreadsheets take the wide ones, too."""
_NUMBER = re.compile(r"[+-][0-9][0-9.,]*%?")


def spreadsheet_safe(text: str) -> str:
    """With an apostrophe in front where a spreadsheet would take it for a formula: documents come from strangers."""
    return f"'{text}" if text.startswith(_FORMULA_STARTS) and not _NUMBER.fullmatch(text) else text


def _csv_lines(names: list[str], rows: Iterator[tuple[Any, ...]], shown: Callable[[str], str], *, is_raw: bool) -> Iterator[str]:
    """Unless `is_raw`, texts are `spreadsheet_safe`."""
    last = _LastLine()
    writer = csv.writer(last)  # it quotes the line breaks that its rows end with, so both kinds

    def cell(value: Any) -> str:
        return shown(spreadsheet_safe(value) if isinstance(value, str) and not is_raw else plain(value))

    for row in itertools.chain([tuple(names)], rows):
        writer.writerow([cell(value) for value in row])
        yield last.line.removesuffix("\r\n") + "\n"


class _LastLine:
    line = ""

    def write(self, line: str) -> int:
        self.line = line
        return len(line)


# JSON


_C1 = re.compile("[\x7f-\x9f]")
"""`json` escapes the other control characters only, and a terminal may take these for commands, too."""


def _json_lines(names: list[str], rows: Iterator[tuple[Any, ...]]) -> Iterator[str]:
    """One array, an object a line."""
    before = "[\n"
    for row in rows:
        yield f"{before}  {_json_row(names, row)}"
        before = ",\n"
    yield "[]\n" if before == "[\n" else "\n]\n"


def _json_row(names: list[str], row: tuple[Any, ...]) -> str:
    text = json.dumps(dict(zip(_distinct(names), map(_json_value, row), strict=True)), ensure_ascii=False)
    return _C1.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def _distinct(names: list[str]) -> list[str]:
    """`name`, then `name_1` for a second column of that name."""
    taken: dict[str, None] = {}
    for name in names:
        candidates = itertools.chain([name], (f"{name}_{number}" for number in itertools.count(1)))
        taken[next(candidate for candidate in candidates if candidate not in taken)] = None
    return list(taken)


def _json_value(value: Any) -> Any:
    """As JSON has it: sums are numbers, bytes are base64, what is no number is null."""
    match value:
        case None | bool() | int() | str():
            return value
        case float():
            return value if math.isfinite(value) else None
        case Decimal():
            return int(value) if value == value.to_integral_value() else float(value)
        case dict():
            return {str(key): _json_value(part) for key, part in value.items()}
        case list() | tuple():
            return [_json_value(part) for part in value]
        case bytes():
            return base64.b64encode(value).decode()
    return str(value)


# Markdown


def _markdown_lines(names: list[str], rows: Iterator[tuple[Any, ...]], shown: Callable[[str], str]) -> Iterator[str]:
    def cell(value: Any) -> str:
        text = shown(plain(value)).replace("\\", "\\\\").replace("|", "\\|")
        return "<br>".join(text.splitlines())

    yield f"| {' | '.join(map(cell, names))} |\n"
    yield f"|{'---|' * len(names)}\n"
    for row in rows:
        yield f"| {' | '.join(map(cell, row))} |\n"


# For people


def plain(value: Any) -> str:
    """All digits of a number, JSON of a list; null is empty."""
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case Decimal():
            return f"{value:f}"
        case list() | dict() | tuple():
            return json.dumps(_json_value(value), ensure_ascii=False)
        case bytes():
            return base64.b64encode(value).decode()
    return str(value)


def as_text(value: Any) -> str:
    """A cell for the terminal: one printable line, cropped; null is empty."""
    text = clean_message(plain(value)) if value is not None else ""
    return text if len(text) <= CELL_MAX_CHARS else text[: CELL_MAX_CHARS - 1] + "…"


def print_rows(console: Console, rows: Rows, kind: Format = Format.table, *, rows_max: int = ROWS_MAX) -> int:
    """The first rows and how many there are; a table that is too wide for the console is printed as lines, a column each.

    A row of a table is one line: numbers keep their digits, texts are cropped. Lines have all of it where they were asked for.
    """
    shown: list[tuple[Any, ...]] = []
    count = 0
    for batch in rows:
        shown += itertools.islice(_tuples(batch), max(0, rows_max - len(shown)))
        count += batch.num_rows
    names = [clean_message(name) for name in rows.schema.names]
    cells = [list(map(as_text, row)) for row in shown]
    widths = None if kind is Format.line else _widths(rows.schema, names, cells, console.width)
    if widths is None:
        _print_lines(console, names, shown, whole=kind is Format.line)
    else:
        _print_table(console, rows.schema, names, cells, widths)
    if count > len(shown):
        console.print(f"{len(shown)} of {count} rows; --format csv, jsonl and others, and --out FILE have them all.")
    else:
        console.print(counted(count, "row"))
    return count


def _widths(schema: pa.Schema, names: list[str], rows: list[list[str]], width: int) -> list[int] | None:
    """Of each column, in cells, so that a row is a line: numbers and times have all they need, texts share the rest.

    None where a text would have less than `COLUMN_MIN_CELLS`.
    """
    natural = [max(map(cell_len, column)) for column in zip(names, *rows, strict=True)]
    texts = [index for index, field in enumerate(schema) if not (_is_number(field.type) or pa.types.is_temporal(field.type))]
    left = width - _GAP_CELLS * len(natural) - sum(natural) + sum(natural[index] for index in texts)
    widths = list(natural)
    for place, index in enumerate(sorted(texts, key=lambda index: natural[index])):
        widths[index] = min(natural[index], left // (len(texts) - place))
        if widths[index] < min(natural[index], COLUMN_MIN_CELLS):
            return None
        left -= widths[index]
    return widths if left >= 0 else None


def _is_number(kind: pa.DataType) -> bool:
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind))


def _print_table(console: Console, schema: pa.Schema, names: list[str], rows: list[list[str]], widths: list[int]) -> None:
    table = Table(box=None, padding=(0, _GAP_CELLS, 0, 0), header_style="bold")
    for name, field, width in zip(names, schema, widths, strict=True):
        justify: Literal["left", "right"] = "right" if _is_number(field.type) else "left"
        table.add_column(_cropped(name, width), justify=justify, width=width, no_wrap=True)
    for row in rows:
        table.add_row(*(_cropped(cell, width) for cell, width in zip(row, widths, strict=True)))
    console.print(table)


def _cropped(text: str, width: int) -> Text:
    line = Text(text)
    line.truncate(width, overflow="ellipsis")
    return line


def _print_lines(console: Console, names: list[str], rows: list[tuple[Any, ...]], *, whole: bool) -> None:
    """A column a line, its name before it; a value of several lines goes on below itself."""
    width = max(map(cell_len, names), default=0)
    for number, row in enumerate(rows, start=1):
        console.print(Rule(f"row {number}", align="left", style="dim"))
        table = Table(box=None, padding=(0, 2, 0, 0), show_header=False)
        table.add_column(style="bold", min_width=width, no_wrap=True)
        table.add_column(overflow="fold")
        for name, value in zip(names, row, strict=True):
            lines = [storable_text(line) for line in plain(value).splitlines()] if whole else [as_text(value)]
            table.add_row(name, Text("\n".join(lines)))
        console.print(table)
