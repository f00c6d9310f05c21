"""The scale of a chart's axis that is drawn again: its ends, its ticks, and where a value lies between them."""

import math
from collections.abc import Sequence
from typing import NamedTuple

MAX_DECADES = 12
"""Powers of ten with a tick each; of more, every second one and so on."""

LEAST = 1e-300
_ROOM = 1e-9
"""Share of a single value, however large, that is added on its sides, where 1 would be lost in rounding."""


class Scale(NamedTuple):
    low: float
    high: float
    is_log: bool = False

    def share(self, value: float) -> float:
        """0 at the low end, 1 at the high one."""
        low, high, value = (math.log10(each) if self.is_log else each for each in (self.low, self.high, value))
        return (value - low) / (high - low) if high > low else 0.5

    @property
    def base(self) -> float:
        """Where bars and areas stand: at zero, or at the end that is nearest to it."""
        return self.low if self.is_log else max(self.low, min(self.high, 0.0))

    def ticks(self) -> list[float]:
        if self.is_log:
            first, last = round(math.log10(self.low)), round(math.log10(self.high))
            return [10.0**power for power in range(first, last + 1, -(-(last - first) // MAX_DECADES))]
        step = _step(self.low, self.high)
        return [self.low + step * number for number in range(min(round((self.high - self.low) / step), 10) + 1)]


def scale_of(values: Sequence[float], *, has_zero: bool, is_log: bool) -> Scale:
    """Round ends around the values. Linear where a value has no logarithm, or a power of ten below it no float."""
    low, high = min(values), max(values)
    if is_log and low > LEAST:
        first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
        return Scale(10.0**first, 10.0 ** min(max(last, first + 1), 308), is_log=True)
    if has_zero:
        low, high = min(low, 0.0), max(high, 0.0)
    if high - low < LEAST:
        room = max(1.0, abs(low) * _ROOM)
        low, high = low - room, high + room
    step = _step(low, high)
    return Scale(math.floor(low / step) * step, math.ceil(high / step) * step)


def short(value: float) -> str:
    for size, mark in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            return f"{value / size:.3g}{mark}"
    return f"{value:.3g}"


def _step(low: float, high: float) -> float:
    """1, 2, 2.5 or 5 times a power of ten, so that there are about five."""
    rough = (high - low) / 5
    power = 10.0 ** math.floor(math.log10(rough))
    return power * next(nice for nice in (1.0, 2.0, 2.5, 5.0, 10.0) if rough <= nice * power * 1.001)
