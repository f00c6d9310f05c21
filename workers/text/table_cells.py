"""A table as cells: from the HTML of its block to positions, spans, header and typed values."""

import html
import re
from collections.abc import Iterator
from dataclasses import dataclass

from schemas.records import CellContent
from workers.labels.axis_units import AxisUnit, axis_unit
from workers.labels.numbers import decimal_convention, parse_number
from workers.labels.quantities import read_quantity
from workers.labels.times import parse_time
from workers.text.markdown import plain_text

MAX_CELLS = 20_000
"""Of one table; what stands beyond is in its block alone."""
_HEADER_JOIN = " | "
_ROW = re.compile(r"<tr\b[^>]*>(.*?)(?=<tr\b|</tr>|</table>|$)", re.DOTALL)
_CELL = re.compile(r"<t([hd])\b([^>]*)>(.*?)</t\1>", re.DOTALL)
_YEAR = re.compile(r"(?:1[5-9]|20|21)\d\d")
_SPAN = re.compile(r'\b(row|col)span="(\d{1,4})"')


@dataclass(frozen=True)
class TableCells:
    cells: list[CellContent]
    """In reading order."""
    num_rows: int
    num_columns: int
    num_header_rows: int
    is_cut: bool
    """It has more than MAX_CELLS."""


@dataclass(frozen=True)
class _Place:
    text: str
    row: int
    column: int
    row_span: int
    column_span: int
    is_header: bool


def table_cells(source: str, *, is_literal: bool) -> TableCells:
    """The cells of a table as `workers.text.tables.to_html` writes it. `is_literal`: the text of cells is no Markdown.

    A table without `<th>` has a header where its first row holds no number, years apart, and a later row does. The header of a
    cell is that of the columns that it begins in, from top to bottom. Numbers are read by the decimal separator that the table
    itself proves, in the unit and with the multiplier that the header names.
    """
    rows = [match[1] for match in _ROW.finditer(source)]
    places: list[_Place] = []
    is_cut = False
    for place in _places(rows, is_literal):
        if len(places) == MAX_CELLS:
            is_cut = True
            break
        places.append(place)
    num_columns = max((place.column + place.column_span for place in places), default=0)
    num_header_rows = _num_header_rows(places, len(rows))
    headers = _headers(places, num_header_rows)
    units = {column: axis_unit(None, text) for column, text in headers.items()}
    decimal = decimal_convention(place.text for place in places)
    labels = {
        row: place.text
        for place in reversed(places)
        if place.column == 0 and place.text
        for row in range(place.row, place.row + place.row_span)
    }
    cells = []
    for place in places:
        is_header = place.is_header or place.row < num_header_rows
        quantity = read_quantity(place.text, units.get(place.column, AxisUnit()), decimal=decimal) if place.text else None
        cells.append(
            CellContent(
                row_index=place.row,
                column_index=place.column,
                row_span=place.row_span,
                column_span=place.column_span,
                is_header=is_header,
                text=place.text,
                header=None if place.row < num_header_rows else headers.get(place.column),
                row_label=labels.get(place.row) if place.column else None,
                value=quantity and quantity.value,
                unit=quantity and quantity.unit,
                scale=quantity and quantity.scale,
                time=parse_time(place.text) if place.text and quantity is None else None,
                flags=["number_ambiguous"] if quantity and quantity.is_ambiguous else [],
            )
        )
    return TableCells(cells, len(rows), num_columns, num_header_rows, is_cut)


def _places(rows: list[str], is_literal: bool) -> Iterator[_Place]:
    reached: dict[int, int] = {}
    """Column -> the first row that no cell from above reaches down to."""
    for row, body in enumerate(rows):
        column = 0
        for kind, attributes, inner in _CELL.findall(body):
            while reached.get(column, 0) > row:
                column += 1
            spans = {name: max(1, int(size)) for name, size in _SPAN.findall(attributes)}
            row_span, column_span = min(spans.get("row", 1), len(rows) - row), spans.get("col", 1)
            text = html.unescape(re.sub(r"<br\s*/?>", "\n", inner)).strip()
            yield _Place(text if is_literal else plain_text(text).strip(), row, column, row_span, column_span, kind == "h")
            for covered in range(column, column + column_span):
                reached[covered] = row + row_span
            column += column_span


def _num_header_rows(places: list[_Place], num_rows: int) -> int:
    if any(place.is_header for place in places):
        body = {place.row for place in places if not place.is_header}
        return next((row for row in range(num_rows) if row in body), num_rows)
    numbers = {place.row for place in places if place.column and parse_number(place.text) and not _YEAR.fullmatch(place.text)}
    return 1 if numbers and 0 not in numbers and any(place.row == 0 and place.text for place in places) else 0


def _headers(places: list[_Place], num_header_rows: int) -> dict[int, str]:
    """Of each column, the texts of its header from top to bottom, each once."""
    texts: dict[int, list[str]] = {}
    for place in places:
        if place.row < num_header_rows and place.text:
            for column in range(place.column, place.column + place.column_span):
                above = texts.setdefault(column, [])
                if not above or above[-1] != place.text:
                    above.append(place.text)
    return {column: _HEADER_JOIN.join(" ".join(text.split()) for text in above) for column, above in texts.items()}
