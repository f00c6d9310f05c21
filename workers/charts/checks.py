"""Checks of a chart's answer against the PDF's own text in its place. Every check may be undecided (None)."""

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
    """Labels that are not found."""


def labels_found(answer: ChartAnswer, words: Sequence[Word]) -> LabelsFound | None:
    """Share of title, axis labels, series and category names that are found in `words`; None without words or labels.

    A label is found if its words follow each other there, or if all of them are anywhere, because MuPDF's order is not the
    reader's.
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
    """True if a pie's parts, or those of each bar of a percent chart, sum to 100 % or to 1, within 1 % and rounding.

    None for other kinds, if a part is missing, and if the parts are no shares, because a pie of dollars has no printed whole.
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
    """The error that rounding to the printed decimals may sum to: half a last digit times the root of the number of points."""
    num_decimals = min(len(_decimals(point.y_text or "")) for point in points)
    return 0.5 * 10.0**-num_decimals * math.sqrt(len(points))


def _decimals(text: str) -> str:
    digits = text.replace(",", ".").rpartition(".")[2] if "." in text or "," in text else ""
    return "".join(char for char in digits if char.isdigit())


def values_in_range(points: Iterable[PointContent], ranges: Mapping[str, Sequence[AxisRange]]) -> bool | None:
    """True if all values lie in the range of their axis, or of one of its scales; None if no value's axis is known."""
    known = [(point.value, spans) for point in points if point.value is not None and (spans := ranges.get(point.axis))]
    return all(any(span.low <= value <= span.high for span in spans) for value, spans in known) if known else None
