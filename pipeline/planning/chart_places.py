"""Places of charts on scans, from the text answers in the tables. When charts alone are asked, the text need not be asked again to
find them, whichever engine has read it."""

from collections import defaultdict

from pipeline.analytics.duckdb_tables import connected
from schemas.page import Box
from schemas.planned import PlannedSource, Shards
from workers.reading.handing_on import gives_places

_SQL = """
    SELECT DISTINCT
        pages.document_id, pages.page_index, pages.plan_id, pages.attempt, pages.recipe_id,
        pages.engine, pages.prompt_version, pages.width_px, pages.height_px,
        blocks.block_index, blocks.left_px, blocks.top_px, blocks.right_px, blocks.bottom_px
    FROM pages
    JOIN documents ON documents.source_id = pages.source_id AND documents.plan_id = pages.plan_id
    LEFT JOIN blocks
        ON blocks.source_id = pages.source_id
        AND blocks.page_index = pages.page_index
        AND blocks.plan_id = pages.plan_id
        AND blocks.attempt = pages.attempt
        AND blocks.recipe_id = pages.recipe_id
        AND blocks.kind IN ('chart', 'figure')
        AND blocks.box_origin = 'engine'
        AND blocks.left_px IS NOT NULL
    WHERE pages.is_scan AND pages.status = 'ok' AND pages.width_px IS NOT NULL AND pages.text_origin IS DISTINCT FROM 'text_layer'
        AND pages.document_id IN (SELECT UNNEST($document_ids))
    ORDER BY pages.document_id, pages.page_index, pages.plan_id, pages.attempt, pages.recipe_id, blocks.block_index
"""


class _Places:
    """The places on a document's scans. A later answer takes the place of an earlier one."""

    def __init__(self) -> None:
        self.boxes: dict[int, list[Box]] = {}
        self.sizes: dict[int, tuple[int, int]] = {}
        self._answers: dict[int, tuple[object, ...]] = {}

    def add(self, page_index: int, answer: tuple[object, ...], size: tuple[int, int], box: tuple[float | None, ...]) -> None:
        if self._answers.get(page_index) != answer:
            self._answers[page_index] = answer
            self.boxes[page_index], self.sizes[page_index] = [], size
        if box[0] is not None:
            self.boxes[page_index].append(Box(*box))  # type: ignore[arg-type]  # all four are null, or none


def with_places(output: str, shards: Shards) -> Shards:
    """The same sources; those whose charts alone are read get the places of their charts, from the newest answer that has places:
    see `gives_places`."""
    wanted = {item.document_id for shard in shards for item in shard if _wants(item)}
    if not wanted:
        return shards
    with connected(output, _SQL) as connection:
        rows = connection.execute(_SQL, {"document_ids": sorted(filter(None, wanted))}).fetchall()
    found: dict[str | None, _Places] = defaultdict(_Places)
    for document_id, page_index, *answer, engine, prompt_version, width_px, height_px, _, left, top, right, bottom in rows:
        if gives_places(engine, prompt_version):
            found[document_id].add(page_index, tuple(answer), (width_px, height_px), (left, top, right, bottom))
    return shards.mapped(lambda item: _placed(item, found[item.document_id]) if _wants(item) else item)


def _placed(item: PlannedSource, places: _Places) -> PlannedSource:
    return item.model_copy(update={"places": places.boxes, "place_sizes": places.sizes})


def _wants(item: PlannedSource) -> bool:
    return item.tasks == ["chart"] and item.document_id is not None and item.regions is None
