"""Documents out of the lake: chosen by the views, put together from their rows."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any, TypeVar

import duckdb

from pipeline.analytics.duckdb_tables import connected
from pipeline.documents.html import document_html
from pipeline.documents.markdown import document_markdown
from pipeline.documents.model import ReadBlock, ReadCell, ReadChart, ReadDocument, ReadFailure, ReadPage, ReadPoint, ReadTable
from schemas.errors import OperatorError
from schemas.frozen import Frozen
from schemas.page import Box
from schemas.records import BOX

_BATCH = 16
"""Documents that are read together: each batch asks each view once."""
_VIEWS = {
    "current_pages": "page_index",
    "current_blocks": "page_index, block_index",
    "current_tables": "page_index, table_index",
    "current_table_cells": "page_index, table_index, row_index, column_index",
    "current_charts": "page_index, region_index",
    "current_chart_points": "page_index, region_index, point_index",
    "open_failures": "page_index, region_index, kind",
}
"""View -> the order of its rows within a document."""

Row = dict[str, Any]
Model = TypeVar("Model", bound=Frozen)


class LakeDocument(ReadDocument):
    """A document out of a lake, and what can be made of it."""

    def to_markdown(self) -> str:
        """Tables as Markdown or HTML tables, charts as tables of their points."""
        return document_markdown(self)

    def to_html(self) -> str:
        """One page without scripts, which loads nothing."""
        return document_html(self)


def document(output: str, name: str) -> LakeDocument:
    """The document of this name, or of this uri, or whose uri ends so. Raises OperatorError where there is none, or several."""
    with connected(output) as connection:
        rows = _find(connection, name)
        return next(read_listed(connection, rows))


def read_documents(output: str, where: str | None = None, limit: int | None = None) -> Iterator[LakeDocument]:
    """Each document in the order of uris, a few in memory at a time. `where`: SQL over the columns of `current_documents`.

    Raises OperatorError with DuckDB's own words.
    """
    with connected(output) as connection:
        yield from read_listed(connection, listed(connection, where, limit))


def listed(connection: duckdb.DuckDBPyConnection, where: str | None = None, limit: int | None = None) -> list[Row]:
    """Rows of `current_documents` that are not deleted. Raises OperatorError."""
    condition = f"AND ({where})" if where else ""
    most = f"LIMIT {int(limit)}" if limit is not None else ""
    try:
        return _rows(connection, f"SELECT * FROM current_documents WHERE deleted_at IS NULL {condition} ORDER BY uri {most}")
    except duckdb.Error as error:
        raise OperatorError(str(error).strip()) from None


def _find(connection: duckdb.DuckDBPyConnection, name: str) -> list[Row]:
    rows = listed(connection)
    for matches in (
        [row for row in rows if row["uri"] == name],
        [row for row in rows if row["name"] == name],
        [row for row in rows if row["uri"].endswith("/" + name.lstrip("/"))],
        [row for row in rows if name.casefold() in row["name"].casefold()],
    ):
        if len(matches) == 1:
            return matches
        if matches:
            some = ", ".join(row["uri"] for row in matches[:5])
            raise OperatorError(
                f"{len(matches)} documents are called {name}: {some}{', …' if len(matches) > 5 else ''}; give the uri."
            )
    raise OperatorError(f"There is no document {name} among the {len(rows)} documents.")


def read_listed(connection: duckdb.DuckDBPyConnection, rows: Sequence[Row]) -> Iterator[LakeDocument]:
    """The documents of these rows of `current_documents`."""
    for start in range(0, len(rows), _BATCH):
        batch = rows[start : start + _BATCH]
        found = {view: _by_document(connection, view, order, batch) for view, order in _VIEWS.items()}
        for row in batch:
            key = content_of(row)
            yield _document(row, {view: of.get(key, []) for view, of in found.items()})


def content_of(row: Row) -> str:
    """What rows of one document share: its bytes, or its source where they were never fetched."""
    return str(row["document_id"] or row["source_id"])


def _by_document(connection: duckdb.DuckDBPyConnection, view: str, order: str, batch: Sequence[Row]) -> dict[str, list[Row]]:
    ids = [row["document_id"] for row in batch if row["document_id"]]
    sources = [row["source_id"] for row in batch if not row["document_id"]]
    chosen = "document_id IN (SELECT UNNEST($ids)) OR source_id IN (SELECT UNNEST($sources))"
    sql = f"SELECT * FROM {view} WHERE {chosen} ORDER BY {order}"
    by_document: dict[str, list[Row]] = defaultdict(list)
    for row in _rows(connection, sql, {"ids": ids, "sources": sources}):
        by_document[content_of(row)].append(row)
    return by_document


def _rows(connection: duckdb.DuckDBPyConnection, sql: str, parameters: dict[str, Any] | None = None) -> list[Row]:
    found: list[Row] = connection.sql(sql, params=parameters or {}).to_arrow_table().to_pylist()
    return found


def _document(row: Row, found: dict[str, list[Row]]) -> LakeDocument:
    cells = _grouped(found["current_table_cells"], "page_index", "table_index")
    points = _grouped(found["current_chart_points"], "page_index", "region_index")
    blocks = _grouped(found["current_blocks"], "page_index")
    tables = _grouped(found["current_tables"], "page_index")
    charts = _grouped(found["current_charts"], "page_index")
    failures = _grouped(found["open_failures"], "page_index")
    texts = {page["page_index"]: page for page in found["current_pages"]}
    seen = {*texts, *(index for (index,) in [*charts, *failures] if index is not None)}
    pages = [
        _made(
            ReadPage,
            texts.get(index, {"page_index": index}),
            blocks=[_made(ReadBlock, block, box=_box(block)) for block in blocks.get((index,), [])],
            tables=[
                _made(ReadTable, table, box=_box(table), cells=_all(ReadCell, cells.get((index, table["table_index"]))))
                for table in tables.get((index,), [])
            ],
            charts=[
                _made(ReadChart, chart, box=_box(chart), points=_all(ReadPoint, points.get((index, chart["region_index"]))))
                for chart in charts.get((index,), [])
            ],
            failures=_all(ReadFailure, failures.get((index,))),
        )
        for index in sorted(seen)
    ]
    return _made(LakeDocument, row, pages=pages, failures=_all(ReadFailure, failures.get((None,))))


def _made(model: type[Model], row: Row, **more: object) -> Model:
    """Of the columns that it has as fields."""
    given = {name: row[name] for name in model.model_fields if name in row and row[name] is not None}
    return model.model_validate(given | more)


def _all(model: type[Model], rows: Sequence[Row] | None) -> list[Model]:
    return [_made(model, row) for row in rows or []]


def _box(row: Row) -> Box | None:
    sides = [row[side] for side in BOX]
    return None if None in sides else Box(*sides)


def _grouped(rows: Sequence[Row], *keys: str) -> dict[tuple[Any, ...], list[Row]]:
    groups: dict[tuple[Any, ...], list[Row]] = defaultdict(list)
    for row in rows:
        groups[tuple(row[key] for key in keys)].append(row)
    return groups
