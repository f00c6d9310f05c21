"""What lands: one typed record per row of a table. `schemas.tables` spells out the same columns for Arrow."""

from collections.abc import Iterable
from dataclasses import dataclass, field, fields
from datetime import datetime
from typing import Any, Literal

from schemas.failure import FailureKind, Stage, Task
from schemas.page import Box

PageStatus = Literal["ok", "blank", "partial", "failed"]
ChartStatus = Literal["ok", "none", "partial", "failed"]
DocumentStatus = Literal["ok", "partial", "failed"]
RunStatus = Literal["running", "finished", "incomplete", "failed"]
BlockKind = Literal[
    "title", "heading", "paragraph", "list_item", "formula", "caption", "header", "footer", "footnote", "table", "figure", "chart"
]


@dataclass(frozen=True, kw_only=True)
class Lineage:
    """Where a row comes from; the same columns in front of every row."""

    uri: str
    source_id: str
    source_version: str
    version_id: str | None
    document_id: str | None
    plan_id: str
    run_id: str
    attempt: int


@dataclass(frozen=True, kw_only=True)
class Reading:
    """Who read it, as asked how."""

    recipe_id: str
    engine: str
    model: str | None
    model_revision: str | None
    prompt_version: str | None


class Record:
    """A record's row has its parts' columns (lineage, reading) in line with its own; a Box becomes four columns."""

    def row(self) -> dict[str, Any]:
        row: dict[str, Any] = {}
        for item in fields(self):  # type: ignore[arg-type]
            value = getattr(self, item.name)
            if isinstance(value, (Lineage, Reading)):
                row |= vars(value)
            elif item.name == "bbox_px":
                box = value or (None, None, None, None)
                row |= dict(zip(("left_px", "top_px", "right_px", "bottom_px"), box, strict=True))
            else:
                row[item.name] = value
        return row


@dataclass(frozen=True, kw_only=True)
class PageRecord(Record):
    lineage: Lineage
    page_index: int
    reading: Reading
    status: PageStatus
    text_markdown: str | None = None
    text_plain: str | None = None
    languages: list[str] = field(default_factory=list)
    text_origin: str | None = None
    num_blocks: int = 0
    num_chars: int = 0
    width_px: int | None = None
    height_px: int | None = None
    width_pt: float | None = None
    height_pt: float | None = None
    dpi: float | None = None
    rotation: int = 0
    is_scan: bool = False
    is_blank: bool = False
    num_chart_candidates: int = 0
    num_text_layer_chars: int | None = None
    text_layer_agreement: float | None = None
    confidence: float | None = None
    mean_logprob: float | None = None
    min_logprob: float | None = None
    grammar_overrides: float | None = None
    stop_reason: str | None = None
    num_asks: int = 0
    num_prompt_tokens: int | None = None
    num_output_tokens: int | None = None
    flags: list[str] = field(default_factory=list)
    render_s: float = 0.0
    read_s: float = 0.0
    read_at: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class BlockRecord(Record):
    lineage: Lineage
    page_index: int
    reading: Reading
    block_index: int
    kind: BlockKind
    text: str
    html: str | None = None
    bbox_px: Box | None = None
    box_origin: Literal["text_layer", "engine"] | None = None
    confidence: float | None = None


@dataclass(frozen=True, kw_only=True)
class ChartRecord(Record):
    lineage: Lineage
    page_index: int
    region_index: int
    reading: Reading
    status: ChartStatus
    bbox_px: Box | None = None
    region_origin: str | None = None
    width_px: int | None = None
    height_px: int | None = None
    dpi: float | None = None
    kind: str | None = None
    subtype: str | None = None
    title: str | None = None
    x_label: str | None = None
    x_unit: str | None = None
    x_kind: str | None = None
    x_scale: str | None = None
    y_label: str | None = None
    y_unit: str | None = None
    y_scale: str | None = None
    y2_label: str | None = None
    y2_unit: str | None = None
    printed: str | None = None
    series: list[str] = field(default_factory=list)
    num_points: int = 0
    labels_in_text_layer: float | None = None
    values_in_axis_range: bool | None = None
    sum_ok: bool | None = None
    mean_logprob: float | None = None
    min_logprob: float | None = None
    grammar_overrides: float | None = None
    stop_reason: str | None = None
    num_asks: int = 0
    num_prompt_tokens: int | None = None
    num_output_tokens: int | None = None
    flags: list[str] = field(default_factory=list)
    read_s: float = 0.0
    read_at: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class ChartPointRecord(Record):
    lineage: Lineage
    page_index: int
    region_index: int
    reading: Reading
    point_index: int
    series_index: int
    series: str | None
    x_text: str | None
    x_value: float | None
    x_time: datetime | None
    y_text: str | None
    value: float | None
    unit: str | None
    scale: float | None
    axis: Literal["y", "y2"]
    is_estimated: bool | None
    size_text: str | None = None
    size_value: float | None = None
    flags: list[str] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class FailureRecord(Record):
    lineage: Lineage
    page_index: int | None
    region_index: int | None
    recipe_id: str | None
    engine: str | None
    model: str | None
    stage: Stage
    task: Task | None
    kind: FailureKind
    message: str
    is_transient: bool
    raw_text: str | None
    failed_at: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class DocumentRecord(Record):
    lineage: Lineage
    status: DocumentStatus
    name: str
    media_type: str | None
    size_bytes: int
    last_modified: datetime
    title: str | None
    producer: str | None
    is_encrypted: bool
    is_repaired: bool
    num_pages: int | None
    num_pages_read: int
    num_pages_ok: int
    num_pages_blank: int
    num_pages_partial: int
    num_pages_failed: int
    num_chart_candidates: int
    num_charts: int
    num_chart_points: int
    num_failures: int
    tasks: list[str]
    ocr_recipe_id: str | None
    chart_recipe_id: str | None
    duplicate_of: str | None
    is_whole: bool | None


@dataclass(frozen=True, kw_only=True)
class DeletionRecord(Record):
    uri: str
    source_id: str
    source_version: str
    document_id: str | None
    plan_id: str
    is_deleted: bool
    noticed_at: datetime
    input: str


@dataclass(frozen=True, kw_only=True)
class RunRecord(Record):
    run_id: str
    status: RunStatus
    started_at: datetime
    ended_at: datetime | None = None
    input: str = ""
    output: str = ""
    plan_ids: list[str] = field(default_factory=list)
    engine: str = ""
    model: str | None = None
    model_revision: str | None = None
    host: str = ""
    version: str = ""
    settings_json: str = ""
    num_documents: int = 0
    num_pages: int = 0
    num_charts: int = 0
    num_chart_points: int = 0
    num_failures: int = 0
    num_prompt_tokens: int = 0
    num_output_tokens: int = 0
    seconds: float = 0.0
    pages_per_s: float | None = None
    render_s: float = 0.0
    read_s: float = 0.0
    gpu_s: float | None = None
    cost: float | None = None
    currency: str | None = None
    message: str | None = None


@dataclass(frozen=True, kw_only=True)
class ChunkRecords:
    """All rows that reading one chunk came to."""

    pages: list[PageRecord] = field(default_factory=list)
    blocks: list[BlockRecord] = field(default_factory=list)
    charts: list[ChartRecord] = field(default_factory=list)
    chart_points: list[ChartPointRecord] = field(default_factory=list)
    failures: list[FailureRecord] = field(default_factory=list)

    @classmethod
    def joined(cls, parts: Iterable["ChunkRecords"]) -> "ChunkRecords":
        """One after the other."""
        whole = cls()
        for part in parts:
            for item in fields(cls):
                getattr(whole, item.name).extend(getattr(part, item.name))
        return whole
