"""Rows of a small lake in which a little of everything has happened."""

from datetime import UTC, datetime
from typing import Any

from tests.pipeline.written_lake import row

WHOLE = {"num_pages": 2, "num_pages_read": 2, "ocr_recipe_id": "o1", "chart_recipe_id": "c1"}
GREETING = "Grüße, 世界; it's"
TABLE = "| Year | Sales |\n|---|---|\n| 2024 | 1.5 |"


def box(*edges: float) -> dict[str, float]:
    return dict(zip(("left_px", "top_px", "right_px", "bottom_px"), edges, strict=True))


def made_rows() -> dict[str, list[dict[str, Any]]]:
    """Two versions of one document, the later one by two models, a second answer, a chart over time, a page to review, an open
    failure, words of a page, two runs."""

    def key(source: str, plan: int, uri: str = "s3://b/in/a.pdf") -> dict[str, Any]:
        return {"source_id": source, "plan_id": f"{plan:06d}", "uri": uri, "document_id": f"bytes of {source}"}

    def time(year: int) -> datetime:
        return datetime(year, 1, 1, tzinfo=UTC)

    def place(row_index: int, column_index: int) -> dict[str, int]:
        return {"row_index": row_index, "column_index": column_index, "row_span": 1, "column_span": 1}

    table = {"page_index": 0, "table_index": 0, "recipe_id": "o1"}
    chart = {"page_index": 0, "region_index": 0, "recipe_id": "c1"}
    words = key("w1", 1, "s3://b/in/b.pdf") | {"page_index": 0, "recipe_id": "o1", "text_origin": "text_layer"}
    size = {"width_px": 100, "height_px": 100}
    smaller = {"recipe_id": "o0", "model": "Ovis2.5-2B"}
    chart_of_smaller = {"page_index": 0, "region_index": 0, "recipe_id": "c0"}
    return {
        "documents": [
            row("documents", **key("v1", 1), **WHOLE, name="a.pdf", run_id="r1"),
            row("documents", **key("v2", 2), **WHOLE | {"num_pages_read": 1}, name="a.pdf", run_id="r1"),
            row("documents", **key("v2", 3), **WHOLE, name="a.pdf", run_id="r1", tasks=["ocr", "chart"]),
            row("documents", **key("v2", 4), **WHOLE | {"num_pages_read": 1}, name="a.pdf", run_id="r2"),
            row("documents", **key("w1", 1, "s3://b/in/b.pdf"), **WHOLE, name="b.pdf", run_id="r1"),
        ],
        "pages": [
            row("pages", **key("v1", 1), page_index=0, status="ok", text_plain="old version", recipe_id="o1"),
            row("pages", **key("v2", 2), **smaller, page_index=0, status="ok", text_plain="new vision"),
            row(
                "pages",
                **key("v2", 3),
                page_index=0,
                status="ok",
                model="Ovis2.5-9B",
                text_layer_agreement=0.99,
                recipe_id="o1",
                text_plain="new version",
                num_chars=10,
                text_markdown="# new version",
                width_px=100,
                height_px=100,
            ),
            row("pages", **key("v2", 3), page_index=1, status="failed", recipe_id="o1"),
            row("pages", **key("v2", 4), page_index=1, status="partial", attempt=1, recipe_id="o1", flags=["partial"], num_asks=2),
            row("pages", **key("w1", 1, "s3://b/in/b.pdf"), page_index=0, status="ok", recipe_id="o1", flags=["repaired"], **size),
            row("pages", **key("w1", 1, "s3://b/in/b.pdf"), page_index=1, status="ok", recipe_id="o1", confidence=0.5),
        ],
        "blocks": [
            row(
                "blocks",
                **key("v2", 3),
                page_index=0,
                recipe_id="o1",
                block_index=0,
                kind="paragraph",
                text=GREETING,
                **box(0, 0, 80, 20),
            ),
            row(
                "blocks",
                **key("v2", 3),
                page_index=0,
                recipe_id="o1",
                block_index=1,
                kind="table",
                text=TABLE,
                **box(0, 60, 90, 99),
            ),
        ],
        "tables": [
            row("tables", **key("v2", 3), **table, block_index=1, num_rows=2, num_columns=2, num_header_rows=1),
        ],
        "table_cells": [
            row("table_cells", **key("v2", 2), **table | smaller, **place(1, 0), text="2024", header="Year", value=2024.0),
            row("table_cells", **key("v2", 2), **table | smaller, **place(1, 1), text="7.5", header="Sales", value=7.5),
            row("table_cells", **key("v2", 3), **table, **place(0, 0), is_header=True, text="Year"),
            row("table_cells", **key("v2", 3), **table, **place(0, 1), is_header=True, text="Sales"),
            row("table_cells", **key("v2", 3), **table, **place(1, 0), text="2024", header="Year", value=2024.0),
            row("table_cells", **key("v2", 3), **table, **place(1, 1), text="1.5", header="Sales", row_label="2024", value=1.5),
        ],
        "charts": [
            row("charts", **key("v2", 2), **chart_of_smaller, status="ok", kind="line", model="Ovis2.5-2B"),
            row("charts", **key("v2", 3), **chart, status="ok", kind="line", title="Sales by year", series=["EU"], num_points=2),
        ],
        "chart_points": [
            row("chart_points", **key("v2", 2), **chart_of_smaller, point_index=0, series="EU", x_text="2024", value=1.5),
            row("chart_points", **key("v2", 3), **chart, point_index=1, series="EU", x_text="2025", x_time=time(2025), value=2.5),
            row("chart_points", **key("v2", 3), **chart, point_index=0, series="EU", x_text="2024", x_time=time(2024), value=1.5),
        ],
        "images": [
            row("images", **key("v2", 3), page_index=0, region_index=0, image={"bytes": b"\xff\xd8 chart", "path": "chart-1.jpg"}),
        ],
        "words": [
            row("words", **words, word_index=1, line_index=0, text="dues", **box(50, 0, 90, 20)),
            row("words", **words, word_index=0, line_index=0, text="Harbour", **box(0, 0, 45, 20)),
            row("words", **words, word_index=2, line_index=1, text="1,250", **box(0, 60, 30, 80)),
            row("words", **words, word_index=3, line_index=1, text="EUR", **box(60, 60, 90, 80)),
        ],
        "failures": [
            row("failures", **key("v2", 3), page_index=1, kind="bad_json", stage="validate", task="ocr"),
            row("failures", **key("v2", 4), page_index=1, attempt=1, kind="truncated", stage="read", task="ocr"),
        ],
        "deletions": [row("deletions", **key("w1", 4, "s3://b/in/b.pdf"), is_deleted=True)],
        "runs": [
            row("runs", run_id="r1", status="finished", started_at=time(2025), num_pages=4, num_output_tokens=100, cost=0.5),
            row("runs", run_id="r2", status="running", started_at=time(2026)),
        ],
    }
