"""A lake of three documents, written by hand: a report with a table over two pages and a chart, one that failed, one twice."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tests.pipeline.written_lake import row, write_lake

PLAN = "000001.12345678"
WHOLE = {"num_pages": 2, "num_pages_read": 2, "ocr_recipe_id": "o", "chart_recipe_id": "c", "status": "ok", "size_bytes": 5}
EVIL = '<script>alert(1)</script> [x](javascript:alert(2)) ![y](http://tracker.example/p.png) <img src=x onerror="alert(3)">'


def key(name: str, folder: str = "in") -> dict[str, Any]:
    return {
        "source_id": f"{folder}/{name}",
        "plan_id": PLAN,
        "uri": f"s3://b/{folder}/{name}",
        "document_id": f"bytes of {folder}/{name}",
        "source_version": "1",
    }


def cell(row_index: int, column_index: int, text: str, **more: Any) -> dict[str, Any]:
    return {"row_index": row_index, "column_index": column_index, "row_span": 1, "column_span": 1, "text": text} | more


def box(*edges: float) -> dict[str, float]:
    return dict(zip(("left_px", "top_px", "right_px", "bottom_px"), edges, strict=True))


def made_rows() -> dict[str, list[dict[str, Any]]]:
    report, broken = key("report.pdf"), key("broken.pdf")

    def page(page_index: int, **more: Any) -> dict[str, Any]:
        return row("pages", **report, page_index=page_index, recipe_id="o", status="ok", width_px=100, height_px=200, **more)

    def block(page_index: int, block_index: int, kind: str, text: str, **more: Any) -> dict[str, Any]:
        at = {"page_index": page_index, "block_index": block_index, "recipe_id": "o"}
        return row("blocks", **report, **at, kind=kind, text=text, **more)

    def table(page_index: int, block_index: int, **more: Any) -> dict[str, Any]:
        at = {"page_index": page_index, "table_index": 0, "block_index": block_index, "recipe_id": "o", "num_columns": 2}
        return row("tables", **report, **at, **more)

    def cells(page_index: int, *given: dict[str, Any]) -> list[dict[str, Any]]:
        at = {"page_index": page_index, "table_index": 0, "recipe_id": "o"}
        return [row("table_cells", **report, **at, **each) for each in given]

    chart = {"page_index": 1, "region_index": 0, "recipe_id": "c"}
    year = datetime(2024, 1, 1, tzinfo=UTC)
    head = {"is_header": True}
    return {
        "documents": [
            row("documents", **report, **WHOLE, name="report.pdf", title="The report", tasks=["ocr", "chart"]),
            row(
                "documents", **broken | {"document_id": None}, **WHOLE | {"num_pages": None, "status": "failed"}, name="broken.pdf"
            ),
            row("documents", **key("report.pdf", "old"), **WHOLE | {"num_pages": 1}, name="report.pdf"),
        ],
        "pages": [
            page(0, text_markdown="# Hello", languages=["de"], text_plain="Hello"),
            page(1, text_plain=EVIL),
            row("pages", **key("report.pdf", "old"), page_index=0, recipe_id="o", status="failed"),
        ],
        "blocks": [
            block(0, 0, "header", "Page 1 of 2"),
            block(0, 1, "title", "Hello"),
            block(0, 2, "list_item", "one"),
            block(0, 3, "list_item", "two"),
            block(0, 4, "table", "| Year | Sales |"),
            block(1, 0, "table", "| 2024 | -1.5 |"),
            block(1, 1, "paragraph", EVIL),
            block(1, 2, "figure", "Sales over time", **box(10, 100, 90, 180)),
            block(1, 3, "formula", "x < 1"),
        ],
        "tables": [
            table(0, 4, num_rows=2, num_header_rows=1, continued_on_page=1, caption="Table 1"),
            table(1, 0, num_rows=1, num_header_rows=0),
        ],
        "table_cells": [
            *cells(0, cell(0, 0, "Year", **head), cell(0, 1, "Sales", **head)),
            *cells(0, cell(1, 0, "2023", header="Year", value=2023.0), cell(1, 1, "=1+1", header="Sales", row_label="2023")),
            *cells(1, cell(0, 0, "2024", value=2024.0), cell(0, 1, "-1.5", value=-1.5, row_label="2024")),
        ],
        "charts": [
            row(
                "charts",
                **report,
                **chart,
                status="ok",
                kind="line",
                title="Sales",
                series=["EU"],
                x_label="Year",
                **box(8, 98, 92, 182),
            )
        ],
        "chart_points": [
            row(
                "chart_points",
                **report,
                **chart,
                point_index=0,
                series="EU",
                x_text="2024",
                x_time=year,
                y_text="1.5",
                value=1.5,
                axis="y",
            ),
            row("chart_points", **report, **chart, point_index=1, series="EU", x_text="2025", y_text="2", value=2.0, axis="y"),
        ],
        "failures": [
            row(
                "failures",
                **broken | {"document_id": None},
                kind="encrypted",
                stage="probe",
                message="no password",
                page_index=None,
            ),
            row("failures", **key("report.pdf", "old"), kind="truncated", stage="read", task="ocr", page_index=0, message="cut"),
        ],
    }


def made_lake(root: Path) -> str:
    return str(write_lake(root, made_rows()))
