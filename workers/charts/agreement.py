"""A chart read twice: point by point, does a model's answer say what the drawing says?"""

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from schemas.records import PointContent

VALUE_SHARE = 0.02
"""Of the span of the chart's values: so far may a value be off that is read off an axis."""
PRINTED_SHARE = 0.005
"""The same where the value is printed: what its rounding and the drawing may be off."""
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


def agreement(answered: Sequence[PointContent], drawn: Sequence[PointContent]) -> Agreement | None:
    """None where the drawing has no values to compare with. Series go by name, or by place where neither has names."""
    known = [point for point in drawn if point.value is not None]
    if not known:
        return None
    spans = _spans(known)
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


def _spans(points: Sequence[PointContent]) -> tuple[float, float]:
    """Of values and of x, of the drawing's points. Values are measured from zero where that is nearer than they are apart."""
    values = [point.value for point in points if point.value is not None]
    xs = [point.x_value for point in points if point.x_value is not None]
    xs = xs or [x for point in points if (x := _number(point)) is not None]
    return max(max(*values, 0.0) - min(*values, 0.0), 1e-12) if values else 1.0, max(xs) - min(xs) if len(xs) > 1 else 0.0


def _series(point: PointContent, names: dict[int, str]) -> str:
    return _folded(point.series) if point.series else f"#{point.series_index}" if names else ""


def _is_same(point: PointContent, other: PointContent, spans: tuple[float, float]) -> bool:
    value_span, x_span = spans
    if not _is_same_x(point, other, x_span):
        return False
    assert point.value is not None
    assert other.value is not None
    if (point.unit == "%") != (other.unit == "%") and abs(other.value - 100 * point.value) <= PRINTED_SHARE * value_span:
        return True  # a share as 0.43 and as 43 %
    share = VALUE_SHARE if point.is_estimated is not False else PRINTED_SHARE
    return abs(point.value - other.value) <= share * value_span


def _is_same_x(point: PointContent, other: PointContent, x_span: float) -> bool:
    if _folded(point.x_text) == _folded(other.x_text):
        return True
    if point.x_value is not None and other.x_value is not None:
        near = max(X_SHARE * x_span, X_RELATIVE * min(abs(point.x_value), abs(other.x_value)))
        return abs(point.x_value - other.x_value) <= near + 1e-9
    one, two = _number(point), _number(other)
    return one is not None and two is not None and abs(one - two) <= X_SHARE * x_span + 1e-9


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
