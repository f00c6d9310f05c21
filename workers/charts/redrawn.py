"""An answer held against the picture of its chart: does a bar end, a line pass, a point stand where each value says?

Places are known from the words of the text layer alone: the value axis' scale, the labels or the scale of the other axis. Where
these, or the marks, cannot be made out beyond doubt, nothing is said.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from itertools import combinations, pairwise, permutations
from typing import NamedTuple

import numpy as np

from schemas.answers import ChartAnswer
from schemas.page import Box, PageImage, Word
from schemas.records import PointContent
from workers.charts.bar_pixels import Bar, bars_in, with_ground
from workers.charts.line_pixels import (
    Mask,
    ink_colour,
    is_bare,
    is_followed,
    is_legend,
    legend_boxes,
    legend_colour,
    mask_of,
    stands_at,
)
from workers.charts.plot_pixels import (
    MAX_POINTS,
    SAME,
    Frame,
    Pixels,
    Plot,
    framed,
    is_like,
    label_places,
    plot_of,
    step_of,
    value_scale,
    x_scale,
    x_value,
)
from workers.charts.points import ChartReader
from workers.labels.scales import Scale

CLEAR = 0.7
"""Of the slots that have values: in so many the marks can be counted, else nothing is said of bars."""
MAX_PERMUTED = 5
"""Series whose order is tried out."""
DISTINCT = 50
"""Levels of 255: colours of a legend that differ by less are told apart by other means, which are not looked for."""
EXPLAINED = 0.6
"""Of a scatter chart's points: where fewer stand on ink, the places are doubted and not the points."""


class Redrawn(NamedTuple):
    num_seen: int
    """Points whose mark's place could be looked at."""
    elsewhere: tuple[int, ...]
    """point_index of those whose mark stands elsewhere."""
    has_more: bool
    """Marks stand along the axis where the answer has no row."""


class _Part(NamedTuple):
    """A bar, or a part of a stack."""

    colour: tuple[int, int, int]
    end: float


class _Looked(NamedTuple):
    answer: ChartAnswer
    reader: ChartReader
    points: Sequence[PointContent]
    words: Sequence[Word]
    frame: Frame
    plot: Plot
    scale: Scale

    def row(self, value: float) -> float | None:
        place = self.scale.place(value)
        return None if place is None else self.frame.row(place)


def redrawn(
    answer: ChartAnswer, reader: ChartReader, points: Sequence[PointContent], words: Sequence[Word], image: PageImage, box: Box
) -> Redrawn | None:
    """`box` is what `image` shows, in the pixels of the words. None: nothing can be said."""
    if not words or not points or len(points) > MAX_POINTS or reader.has_y2 or box.area <= 0:
        return None
    scale = value_scale(words, reader, "y")
    if scale is None:
        return None
    frame, pixels = framed(image, box, is_turned=reader.is_horizontal)
    plot = plot_of(pixels, frame, scale)
    if plot is None:
        return None
    looked = _Looked(answer, reader, points, words, frame, plot, scale)
    if answer.chart == "bar":
        return None if scale.is_log else _bars(looked)
    if answer.chart == "line":
        return _lines(looked)
    if answer.chart == "scatter":
        return _scatter(looked)
    return None


def _bars(looked: _Looked) -> Redrawn | None:
    """By the bars' colours; of one series by their ink, too: gradients have many colours, and lines may cross bars."""
    seen = _bars_seen(looked, by_ink=False)
    if len(looked.reader.series) != 1:
        return seen
    inked = _bars_seen(looked, by_ink=True)
    if seen is None:
        return inked and inked._replace(has_more=False)
    if inked is None:
        return seen if 2 * len(seen.elsewhere) <= seen.num_seen else None
    elsewhere = tuple(index for index in seen.elsewhere if index in inked.elsewhere)
    return Redrawn(seen.num_seen, elsewhere, seen.has_more)


def _bars_seen(looked: _Looked, *, by_ink: bool) -> Redrawn | None:
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
    order = _order(looked, {text: (rows[text], parts[text]) for text in parts}, is_stacked)
    if order is None:
        return None
    seen = [pair for text in parts for pair in _offs(looked, rows[text], parts[text], order, is_stacked)]
    elsewhere = [point.point_index for point, off in seen if abs(off) > looked.plot.tolerance]
    has_more = len(places) == len(rows) and _has_more_bars(
        looked.plot, list(places.values()), step, [bar for slot in slots.values() for bar in slot]
    )
    return Redrawn(len(seen), tuple(elsewhere), has_more)


def _parts(slot: Sequence[Bar], num_series: int, is_stacked: bool) -> list[_Part] | None:
    """The marks of a slot, one for each series; None where they are not as many, or too faint to be told from the ground."""
    if is_stacked:
        if len(slot) != 1 or len(slot[0].ends) != num_series:
            return None
        return [_Part(colour, end) for colour, end in zip(slot[0].colours, slot[0].ends, strict=True)]
    if len(slot) != num_series or any(len(bar.ends) > 1 for bar in slot):
        return None
    return [_Part(bar.colour, bar.ends[0]) for bar in slot]


def _order(
    looked: _Looked, slots: Mapping[str, tuple[Sequence[PointContent], Sequence[_Part]]], is_stacked: bool
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
    if len(known) == num_series and _are_distinct(known):
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


def _offs(
    looked: _Looked, points: Sequence[PointContent], parts: Sequence[_Part], order: Sequence[int], is_stacked: bool
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


def _are_distinct(colours: Sequence[Pixels]) -> bool:
    return all(np.abs(one - other).max() > DISTINCT for one, other in combinations(colours, 2))


def _has_more_bars(plot: Plot, places: Sequence[float], step: float, known: Sequence[Bar]) -> bool:
    """Does a bar in a colour of the others stand in a slot along the axis that has no label of the answer's?"""
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


def _lines(looked: _Looked) -> Redrawn | None:
    columns = _columns(looked)
    colours = _line_colours(looked)
    if not columns or not colours:
        return None
    legend = legend_boxes(looked.reader.series, looked.words, looked.frame)
    elsewhere: list[int] = []
    num_seen, has_more = 0, False
    for index, colour in colours.items():
        points = [
            (point, row, columns[point.point_index])
            for point in looked.points
            if point.series_index == index
            and point.point_index in columns
            and point.value is not None
            and (row := looked.row(point.value)) is not None
            and not is_legend(legend, row, columns[point.point_index], looked.plot.tolerance)
        ]
        if len(points) < 3:
            continue
        mask = mask_of(looked.plot, colour, legend)
        if not is_followed(mask, points[0][2], points[-1][2]):
            continue
        found = [(point, stands_at(mask, row, column, looked.plot.tolerance)) for point, row, column in points]
        off = [point.point_index for point, is_there in found if is_there is False]
        num_seen += sum(is_there is not None for _, is_there in found)
        elsewhere += off
        if not off:
            has_more |= _bends_between(looked, mask, points)
    return Redrawn(num_seen, tuple(elsewhere), has_more) if num_seen else None


def _bends_between(looked: _Looked, mask: Mask, points: Sequence[tuple[PointContent, float, float]]) -> bool:
    """Does the line leave the straight way between two points that stand farther apart than the others?"""
    gaps = [other[2] - one[2] for one, other in pairwise(points)]
    usual = float(np.median(gaps))
    return any(
        stands_at(mask, (one[1] + other[1]) / 2, (one[2] + other[2]) / 2, 2.0 * looked.plot.tolerance) is False
        for (one, other), gap in zip(pairwise(points), gaps, strict=True)
        if 1.6 * usual <= gap <= 2.6 * usual
    )


def _line_colours(looked: _Looked) -> dict[int, Pixels]:
    """Colour of each series, by its index: its legend's; of one series alone the commonest ink. No two alike."""
    plot = looked.plot
    found = {
        index: colour
        for index, name in enumerate(looked.reader.series)
        if name and (colour := legend_colour(name, looked.words, looked.frame, plot.pixels, plot.background)) is not None
    }
    if not found and len(looked.reader.series) == 1:
        part = plot.pixels[max(0, int(plot.top) + 2) : int(plot.bottom) - 2]
        colour = ink_colour(part, plot.background)
        return {} if colour is None else {0: colour}
    return found if _are_distinct(list(found.values())) else {}


def _columns(looked: _Looked) -> dict[int, float]:
    """Column of each point, by point_index: by the scale below the plot, else by its label."""
    answer = looked.answer
    is_time = answer.x_kind == "time"
    if answer.x_kind in ("number", "time") or answer.chart == "scatter":
        scale = x_scale(answer, looked.words, is_time=is_time)
        if scale is not None:
            found = {}
            for point in looked.points:
                value = x_value(point.x_text, is_time=is_time)
                place = scale.place(value) if value is not None else None
                if place is not None:
                    found[point.point_index] = looked.frame.column(place)
            return found
    places = label_places(dict.fromkeys(point.x_text for point in looked.points), looked.words, looked.frame)
    return {point.point_index: places[point.x_text] for point in looked.points if point.x_text in places}


def _scatter(looked: _Looked) -> Redrawn | None:
    columns = _columns(looked)
    seen, bare = 0, []
    for point in looked.points:
        column = columns.get(point.point_index)
        row = looked.row(point.value) if point.value is not None else None
        if column is None or row is None:
            continue
        seen += 1
        if is_bare(looked.plot, row, column, looked.plot.tolerance):
            bare.append(point.point_index)
    if not seen or len(bare) > (1 - EXPLAINED) * seen:
        return None
    return Redrawn(seen, tuple(bare), False)
