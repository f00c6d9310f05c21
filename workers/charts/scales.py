"""The scales that a chart's axes print: rows of numbers that stand evenly along an axis, each at its place.

Conservative: a scale is at least three numbers aligned along the axis, growing in its direction, evenly spaced (or evenly spaced
in their logarithms). What is not clear is no scale.
"""

import math
import re
from collections.abc import Collection, Sequence
from itertools import pairwise
from typing import NamedTuple

from schemas.page import Word
from workers.charts.points import Axis, ChartReader

MIN_TICKS = 3
MAX_RESIDUAL = 0.03
"""Of an axis' length: how far a tick's label may lie from where an even scale has it."""
MORE_STEPS = 1.5
"""Beyond the last tick; R ends its axes at the last whole step below the data."""
MAX_WORDS = 5_000
"""A region with more words is no chart that a check could help."""

POWER = re.compile(r"10([-−–]?\d{1,2})")
"""10², as a text layer without superscripts has it."""
OFFSET = re.compile(r"[×x]?1e([+-]?\d{1,2})|[×x]\s?10\^?([-−]?\d{1,2})")
"""What plotting libraries print once, at the end of an axis, for all its ticks."""


class AxisRange(NamedTuple):
    low: float
    high: float


class Tick(NamedTuple):
    value: float
    along: float
    """Centre along the axis, pixels; it grows with the value."""
    edges: tuple[float, float, float]
    """Near edge, centre and far edge across the axis: labels are aligned by one of them."""
    size: float
    text: str


class Scale(NamedTuple):
    """A printed scale; `place` gives where a value stands on it."""

    ticks: tuple[Tick, ...]
    """In the order of the axis; of a scale of powers the values are the powers."""
    is_log: bool
    slope: float
    """Pixels along the axis for each unit (or decade)."""
    start: float
    """Where 0 (or 10^0) stands."""

    def place(self, value: float) -> float | None:
        """Pixels along the axis; None where a logarithmic axis has no such value."""
        if self.is_log:
            return self.start + self.slope * math.log10(value) if value > 0 else None
        return self.start + self.slope * value

    @property
    def across(self) -> float:
        """Where its labels stand across the axis: their centre, pixels."""
        return self.ticks[0].edges[1]

    @property
    def range(self) -> AxisRange:
        """What it spans, and MORE_STEPS on either side: a mark may pass the last tick."""
        values = [tick.value for tick in self.ticks]
        if self.is_log:
            factor = (values[-1] / values[-2]) ** MORE_STEPS
            return AxisRange(values[0] / factor, values[-1] * factor)
        more = MORE_STEPS * max(values[-1] - values[-2], values[1] - values[0])
        return AxisRange(values[0] - more, values[-1] + more)


def axis_ranges(words: Sequence[Word], reader: ChartReader, axis: Axis, *, is_horizontal: bool) -> list[AxisRange]:
    """What the axis may span: of every scale that may be its own. Empty: unknown.

    Where an axis prints a multiplier at its end (`1e6`), values may be answered with it or without. An end is open where a label
    with digits that is no tick goes on with the row (`3,0003,500`, two labels that touch).
    """
    labels = joined_labels(words)
    ranges = [_open(scale, labels, is_horizontal) for scale in scales(words, reader, axis, is_horizontal=is_horizontal)]
    offsets = {float(10.0 ** int((match.group(1) or match.group(2)).replace("−", "-")))
               for word in words if (match := OFFSET.fullmatch(word.text))}  # fmt: skip
    return [*ranges, *(AxisRange(span.low * offset, span.high * offset) for offset in offsets for span in ranges)]


def scales(words: Sequence[Word], reader: ChartReader, axis: Axis, *, is_horizontal: bool) -> list[Scale]:
    """Scales that may be the axis' own, as printed.

    Ticks like 102, 103, 104 are read both ways, as numbers and as powers of ten. With a second axis the outermost on its side:
    `y2` lies right of `y` (above, on horizontal charts). Without one, all of them: the region may hold panels.
    """
    if len(words) > MAX_WORDS:
        return []
    labels = joined_labels(words)
    ticks = [tick for label in labels if (tick := _tick(label, reader, axis, is_horizontal))]
    powers = [tick for label in labels if (tick := _power_tick(label, is_horizontal))]
    found = [*_longest_rows(ticks), *_longest_rows(powers)]
    rows = [scale for scale in found if not reader.are_names(tick.text for tick in scale.ticks)]
    if not reader.has_y2 or not rows:
        return rows
    places = [scale.across for scale in rows]
    size = max(scale.ticks[0].size for scale in rows)
    if axis == "y2" and max(places) - min(places) < 2 * size:
        return []  # one scale only: the first axis'
    wanted = max(places) if (axis == "y2") != is_horizontal else min(places)  # a horizontal chart's first axis is the lowest row
    return [scale for scale in rows if abs(scale.across - wanted) < 2 * size]


def joined_labels(words: Sequence[Word]) -> list[Word]:
    """Words of one line that stand closer than a letter, as one: `1 000`, `$ 3`."""
    joined: list[Word] = []
    for word in words:
        last = joined[-1] if joined else None
        is_next = last is not None and (last.block, last.line) == (word.block, word.line)
        if last is not None and is_next and -1 <= word.left - last.right <= 0.45 * max(word.size_px, 1.0):
            box = last.box.union(word.box)._asdict()
            joined[-1] = last._replace(text=f"{last.text} {word.text}", **box)
        else:
            joined.append(word)
    return joined


def scale_of(row: Sequence[Tick]) -> Scale | None:
    """The scale that ticks, in the order of an axis, are; None where they are none."""
    values = [tick.value for tick in row]
    if len(row) < MIN_TICKS or any(later <= earlier for earlier, later in pairwise(values)):
        return None
    for is_log in (False, True):
        if is_log and values[0] <= 0:
            continue
        measured = [math.log10(value) for value in values] if is_log else values
        if line := _even(measured, row):
            return Scale(tuple(row), is_log, *line)
    return None


def _tick(word: Word, reader: ChartReader, axis: Axis, is_horizontal: bool) -> Tick | None:
    reading = reader.reading(word.text, axis)
    if reading is None or not math.isfinite(reading.value):
        return None
    return _placed(reading.value, word, is_horizontal)


def _power_tick(word: Word, is_horizontal: bool) -> Tick | None:
    match = POWER.fullmatch(word.text)
    return _placed(10.0 ** int(re.sub("[−–]", "-", match.group(1))), word, is_horizontal) if match else None


def _placed(value: float, word: Word, is_horizontal: bool) -> Tick:
    middle_x, middle_y = (word.left + word.right) / 2, (word.top + word.bottom) / 2
    size = max(word.size_px, 1.0)
    if is_horizontal:
        return Tick(value, middle_x, (word.top, middle_y, word.bottom), size, word.text)
    return Tick(value, -middle_y, (word.left, middle_x, word.right), size, word.text)


def _aligned(ticks: Sequence[Tick], edge: int) -> list[list[Tick]]:
    """Rows of ticks that share an edge, to half a letter; in the order of the axis."""
    rows: list[list[Tick]] = []
    for tick in sorted(ticks, key=lambda tick: tick.edges[edge]):
        if rows and tick.edges[edge] - rows[-1][-1].edges[edge] <= 0.5 * tick.size:
            rows[-1].append(tick)
        else:
            rows.append([tick])
    return [sorted(row, key=lambda tick: tick.along) for row in rows if len(row) >= MIN_TICKS]


def _longest_rows(ticks: Sequence[Tick]) -> list[Scale]:
    """The rows that are scales, without those whose ticks all stand in another one: -40…0 share an edge that -40…40 do not."""
    kept: list[tuple[Collection[Tick], Scale]] = []
    rows = [row for edge in range(3) for row in _aligned(ticks, edge)]
    for row in sorted(rows, key=len, reverse=True):
        members = frozenset(row)
        if any(members <= set(other) for other, _ in kept):
            continue
        if scale := scale_of(row):
            kept.append((members, scale))
    return [scale for _, scale in kept]


def _open(scale: Scale, labels: Sequence[Word], is_horizontal: bool) -> AxisRange:
    """The scale's range, without an end where the row of labels goes on with what could not be read."""
    low, high = scale.range
    first, last = scale.ticks[0], scale.ticks[-1]
    step = (last.along - first.along) / (len(scale.ticks) - 1)
    texts = {tick.text for tick in scale.ticks}
    for label in labels:
        if label.text in texts or not any(char.isdigit() for char in label.text):
            continue
        other = _placed(0.0, label, is_horizontal)
        if min(abs(one - two) for one, two in zip(other.edges, first.edges, strict=True)) > 0.5 * first.size:
            continue
        if 0 < other.along - last.along < 2.2 * step:
            high = math.inf
        elif 0 < first.along - other.along < 2.2 * step:
            low = -math.inf
    return AxisRange(low, high)


def _even(values: Sequence[float], row: Sequence[Tick]) -> tuple[float, float] | None:
    """Slope and start of the straight line through both ends, where every tick stands on it."""
    if not all(map(math.isfinite, values)):
        return None
    first, last = row[0].along, row[-1].along
    span, length = values[-1] - values[0], last - first
    if span <= 0 or not math.isfinite(span) or length <= 0:
        return None
    slope = length / span
    start = first - slope * values[0]
    if not (math.isfinite(slope) and math.isfinite(start)):
        return None
    is_even = all(
        abs(tick.along - (start + slope * value)) <= MAX_RESIDUAL * length for value, tick in zip(values, row, strict=True)
    )
    return (slope, start) if is_even else None
