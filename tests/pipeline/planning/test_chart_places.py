"""Where the charts of scans are, from the tables."""

from pathlib import Path
from typing import Any

import pytest

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


def of(table: str, page: int, **values: Any) -> dict[str, Any]:
    key = {"source_id": "a", "plan_id": "000001", "document_id": "bytes of a", "uri": "s3://drop/a", "recipe_id": OCR}
    size = {"width_px": 100, "height_px": 200, "is_scan": True, "status": "ok", "engine": "ovis", "prompt_version": "ocr-1"}
    return row(table, **key | (size if table == "pages" else {}) | {"page_index": page} | values)


def write(folder: Path, pages: list[dict[str, Any]], blocks: list[dict[str, Any]]) -> str:
    plans = sorted({one["plan_id"] for one in pages})
    documents = [row("documents", source_id="a", plan_id=plan, document_id="bytes of a", uri="s3://drop/a") for plan in plans]
    return str(write_lake(folder, {"documents": documents, "pages": pages, "blocks": blocks}))


PAGES = [of("pages", 0), of("pages", 1), of("pages", 2, status="partial"), of("pages", 3, is_scan=False)]
BLOCKS = [
    of("blocks", 0, block_index=0, kind="paragraph", box_origin="engine", **BOX),
    of("blocks", 0, block_index=1, kind="chart", box_origin="engine", **BOX),
    of("blocks", 0, block_index=2, kind="figure", box_origin="engine", **BOX | {"left_px": 5.0}),
    of("blocks", 0, block_index=3, kind="chart", box_origin="text_layer", **BOX),
]


def test_boxes_of_charts_and_figures_of_scans_read_in_full(tmp_path: Path) -> None:
    ((known, new),) = with_places(write(tmp_path, PAGES, BLOCKS), Shards.of([[item("a"), item("b")]]))
    assert known.places == {0: [Box(1, 2, 30, 40), Box(5, 2, 30, 40)], 1: []}
    assert known.place_sizes == {0: (100, 200), 1: (100, 200)}
    assert (new.places, new.place_sizes) == ({}, {})


@pytest.mark.parametrize(
    ("later", "left_px"),
    [
        ({"recipe_id": "another", "width_px": 50}, 9),  # the newest answer
        ({"recipe_id": "markdown", "prompt_version": "ocr-markdown-1"}, 1),  # the newest that has places
        ({"recipe_id": "classic", "engine": "classic", "prompt_version": None}, 1),
        ({"recipe_id": "failed", "status": "failed"}, 1),
        ({"attempt": 1}, 9),
    ],
    ids=["another recipe", "Markdown", "classic", "failed", "another attempt"],
)
def test_the_newest_answer_that_has_places_says_where(later: dict[str, Any], left_px: float, tmp_path: Path) -> None:
    key = {name: later[name] for name in ("recipe_id", "attempt") if name in later} | {"plan_id": "000002"}
    pages = [of("pages", 0), of("pages", 0, **later | key)]
    blocks = [
        of("blocks", 0, block_index=1, kind="chart", box_origin="engine", **BOX),
        of("blocks", 0, block_index=0, kind="chart", box_origin="engine", **key, **BOX | {"left_px": 9.0}),
    ]

    ((found,),) = with_places(write(tmp_path, pages, blocks), Shards.of([[item("a")]]))

    assert found.places == {0: [Box(left_px, 2, 30, 40)]}
    assert found.place_sizes == {0: (later.get("width_px", 100) if left_px == 9 else 100, 200)}


def test_who_asks_for_text_too_or_for_single_regions_needs_none(tmp_path: Path) -> None:
    items = [item("a", tasks=["ocr", "chart"]), item("a", document_id=None), item("a", regions=[(0, 1)])]
    assert with_places(write(tmp_path, PAGES, BLOCKS), Shards.of([items])) == [items]
