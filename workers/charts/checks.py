"""Is what was read off a chart borne out by what the PDF itself says in that place? Every check may answer "cannot tell" (None)."""

import math
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple

from schemas.answers import ChartAnswer
from schemas.page import Word
from schemas.records import PointContent
from workers.charts.points import Axis, ChartReader
from workers.labels.number_words import PERCENT
from workers.text.agreement import tokens_of

MIN_TICKS = 3
MAX_RESIDUAL = 0.03
"""Of an axis' length: how far a tick's label may lie from where an even scale has it."""
MAX_LABELS = 200
SUM_TOLERANCE = 0.01


class LabelsFound(NamedTuple):
    share: float
    num_labels: int


class AxisRange(NamedTuple):
    low: float
    high: float


class _Tick(NamedTuple):
    value: float
    along: float
    """Centre along the axis, pixels, growing with the value."""
    edges: tuple[float, float, float]
    """Near edge, centre and far edge across the axis: labels are aligned by one of them."""
    size: float


def labels_found(answer: ChartAnswer, words: Sequence[Word]) -> LabelsFound | None:
    """Share of title, axis labels, series and category names that stand in `words`; None without words or labels.

    A label counts when its words stand there in a row, or all of them anywhere (MuPDF's order is not the reader's).
    """
    if not words:
        return None
    names = [answer.title, answer.x, answer.y, answer.y2, *answer.series]
    if answer.x_kind in ("category", None):
        names += [row[0] for row in answer.rows if row]
    labels = {"".join(tokens): tokens for name in names if name and (tokens := tokens_of(name))}
    if not labels:
        return None
    there = [token for word in words for token in tokens_of(word.text)]
    joined, bag = "".join(there), set(there)
    chosen = list(labels.items())[:MAX_LABELS]
    num_found = sum(
        (compact in joined if len(compact) > 3 else compact in bag) or all(token in bag for token in tokens)
        for compact, tokens in chosen
    )
    return LabelsFound(num_found / len(chosen), len(chosen))


def sums_to_whole(answer: ChartAnswer, points: Sequence[PointContent]) -> bool | None:
    """Do a pie's parts (or each bar's of a percent chart) sum to 100 %, or to 1, within 1 % and what rounding adds?

    None for other kinds, where a part is missing, and where the parts are no shares (a pie of dollars has no printed whole).
    """
    subtype = (answer.subtype or "").casefold()
    if answer.chart == "pie":
        groups = [[point for point in points if point.series_index == index] for index in {point.series_index for point in points}]
    elif answer.chart in ("bar", "area") and ("percent" in subtype or "100" in subtype):
        groups = [[point for point in points if point.x_text == x] for x in {point.x_text for point in points}]
    else:
        return None
    sums = [_whole(group) for group in groups if group]
    return None if not sums or any(is_whole is None for is_whole in sums) else all(sums)


def _whole(points: Sequence[PointContent]) -> bool | None:
    values = [point.value for point in points if point.value is not None]
    if len(values) < 2 or len(values) != len(points):
        return None
    total = math.fsum(values)
    is_percent = all(point.unit is not None and point.unit.casefold() in PERCENT for point in points)
    if is_percent:
        return abs(total - 100) <= 100 * SUM_TOLERANCE + _rounding(points)
    if all(point.unit is None for point in points) and all(0 <= value <= 1 for value in values):
        return abs(total - 1) <= SUM_TOLERANCE + _rounding(points)
    return None


def _rounding(points: Sequence[PointContent]) -> float:
    """What rounding to the printed decimals may add up to by chance: half a last digit times the root of their number."""
    num_decimals = min(len(_decimals(point.y_text or "")) for point in points)
    return 0.5 * 10.0**-num_decimals * math.sqrt(len(points))


def _decimals(text: str) -> str:
    digits = text.replace(",", ".").rpartition(".")[2] if "." in text or "," in text else ""
    return "".join(char for char in digits if char.isdigit())


def values_in_range(points: Iterable[PointContent], ranges: Mapping[str, AxisRange | None]) -> bool | None:
    """Do all values lie on their axis? None where no value's axis is known."""
    known = [(point.value, span) for point in points if point.value is not None and (span := ranges.get(point.axis))]
    return all(span.low <= value <= span.high for value, span in known) if known else None


def axis_range(words: Sequence[Word], reader: ChartReader, axis: Axis, *, is_horizontal: bool) -> AxisRange | None:
    """What the axis spans, told by its printed ticks, one step more on either side (a mark may pass the last tick).

    Conservative: at least three numbers aligned along the axis, growing in its direction, evenly spaced (or evenly spaced in their
    logarithms); of several such rows the outermost. `y2` lies right of `y` (above, on horizontal charts). None: unknown.
    """
    ticks = [tick for word in words if (tick := _tick(word, reader, axis, is_horizontal))]
    rows = [row for edge in range(3) for row in _aligned(ticks, edge) if _is_scale(row)]
    if not rows:
        return None
    outermost = max if (axis == "y2") != is_horizontal else min  # a horizontal chart's first value axis is the lowest row
    row = outermost(rows, key=lambda row: row[0].edges[1])
    if axis == "y2" and len({round(other[0].edges[1] / max(other[0].size, 1)) for other in rows}) < 2:
        return None  # one scale only: the first axis'
    values = sorted(tick.value for tick in row)
    if _is_even([math.log10(value) for value in values] if values[0] > 0 else [], row) and not _is_even(values, row):
        step = values[-1] / values[-2]
        return AxisRange(values[0] / step, values[-1] * step)
    step = max(values[-1] - values[-2], values[1] - values[0])
    return AxisRange(values[0] - step, values[-1] + step)


def _tick(word: Word, reader: ChartReader, axis: Axis, is_horizontal: bool) -> _Tick | None:
    reading = reader.reading(word.text, axis)
    if reading is None:
        return None
    middle_x, middle_y = (word.left + word.right) / 2, (word.top + word.bottom) / 2
    size = max(word.size_px, 1.0)
    if is_horizontal:
        return _Tick(reading.value, middle_x, (word.top, middle_y, word.bottom), size)
    return _Tick(reading.value, -middle_y, (word.left, middle_x, word.right), size)


def _aligned(ticks: Sequence[_Tick], edge: int) -> list[list[_Tick]]:
    """Rows of ticks that share an edge, to half a letter; in the order of the axis."""
    rows: list[list[_Tick]] = []
    for tick in sorted(ticks, key=lambda tick: tick.edges[edge]):
        if rows and tick.edges[edge] - rows[-1][-1].edges[edge] <= 0.5 * tick.size:
            rows[-1].append(tick)
        else:
            rows.append([tick])
    return [sorted(row, key=lambda tick: tick.along) for row in rows if len(row) >= MIN_TICKS]


def _is_scale(row: Sequence[_Tick]) -> bool:
    values = [tick.value for tick in row]
    if any(later <= earlier for earlier, later in pairwise(values)):
        return False
    return _is_even(values, row) or (values[0] > 0 and _is_even([math.log10(value) for value in values], row))


def _is_even(values: Sequence[float], row: Sequence[_Tick]) -> bool:
    """Is place a linear function of value? By the straight line through both ends."""
    if len(values) < MIN_TICKS or not all(map(math.isfinite, values)):
        return False
    first, last = row[0].along, row[-1].along
    span, length = values[-1] - values[0], last - first
    if span <= 0 or not math.isfinite(span) or length <= 0:
        return False
    return all(
        abs(tick.along - (first + (value - values[0]) / span * length)) <= MAX_RESIDUAL * length
        for value, tick in zip(values, row, strict=True)
    )
