"""Numbers along an axis, each at a tick or a grid line of its own: what a chart has and a table has not, whatever its marks are."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from schemas.page import Box, Word
from workers.labels.numbers import parse_number
from workers.labels.scales import Scale, joined_labels, longest_rows, placed, power_tick
from workers.rendering.pages.finding_regions.drawings import Mark
from workers.rendering.pages.finding_regions.page_lines import around, is_number

REACH_PT = 40.0
"""Tick labels stand no farther from the marks."""
TICK_REACH_EM = 2.5
OFF_EM = 0.35
"""So far from a label's centre its tick may lie, along the axis."""
TICKED_SHARE = 0.6
"""Of an axis' labels: so many have a tick or a grid line."""
MAX_WORDS = 400
"""A cluster with more words around it is no chart whose axis needs looking for."""


Rules = np.ndarray[tuple[int, ...], np.dtype[np.float64]]
"""left, top, right, bottom, one row each."""


class Ruler(NamedTuple):
    box: Box
    """Around its labels."""
    is_upright: bool


def rulers(box: Box, marks: Sequence[Mark], words: Sequence[Word]) -> list[Ruler]:
    """Those beside or upon the marks, whose box is `box`."""
    near = [
        word
        for word in words
        if box.left - REACH_PT <= (word.left + word.right) / 2 <= box.right + REACH_PT
        and box.top - REACH_PT <= (word.top + word.bottom) / 2 <= box.bottom + REACH_PT
    ]
    if len(near) > MAX_WORDS or sum(is_number(word.text) or word.text.startswith("10") for word in near) < 3:
        return []
    rules = np.array([mark.box for mark in marks if mark.shape == "rule"], dtype=float).reshape(-1, 4).T
    if not rules.size:
        return []
    labels = joined_labels(near)
    return [ruler for is_upright in (True, False) for ruler in _on_axis(labels, rules, is_upright)]


def _on_axis(labels: Sequence[Word], rules: Rules, is_upright: bool) -> Iterator[Ruler]:
    numbers = [
        placed(number.value, label, not is_upright)
        for label in labels
        if any(char.isdigit() for char in label.text) and (number := parse_number(label.text))
    ]
    powers = [tick for label in labels if (tick := power_tick(label, not is_upright))]
    for scale in [*longest_rows(numbers, in_pieces=True), *longest_rows(powers, in_pieces=True)]:
        if _num_ticked(scale, rules, is_upright) >= max(3, TICKED_SHARE * len(scale.ticks)):
            yield Ruler(_label_box(scale, is_upright), is_upright)


def _num_ticked(scale: Scale, rules: Rules, is_upright: bool) -> int:
    left, top, right, bottom = rules if is_upright else rules[[1, 0, 3, 2]]
    is_across = right - left > bottom - top
    along, near, far = (top + bottom)[is_across] / 2, left[is_across], right[is_across]
    if not along.size:
        return 0
    sign = -1 if is_upright else 1  # ticks of an upright axis count upwards
    return sum(
        bool(
            (
                (np.abs(along - sign * tick.along) <= OFF_EM * tick.size)
                & (near <= tick.edges[2] + TICK_REACH_EM * tick.size)
                & (far >= tick.edges[0] - TICK_REACH_EM * tick.size)
            ).any()
        )
        for tick in scale.ticks
    )


def _label_box(scale: Scale, is_upright: bool) -> Box:
    boxes = []
    for tick in scale.ticks:
        along, half = (-tick.along if is_upright else tick.along), tick.size / 2
        low, _, high = tick.edges
        boxes.append(Box(low, along - half, high, along + half) if is_upright else Box(along - half, low, along + half, high))
    return around(boxes)
