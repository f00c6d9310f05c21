"""A chart read twice: point by point, does a model's answer say what the drawing says?"""

import math
import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import NamedTuple

from schemas.records import PointContent

VALUE_SHARE = 0.02
"""Of the span of the chart's values: so far may a value be off that is read off an axis."""
PRINTED_SHARE = 0.005
"""The same where the value is printed: what its rounding and the drawing may be off."""
WHOLE_OFF = 1.5
"""Percent: so far rounded shares may be off 100 together."""
X_SHARE = 0.01
"""Of the span along x, where x is a number or a date."""
X_RELATIVE = 0.005
"""Of x itself, where that is more: on a logarithmic axis."""


@dataclass(frozen=True)
class Agreement:
    share: float
    """Points that both have, of those that either has."""
    wrong: frozenset[int]
    """point_index of the answer's points that the drawing contradicts or does not have."""


def agreement(
    answered: Sequence[PointContent], drawn: Sequence[PointContent], *, is_log: bool = False, is_x_log: bool = False
) -> Agreement | None:
    """None where the drawing has no values to compare with. Series go by name, or by place where neither has names.

    On a logarithmic axis a value may be off by a share of the decades, so that ten times a small value is seen.
    """
    known = [point for point in drawn if point.value is not None]
    if not known:
        return None
    if _is_whole(known):
        answered = _as_shares(answered)
    spans = _Spans.of(known, is_log=is_log, is_x_log=is_x_log)
    names = {point.series_index: _folded(point.series) for point in (*answered, *known) if point.series}
    left: dict[str, list[PointContent]] = defaultdict(list)
    for point in known:
        left[_series(point, names)].append(point)
    wrong: set[int] = set()
    num_same = 0
    said = [point for point in answered if point.value is not None]
    is_single = len(left) == 1 and len({point.series_index for point in said}) <= 1
    for point in said:
        others = next(iter(left.values())) if is_single else left.get(_series(point, names), [])
        same = next((other for other in others if _is_same(point, other, spans)), None)
        if same is None:
            wrong.add(point.point_index)
        else:
            others.remove(same)
            num_same += 1
    return Agreement(num_same / max(len(said) + len(known) - num_same, 1), frozenset(wrong))


def _is_whole(points: Sequence[PointContent]) -> bool:
    """The shares of a pie."""
    values = [point.value for point in points if point.value is not None and point.unit == "%"]
    is_single = len({point.series_index for point in points}) == 1
    return is_single and len(values) == len(points) > 1 and abs(sum(values) - 100) <= WHOLE_OFF


def _as_shares(points: Sequence[PointContent]) -> Sequence[PointContent]:
    """A pie's parts may be answered as what is printed at them, which is no share: 12 of 48."""
    values = [point.value for point in points if point.value is not None]
    total = sum(values)
    if len({point.series_index for point in points}) != 1 or any(value < 0 for value in values) or total <= 0:
        return points
    if any(point.unit == "%" for point in points) or abs(total - 1) <= 0.01 * WHOLE_OFF:
        return points
    return [
        point if point.value is None else replace(point, value=100 * point.value / total, unit="%", is_estimated=None)
        for point in points
    ]


class _Spans(NamedTuple):
    """Of the drawing's points: what a difference is measured by."""

    value: float
    """From the least to the largest; from zero where that is nearer than they are apart; of a logarithmic axis in decades."""
    x: float
    is_log: bool
    is_x_log: bool

    @classmethod
    def of(cls, points: Sequence[PointContent], *, is_log: bool, is_x_log: bool) -> "_Spans":
        values = [point.value for point in points if point.value is not None]
        is_log = is_log and min(values) > 0
        span = math.log10(max(values) / min(values)) if is_log else max(*values, 0.0) - min(*values, 0.0)
        xs = [point.x_value for point in points if point.x_value is not None]
        xs = xs or [x for point in points if (x := _number(point)) is not None]
        return cls(max(span, 1e-12), max(xs) - min(xs) if len(xs) > 1 else 0.0, is_log, is_x_log)

    def off(self, value: float, other: float) -> float:
        """How far two values are apart, of the span."""
        if self.is_log:
            return abs(math.log10(value / other)) / max(self.value, 1.0) if value > 0 else math.inf
        return abs(value - other) / self.value


def _series(point: PointContent, names: dict[int, str]) -> str:
    return _folded(point.series) if point.series else f"#{point.series_index}" if names else ""


def _is_same(point: PointContent, other: PointContent, spans: _Spans) -> bool:
    if not _is_same_x(point, other, spans):
        return False
    assert point.value is not None
    assert other.value is not None
    if (point.unit == "%") != (other.unit == "%") and spans.off(100 * point.value, other.value) <= PRINTED_SHARE:
        return True  # a share as 0.43 and as 43 %
    return spans.off(point.value, other.value) <= (VALUE_SHARE if point.is_estimated is not False else PRINTED_SHARE)


def _is_same_x(point: PointContent, other: PointContent, spans: _Spans) -> bool:
    if _folded(point.x_text) == _folded(other.x_text):
        return True
    if point.x_value is not None and other.x_value is not None:
        near = X_SHARE * spans.x
        if spans.is_x_log:
            near = max(near, X_RELATIVE * min(abs(point.x_value), abs(other.x_value)))
        return abs(point.x_value - other.x_value) <= near + 1e-9
    one, two = _number(point), _number(other)
    return one is not None and two is not None and abs(one - two) <= X_SHARE * spans.x + 1e-9


def _number(point: PointContent) -> float | None:
    """Dates as days; years are dates where the other answer says so."""
    if point.x_time is not None:
        return _days(point.x_time)
    if point.x_value is not None and 1500 <= point.x_value <= 2200 and re.fullmatch(r"\d{4}(?:\.0+)?", point.x_text or ""):
        return _days(datetime(int(point.x_value), 1, 1, tzinfo=UTC))
    return point.x_value


def _days(time: datetime) -> float:
    return time.timestamp() / 86400


def _folded(text: str | None) -> str:
    return " ".join((text or "").casefold().replace("−", "-").split())
