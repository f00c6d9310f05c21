"""Plans say what a run is going to do and are fixed before any work; manifests say what it did; recipes say how."""

import hashlib
import json
from collections import Counter
from datetime import date, datetime
from typing import Any

from pydantic import Field

from schemas.failure import FailureKind, Task
from schemas.frozen import Frozen
from schemas.planned import Shards
from schemas.settings import Redo


class Recipe(Frozen):
    """Everything that can change a task's answer. There is one per task, so that a new chart prompt redoes charts and not OCR."""

    task: Task
    engine: str
    model: str | None
    model_revision: str | None
    prompt_version: str | None
    schema_version: int
    options: dict[str, Any] = Field(default_factory=dict)
    """Render, region, read and engine settings that can change the answer."""
    reads_by: str | None = None
    """What the planning machine had to read by beside the engine's own model, such as Tesseract with its languages. It is not in
    the `recipe_id`: where it changes, pages that the engine could not read are read again, and no others."""

    @property
    def recipe_id(self) -> str:
        """A hash of the recipe, 16 hex digits."""
        fields = self.model_dump(mode="json", exclude={"reads_by"})
        body = json.dumps(fields, sort_keys=True, ensure_ascii=True, separators=(",", ":"))
        return hashlib.sha256(body.encode()).hexdigest()[:16]


class Disappearance(Frozen):
    """A source of which the lake has rows and that the input no longer lists, or lists again."""

    uri: str
    etag: str
    document_id: str | None
    is_deleted: bool
    """False if the source is listed again."""


class PlanHead(Frozen):
    """A plan without its sources."""

    plan_id: str
    """Six digits that count up, a point, and eight random hex digits. The six digits name the plan's file, which is created with
    If-None-Match, so they are unique and ordered whatever the clocks say. If a lake is removed and made again they repeat, so all
    other objects of the plan carry the whole id. Plans of older versions have the six digits alone."""
    created_at: datetime
    ingest_date: date
    input: str
    epoch: int
    """Epoch of the lease under which the plan was made. If it is lower than that of the plan before, a dead run has made the plan,
    and the plan is abandoned."""
    recipes: dict[Task, Recipe]
    chunk_pages: int
    page_range: str | None = None
    max_pages: int
    known: dict[str, str] = {}
    """source_id by document_id of documents that were read before, or are read by this plan, and have the size of one of its new
    sources. A new source with the same bytes is a duplicate."""
    disappearances: list[Disappearance] = []
    """Differences between the manifests and the listing from which the plan was made."""
    redo: Redo = "stale"
    """The run's `plan.redo`. `all` applies to one plan; a run that resumes the plan must not redo everything again."""


class Plan(PlanHead):
    shards: Shards
    """The sources to read, in groups that are committed together."""


class Cover(Frozen):
    """The list of staged chunks that the files of a shard, or of one part, are made of. It is created with If-None-Match before the
    files, so that two compactors, however late, write the same bytes."""

    is_last: bool = True
    """True if all documents of the shard are committed with it."""
    chunks: list[str]
    """Names of staged chunks, in the order of their rows."""
    compression_level: int
    row_group_rows: int


class CommittedFile(Frozen):
    path: str
    size_bytes: int
    rows: int


class SourceFailure(Frozen):
    """The part of a failure that planning a retry needs."""

    kind: FailureKind
    task: Task | None
    page_index: int | None
    region_index: int | None
    needs_ocr: bool = False
    """True if the region was found in the OCR answer of a scan, so that reading it again must begin with OCR."""
    version: str | None = None
    """What met the failure, because another tries again: the pagefold's version of an `internal_error`, the recipe's `reads_by` of
    an `unsupported_script`. None for other kinds."""


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
    """The planned regions. `pages` and `regions` are None if the whole source was read."""
    failures: list[SourceFailure] = []
    duplicate_of: str | None = None
    """source_id of the source with the same bytes that was read instead."""


class CommittedCounts(Frozen):
    """Counts of the documents in a manifest."""

    num_documents: int = 0
    num_unopened: int = 0
    """Documents that failed before one of their pages was seen."""
    pages: dict[str, int] = {}
    """Number of pages by status."""
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
    """The commit of one shard, of some of its documents (a part), or of a plan's disappearances. It is created with If-None-Match
    after all its files are written. What it lists is done."""

    plan_id: str
    shard_index: int
    run_id: str
    committed_at: datetime
    recipe_ids: dict[Task, str]
    part: int | None = None
    """Number of the part, in a shard that is committed in parts; None for the whole shard, and for its last part."""
    abandoned: bool = False
    """True if the plan was closed unfinished. The manifest lists no files and no sources then."""
    page_range: str | None = None
    num_shards: int | None = None
    """Number of shards of the plan. When all are committed, the plan need not be read. None in manifests of older versions."""
    files: list[CommittedFile] = []
    counts: CommittedCounts | None = None
    """None in manifests of older versions and in those without documents."""
    sources: list[CommittedSource] = []
    disappearances: list[Disappearance] = []
