"""Sources, recipes and chunk records made by hand, for tests of plan and commit."""

from collections.abc import Sequence
from datetime import UTC, date, datetime

from schemas.failure import Failure, FailureKind, Task
from schemas.page import Chunk
from schemas.plan import Plan, Recipe
from schemas.planned import PlannedSource
from schemas.records import (
    BlockRecord,
    ChunkRecords,
    EncodedImage,
    FailureRecord,
    ImageRecord,
    Lineage,
    PageRecord,
    Reading,
    WordRecord,
)
from schemas.source import Document, Source

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def make_source(name: str, etag: str = "1", size_bytes: int = 10) -> Source:
    return Source(uri=f"s3://drop/{name}", etag=etag, size_bytes=size_bytes, last_modified=NOON)


def make_recipe(task: Task, prompt_version: str = "1") -> Recipe:
    return Recipe(task=task, engine="scripted", model=None, model_revision=None, prompt_version=prompt_version, schema_version=1)


RECIPES: dict[Task, Recipe] = {"ocr": make_recipe("ocr"), "chart": make_recipe("chart")}


def make_plan(shards: list[list[PlannedSource]], plan_id: str = "000001", epoch: int = 1) -> Plan:
    return Plan(
        plan_id=plan_id,
        created_at=NOON,
        ingest_date=date(2026, 1, 1),
        input="s3://drop",
        epoch=epoch,
        recipes=RECIPES,
        chunk_pages=2,
        max_pages=100,
        shards=shards,
    )


def planned(name: str, **changes: object) -> PlannedSource:
    return PlannedSource.model_validate({"source": make_source(name), "tasks": ["ocr", "chart"]} | changes)


def make_chunk(
    item: PlannedSource,
    source_index: int,
    first: int,
    pages: list[int],
    num_selected: int,
    failures: Sequence[Failure] = (),
) -> Chunk:
    return Chunk(
        plan_id="000001",
        shard_index=0,
        source_index=source_index,
        source=item.source,
        document=Document(document_id="d" * 64, media_type="application/pdf", num_pages=num_selected),
        attempt=item.attempt,
        tasks=item.tasks,
        first=first,
        pages=pages,
        num_selected=num_selected,
        failures=list(failures),
    )


def records_of(chunk: Chunk, failing: dict[int, FailureKind] | None = None, recipe_id: str = "o") -> ChunkRecords:
    """One row of a page, of a block, of a picture and of a word for each page; those in `failing` are failed, with that kind."""
    lineage = Lineage(
        uri=chunk.source.uri,
        source_id=chunk.source.source_id,
        source_version=chunk.source.etag,
        version_id=None,
        document_id=chunk.document.document_id,
        plan_id=chunk.plan_id,
        run_id="r1",
        attempt=chunk.attempt,
    )
    reading = Reading(recipe_id=recipe_id, engine="scripted", model=None, model_revision=None, prompt_version="1")
    records = ChunkRecords()
    for page in chunk.pages:
        kind = (failing or {}).get(page)
        page_key = {"lineage": lineage, "page_index": page, "reading": reading}
        records.pages.append(PageRecord(**page_key, status="failed" if kind else "ok", text_plain=None if kind else f"p{page}"))
        if kind:
            records.failures.append(_failure_row(lineage, page, kind))
        else:
            records.blocks.append(BlockRecord(**page_key, block_index=0, kind="paragraph", text=f"p{page}"))
            records.images.append(_image_row(lineage, page))
            records.words.append(WordRecord(**page_key, word_index=0, line_index=0, text=f"p{page}"))
    records.failures.extend(_failure_row(lineage, None, failure.kind) for failure in chunk.failures)
    return records


def _image_row(lineage: Lineage, page: int) -> ImageRecord:
    body = f"picture of {page}".encode()
    size = {"width_px": 4, "height_px": 3, "size_bytes": len(body), "sha256": str(page)}
    return ImageRecord(lineage=lineage, page_index=page, image_index=0, kind="page", image=EncodedImage(body, "p.jpg"), **size)


def _failure_row(lineage: Lineage, page: int | None, kind: FailureKind) -> FailureRecord:
    return FailureRecord(
        lineage=lineage,
        page_index=page,
        region_index=None,
        recipe_id=None,
        engine=None,
        model=None,
        stage="read",
        task=None,
        kind=kind,
        message="",
        is_transient=False,
        raw_text=None,
    )
