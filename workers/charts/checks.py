"""Is what was read off a chart borne out by what the PDF itself says in that place? Every check may answer "cannot tell" (None)."""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from schemas.answers import ChartAnswer
from schemas.page import Word
from schemas.records import PointContent
from workers.labels.number_words import PERCENT
from workers.labels.scales import AxisRange
from workers.text.agreement import tokens_of

MAX_LABELS = 200
SUM_TOLERANCE = 0.01


class LabelsFound(NamedTuple):
    share: float
    num_labels: int
    missing: tuple[str, ...] = ()
    """Those that are not found."""


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
    missing = tuple(
        " ".join(tokens)
        for compact, tokens in chosen
        if not ((compact in joined if len(compact) > 3 else compact in bag) or all(token in bag for token in tokens))
    )
    return LabelsFound(1 - len(missing) / len(chosen), len(chosen), missing)


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


def values_in_range(points: Iterable[PointContent], ranges: Mapping[str, Sequence[AxisRange]]) -> bool | None:
    """Do all values lie on their axis, on one of its scales where it has several? None where no value's axis is known."""
    known = [(point.value, spans) for point in points if point.value is not None and (spans := ranges.get(point.axis))]
    return all(any(span.low <= value <= span.high for span in spans) for value, spans in known) if known else None
