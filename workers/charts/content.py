"""Makes a chart's columns and points of a typed answer, and says how far to trust them.

Nothing here raises on odd content: a value that does not fit is null and flagged (`schemas.flags`).
"""

from dataclasses import dataclass, field, replace
from typing import Literal

from schemas.answers import ChartAnswer
from schemas.page import Box, Region, RenderedPage
from schemas.records import ChartData, Flagged, PointContent
from workers.charts.axes import axis_ranges
from workers.charts.checks import LabelsFound, labels_found, sums_to_whole, values_in_range
from workers.charts.points import Axis, ChartReader
from workers.charts.redrawn import redrawn
from workers.labels.scales import AxisRange
from workers.text.trust import judge

ON_AXES = ("bar", "line", "area", "scatter", "bubble", "histogram", "waterfall", "combo", "candlestick", "box")
"""Kinds whose values are on an axis with ticks."""
MARGIN = 0.15
"""Share of the region's longer side. A label is searched so far around the region before it counts as missing."""
MIN_LABELS = 3
"""With fewer labels, their share raises no flag."""


@dataclass(frozen=True, kw_only=True)
class ChartContent(ChartData, Flagged):
    """A chart's columns and its points."""

    status: Literal["ok", "none"]
    points: list[PointContent] = field(default_factory=list)


def chart_content(answer: ChartAnswer, region: Region, page: RenderedPage, *, by_picture: bool = False) -> ChartContent:
    """Columns and points of a chart, numbers parsed with one decimal convention, checked against the text in its place.

    The region's words count only if the page's text layer is trusted (`workers.text.trust`). `by_picture`: hold
    the answer against the chart's picture too, which takes about a quarter of a second; where the drawing was read, that is the
    better witness.
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
    elif found and found.missing and _are_missing(answer, found, region, page):
        flags["label_not_in_text_layer"] = None
    axes: tuple[Axis, ...] = () if answer.chart not in ON_AXES else ("y", "y2") if reader.has_y2 else ("y",)
    ranges: dict[str, list[AxisRange]] = {
        axis: axis_ranges(words, reader, axis, is_horizontal=reader.is_horizontal) for axis in axes
    }
    in_range = values_in_range(points, ranges)
    if in_range is False:
        flags["values_outside_axis"] = None
    image = (region.image or page.image) if by_picture else None
    seen = redrawn(answer, reader, points, words, image, region.bbox_px) if image is not None else None
    if seen and seen.elsewhere:
        flags["mark_elsewhere"] = None
        points = [_flagged(point, "mark_elsewhere") if point.point_index in seen.elsewhere else point for point in points]
    if seen and seen.has_more:
        flags["more_marks"] = None
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


def _are_missing(answer: ChartAnswer, found: LabelsFound, region: Region, page: RenderedPage) -> bool:
    """True if a label is also missing around the region, which may be cut a little too small."""
    if found.share == 0:
        return False  # nothing was found of one or two: what is drawn as outlines has no words
    box = region.bbox_px
    more = MARGIN * max(box.width, box.height)
    wide = Box(box.left - more, box.top - more, box.right + more, box.bottom + more)
    words = page.text_layer.words if page.text_layer else []
    near = labels_found(answer, [word for word in words if wide.intersection(word.box).area > 0])
    return near is not None and bool(set(near.missing) & set(found.missing))


def _flagged(point: PointContent, flag: str) -> PointContent:
    return replace(point, flags=[*point.flags, flag])
