"""Values that are printed at the marks: believed where they are what the axis gives, to their last digit."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from schemas.page import Box
from workers.labels.numbers import parse_number
from workers.rendering.pages.vector_charts.axes import Direction
from workers.rendering.pages.vector_charts.found import Refused
from workers.rendering.pages.vector_charts.labels import Label
from workers.rendering.pages.vector_charts.scales import Scale

NEAR_EM = 1.7
AXIS_SHARE = 0.006
"""Of the axis' range: what a drawing may be off beside rounding."""


def printed_values(
    cells: Mapping[tuple[int, str | None], Any], scale: Scale, labels: Sequence[Label], taken: Sequence[Label], direction: Direction
) -> dict[tuple[int, str | None], str]:
    """The text at each bar's end or in its middle, where that says what the bar's length does.

    None at all where none of them does: they say something else (a share, a change). Raises Refused where some do and some do not.
    """
    used = set(taken)
    numbers = [(label, value) for label in labels if label not in used and (value := _number(label.text, scale)) is not None]
    if not numbers or len(numbers) > 4 * len(cells) + 20:
        return {}
    agreeing: dict[tuple[int, str | None], str] = {}
    num_wrong = 0
    for key, cell in cells.items():
        near = [(label, value) for label, value in numbers if _is_at(label, cell.box, cell.end, direction)]
        right = [label for label, value in near if abs(value - cell.number) <= _tolerance(label.text, scale, value)]
        if right:
            agreeing[key] = min(right, key=lambda label: _distance(label, cell.box, cell.end, direction)).text
        elif near:
            num_wrong += 1
    if not agreeing:
        return {}
    if num_wrong > 0.2 * len(cells) and num_wrong < len(agreeing):
        raise Refused("labels_disagree", f"{num_wrong} of {len(cells)}")
    return agreeing if len(agreeing) > num_wrong else {}


def _number(text: str, scale: Scale) -> float | None:
    found = parse_number(text, decimal=scale.decimal) if len(text) <= 20 else None
    return found.value if found and not found.is_approximate else None


def _tolerance(text: str, scale: Scale, value: float) -> float:
    """Half of the last digit, and what the drawing may be off."""
    digits = re.search(r"\d[\d.,]*", text)
    _, mark, decimals = digits.group().rpartition(scale.decimal) if digits else ("", "", "")
    step = 10.0 ** -len(decimals) if mark else 1.0
    plain = parse_number(digits.group(), decimal=scale.decimal) if digits else None
    if plain and plain.value and abs(value / plain.value) > 10:
        step *= abs(value / plain.value)  # 1.2k
    return 0.51 * step + AXIS_SHARE * scale.span


def _is_at(label: Label, box: Box, end: float, direction: Direction) -> bool:
    x, y = label.centre
    if direction == "y":
        if not box.left - 1 <= x <= box.right + 1:
            return False
        return abs(y - end) <= NEAR_EM * label.size or abs(y - (box.top + box.bottom) / 2) <= 0.6 * label.size
    if not box.top - 1 <= y <= box.bottom + 1:
        return False
    edge = min(abs(label.box.left - end), abs(label.box.right - end))
    return edge <= NEAR_EM * label.size or abs(x - (box.left + box.right) / 2) <= 0.6 * label.size


def _distance(label: Label, box: Box, end: float, direction: Direction) -> float:
    return abs(label.centre[1 if direction == "y" else 0] - end)
