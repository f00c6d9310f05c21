"""Places of charts on scans, from the text answers in the tables. When charts alone are asked again under another recipe, the text
need not be asked again to find them."""

from collections import defaultdict
from collections.abc import Mapping

from pipeline.analytics.duckdb_tables import connect
from schemas.failure import Task
from schemas.page import Box
from schemas.plan import Recipe
from schemas.planned import PlannedSource, Shards

_SQL = """
    SELECT pages.document_id, pages.page_index, blocks.left_px, blocks.top_px, blocks.right_px, blocks.bottom_px
    FROM current_pages AS pages
    LEFT JOIN current_blocks AS blocks
        ON blocks.source_id = pages.source_id
        AND blocks.page_index = pages.page_index
        AND blocks.kind IN ('chart', 'figure')
        AND blocks.box_origin = 'engine'
        AND blocks.left_px IS NOT NULL
    WHERE pages.is_scan AND pages.status = 'ok' AND pages.recipe_id = $recipe_id
        AND pages.document_id IN (SELECT UNNEST($document_ids))
    ORDER BY pages.document_id, pages.page_index, blocks.block_index
"""


def with_places(output: str, shards: Shards, recipes: Mapping[Task, Recipe]) -> Shards:
    """The same sources; those whose charts alone are read get the places of their charts. The text must have been read under
    today's
    ocr recipe, so that the pages will have the same pixels. Answers in Markdown hold no places."""
    ocr = recipes.get("ocr")
    wanted = {item.document_id for shard in shards for item in shard if _wants(item)}
    if ocr is None or not wanted or ocr.options.get("read", {}).get("transport", "json") != "json":
        return shards
    asked = {"recipe_id": ocr.recipe_id, "document_ids": sorted(filter(None, wanted))}
    rows = connect(output, _SQL).execute(_SQL, asked).fetchall()
    places: dict[str, dict[int, list[Box]]] = defaultdict(dict)
    for document_id, page_index, *box in rows:
        boxes = places[document_id].setdefault(page_index, [])
        if box[0] is not None:
            boxes.append(Box(*box))
    return shards.mapped(lambda item: item.model_copy(update={"places": places[item.document_id or ""]}) if _wants(item) else item)


def _wants(item: PlannedSource) -> bool:
    return item.tasks == ["chart"] and item.document_id is not None and item.regions is None
