"""The rows of `tables` and `table_cells`, made of the rows of `blocks` when documents are committed: nothing is read for them."""

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields, replace
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from schemas.page import Box
from schemas.records import BOX, CellContent, Lineage, Reading, TableCellRecord, TableRecord
from schemas.tables import to_table
from workers.text.table_cells import TableCells, table_cells

_LITERAL = {"classic"}
"""Engines whose text is no Markdown, by name."""
_MARGIN = {"header", "footer", "footnote"}
"""Kinds that stand between a table and its continuation on the next page."""
_LINEAGE = [field.name for field in fields(Lineage)]
_READING = [field.name for field in fields(Reading)]
_log = logging.getLogger(__name__)

BlockRow = Mapping[str, Any]


class _Open(NamedTuple):
    source_id: str
    page_index: int
    header: tuple[str, ...]
    num_columns: int


class TableRows:
    """Takes the blocks of documents, page after page, and gives the rows of their tables once they are known in full: only the next
    page shows whether a table goes on."""

    def __init__(self) -> None:
        self._waiting: list[TableRecord] = []
        """Of the page before; the last of them may go on."""
        self._open: _Open | None = None
        """The last of them, where nothing but margins stands below it."""

    def add(self, blocks: pa.Table) -> tuple[pa.Table, pa.Table]:
        """The blocks of one chunk, in order. Gives rows of `tables`, of those that are known in full, and rows of `table_cells`."""
        tables: list[TableRecord] = []
        cells: list[TableCellRecord] = []
        if blocks.num_rows and (pc.any(pc.equal(blocks["kind"], "table")).as_py() or self._waiting):
            for page in _pages(blocks.to_pylist()):
                known, more = self._add_page(page)
                tables += known
                cells += more
        return _arrow("tables", tables), _arrow("table_cells", cells)

    def finish(self) -> pa.Table:
        """Rows of `tables`, of those that wait for a next page: there is none."""
        return _arrow("tables", self._end_page())

    def _end_page(self) -> list[TableRecord]:
        waiting, self._waiting, self._open = self._waiting, [], None
        return waiting

    def _add_page(self, page: list[BlockRow]) -> tuple[list[TableRecord], list[TableCellRecord]]:
        tables = [
            (place, block, _cells_of(block)) for place, block in enumerate(page) if block["kind"] == "table" and block["html"]
        ]
        if tables and self._open and _goes_on(self._open, page, tables[0][0], tables[0][2]):
            self._waiting[-1] = replace(self._waiting[-1], continued_on_page=page[0]["page_index"])
        known, cells = self._end_page(), []
        for index, (place, block, table) in enumerate(tables):
            record = _record(block, table, index, _caption(page, place))
            self._waiting.append(record)
            cells += [_cell(record, cell) for cell in table.cells]
        if tables and all(block["kind"] in _MARGIN for block in page[tables[-1][0] + 1 :]):
            last = tables[-1][2]
            self._open = _Open(page[0]["source_id"], page[0]["page_index"], _header(last), last.num_columns)
        return known, cells


def _pages(rows: list[dict[str, Any]]) -> Iterator[list[BlockRow]]:
    page: list[BlockRow] = []
    for row in rows:
        if page and (row["source_id"], row["page_index"]) != (page[0]["source_id"], page[0]["page_index"]):
            yield page
            page = []
        page.append(row)
    yield page


def _goes_on(before: _Open, page: list[BlockRow], place: int, table: TableCells) -> bool:
    """The first table of the page has as many columns as the last one of the page before, and no other header; only margins stand
    above it."""
    return (
        (page[0]["source_id"], page[0]["page_index"]) == (before.source_id, before.page_index + 1)
        and table.num_columns == before.num_columns > 1
        and all(above["kind"] in _MARGIN for above in page[:place])
        and (not table.num_header_rows or _header(table) == before.header)
    )


def _cells_of(block: BlockRow) -> TableCells:
    """Odd content costs the table its cells, never the commit."""
    try:
        return table_cells(block["html"], is_literal=block["engine"] in _LITERAL)
    except (ArithmeticError, LookupError, RecursionError, TypeError, ValueError):
        _log.exception("table of page %s of %s", block["page_index"], block["uri"])
        return TableCells([], 0, 0, 0, is_cut=True)


def _cell(table: TableRecord, cell: CellContent) -> TableCellRecord:
    return TableCellRecord(
        lineage=table.lineage, page_index=table.page_index, table_index=table.table_index, reading=table.reading, **vars(cell)
    )


def _header(table: TableCells) -> tuple[str, ...]:
    return tuple(cell.text for cell in table.cells if cell.row_index < table.num_header_rows)


def _caption(page: list[BlockRow], place: int) -> str | None:
    """The caption right above the table, else right below it."""
    for near in (place - 1, place + 1):
        if 0 <= near < len(page) and page[near]["kind"] == "caption":
            return str(page[near]["text"])
    return None


def _record(block: BlockRow, table: TableCells, index: int, caption: str | None) -> TableRecord:
    box = [block[side] for side in BOX]
    ambiguous = any("number_ambiguous" in cell.flags for cell in table.cells)
    return TableRecord(
        lineage=Lineage(**{name: block[name] for name in _LINEAGE}),
        page_index=block["page_index"],
        table_index=index,
        reading=Reading(**{name: block[name] for name in _READING}),
        block_index=block["block_index"],
        caption=caption,
        num_rows=table.num_rows,
        num_columns=table.num_columns,
        num_header_rows=table.num_header_rows,
        continued_on_page=None,
        bbox_px=Box(*box) if None not in box else None,
        box_origin=block["box_origin"],
        confidence=block["confidence"],
        flags=["number_ambiguous"] * ambiguous + ["cells_cut"] * table.is_cut,
    )


def _arrow(table: str, records: Sequence[TableRecord | TableCellRecord]) -> pa.Table:
    return to_table(table, [record.row() for record in records])
