"""The views of `views.sql` for DuckDB, so that a filter reaches the files: the same rows, without a window over all of them.

Most documents were read once: one row in `documents`, of the version that counts. No key of theirs repeats, so their rows are the
current ones as they lie in the files. The others, which `unsettled` names by source, lie in files that are called mixed. When the
connection is made, the views of `views.sql` are run once over the rows of these documents alone: they say which pages and charts
are superseded. A view is then all rows of the other files, and the rows of mixed files that are not superseded.

A shard's files have one name in every table, and the one in `documents` is written last. So files whose name `documents` lacks are
not committed yet, and are left out without a look into them. What `documents` says is asked once, when the connection is made.
"""

import re
from collections.abc import Sequence
from functools import cache
from importlib.resources import files

import duckdb

from pipeline.analytics.lake_files import LakeFiles
from schemas.tables import COLUMNS, TABLES

ROW_VIEWS = {
    "current_pages": "pages",
    "current_blocks": "blocks",
    "current_tables": "tables",
    "current_table_cells": "table_cells",
    "current_charts": "charts",
    "current_chart_points": "chart_points",
    "current_images": "images",
    "current_words": "words",
    "open_failures": "failures",
}
"""Views that are the rows of a table, chosen."""
_FOLLOWED = {
    "current_blocks": "current_pages",
    "current_tables": "current_pages",
    "current_table_cells": "current_pages",
    "current_words": "current_pages",
    "current_chart_points": "current_charts",
}
"""Views whose rows are those of what another view has chosen."""
_KEYS = {
    "current_pages": "source_id, page_index, plan_id, attempt, recipe_id",
    "current_charts": "source_id, page_index, region_index, plan_id, attempt, recipe_id",
    "current_images": "source_id, page_index, plan_id, attempt",
}
"""What a view chooses by. `open_failures` has none: failures are few, and go through its view."""
_NAME = "REGEXP_EXTRACT(uri, '[^/]*$', 0) AS name"
_COMPUTED = ("source_contents", "current_sources")
"""Of `documents` and `deletions` alone."""
_IS_SETTLED = """
    SELECT COUNT(*) = COUNT(DISTINCT COALESCE(document_id, source_id)) AND COUNT(*) = COUNT(DISTINCT uri) FROM documents
"""
"""No document and no uri has two rows: so in most lakes, and quickly seen."""
_UNSETTLED = """
    CREATE TABLE kept.unsettled AS
    SELECT contents.source_id
    FROM source_contents AS contents
    JOIN (
        SELECT content_id
        FROM documents
        JOIN source_contents USING (source_id)
        GROUP BY content_id
        HAVING COUNT(*) > 1
        UNION
        SELECT content_id FROM source_contents ANTI JOIN current_sources USING (content_id)
    ) AS repeated USING (content_id)
"""
_CATALOG = re.compile(r"\b(information_schema|duckdb_\w+|sqlite_master|pragma\w*|show|query|query_table)\b", re.IGNORECASE)
"""SQL that may name a table without its name standing there."""


@cache
def view_texts() -> dict[str, str]:
    """By name, in an order in which each names only those before it: what stands after AS."""
    text = files("pipeline.analytics").joinpath("views.sql").read_text("utf-8")
    code = "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("--"))
    heads = (statement.strip().partition(" AS\n") for statement in code.split(";") if statement.strip())
    return {head.removeprefix("CREATE OR REPLACE VIEW "): body for head, _, body in heads}


def ranked_view_texts(preferred: Sequence[str]) -> dict[str, str]:
    """The same, where answers under these recipes come before all others that are as good, the first of them first. A chart that
    was read from its drawing stays before every model's."""
    texts = dict(view_texts())
    if not preferred:
        return texts
    for view, table in (("current_pages", "pages"), ("current_charts", "charts"), ("page_versions", "pages")):
        ranks = " ".join(f"WHEN {table}.recipe_id = '{recipe_id}' THEN {rank}" for rank, recipe_id in enumerate(preferred))
        exact = "WHEN charts.engine = 'vector' THEN 0 " if table == "charts" else ""
        rank = f"CASE {exact}{ranks} ELSE {len(preferred)} END"
        place = f"{table}.plan_id DESC, {table}.attempt DESC,"
        assert place in texts[view]
        texts[view] = texts[view].replace(place, f"{rank}, {place}")
    return texts


def named_in(sql: str) -> set[str]:
    """Tables and views that an SQL text may name, and those that these are made of; all of them where it may ask for names."""
    known = [*COLUMNS, *view_texts()]
    found = set(known) if _CATALOG.search(sql) else {name for name in known if re.search(rf"\b{name}\b", sql, re.IGNORECASE)}
    texts = view_texts()
    for name in reversed(texts):
        if name in found:
            found |= {other for other in known if re.search(rf"\b{other}\b", texts[name])}
    if found & texts.keys():
        found |= {"documents", "deletions", "source_contents", "current_sources"}
    return found


def create(connection: duckdb.DuckDBPyConnection, lake: LakeFiles, names: set[str]) -> None:
    """These tables and views in the connection; `documents` is listed first. `names` holds what they are made of: `named_in`.

    Raises StoreError: no such bucket.
    """
    lake.of("documents")
    for table in COLUMNS:
        if table in names:
            lake.register(connection, table, table, lake.of(table))
    if not names & view_texts().keys():
        return
    texts = {view: text for view, text in ranked_view_texts(lake.preferred).items() if view in names}
    connection.execute("CREATE SCHEMA kept")
    tables = [table for table in TABLES if table in names and table != "documents"]
    _keep_committed(connection, lake, tables)
    is_settled = connection.execute(_IS_SETTLED).fetchall() == [(True,)]
    if not is_settled or texts.keys() & {"current_documents", "page_versions"}:
        _compute(connection, texts)
        is_settled = connection.execute("SELECT COUNT(*) FROM kept.unsettled").fetchall() == [(0,)]
    if not is_settled:
        _part_mixed(connection, lake, tables)
        _create_repeated(connection, tables, {view: text for view, text in texts.items() if view in ROW_VIEWS})
    for view, text in texts.items():
        connection.execute(f"CREATE VIEW {view} AS {_quick(view, is_settled=is_settled) if view in ROW_VIEWS else text}")


def _compute(connection: duckdb.DuckDBPyConnection, texts: dict[str, str]) -> None:
    """What `documents` and `deletions` say by themselves, once for all views that ask for it; and the unsettled sources."""
    for view in _COMPUTED:
        connection.execute(f"CREATE TABLE kept.{view} AS {texts[view]}")
        connection.execute(f"CREATE VIEW {view} AS SELECT * FROM kept.{view}")
        texts.pop(view)
    connection.execute(_UNSETTLED)


def _keep_committed(connection: duckdb.DuckDBPyConnection, lake: LakeFiles, tables: list[str]) -> None:
    """In the schema `kept`, each table without files that are not committed yet."""
    committed = set(lake.of("documents"))
    for table in tables:
        kept = [name for name in lake.of(table) if name in committed]
        if len(kept) == len(lake.of(table)):
            connection.execute(f"CREATE VIEW kept.{table} AS SELECT * FROM main.{table}")
        else:
            lake.register(connection, f"kept.{table}", table, kept)


def _part_mixed(connection: duckdb.DuckDBPyConnection, lake: LakeFiles, tables: list[str]) -> None:
    """In the schemas `mixed` and `plain`, each table's files that have a row of an unsettled source, and the others. A shard's
    files have one name in every table, so `documents` says it for all."""
    lake.register_names(connection, "kept.document_files", "documents")
    found = connection.execute("SELECT DISTINCT file_name FROM kept.document_files SEMI JOIN kept.unsettled USING (source_id)")
    mixed = {name for (name,) in found.fetchall()}
    connection.execute("CREATE SCHEMA mixed; CREATE SCHEMA plain")
    committed = set(lake.of("documents"))
    for table in tables:
        kept = [name for name in lake.of(table) if name in committed]
        lake.register(connection, f"mixed.{table}", table, [name for name in kept if name in mixed])
        lake.register(connection, f"plain.{table}", table, [name for name in kept if name not in mixed])


def _create_repeated(connection: duckdb.DuckDBPyConnection, tables: list[str], views: dict[str, str]) -> None:
    """In the schema `repeated`, the views as `views.sql` has them, over the rows of unsettled sources alone; and the keys that they
    do not choose."""
    connection.execute("CREATE SCHEMA repeated")
    for table in tables:
        rows = f"SELECT {table}.* FROM mixed.{table} SEMI JOIN kept.unsettled USING (source_id)"
        connection.execute(f"CREATE VIEW repeated.{table} AS {rows}")
    for whole in ("documents", *_COMPUTED):
        connection.execute(f"CREATE VIEW repeated.{whole} AS SELECT * FROM main.{whole}")
    connection.execute("USE repeated")
    for view, text in views.items():
        connection.execute(f"CREATE VIEW {view} AS {text}")
        if keys := _KEYS.get(view):
            chosen, every = (f"SELECT DISTINCT {keys} FROM {rows}" for rows in (view, ROW_VIEWS[view]))
            connection.execute(f"CREATE TABLE kept.superseded_{ROW_VIEWS[view]} AS {every} EXCEPT {chosen}")
    connection.execute("USE main")


def _quick(view: str, *, is_settled: bool) -> str:
    table = ROW_VIEWS[view]
    if is_settled:
        return f"SELECT *, {_NAME} FROM kept.{table}"
    plain, mixed = f"SELECT *, {_NAME} FROM plain.{table}", f"SELECT {table}.*, {_NAME} FROM mixed.{table}"
    chosen_by = _FOLLOWED.get(view, view)
    if keys := _KEYS.get(chosen_by):
        return f"{plain} UNION ALL {mixed} ANTI JOIN kept.superseded_{ROW_VIEWS[chosen_by]} USING ({keys})"
    return f"{plain} UNION ALL {mixed} ANTI JOIN kept.unsettled USING (source_id) UNION ALL SELECT * FROM repeated.{view}"
