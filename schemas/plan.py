"""What a run is going to do, frozen before any work, and what it did: recipes, plans, manifests."""

import hashlib
import json
from collections import Counter
from datetime import date, datetime
from typing import Any

from pydantic import Field

from schemas.failure import FailureKind, Task
from schemas.frozen import Frozen
from schemas.page import Box
from schemas.settings import Redo
from schemas.source import Source


class Recipe(Frozen):
    """All that changes a task's answer; one per task, so that a new chart prompt redoes charts and not OCR."""

    task: Task
    engine: str
    model: str | None
    model_revision: str | None
    prompt_version: str | None
    schema_version: int
    options: dict[str, Any] = Field(default_factory=dict)
    """Render, region, read and engine settings that have a part in the answer."""

    @property
    def recipe_id(self) -> str:
        """16 hex digits."""
        body = json.dumps(self.model_dump(mode="json"), sort_keys=True, ensure_ascii=True, separators=(",", ":"))
        return hashlib.sha256(body.encode()).hexdigest()[:16]


class PlannedSource(Frozen):
    """A source with what is asked of it."""

    source: Source
    tasks: list[Task]
    attempt: int = 0
    pages: list[int] | None = None
    """page_index of the pages to read; None: all that the plan's page range selects."""
    regions: list[tuple[int, int]] | None = None
    """(page_index, region_index) of the charts to read; None: all on the pages read."""
    places: dict[int, list[Box]] = {}
    """Where charts may be on scans, by page_index, in pixels of the rendered page, where only charts are read. Of a scan that is
    not in it the text is asked, to find them."""
    document_id: str | None = None
    """Known from an earlier reading: it is read again whatever else has the same bytes. None: it may turn out a duplicate."""


class Disappearance(Frozen):
    """A source of which the lake has rows and that the input no longer lists; or that it lists again."""

    uri: str
    etag: str
    document_id: str | None
    is_deleted: bool
    """False: it is listed again."""


class Plan(Frozen):
    plan_id: str
    """Six digits, counted up, then a point and eight hex digits of this plan alone. The plan's file is called by the six digits and
    created with If-None-Match, so they are unique and in order whatever the clocks say. They come again where a lake was removed
    and made anew, so everything else of the plan carries the whole id. Plans of older versions have the six digits alone."""
    created_at: datetime
    ingest_date: date
    input: str
    epoch: int
    """Of the lease it was made under. A plan of a lower epoch than the plan before it is a dead run's and is abandoned."""
    recipes: dict[Task, Recipe]
    chunk_pages: int
    page_range: str | None = None
    max_pages: int
    shards: list[list[PlannedSource]]
    known: dict[str, str] = {}
    """source_id by document_id: what has been read, or is by this plan, of the sizes that its new sources have. A source with such
    bytes is a duplicate."""
    disappearances: list[Disappearance] = []
    """Against the manifests and the listing that the plan was made from."""
    redo: Redo = "stale"
    """As the run was asked: what `all` asks for is planned once."""


class Cover(Frozen):
    """What the files of a shard, or of one part of it, are made of: created with If-None-Match before any of them is written, so
    that whoever writes them, and however late, writes the same."""

    is_last: bool = True
    """With it all documents of the shard are committed."""
    chunks: list[str]
    """Names of staged chunks, in the order of their rows."""
    compression_level: int
    row_group_rows: int


class CommittedFile(Frozen):
    path: str
    size_bytes: int
    rows: int


class SourceFailure(Frozen):
    """As much of a failure as planning a retry needs."""

    kind: FailureKind
    task: Task | None
    page_index: int | None
    region_index: int | None
    needs_ocr: bool = False
    """The region was found in the OCR answer of a scan, so reading it again starts there."""
    version: str | None = None
    """Of the pagefold that met an `internal_error`: another reads it again by itself. None for other kinds, and where not known."""


class CommittedSource(Frozen):
    uri: str
    etag: str
    size_bytes: int
    last_modified: datetime
    document_id: str | None
    tasks: list[Task]
    attempt: int
    num_pages: int | None
    num_pages_read: int
    pages: list[int] | None = None
    regions: list[tuple[int, int]] | None = None
    """As planned: None where the whole source was read."""
    failures: list[SourceFailure] = []
    duplicate_of: str | None = None
    """source_id of the source with the same bytes that was read instead."""


class CommittedCounts(Frozen):
    """What the documents of a manifest came to."""

    num_documents: int = 0
    num_unopened: int = 0
    """Documents that failed before one of their pages was seen."""
    pages: dict[str, int] = {}
    """By status."""
    failures: dict[FailureKind, int] = {}
    num_charts: int = 0
    num_chart_points: int = 0

    def plus(self, other: "CommittedCounts") -> "CommittedCounts":
        return CommittedCounts(
            num_documents=self.num_documents + other.num_documents,
            num_unopened=self.num_unopened + other.num_unopened,
            pages=dict(Counter(self.pages) + Counter(other.pages)),
            failures=dict(Counter(self.failures) + Counter(other.failures)),
            num_charts=self.num_charts + other.num_charts,
            num_chart_points=self.num_chart_points + other.num_chart_points,
        )


class Manifest(Frozen):
    """The commit of one shard, of some of its documents (a part), or of a plan's disappearances: created with If-None-Match after
    all its files are written. What it lists is done."""

    plan_id: str
    shard_index: int
    run_id: str
    committed_at: datetime
    recipe_ids: dict[Task, str]
    part: int | None = None
    """Of a shard that is committed in parts, which one; None: the whole shard, or its last part."""
    abandoned: bool = False
    """True: the plan was closed unfinished because its recipes are no longer wanted; lists no files and no sources."""
    page_range: str | None = None
    num_shards: int | None = None
    """Of the plan: when all are committed, it need not be read again. None in manifests of older versions."""
    files: list[CommittedFile] = []
    counts: CommittedCounts | None = None
    """None in manifests of older versions, and where there are no documents."""
    sources: list[CommittedSource] = []
    disappearances: list[Disappearance] = []
