"""Finds the axes of a chart in the words of its region, and the ranges that they span."""

import math
from collections.abc import Sequence

from schemas.page import Word
from workers.charts.points import Axis, ChartReader
from workers.labels.powers import axis_multiplier
from workers.labels.scales import AxisRange, Scale, Tick, joined_labels, longest_rows, placed, power_tick

MAX_WORDS = 5_000
"""A region with more words is not checked."""


def axis_ranges(words: Sequence[Word], reader: ChartReader, axis: Axis, *, is_horizontal: bool) -> list[AxisRange]:
    """The ranges that the axis may span, one for each scale that may be its own; empty if unknown.

    If an axis prints a multiplier at its end (`1e6`), values may be answered with it or without. An end is open if the row goes on
    with a label that has digits and is no tick (`3,0003,500`, two labels that touch).
    """
    labels = joined_labels(words)
    ranges = [_open(scale, labels, is_horizontal) for scale in scales(words, reader, axis, is_horizontal=is_horizontal)]
    return [*ranges, *(AxisRange(span.low * offset, span.high * offset) for offset in offsets(words) for span in ranges)]


def offsets(words: Sequence[Word]) -> set[float]:
    """The multipliers at the ends of axes."""
    return {factor for word in words if (factor := axis_multiplier(word.text)) is not None}


def scales(words: Sequence[Word], reader: ChartReader, axis: Axis, *, is_horizontal: bool) -> list[Scale]:
    """The scales, as printed, that may be the axis' own.

    Ticks like 102, 103, 104 are read both ways, as numbers and as powers of ten. If the chart has a second axis, only the outermost
    scale on the axis' side counts: `y2` lies right of `y` (above, on horizontal charts). Otherwise all scales count, because the
    region may hold panels.
    """
    if len(words) > MAX_WORDS:
        return []
    labels = joined_labels(words)
    ticks = [tick for label in labels if (tick := _tick(label, reader, axis, is_horizontal))]
    powers = [tick for label in labels if (tick := power_tick(label, is_horizontal))]
    found = [*longest_rows(ticks), *longest_rows(powers)]
    rows = [scale for scale in found if not reader.are_names(tick.text for tick in scale.ticks)]
    if not reader.has_y2 or not rows:
        return rows
    places = [scale.across for scale in rows]
    size = max(scale.ticks[0].size for scale in rows)
    if axis == "y2" and max(places) - min(places) < 2 * size:
        return []  # one scale only: the first axis'
    wanted = max(places) if (axis == "y2") != is_horizontal else min(places)  # a horizontal chart's first axis is the lowest row
    return [scale for scale in rows if abs(scale.across - wanted) < 2 * size]


def _open(scale: Scale, labels: Sequence[Word], is_horizontal: bool) -> AxisRange:
    """The scale's range. An end is open if the row of labels goes on with one that cannot be read."""
    low, high = scale.range
    first, last = scale.ticks[0], scale.ticks[-1]
    step = (last.along - first.along) / (len(scale.ticks) - 1)
    texts = {tick.text for tick in scale.ticks}
    for label in labels:
        if label.text in texts or not any(char.isdigit() for char in label.text):
            continue
        other = placed(0.0, label, is_horizontal)
        if min(abs(one - two) for one, two in zip(other.edges, first.edges, strict=True)) > 0.5 * first.size:
            continue
        if 0 < other.along - last.along < 2.2 * step:
            high = math.inf
        elif 0 < first.along - other.along < 2.2 * step:
            low = -math.inf
    return AxisRange(low, high)


def _tick(word: Word, reader: ChartReader, axis: Axis, is_horizontal: bool) -> Tick | None:
    reading = reader.reading(word.text, axis)
    if reading is None or not math.isfinite(reading.value):
        return None
    return placed(reading.value, word, is_horizontal)
