"""Finds the scales of a chart's axes: rows of numbers at even distances along an axis.

A scale has at least three numbers that are aligned along the axis, grow in its direction, and are evenly spaced (or evenly spaced
in their logarithms). An unclear row is no scale. Places are those of labels, which stand a few pixels off their ticks;
`vector_charts.scales` fits the ticks themselves, to a pixel.
"""

import math
from collections.abc import Collection, Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

from schemas.page import Word
from workers.labels.powers import flat_power

MIN_TICKS = 3
MAX_RESIDUAL = 0.03
"""Largest distance of a tick's label from its place on an even scale, as a share of the axis' length."""
MAX_MOVED = 0.5
"""Of a step: so far a label at an end may be moved inwards."""
MAX_ROW = 200
"""Most numbers of a row that are examined."""
MORE_STEPS = 1.5
"""Steps beyond the last tick that belong to the range, because R ends its axes at the last whole step below the data."""


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
    """A printed scale. `place` gives the place of a value on it."""

    ticks: tuple[Tick, ...]
    """The ticks in the order of the axis. In a scale of powers the values are the powers."""
    is_log: bool
    slope: float
    """Pixels along the axis for each unit (or decade)."""
    start: float
    """Place of 0 (or 10^0) along the axis, pixels."""

    def place(self, value: float) -> float | None:
        """The place of a value along the axis, pixels; None if a logarithmic axis has no such value."""
        if self.is_log:
            return self.start + self.slope * math.log10(value) if value > 0 else None
        return self.start + self.slope * value

    @property
    def across(self) -> float:
        """The centre of the labels across the axis, pixels."""
        return self.ticks[0].edges[1]

    @property
    def range(self) -> AxisRange:
        """The range of the ticks and MORE_STEPS on either side, because a mark may pass the last tick."""
        values = [tick.value for tick in self.ticks]
        if self.is_log:
            factor = (values[-1] / values[-2]) ** MORE_STEPS
            return AxisRange(values[0] / factor, values[-1] * factor)
        more = MORE_STEPS * max(values[-1] - values[-2], values[1] - values[0])
        return AxisRange(values[0] - more, values[-1] + more)


def joined_labels(words: Sequence[Word]) -> list[Word]:
    """The words, with neighbours on one line that are closer than a letter joined: `1 000`, `$ 3`."""
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


def longest_rows(ticks: Sequence[Tick], *, in_pieces: bool = False) -> list[Scale]:
    """The rows that are scales, without those whose ticks all stand in another one: -40…0 share an edge that -40…40 do not.

    `in_pieces`: a row may hold several scales, one after the other (panels that stand in line).
    """
    kept: list[tuple[Collection[Tick], Scale]] = []
    rows = [row for edge in range(3) for row in _aligned(ticks, edge)]
    for row in sorted(rows, key=len, reverse=True):
        for scale in _pieces(row) if in_pieces else filter(None, [scale_of(row)]):
            members = frozenset(scale.ticks)
            if not any(members <= set(other) for other, _ in kept):
                kept.append((members, scale))
    return [scale for _, scale in kept]


def _pieces(row: Sequence[Tick]) -> Iterator[Scale]:
    """The scales that follow each other in the row, each as long as possible."""
    first = 0
    while first + MIN_TICKS <= min(len(row), MAX_ROW):
        found = None
        for end in range(first + MIN_TICKS, min(len(row), MAX_ROW) + 1):
            longer = scale_of(row[first:end])
            if longer is None:
                break
            found = longer
        if found:
            yield found
        first += len(found.ticks) if found else 1


def scale_of(row: Sequence[Tick]) -> Scale | None:
    """The scale that the ticks form, in the order of an axis; None if they form none."""
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


def placed(value: float, word: Word, is_horizontal: bool) -> Tick:
    middle_x, middle_y = (word.left + word.right) / 2, (word.top + word.bottom) / 2
    size = max(word.size_px, 1.0)
    if is_horizontal:
        return Tick(value, middle_x, (word.top, middle_y, word.bottom), size, word.text)
    return Tick(value, -middle_y, (word.left, middle_x, word.right), size, word.text)


def power_tick(word: Word, is_horizontal: bool) -> Tick | None:
    value = flat_power(word.text)
    return placed(value, word, is_horizontal) if value is not None else None


def _aligned(ticks: Sequence[Tick], edge: int) -> list[list[Tick]]:
    """Rows of ticks that share an edge within half a letter, in the order of the axis."""
    rows: list[list[Tick]] = []
    for tick in sorted(ticks, key=lambda tick: tick.edges[edge]):
        if rows and tick.edges[edge] - rows[-1][-1].edges[edge] <= 0.5 * tick.size:
            rows[-1].append(tick)
        else:
            rows.append([tick])
    return [sorted(row, key=lambda tick: tick.along) for row in rows if len(row) >= MIN_TICKS]


def _even(values: Sequence[float], row: Sequence[Tick]) -> tuple[float, float] | None:
    """(slope, start) of the straight line through both ends; None if a tick is not on it.

    Labels at the ends may be moved inwards, as Vega does it: then the line is that through the ends of the others.
    """
    if not all(map(math.isfinite, values)):
        return None
    first, last = row[0].along, row[-1].along
    span, length = values[-1] - values[0], last - first
    if span <= 0 or not math.isfinite(span) or length <= 0:
        return None
    inner = list(zip(values, row, strict=True))[1:-1]
    if len(inner) < MIN_TICKS:
        return _through(values, [tick.along for tick in row], MAX_RESIDUAL * length)
    found = _through([value for value, _ in inner], [tick.along for _, tick in inner], MAX_RESIDUAL * length)
    if found is None:
        return None
    slope, start = found
    low, high = start + slope * values[0], start + slope * values[-1]
    room = [MAX_MOVED * abs(slope * (values[at] - values[at - 1])) + MAX_RESIDUAL * length for at in (1, -1)]
    is_inwards = -MAX_RESIDUAL * length <= first - low <= room[0] and -MAX_RESIDUAL * length <= high - last <= room[1]
    return found if is_inwards else None


def _through(values: Sequence[float], places: Sequence[float], most: float) -> tuple[float, float] | None:
    """The straight line through the first and the last, where none is farther off than `most`."""
    span = values[-1] - values[0]
    slope = (places[-1] - places[0]) / span if span else 0.0
    start = places[0] - slope * values[0]
    if not (slope > 0 and math.isfinite(slope) and math.isfinite(start)):
        return None
    is_even = all(abs(place - (start + slope * value)) <= most for value, place in zip(values, places, strict=True))
    return (slope, start) if is_even else None
