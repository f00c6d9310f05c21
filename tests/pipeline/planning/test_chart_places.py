"""Where the charts of scans are, from the tables."""

from pathlib import Path
from typing import Any

from pipeline.planning.chart_places import with_places
from schemas.page import Box
from schemas.planned import PlannedSource, Shards
from tests.pipeline.made import RECIPES, make_source
from tests.pipeline.written_lake import row, write_lake

OCR = RECIPES["ocr"].recipe_id
BOX = {"left_px": 1.0, "top_px": 2.0, "right_px": 30.0, "bottom_px": 40.0}


def item(name: str, **changes: object) -> PlannedSource:
    fields = {"source": make_source(name), "tasks": ["chart"], "document_id": f"bytes of {name}"}
    return PlannedSource.model_validate(fields | changes)


def write(folder: Path) -> str:
    def of(table: str, page: int, **values: Any) -> dict[str, Any]:
        key = {"source_id": "a", "plan_id": "000001", "document_id": "bytes of a", "uri": "s3://drop/a", "recipe_id": OCR}
        return row(table, **key | {"page_index": page} | values)

    rows = {
        "documents": [row("documents", source_id="a", plan_id="000001", document_id="bytes of a", uri="s3://drop/a")],
        "pages": [
            of("pages", 0, status="ok", is_scan=True),
            of("pages", 1, status="ok", is_scan=True),
            of("pages", 2, status="partial", is_scan=True),
            of("pages", 3, status="ok", is_scan=False),
            of("pages", 4, status="ok", is_scan=True, recipe_id="another"),
        ],
        "blocks": [
            of("blocks", 0, block_index=0, kind="paragraph", box_origin="engine", **BOX),
            of("blocks", 0, block_index=1, kind="chart", box_origin="engine", **BOX),
            of("blocks", 0, block_index=2, kind="figure", box_origin="engine", **BOX | {"left_px": 5.0}),
            of("blocks", 0, block_index=3, kind="chart", box_origin="text_layer", **BOX),
        ],
    }
    return str(write_lake(folder, rows))


def test_boxes_of_charts_and_figures_of_scans_read_in_full_under_todays_recipe(tmp_path: Path) -> None:
    ((known, new),) = with_places(write(tmp_path), Shards.of([[item("a"), item("b")]]), RECIPES)
    assert known.places == {0: [Box(1, 2, 30, 40), Box(5, 2, 30, 40)], 1: []}
    assert new.places == {}


def test_who_asks_for_text_too_or_for_single_regions_needs_none(tmp_path: Path) -> None:
    items = [item("a", tasks=["ocr", "chart"]), item("a", document_id=None), item("a", regions=[(0, 1)])]
    assert with_places(write(tmp_path), Shards.of([items]), RECIPES) == [items]


def test_answers_in_markdown_tell_no_places(tmp_path: Path) -> None:
    markdown = {**RECIPES, "ocr": RECIPES["ocr"].model_copy(update={"options": {"read": {"transport": "markdown"}}})}
    assert with_places(write(tmp_path), Shards.of([[item("a")]]), markdown) == [[item("a")]]
    assert with_places(write(tmp_path), Shards.of([[item("a")]]), {"chart": RECIPES["chart"]}) == [[item("a")]]
