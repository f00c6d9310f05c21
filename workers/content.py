"""What a checked answer amounts to: the columns of the tables that are about content, before they get their lineage."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from schemas.page import Box
from schemas.records import BlockKind


@dataclass(frozen=True, kw_only=True)
class BlockContent:
    """The columns of `BlockRecord` that are about content; `block_index` is its place in the list."""

    kind: BlockKind
    text: str
    html: str | None = None
    bbox_px: Box | None = None
    box_origin: Literal["text_layer", "engine"] | None = None
    confidence: float | None = None


@dataclass(frozen=True, kw_only=True)
class OcrContent:
    """The columns of `PageRecord` that are about content, and the page's blocks."""

    text_markdown: str
    text_plain: str
    languages: list[str]
    num_chars: int
    text_layer_agreement: float | None
    flags: list[str] = field(default_factory=list)
    blocks: list[BlockContent] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class PointContent:
    """The columns of `ChartPointRecord` that are about content."""

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
class ChartContent:
    """The columns of `ChartRecord` that are about content, and the chart's points."""

    status: Literal["ok", "none"]
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
    labels_in_text_layer: float | None = None
    values_in_axis_range: bool | None = None
    sum_ok: bool | None = None
    flags: list[str] = field(default_factory=list)
    points: list[PointContent] = field(default_factory=list)

    @property
    def num_points(self) -> int:
        return len(self.points)
