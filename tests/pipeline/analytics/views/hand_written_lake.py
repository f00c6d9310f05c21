"""A lake of hand-written rows, asked both ways."""

from collections import defaultdict
from contextlib import closing
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from pipeline.analytics.duckdb_tables import connect
from pipeline.analytics.quick_views import named_in, view_texts
from schemas.tables import COLUMNS, PARTITIONED, to_table
from tests.pipeline.written_lake import DAY, row, write_lake


class Lake:
    """Rows by table, asked twice: with the views of `views.sql` as they stand, and as `pagefold query` has them over files."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._num_asked = 0
        self.rows: dict[str, list[dict[str, Any]]] = defaultdict(list)

    def document(self, source: str, plan: int, *, uri: str = "a.pdf", bytes_seen: bool = True, **values: Any) -> None:
        known = {"document_id": f"bytes of {source}", "num_pages": 2} if bytes_seen else {}
        tasks = {"tasks": ["ocr", "chart"], "ocr_recipe_id": "o1", "chart_recipe_id": "c1"}
        self._add("documents", source, plan, uri, known | tasks | values)

    def page(self, source: str, plan: int, page: int, status: str, *, uri: str = "a.pdf", **values: Any) -> None:
        self._add("pages", source, plan, uri, {"page_index": page, "status": status, "recipe_id": "o1"} | values)

    def block(self, source: str, plan: int, page: int, text: str, *, uri: str = "a.pdf", **values: Any) -> None:
        self._add("blocks", source, plan, uri, {"page_index": page, "text": text, "recipe_id": "o1"} | values)

    def word(self, source: str, plan: int, page: int, text: str, *, uri: str = "a.pdf", **values: Any) -> None:
        self._add("words", source, plan, uri, {"page_index": page, "text": text, "recipe_id": "o1"} | values)

    def chart(self, source: str, plan: int, page: int, region: int, status: str, *, recipe: str = "c1", **values: Any) -> None:
        key = {"page_index": page, "region_index": region, "status": status, "recipe_id": recipe}
        self._add("charts", source, plan, "a.pdf", key | values)

    def point(self, source: str, plan: int, page: int, region: int, value: float, *, recipe: str = "c1", **values: Any) -> None:
        key = {"page_index": page, "region_index": region, "value": value, "recipe_id": recipe}
        self._add("chart_points", source, plan, "a.pdf", key | values)

    def image(self, source: str, plan: int, page: int, path: str, *, uri: str = "a.pdf", **values: Any) -> None:
        key = {"page_index": page, "image": {"bytes": path.encode(), "path": path}}
        self._add("images", source, plan, uri, key | values)

    def failure(self, source: str, plan: int, kind: str, page: int | None = None, **values: Any) -> None:
        self._add("failures", source, plan, values.pop("uri", "a.pdf"), {"kind": kind, "page_index": page} | values)

    def deletion(self, uri: str, plan: int, *, is_deleted: bool = True, **values: Any) -> None:
        key = {"uri": uri, "plan_id": f"{plan:06d}", "is_deleted": is_deleted}
        self.rows["deletions"].append(row("deletions", **key | values))

    def ask(self, sql: str) -> list[tuple[Any, ...]]:
        found = self._plain(sql)
        with closing(connect(str(self._written()), sql)) as connection:
            quick = sorted(connection.execute(sql).fetchall(), key=str)
        assert quick == found
        return found

    def _written(self) -> Path:
        """The rows as files, one for each plan and table, as commits leave them."""
        self._num_asked += 1
        root = self._folder / str(self._num_asked)
        root.mkdir()
        for plan in sorted({item["plan_id"] for rows in self.rows.values() for item in rows}):
            of_plan = {table: [item for item in rows if item["plan_id"] == plan] for table, rows in self.rows.items()}
            write_lake(root, {table: rows for table, rows in of_plan.items() if rows}, name=f"{plan}-00000")
        return root

    def _plain(self, sql: str) -> list[tuple[Any, ...]]:
        connection = duckdb.connect()
        for table in COLUMNS:
            rows = to_table(table, self.rows[table])
            if table in PARTITIONED:
                rows = rows.append_column("ingest_date", pa.array([DAY] * rows.num_rows, pa.date32()))
            connection.register(table, rows)
        for view, text in view_texts().items():
            if view in named_in(sql):
                connection.execute(f"CREATE VIEW {view} AS {text}")
        return sorted(connection.execute(sql).fetchall(), key=str)

    def _add(self, table: str, source: str, plan: int, uri: str, values: dict[str, Any]) -> None:
        key = {"source_id": source, "plan_id": f"{plan:06d}", "uri": uri}
        self.rows[table].append(row(table, **key | values))


PAGES = "SELECT page_index, plan_id, attempt, status FROM current_pages"
OPEN = "SELECT plan_id, kind FROM open_failures"


def duplicates(lake, **second):
    """a.pdf was read; b.pdf has the same bytes."""
    lake.document("v1", 1, document_id="d")
    lake.page("v1", 1, 0, "ok", document_id="d", num_chart_candidates=1)
    lake.chart("v1", 1, 0, 0, "ok", num_points=2, document_id="d")
    lake.document("w1", 2, uri="b.pdf", document_id="d", duplicate_of="v1", num_pages_read=0, **second)
