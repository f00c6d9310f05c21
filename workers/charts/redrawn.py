"""An answer held against the picture of its chart: does a bar end, a line pass, a point stand where each value says?

Places are known from the words of the text layer alone: the value axis' scale, the labels or the scale of the other axis. Where
these, or the marks, cannot be made out beyond doubt, nothing is said.
"""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from schemas.answers import ChartAnswer
from schemas.page import Box, PageImage, Word
from schemas.records import PointContent
from workers.charts.line_pixels import (
    Mask,
    ink_colour,
    is_bare,
    is_followed,
    is_legend,
    is_stepped,
    legend_boxes,
    legend_colour,
    mask_of,
    stands_at,
)
from workers.charts.looked import Looked, Redrawn, are_distinct
from workers.charts.plot_pixels import (
    MAX_POINTS,
    Pixels,
    framed,
    label_places,
    multiplied,
    plot_of,
    value_scale,
    x_scale,
    x_value,
)
from workers.charts.points import ChartReader
from workers.charts.seen_bars import seen_bars

EXPLAINED = 0.6
"""Of a scatter chart's points: where fewer stand on ink, the places are doubted and not the points."""


def redrawn(
    answer: ChartAnswer, reader: ChartReader, points: Sequence[PointContent], words: Sequence[Word], image: PageImage, box: Box
) -> Redrawn | None:
    """`box` is what `image` shows, in the pixels of the words. None: nothing can be said."""
    if not words or not points or len(points) > MAX_POINTS or reader.has_y2 or box.area <= 0:
        return None
    scale = value_scale(words, reader, "y")
    if scale is None:
        return None
    scale = multiplied(scale, words, [point.value for point in points if point.value is not None])
    frame, pixels = framed(image, box, is_turned=reader.is_horizontal)
    plot = plot_of(pixels, frame, scale)
    if plot is None:
        return None
    looked = Looked(answer, reader, points, words, frame, plot, scale)
    if answer.chart == "bar":
        return None if scale.is_log else seen_bars(looked)
    if answer.chart == "line":
        return _lines(looked)
    if answer.chart == "scatter":
        return _scatter(looked)
    return None


def _lines(looked: Looked) -> Redrawn | None:
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
        columns_of_line = [column for _, _, column in points]
        ends = min(columns_of_line), max(columns_of_line)
        if not is_followed(mask, *ends) or is_stepped(mask, *ends):
            continue
        found = [(point, stands_at(mask, row, column, looked.plot.tolerance)) for point, row, column in points]
        off = [point.point_index for point, is_there in found if is_there is False]
        num_seen += sum(is_there is not None for _, is_there in found)
        elsewhere += off
        if not off:
            has_more |= _bends_between(looked, mask, points)
    return Redrawn(num_seen, tuple(elsewhere), has_more) if num_seen else None


def _bends_between(looked: Looked, mask: Mask, points: Sequence[tuple[PointContent, float, float]]) -> bool:
    """True if the line leaves the straight way between two points that stand farther apart than the others."""
    points = sorted(points, key=lambda each: each[2])
    gaps = [other[2] - one[2] for one, other in pairwise(points)]
    usual = float(np.median(gaps))
    return any(
        stands_at(mask, (one[1] + other[1]) / 2, (one[2] + other[2]) / 2, 2.0 * looked.plot.tolerance) is False
        for (one, other), gap in zip(pairwise(points), gaps, strict=True)
        if 1.6 * usual <= gap <= 2.6 * usual
    )


def _line_colours(looked: Looked) -> dict[int, Pixels]:
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
    return found if are_distinct(list(found.values())) else {}


def _columns(looked: Looked) -> dict[int, float]:
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


def _scatter(looked: Looked) -> Redrawn | None:
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
