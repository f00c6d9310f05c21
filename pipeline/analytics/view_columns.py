"""What each view of `views.sql` shows, and its columns: those of its table, but for some of its own."""

from functools import cache
from typing import Any, NamedTuple

import duckdb
import pyarrow as pa

from pipeline.analytics.dictionary import column_entry, columns_of, table_entries
from pipeline.analytics.lake_files import DUCKDB_TYPES, nullable_schema
from pipeline.analytics.quick_views import view_texts
from schemas.errors import OperatorError
from schemas.tables import COLUMNS, Column


class View(NamedTuple):
    sentence: str
    table: str
    """Whose columns it has."""
    own: dict[str, str] = {}
    """Descriptions of columns that its table lacks."""


_NAME = "Last part of the uri."
_CONTENT = "Names the bytes: document_id, or source_id where they were never fetched."

DESCRIBED_VIEWS: dict[str, View] = {
    "source_contents": View(
        "One row per object and version: which have the same bytes.", "documents", {"content_id": _CONTENT, "name": _NAME}
    ),
    "current_sources": View(
        "One row per uri: the version that counts.",
        "documents",
        {"content_id": _CONTENT, "deleted_at": "When a run no longer found it; null while it is listed."},
    ),
    "current_pages": View("The newest good answer of each page of each distinct document.", "pages", {"name": _NAME}),
    "current_blocks": View("The blocks of these pages.", "blocks", {"name": _NAME}),
    "current_tables": View("The tables of these pages.", "tables", {"name": _NAME}),
    "current_table_cells": View("The cells of these tables.", "table_cells", {"name": _NAME}),
    "current_charts": View("The newest good answer of each chart region that the newest reading found.", "charts", {"name": _NAME}),
    "current_chart_points": View("The data points of these charts.", "chart_points", {"name": _NAME}),
    "current_images": View("The pictures of each page that the newest plan to keep any has kept.", "images", {"name": _NAME}),
    "current_words": View("The words of the pages of `current_pages`, where they were kept.", "words", {"name": _NAME}),
    "open_failures": View("Failures that no later plan has answered.", "failures", {"name": _NAME}),
    "current_documents": View(
        "One row per uri: its status and counts, of all its current rows.",
        "documents",
        {"deleted_at": "When a run no longer found it; null while it is listed."},
    ),
    "page_versions": View(
        "One row per page and version of an overwritten uri: how its text differs from the version before.",
        "pages",
        {
            "name": _NAME,
            "version": "The later of the two versions, from 2 on.",
            "change": "same, changed, added, removed, or unread (one of the two has no text).",
            "previous_text_plain": "The text of the version before; null where it was not read or had no such page.",
            "previous_source_id": "The version before.",
        },
    ),
}


@cache
def view_columns() -> dict[str, list[Column]]:
    """By view, in the order of its columns, with the types that DuckDB finds."""
    types = {name: type_ for type_, name in DUCKDB_TYPES.items()}
    with duckdb.connect(":memory:") as connection:
        for table in COLUMNS:
            connection.register(table, nullable_schema(table).empty_table())
        found = {}
        for view, text in view_texts().items():
            connection.execute(f"CREATE VIEW {view} AS {text}")
            described = connection.execute(f"DESCRIBE {view}").fetchall()
            found[view] = [_column(view, name, types.get(type_, pa.int64())) for name, type_, *_ in described]
    return found


def _column(view: str, name: str, type_: pa.DataType) -> Column:
    """Counts are HUGEINT in DuckDB where they are sums: whole numbers all the same."""
    shown = DESCRIBED_VIEWS[view]
    if name in shown.own:
        return Column(name, type_, shown.own[name], nullable=name in ("deleted_at", "previous_text_plain"))
    return next(column._replace(type=type_) for column in columns_of(shown.table) if column.name == name)


def dictionary(name: str | None = None) -> list[dict[str, Any]]:
    """One entry per table and view, with its columns in order. Raises OperatorError for one that is not there."""
    known = [*COLUMNS, *DESCRIBED_VIEWS]
    if name is not None and name not in known:
        raise OperatorError(f"there is no table or view {name!r}; there are {', '.join(known)}.")
    views = [
        {"table": view, "is_view": True, "description": shown.sentence, "columns": [column_entry(column) for column in columns]}
        for view, shown in DESCRIBED_VIEWS.items()
        if name in (None, view)
        for columns in [view_columns()[view]]
    ]
    return table_entries(name) + views
