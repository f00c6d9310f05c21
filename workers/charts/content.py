"""From a typed answer to what lands of a chart: columns, points, and how far to trust them.

Nothing here raises on odd content: what does not fit is null and flagged (`schemas.flags`).
"""

from dataclasses import dataclass, field
from typing import Literal

from schemas.answers import ChartAnswer
from schemas.page import Region, RenderedPage
from schemas.records import ChartData, Flagged, PointContent
from workers.charts.checks import AxisRange, axis_range, labels_found, sums_to_whole, values_in_range
from workers.charts.points import ChartReader
from workers.text.trust import judge

MIN_LABELS = 3
"""Labels below which their share raises no flag."""


@dataclass(frozen=True, kw_only=True)
class ChartContent(ChartData, Flagged):
    """A chart's columns and its points."""

    status: Literal["ok", "none"]
    points: list[PointContent] = field(default_factory=list)


def chart_content(answer: ChartAnswer, region: Region, page: RenderedPage) -> ChartContent:
    """Columns and points of a chart, numbers parsed with one decimal convention, checked against the text in its place.

    The region's words are believed only where the page's text layer is (`workers.text.trust`).
    """
    if answer.chart == "none":
        return ChartContent(status="none")
    is_trusted = page.image is not None and judge(page.text_layer, page.image.width_px, page.image.height_px).is_trusted
    words = region.words if is_trusted else []
    reader = ChartReader(answer, words)
    points = reader.points()
    flags = dict.fromkeys(reader.flags)
    if not points:
        flags["empty_chart"] = None
    found = labels_found(answer, words)
    if found and found.share < 0.5 and found.num_labels >= MIN_LABELS:
        flags["labels_not_in_text_layer"] = None
    ranges: dict[str, AxisRange | None] = {
        "y": axis_range(words, reader, "y", is_horizontal=reader.is_horizontal),
        "y2": axis_range(words, reader, "y2", is_horizontal=reader.is_horizontal) if reader.has_y2 else None,
    }
    in_range = values_in_range(points, ranges)
    if in_range is False:
        flags["values_outside_axis"] = None
    sum_ok = sums_to_whole(answer, points)
    if sum_ok is False:
        flags["sum_off"] = None
    return ChartContent(
        status="ok",
        kind=answer.chart,
        subtype=answer.subtype,
        title=answer.title,
        x_label=answer.x,
        x_unit=answer.x_unit,
        x_kind=answer.x_kind,
        x_scale=answer.x_scale,
        y_label=answer.y,
        y_unit=answer.unit,
        y_scale=answer.scale,
        y2_label=answer.y2,
        y2_unit=answer.y2_unit,
        printed=answer.printed,
        series=[name or "" for name in reader.series],
        num_points=len(points),
        labels_in_text_layer=found.share if found else None,
        values_in_axis_range=in_range,
        sum_ok=sum_ok,
        flags=list(flags),
        points=points,
    )
