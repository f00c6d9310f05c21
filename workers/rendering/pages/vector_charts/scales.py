"""What the labels of an axis say of its scale: numbers, even or by powers, or dates. Every label has to fit."""

import math
import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Literal, NamedTuple

import numpy as np

from workers.labels.numbers import Number, Separator, decimal_convention, parse_number, times
from workers.labels.powers import raised_power
from workers.labels.times import parse_time

FIT_PT = 0.75
"""How far a tick may lie from where the scale has it: producers round ticks to their pixels."""
MAX_UNIT_CHARS = 10
_SHORT_DATE = re.compile(r"(\d{1,2})[ -]([^\W\d_]{3,9})\.?[ -](\d\d)")
_DAY_OR_YEAR = re.compile(r"([^\W\d_]{3,9})\.? (\d\d)")
"""`Apr 05`: of some year, or of 2005."""
_ADDED = re.compile(r"[+\-−]\d(?:\.\d+)?(?:e[+\-−]?\d{1,2})?")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

ScaleKind = Literal["linear", "log", "time"]


class Scale(NamedTuple):
    kind: ScaleKind
    slope: float
    origin: float
    """value (or its logarithm, or days since 1970) = origin + slope * position."""
    first: float
    last: float
    """Positions of the outer ticks, the smaller first."""
    worst_pt: float
    unit: str | None = None
    decimal: Separator = "."
    multiplier: float = 1.0
    texts: tuple[str, ...] = ()
    is_yearly: bool = False
    """The labels are bare years: they may be numbers or dates."""

    def value(self, position: float) -> float:
        raw = self.origin + self.slope * position
        if self.kind == "log":
            return 10.0 ** min(max(raw, -300.0), 300.0)
        return raw * self.multiplier

    def position(self, value: float) -> float | None:
        if self.kind == "log":
            if value <= 0:
                return None
            return (math.log10(value) - self.origin) / self.slope
        return (value / self.multiplier - self.origin) / self.slope

    def date(self, position: float) -> datetime | None:
        days = self.origin + self.slope * position
        return _EPOCH + timedelta(days=days) if abs(days) < 500_000 else None

    @property
    def span(self) -> float:
        """Values between the outer ticks."""
        return abs(self.value(self.last) - self.value(self.first))


def fit_numbers(texts: Sequence[str], positions: Sequence[float], tolerance: float = FIT_PT) -> Scale | None:
    """None unless every text is a number and all lie on one scale; with two readings of a separator, the one that fits."""
    decimal = decimal_convention(texts)
    readings: list[Separator] = [decimal] if decimal else _likely(texts)
    found: list[Scale] = []
    for reading in readings:
        numbers = [_number(text, reading) for text in texts]
        if any(number is None for number in numbers):
            continue
        values = [number.value for number in numbers if number is not None]
        units = {number.unit for number in numbers if number is not None and number.value != 0} or {None}
        scale = _fit(values, positions, tolerance) if len(units) == 1 else None
        if scale is None:
            continue
        is_yearly = all(re.fullmatch(r"1[5-9]\d\d|20\d\d|21\d\d|\d,\d{3}", text) for text in texts) and all(
            1500 <= value <= 2199 for value in values
        )
        scale = scale._replace(
            unit=next(iter(units)), decimal=reading, texts=tuple(texts), is_yearly=is_yearly and scale.kind == "linear"
        )
        if not any(math.isclose(scale.slope, other.slope) and scale.kind == other.kind for other in found):
            found.append(scale)
    return found[0] if len(found) == 1 else None


def _likely(texts: Sequence[str]) -> list[Separator]:
    """Which separator may be decimal where the numbers do not prove it. Beside a plain 0, a one would not be written 1,000. Commas
    before three digits part thousands; points before three digits may be either."""
    marks = {char for text in texts for char in text if char in ".,"}
    if len(marks) != 1:
        return [".", ","]
    if any(re.fullmatch(r"\D*\b0\b\D*", text) for text in texts) and all(
        re.search(r"[.,]\d{3}(?!\d)", text) for text in texts if set(text) & marks
    ):
        return ["."] if marks == {","} else [","]
    return ["."] if marks == {","} else [".", ","]


def fit_dates(texts: Sequence[str], positions: Sequence[float], tolerance: float = FIT_PT) -> Scale | None:
    """Days since 1970; None unless every text is a date and all lie on one scale. `texts`: as they follow each other in time."""
    times: list[datetime | None] = [parse_date(text) for text in texts]
    short = [_DAY_OR_YEAR.fullmatch(text) for text in texts]
    parts = [match.groups() for match in short if match is not None]
    if len(parts) == len(texts) and (len({name for name, _ in parts}) == 1 or {digits for _, digits in parts} <= {"01", "15"}):
        return None  # the days of one month, or its first and its middle, are as likely as years
    if any(re.search(r"\d{4}", text) for text in texts):
        times = [None if match else time for time, match in zip(times, short, strict=True)]
    fitted = _line(_days(_with_years(times, texts)), positions, tolerance)
    return fitted and fitted._replace(kind="time", texts=tuple(texts))


def _days(times: Sequence[datetime]) -> list[float]:
    return [(time - _EPOCH) / timedelta(days=1) for time in times]


def parse_date(text: str) -> datetime | None:
    """Also `01 Jan 22`, which is a date beside others of its kind."""
    if match := _SHORT_DATE.fullmatch(text):
        day, name, short = match.groups()
        text = f"{day} {name} {2000 + int(short) if int(short) < 70 else 1900 + int(short)}"
    return parse_time(text)


def is_part_of_date(text: str) -> bool:
    """`April` or `Apr 05`: the year stands at another tick."""
    return any(char.isalpha() for char in text) and parse_date(f"{text} 2000") is not None


def _with_years(given: Sequence[datetime | None], texts: Sequence[str]) -> list[datetime]:
    """`October 2021 April`: where a tick has no year, that of the tick before, or of the one behind for those before the first.

    Empty where a text is no date.
    """
    times = list(given)
    first = next((place for place, time in enumerate(times) if time is not None), len(times))
    for place in range(first + 1, len(times)):
        before = times[place - 1]
        if times[place] is None and before is not None:
            times[place] = next((time for time in _in_years(texts[place], before.year, 1) if time > before), None)
    for place in range(first - 1, -1, -1):
        behind = times[place + 1] if place + 1 < len(times) else None
        if behind is not None:
            times[place] = next((time for time in _in_years(texts[place], behind.year, -1) if time < behind), None)
    known = [time for time in times if time is not None]
    return known if len(known) == len(times) else []


def _in_years(text: str, year: int, step: int) -> list[datetime]:
    if not is_part_of_date(text):
        return []
    return [time for each in (year, year + step) if (time := parse_date(f"{text} {each}")) is not None]


def offset_added(text: str) -> float | None:
    """`+2e3` at the end of an axis: what is to be added to its ticks, as matplotlib writes it."""
    match = _ADDED.fullmatch(text.strip())
    return float(match.group().replace("−", "-")) if match else None


def is_number(text: str) -> bool:
    return _number(text, ".") is not None


def _number(text: str, decimal: Separator) -> Number | None:
    """`2G` is two billion on an axis, as D3 writes it; elsewhere the letter may be a unit."""
    if (power := raised_power(text.strip())) is not None:
        return Number(power)
    if len(text) > 24:
        return None
    found = parse_number(text, decimal=decimal)
    if found is None or found.is_approximate or len(found.unit or "") > MAX_UNIT_CHARS:
        return None
    if found.unit == "G":
        return Number(times(found.value, 1e9), scale=1e9)
    return found


def _fit(values: Sequence[float], positions: Sequence[float], tolerance: float) -> Scale | None:
    """Even first: three powers of ten never are."""
    if scale := _line(values, positions, tolerance):
        return scale
    if min(values) <= 0:
        return None
    logs = _line([math.log10(value) for value in values], positions, tolerance)
    return logs and logs._replace(kind="log")


def _line(values: Sequence[float], positions: Sequence[float], tolerance: float) -> Scale | None:
    """The straight line through all ticks: none may lie farther off than the tolerance, and the values must differ."""
    if len(values) < 2 or len(set(values)) < len(values):
        return None
    along, figures = np.array(positions, dtype=float), np.array(values, dtype=float)
    middle, centre = along.mean(), figures.mean()
    spread = float(((along - middle) ** 2).sum())
    if spread <= 0 or not math.isfinite(spread):
        return None
    slope = float(((along - middle) * (figures - centre)).sum()) / spread
    if slope == 0 or not math.isfinite(slope):
        return None
    origin = float(centre - slope * middle)
    worst = float(np.abs((figures - origin) / slope - along).max())
    if not worst <= tolerance:
        return None
    return Scale("linear", slope, origin, float(along.min()), float(along.max()), worst)
