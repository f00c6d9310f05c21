"""Lines and points as the picture shows them: where in a column a series' colour is, and where only the ground is."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from schemas.page import Word
from workers.charts.plot_pixels import Frame, Pixels, Plot, is_like, occurrences
from workers.text.agreement import tokens_of

SWATCH_EM = 4.5
"""A legend's sample stands no farther from its name."""
INK = 40
"""Levels by which ink differs from the ground; grid lines of grey plots differ by less."""
FRAME_PX = 4
COVERED = 0.5
"""Of the columns between a line's ends: so many show its colour, else it cannot be followed (dots, a hidden line)."""
LEVEL = 0.9
"""Of the columns of a step line: so many show it as high as the column before."""
MIN_JUMP = 3
"""Rows that a step goes up or down at once."""

Mask = np.ndarray[Any, np.dtype[np.bool_]]


def legend_colour(name: str, words: Sequence[Word], frame: Frame, pixels: Pixels, background: Pixels) -> Pixels | None:
    """The colour beside a series' name: left of it, else right of it. None: nothing coloured stands there."""
    compact = "".join(tokens_of(name))
    if not compact or frame.is_turned:
        return None
    for box in occurrences(compact, words):
        size = max(6.0, box.height) * frame.down
        middle = round(frame.row(-(box.top + box.bottom) / 2))
        left, right = frame.columns(box)
        reach = SWATCH_EM * size
        before = pixels[max(0, middle - 2) : middle + 3, max(0, round(left - reach)) : max(0, round(left - 0.15 * size))][:, ::-1]
        after = pixels[max(0, middle - 2) : middle + 3, max(0, round(right + 0.15 * size)) : max(0, round(right + reach))]
        sides = [
            (at, side[:, at : at + round(reach / 2)])
            for side in (before, after)
            if (at := _first_ink(side, background)) is not None
        ]
        if sides:
            return ink_colour(min(sides, key=lambda side: side[0])[1], background)
    return None


def _first_ink(part: Pixels, background: Pixels) -> int | None:
    """Column where the first run of ink begins that is wider than the frame of a legend."""
    if not part.size:
        return None
    columns = np.flatnonzero(_is_ink(part, background).any(axis=0))
    runs = np.split(columns, np.flatnonzero(np.diff(columns) > 1) + 1)
    return next((int(run[0]) for run in runs if len(run) > FRAME_PX), None)


def _is_ink(part: Pixels, background: Pixels) -> Mask:
    is_light_grey = (np.ptp(part, axis=-1) < 18) & (part.mean(axis=-1) > 150)
    return ~is_like(part, background, INK) & ~is_light_grey & (part.min(axis=-1) < 245)


def ink_colour(part: Pixels, background: Pixels) -> Pixels | None:
    """The commonest colour that is neither the ground, nor white, nor a light grey."""
    kept = part[_is_ink(part, background)]
    if len(kept) < 3:
        return None
    keys = (kept[:, 0].astype(np.int32) >> 4 << 8) | (kept[:, 1] >> 4 << 4) | (kept[:, 2] >> 4)
    at = int(np.bincount(keys).argmax())
    return np.median(kept[keys == at], axis=0).astype(np.int16)


def legend_boxes(names: Sequence[str | None], words: Sequence[Word], frame: Frame) -> list[tuple[int, int, int, int]]:
    """Where series' names stand, with the samples left of them: first and last row, first and last column."""
    found = []
    for name in names:
        for box in occurrences("".join(tokens_of(name or "")), words) if name else ():
            left, right = frame.columns(box)
            size = max(6.0, box.height) * frame.down
            middle = frame.row(-(box.top + box.bottom) / 2)
            rows = max(0, round(middle - 0.7 * size)), max(0, round(middle + 0.7 * size))
            found.append((*rows, max(0, round(left - SWATCH_EM * size)), max(0, round(right + 2))))
    return found


def mask_of(plot: Plot, colour: Pixels, legend: Sequence[tuple[int, int, int, int]] = ()) -> Mask:
    """Where the plot has the colour, but for its legend."""
    mask = is_like(plot.pixels, colour, 48)
    mask[: max(0, int(plot.top - plot.beyond))] = False
    mask[int(plot.bottom + plot.beyond) :] = False
    for first, last, left, right in legend:
        mask[first:last, left:right] = False
    return mask


def is_followed(mask: Mask, left: float, right: float) -> bool:
    """True if the colour goes on from one end to the other."""
    columns = mask[:, max(0, round(left)) : max(0, round(right)) + 1].any(axis=0)
    return bool(columns.size >= 10 and columns.mean() >= COVERED)


def is_stepped(mask: Mask, left: float, right: float) -> bool:
    """True if the line lies level and jumps, as a step line does. Its corners may stand beside the labels."""
    part = mask[:, max(0, round(left)) : max(0, round(right)) + 1]
    tops = part.argmax(axis=0)[part.any(axis=0)]
    if tops.size < 10:
        return False
    changes = np.abs(np.diff(tops))
    return bool((changes == 0).mean() >= LEVEL and (changes > MIN_JUMP).sum() >= 2)


def stands_at(mask: Mask, row: float, column: float, tolerance: float) -> bool | None:
    """True if the colour is at this place; None if the column does not show it at all."""
    reach = max(2, round(0.007 * mask.shape[1]))  # a steep line passes a little aside
    rows = np.flatnonzero(mask[:, max(0, round(column) - reach) : round(column) + reach + 1].any(axis=1))
    return bool(np.abs(rows - row).min() <= tolerance) if rows.size else None


def is_legend(legend: Sequence[tuple[int, int, int, int]], row: float, column: float, tolerance: float) -> bool:
    """True if the place lies where the legend, or a label beside the line's end, is left out."""
    return any(
        first - tolerance <= row <= last + tolerance and left - tolerance <= column <= right + tolerance
        for first, last, left, right in legend
    )


def is_bare(plot: Plot, row: float, column: float, tolerance: float) -> bool:
    """True if nothing is around the place but the ground, and at most a grid line's grey."""
    reach = round(tolerance)
    top, left = max(0, round(row) - reach), max(0, round(column) - reach)
    part = plot.pixels[top : round(row) + reach + 1, left : round(column) + reach + 1]
    if not part.size:
        return False
    return ink_colour(part, plot.background) is None
