"""Reads a printed number in the unit and with the multiplier of its axis, or of the head of its column."""

from typing import NamedTuple

from workers.labels.axis_units import AxisUnit, is_same_unit
from workers.labels.numbers import Separator, parse_number, times


class Quantity(NamedTuple):
    value: float
    unit: str | None
    scale: float
    is_ambiguous: bool
    is_approximate: bool = False
    """`~5`, `>5`, `50+`."""


def read_quantity(text: str, of: AxisUnit, *, decimal: Separator | None) -> Quantity | None:
    """The quantity; None if the text is no number. The multiplier of `of` applies unless the text has its own (`1.2k`) or another
    unit."""
    number = parse_number(text, decimal=decimal)
    if number is None:
        return None
    is_other = number.unit is not None and (number.is_percent if of.unit is None else not is_same_unit(number.unit, of.unit))
    scale = number.scale if number.scale != 1.0 or is_other else of.scale
    value = number.value if number.scale != 1.0 else times(number.value, scale)
    return Quantity(value, number.unit or of.unit, scale, number.is_ambiguous, number.is_approximate)
