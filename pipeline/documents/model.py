"""A document as it was read: the newest good answers, as the views choose them. Its JSON is what `pagefold export` writes, and
`schemas/document.schema.json` is made of it.

Boxes are left, top, right, bottom in pixels of the rendered page, origin top left. What was not seen is null, never 0 or "".
"""

from collections.abc import Iterator
from datetime import datetime
from typing import Any, Literal

import pyarrow as pa

from schemas.frozen import Frozen
from schemas.page import Box
from schemas.records import BlockKind, ChartStatus, DocumentStatus, PageStatus

FORMAT_VERSION = 1
"""Of the JSON: raised when a field changes its meaning; fields are only ever added otherwise."""


class ReadCell(Frozen):
    row_index: int
    column_index: int
    row_span: int
    column_span: int
    is_header: bool
    text: str
    header: str | None = None
    """Of its column, levels joined by ` | `."""
    row_label: str | None = None
    value: float | None = None
    """The text as a number in `unit`, multiplier applied."""
    unit: str | None = None
    scale: float | None = None
    time: datetime | None = None


class ReadTable(Frozen):
    page_index: int
    table_index: int
    """On its page."""
    block_index: int
    caption: str | None = None
    num_rows: int
    num_columns: int
    num_header_rows: int
    continued_on_page: int | None = None
    box: Box | None = None
    confidence: float | None = None
    flags: list[str] = []
    cells: list[ReadCell] = []
    """In reading order."""

    def rows(self) -> list[list[str]]:
        """Texts by row and column, all rows of one length; a spanned cell's text stands in its first place."""
        texts = [[""] * self.num_columns for _ in range(self.num_rows)]
        for cell in self.cells:
            texts[cell.row_index][cell.column_index] = cell.text
        return texts

    def column_names(self) -> list[str]:
        """The headers of the columns; those without one, or with one that came before, have their number."""
        names: list[str] = []
        headers = {column: cell.header for cell in self.cells for column in [cell.column_index] if cell.header}
        for column in range(self.num_columns):
            name = headers.get(column) or f"column_{column}"
            names.append(name if name not in names else f"{name} ({column})")
        return names

    def to_arrow(self) -> pa.Table:
        """The rows below the header, with its texts as names. A column whose filled cells are all numbers is one of numbers."""
        columns: list[list[Any]] = [[None] * (self.num_rows - self.num_header_rows) for _ in range(self.num_columns)]
        numeric = [True] * self.num_columns
        for cell in self.cells:
            if cell.row_index < self.num_header_rows:
                continue
            columns[cell.column_index][cell.row_index - self.num_header_rows] = cell
            numeric[cell.column_index] &= cell.value is not None or not cell.text
        arrays = []
        for column, is_numeric in zip(columns, numeric, strict=True):
            has_any = any(cell and cell.text for cell in column)
            if is_numeric and has_any:
                arrays.append(pa.array([cell and cell.value for cell in column], pa.float64()))
            else:
                arrays.append(pa.array([(cell and cell.text) or None for cell in column], pa.string()))
        return pa.Table.from_arrays(arrays, names=self.column_names())

    def goes_on_as(self, other: "ReadTable") -> bool:
        """True if the other table is the rest of this one. The first table of the page where this one went on need not be, because
        that page may have been read again since, in other columns."""
        return (
            (other.page_index, other.table_index) == (self.continued_on_page, 0)
            and other.num_columns == self.num_columns
            and (not other.num_header_rows or other._header() == self._header())
        )

    def _header(self) -> list[str]:
        return [cell.text for cell in self.cells if cell.row_index < self.num_header_rows]

    def joined(self, other: "ReadTable") -> "ReadTable":
        """With the rows of the table that it goes on as; a header that is printed there again is left out."""
        skipped = other.num_header_rows
        moved = [
            cell.model_copy(update={"row_index": cell.row_index - skipped + self.num_rows})
            for cell in other.cells
            if cell.row_index >= skipped
        ]
        return self.model_copy(
            update={
                "cells": [*self.cells, *moved],
                "num_rows": self.num_rows + other.num_rows - skipped,
                "continued_on_page": other.continued_on_page,
                "flags": [*self.flags, *(flag for flag in other.flags if flag not in self.flags)],
            }
        )


class ReadPoint(Frozen):
    point_index: int
    series: str | None = None
    x_text: str | None = None
    x_value: float | None = None
    x_time: datetime | None = None
    y_text: str | None = None
    value: float | None = None
    unit: str | None = None
    axis: Literal["y", "y2"] = "y"
    is_estimated: bool | None = None
    size_text: str | None = None
    size_value: float | None = None
    flags: list[str] = []


class ReadChart(Frozen):
    page_index: int
    region_index: int
    status: ChartStatus
    engine: str
    kind: str | None = None
    subtype: str | None = None
    title: str | None = None
    x_label: str | None = None
    x_unit: str | None = None
    x_scale: str | None = None
    y_label: str | None = None
    y_unit: str | None = None
    y_scale: str | None = None
    y2_label: str | None = None
    y2_unit: str | None = None
    series: list[str] = []
    box: Box | None = None
    flags: list[str] = []
    points: list[ReadPoint] = []

    def rows(self) -> list[list[str]]:
        """A header, then x and a column for each series, as printed. Where x repeats within a series (scatter), one row a point."""
        names = list(dict.fromkeys(point.series for point in self.points))
        header = [self.x_label or "x", *(name or self.y_label or "value" for name in names)]
        by_x: dict[str, dict[str | None, str]] = {}
        for point in self.points:
            row = by_x.setdefault(point.x_text or "", {})
            if point.series in row:
                return [
                    ["series", self.x_label or "x", self.y_label or "value"],
                    *([point.series or "", point.x_text or "", point.y_text or ""] for point in self.points),
                ]
            row[point.series] = point.y_text or ""
        return [header, *([x, *(row.get(name, "") for name in names)] for x, row in by_x.items())]

    def to_arrow(self) -> pa.Table:
        """One row a point."""
        return pa.Table.from_pylist([point.model_dump() for point in self.points])


class ReadFailure(Frozen):
    page_index: int | None = None
    region_index: int | None = None
    kind: str
    stage: str
    task: str | None = None
    message: str


class ReadBlock(Frozen):
    block_index: int
    kind: BlockKind
    text: str
    """Inline Markdown; tables as Markdown tables."""
    box: Box | None = None
    confidence: float | None = None


class ReadPage(Frozen):
    page_index: int
    status: PageStatus | None = None
    """None: its text was not asked for."""
    engine: str | None = None
    text_markdown: str | None = None
    text_plain: str | None = None
    languages: list[str] = []
    text_origin: str | None = None
    text_layer_agreement: float | None = None
    confidence: float | None = None
    width_px: int | None = None
    height_px: int | None = None
    is_blank: bool = False
    is_scan: bool = False
    flags: list[str] = []
    blocks: list[ReadBlock] = []
    tables: list[ReadTable] = []
    charts: list[ReadChart] = []
    failures: list[ReadFailure] = []


class ReadDocument(Frozen):
    format_version: int = FORMAT_VERSION
    name: str
    uri: str
    source_id: str
    source_version: str
    document_id: str | None = None
    media_type: str | None = None
    size_bytes: int
    last_modified: datetime
    title: str | None = None
    status: DocumentStatus
    num_pages: int | None = None
    pages: list[ReadPage] = []
    failures: list[ReadFailure] = []
    """Of the document as a whole; others stand with their page."""

    @property
    def tables(self) -> list[ReadTable]:
        """Of all pages; one that goes on over pages is one."""
        return list(_joined(self.pages))

    @property
    def charts(self) -> list[ReadChart]:
        return [chart for page in self.pages for chart in page.charts]


def _joined(pages: list[ReadPage]) -> Iterator[ReadTable]:
    open_table: ReadTable | None = None
    for page in pages:
        for table in page.tables:
            if open_table is not None and open_table.goes_on_as(table):
                open_table = open_table.joined(table)
                continue
            if open_table is not None:
                yield open_table
            open_table = table
    if open_table is not None:
        yield open_table
