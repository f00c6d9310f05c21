"""An answer's bars held against the picture: in each label's slot a mark for each series, and where it ends."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from itertools import permutations
from typing import NamedTuple

import numpy as np

from schemas.records import PointContent
from workers.charts.bar_pixels import Bar, bars_in, with_ground
from workers.charts.line_pixels import legend_colour
from workers.charts.looked import Looked, Redrawn, are_distinct
from workers.charts.plot_pixels import SAME, Plot, is_like, label_places, step_of

CLEAR = 0.7
"""Of the slots that have values: in so many the marks can be counted, else nothing is said of bars."""
MAX_PERMUTED = 5
"""Series whose order is tried out."""
INKED = 1.5
"""Times the tolerance: ink ends where an outline or a label does."""


class _Part(NamedTuple):
    """A bar, or a part of a stack."""

    colour: tuple[int, int, int]
    end: float


def seen_bars(looked: Looked) -> Redrawn | None:
    """By the bars' colours, where they have one: patterns and gradients have many, and are seen by their ink.

    Of one series both have to say so, since lines may cross bars. Of several the ink does not say whose a bar is, so a swap is not
    seen.
    """
    seen = _bars_seen(looked, by_ink=False)
    if seen is not None and len(looked.reader.series) != 1:
        return seen
    inked = _bars_seen(looked, by_ink=True)
    if seen is None:
        return inked and inked._replace(has_more=False)
    if inked is None:
        return seen if 2 * len(seen.elsewhere) <= seen.num_seen else None
    elsewhere = tuple(index for index in seen.elsewhere if index in inked.elsewhere)
    return Redrawn(seen.num_seen, elsewhere, seen.has_more)


def _bars_seen(looked: Looked, *, by_ink: bool) -> Redrawn | None:
    rows: dict[str, list[PointContent]] = defaultdict(list)
    for point in looked.points:
        if point.x_text:
            rows[point.x_text].append(point)
    places = label_places(rows, looked.words, looked.frame)
    step = step_of(places.values())
    num_series = len(looked.reader.series)
    if len(places) < 3 or step < 8 or any(len(rows[text]) != num_series for text in places):
        return None
    looked = looked._replace(plot=with_ground(looked.plot, list(places.values()), step))
    slots = {text: bars_in(looked.plot, place - step / 2, place + step / 2, by_ink=by_ink) for text, place in places.items()}
    is_stacked = num_series > 1 and np.median([len(slot) for slot in slots.values()]) == 1
    parts = {text: parts for text, slot in slots.items() if (parts := _parts(slot, num_series, is_stacked)) is not None}
    if len(parts) < CLEAR * len(slots):
        return None
    if by_ink:
        looked = looked._replace(plot=looked.plot._replace(tolerance=INKED * looked.plot.tolerance))
    slots_seen = {text: (rows[text], parts[text]) for text in parts}
    ways = [_offs_of_all(looked, slots_seen, is_stacked)]
    if is_stacked:  # or each bar stands on the base line, before the other
        ways.append(_offs_of_all(looked, slots_seen, False))
    offs = min((way for way in ways if way is not None), key=lambda way: len(_elsewhere(looked, way)), default=None)
    if offs is None or _is_shifted(looked, [off for _, off in offs]):
        return None
    has_more = len(places) == len(rows) and _has_more_bars(
        looked.plot, list(places.values()), step, [bar for slot in slots.values() for bar in slot]
    )
    return Redrawn(len(offs), tuple(_elsewhere(looked, offs)), has_more)


def _parts(slot: Sequence[Bar], num_series: int, is_stacked: bool) -> list[_Part] | None:
    """The marks of a slot, one for each series; None where they are not as many, or too faint to stand out from the ground."""
    if is_stacked:
        if len(slot) != 1 or len(slot[0].ends) != num_series:
            return None
        return [_Part(colour, end) for colour, end in zip(slot[0].colours, slot[0].ends, strict=True)]
    if len(slot) != num_series or any(len(bar.ends) > 1 for bar in slot):
        return None
    return [_Part(bar.colour, bar.ends[0]) for bar in slot]


def _order(
    looked: Looked, slots: Mapping[str, tuple[Sequence[PointContent], Sequence[_Part]]], is_stacked: bool
) -> tuple[int, ...] | None:
    """Which series stands at each place of a slot: by the legend's colours where it has them, else as it fits best.

    None where places of one number differ in colour from slot to slot: then the marks are not understood.
    """
    num_series = len(looked.reader.series)
    if num_series == 1:
        return (0,)
    colours = [np.array([parts[place].colour for _, parts in slots.values()]) for place in range(num_series)]
    if any(np.ptp(each, axis=0).max() > 2 * SAME for each in colours):
        return None
    plot = looked.plot
    legend = [
        legend_colour(name, looked.words, looked.frame, plot.pixels, plot.background) if name else None
        for name in looked.reader.series
    ]
    places = [np.median(each, axis=0) for each in colours]
    known = [colour for colour in legend if colour is not None]
    if len(known) == num_series and are_distinct(known):
        nearest = [int(np.argmin([np.abs(place - colour).max() for colour in known])) for place in places]
        if sorted(nearest) == list(range(num_series)):
            return tuple(nearest)
    if num_series > MAX_PERMUTED:
        return None

    def misfit(order: tuple[int, ...]) -> float:
        return sum(
            min(abs(off), 40.0) for points, parts in slots.values() for _, off in _offs(looked, points, parts, order, is_stacked)
        )

    return min(permutations(range(num_series)), key=misfit)


def _offs_of_all(
    looked: Looked, slots: Mapping[str, tuple[Sequence[PointContent], Sequence[_Part]]], is_stacked: bool
) -> list[tuple[PointContent, float]] | None:
    """`_offs` of every slot, in the order of the series that fits them all."""
    order = _order(looked, slots, is_stacked)
    if order is None:
        return None
    return [pair for points, parts in slots.values() for pair in _offs(looked, points, parts, order, is_stacked)]


def _offs(
    looked: Looked, points: Sequence[PointContent], parts: Sequence[_Part], order: Sequence[int], is_stacked: bool
) -> list[tuple[PointContent, float]]:
    """How many pixels each value's mark ends off; in a stack, by how many it is too long."""
    found = []
    before = looked.row(0.0) if is_stacked else None
    for part, series_index in zip(parts, order, strict=True):
        point = points[series_index]
        row = looked.row(point.value) if point.value is not None else None
        if row is not None:
            if is_stacked and before is not None:
                found.append((point, (before - part.end) - ((looked.row(0.0) or 0.0) - row)))
            else:
                found.append((point, row - part.end))
        before = part.end
    return found


def _elsewhere(looked: Looked, offs: Sequence[tuple[PointContent, float]]) -> list[int]:
    return [point.point_index for point, off in offs if abs(off) > looked.plot.tolerance]


def _is_shifted(looked: Looked, offs: Sequence[float]) -> bool:
    """True if all marks are off by the same distance: then the place of the scale is wrong, as with bars drawn as blocks."""
    return bool(offs) and min(abs(off) for off in offs) > looked.plot.tolerance and np.ptp(offs) <= looked.plot.tolerance


def _has_more_bars(plot: Plot, places: Sequence[float], step: float, known: Sequence[Bar]) -> bool:
    """True if a bar in a colour of the others stands in a slot of the axis for which the answer has no label."""
    colours = np.array([bar.colour for bar in known])
    first = min(places) - step
    num_slots = round((max(places) - first) / step) + 2
    for index in range(num_slots):
        place = first + index * step
        if min(abs(place - other) for other in places) < 0.5 * step:
            continue
        if place - 0.3 * step >= 0 and place + 0.3 * step < plot.pixels.shape[1]:
            bars = bars_in(plot, place - 0.3 * step, place + 0.3 * step)
            if any(abs(bar.ends[-1] - plot.base) > 8 and is_like(colours, np.array(bar.colour)).any() for bar in bars):
                return True
    return False
