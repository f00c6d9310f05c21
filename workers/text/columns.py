"""What a checked answer amounts to, before it gets its place and its lineage. The columns are those of the records, their bases."""

from dataclasses import dataclass, field
from typing import Literal

from schemas.records import BlockContent, ChartData, Flagged, PageText, PageTrust, PointContent


@dataclass(frozen=True, kw_only=True)
class OcrContent(PageText, PageTrust, Flagged):
    """A page's text and its blocks. `text_origin` and `confidence` are null here: the engine gives them, not the answer."""

    blocks: list[BlockContent] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class ChartContent(ChartData, Flagged):
    """A chart's columns and its points."""

    status: Literal["ok", "none"]
    points: list[PointContent] = field(default_factory=list)
