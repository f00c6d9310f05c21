"""How values are written that no text is printed for: as many digits as the drawing knows, in the chart's own way."""

import math
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Literal

from workers.labels.numbers import Separator
from workers.rendering.pages.vector_charts.scales import Scale

STEPS = 4_000
"""A drawing's axis has about as many steps that can be distinguished."""


def number_text(value: float, span: float, decimal: Separator = ".") -> str:
    """To a fraction of the axis; never three decimals, which may be read as thousands."""
    step = max(span, abs(value) * 1e-6, 1e-300) / STEPS
    digits = min(max(0, math.ceil(-math.log10(step))), 12)
    if digits == 3:
        digits = 4
    text = f"{value:.{digits}f}" if abs(value) < 1e15 else f"{value:.6g}"
    if "." in text and "e" not in text:
        text = text.rstrip("0").rstrip(".")
        if len(text.rpartition(".")[2]) == 3 and "." in text:
            text += "0"
    text = "0" if text in ("-0", "") else text
    return text.replace(".", ",") if decimal == "," else text


def log_text(value: float, decimal: Separator = ".") -> str:
    """Four significant digits."""
    digits = max(0, 3 - math.floor(math.log10(abs(value)))) if value else 0
    return number_text(float(f"{value:.4g}"), STEPS * 10.0**-digits, decimal)


def scale_texts(scale: Scale, positions: Sequence[float]) -> tuple[list[str], Literal["time", "number"]]:
    """x of each position: whole numbers where all are; dates where the axis has dates, or years between whose ticks points lie."""
    if scale.kind == "time":
        return _dates(scale, positions), "time"
    if scale.kind == "log":
        return [log_text(scale.value(position), scale.decimal) for position in positions], "number"
    values = [scale.value(position) for position in positions]
    per_pt = abs(scale.slope * scale.multiplier)
    if all(abs(value - round(value)) <= min(0.12, max(0.7 * per_pt, 0.004 * scale.span)) for value in values) and len(
        {round(value) for value in values}
    ) == len({round(position, 1) for position in positions}):
        texts = [str(round(value)) for value in values]
        return texts, "time" if scale.is_yearly else "number"
    if scale.is_yearly:
        return [_of_year(value) for value in values], "time"
    return [number_text(value, scale.span, scale.decimal) for value in values], "number"


def _dates(scale: Scale, positions: Sequence[float]) -> list[str]:
    dates = [scale.date(position) for position in positions]
    days_per_pt = abs(scale.slope)
    texts = []
    for date in dates:
        if date is None:
            texts.append("")
            continue
        whole = _nearest_day(date)
        if days_per_pt < 0.04:
            texts.append(date.strftime("%Y-%m-%d %H:%M"))
        else:
            texts.append(whole.strftime("%Y-%m-%d"))
    return texts


def _nearest_day(date: datetime) -> datetime:
    return (date + timedelta(hours=12)).replace(hour=0, minute=0, second=0, microsecond=0)


def _of_year(value: float) -> str:
    year = math.floor(value)
    start, following = datetime(year, 1, 1, tzinfo=UTC), datetime(year + 1, 1, 1, tzinfo=UTC)
    return _nearest_day(start + (value - year) * (following - start)).strftime("%Y-%m-%d")
