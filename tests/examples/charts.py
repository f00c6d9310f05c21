"""Charts drawn with PDF operators, as a plotting library would: axes, ticks, grid, legend, title. For examples and tests."""

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import pymupdf

COLOURS = [(0.16, 0.37, 0.62), (0.85, 0.45, 0.13), (0.24, 0.58, 0.35), (0.64, 0.24, 0.38), (0.45, 0.45, 0.5), (0.8, 0.68, 0.2)]
GREY = (0.8, 0.8, 0.8)
INK = (0.15, 0.15, 0.15)
SIZE = 7.5  # points, of tick labels and legends


class Scale(NamedTuple):
    """A linear axis: data from `low` to `high` in steps of `step`, on the page from `start_pt` to `end_pt`."""

    low: float
    high: float
    step: float
    start_pt: float
    end_pt: float

    def at(self, value: float) -> float:
        return self.start_pt + (value - self.low) / (self.high - self.low) * (self.end_pt - self.start_pt)

    def ticks(self) -> list[float]:
        return [self.low + index * self.step for index in range(round((self.high - self.low) / self.step) + 1)]


def nice_scale(values: Sequence[float], start_pt: float, end_pt: float, *, from_zero: bool = True) -> Scale:
    """About five round steps that hold all values."""
    low, high = (min(0.0, *values) if from_zero else min(values)), max(values)
    raw = (high - low) / 5
    magnitude = 10 ** math.floor(math.log10(raw))
    step = next(factor * magnitude for factor in (1, 2, 2.5, 5, 10) if factor * magnitude >= raw)
    return Scale(math.floor(low / step) * step, math.ceil(high / step) * step, step, start_pt, end_pt)


def write(
    page: pymupdf.Page, x: float, y: float, text: str, *, align: str = "left", size: float = SIZE, bold: bool = False
) -> None:
    """One line with its baseline at y; `align` says which part of it lies at x."""
    font = "hebo" if bold else "helv"
    width = pymupdf.get_text_length(text, fontname=font, fontsize=size)
    shift = {"left": 0.0, "centre": width / 2, "right": width}[align]
    page.insert_text((x - shift, y), text, fontname=font, fontsize=size, color=INK)


def write_upwards(page: pymupdf.Page, x: float, y: float, text: str) -> None:
    """An axis label turned by 90 degrees, centred at y."""
    width = pymupdf.get_text_length(text, fontname="helv", fontsize=SIZE)
    page.insert_text((x, y + width / 2), text, fontname="helv", fontsize=SIZE, color=INK, rotate=90)


def bar_chart(
    page: pymupdf.Page,
    rect: pymupdf.Rect,
    title: str,
    categories: Sequence[str],
    series: Mapping[str, Sequence[float]],
    *,
    y_label: str,
    printed: bool = False,
) -> None:
    plot = _frame(page, rect, title, list(series), y_label=y_label)
    y = nice_scale([value for values in series.values() for value in values], plot.y1, plot.y0)
    _y_axis(page, plot, y)
    slot = plot.width / len(categories)
    bar = slot * 0.7 / len(series)
    for column, category in enumerate(categories):
        left = plot.x0 + column * slot + slot * 0.15
        write(page, plot.x0 + (column + 0.5) * slot, plot.y1 + 11, category, align="centre")
        for index, values in enumerate(series.values()):
            box = pymupdf.Rect(left + index * bar, y.at(values[column]), left + (index + 1) * bar, y.at(0))
            page.draw_rect(box, color=None, fill=COLOURS[index])
            if printed:
                write(page, (box.x0 + box.x1) / 2, box.y0 - 2, f"{values[column]:g}", align="centre", size=6.5)


def line_chart(
    page: pymupdf.Page,
    rect: pymupdf.Rect,
    title: str,
    categories: Sequence[str],
    series: Mapping[str, Sequence[float]],
    *,
    y_label: str,
) -> None:
    plot = _frame(page, rect, title, list(series), y_label=y_label)
    y = nice_scale([value for values in series.values() for value in values], plot.y1, plot.y0)
    _y_axis(page, plot, y)
    slot = plot.width / len(categories)
    for column, category in enumerate(categories):
        write(page, plot.x0 + (column + 0.5) * slot, plot.y1 + 11, category, align="centre")
    for index, values in enumerate(series.values()):
        points = [pymupdf.Point(plot.x0 + (column + 0.5) * slot, y.at(value)) for column, value in enumerate(values)]
        page.draw_polyline(points, color=COLOURS[index], width=1.4)
        for point in points:
            page.draw_circle(point, 2, color=None, fill=COLOURS[index])


def scatter_chart(
    page: pymupdf.Page,
    rect: pymupdf.Rect,
    title: str,
    series: Mapping[str, Sequence[tuple[float, float]]],
    *,
    x_label: str,
    y_label: str,
) -> None:
    plot = _frame(page, rect, title, list(series), y_label=y_label, x_label=x_label)
    x = nice_scale([point[0] for points in series.values() for point in points], plot.x0, plot.x1, from_zero=False)
    y = nice_scale([point[1] for points in series.values() for point in points], plot.y1, plot.y0)
    _y_axis(page, plot, y)
    for tick in x.ticks():
        page.draw_line((x.at(tick), plot.y1), (x.at(tick), plot.y1 + 3), color=INK, width=0.6)
        write(page, x.at(tick), plot.y1 + 11, f"{tick:g}", align="centre")
    for index, points in enumerate(series.values()):
        for point in points:
            page.draw_circle(
                (x.at(point[0]), y.at(point[1])), 2.2, color=COLOURS[index], fill=COLOURS[index], fill_opacity=0.5, width=0.6
            )


def pie_chart(page: pymupdf.Page, rect: pymupdf.Rect, title: str, parts: Mapping[str, float], *, unit: str = " %") -> None:
    write(page, rect.x0 + 4, rect.y0 + 11, title, size=10, bold=True)
    radius = min(rect.width * 0.28, (rect.height - 36) / 2)
    centre = pymupdf.Point(rect.x0 + rect.width * 0.4, rect.y0 + 24 + radius)
    angle, total = -90.0, sum(parts.values())
    for index, (name, value) in enumerate(parts.items()):
        sweep = 360 * value / total
        rim = centre + pymupdf.Point(math.cos(math.radians(angle)), math.sin(math.radians(angle))) * radius
        page.draw_sector(centre, rim, -sweep, color=(1, 1, 1), fill=COLOURS[index], width=0.8)
        middle = math.radians(angle + sweep / 2)
        label = centre + pymupdf.Point(math.cos(middle), math.sin(middle)) * (radius + 12)
        write(page, label.x, label.y + 3, f"{value:g}{unit}", align="centre")
        row = rect.y0 + 36 + index * 13
        page.draw_rect(pymupdf.Rect(rect.x1 - 92, row - 6, rect.x1 - 85, row + 1), color=None, fill=COLOURS[index])
        write(page, rect.x1 - 81, row, name)
        angle += sweep


def _frame(
    page: pymupdf.Page, rect: pymupdf.Rect, title: str, names: Sequence[str], *, y_label: str, x_label: str | None = None
) -> pymupdf.Rect:
    """Title, legend, axis labels and the x axis. Returns the plot's own area."""
    write(page, rect.x0 + 4, rect.y0 + 11, title, size=10, bold=True)
    plot = pymupdf.Rect(rect.x0 + 44, rect.y0 + 36, rect.x1 - 8, rect.y1 - (30 if x_label else 18))
    write_upwards(page, rect.x0 + 10, (plot.y0 + plot.y1) / 2, y_label)
    if x_label:
        write(page, (plot.x0 + plot.x1) / 2, plot.y1 + 24, x_label, align="centre")
    left = plot.x0
    for index, name in enumerate(names if len(names) > 1 else ()):
        page.draw_rect(pymupdf.Rect(left, rect.y0 + 18, left + 7, rect.y0 + 25), color=None, fill=COLOURS[index])
        write(page, left + 11, rect.y0 + 25, name)
        left += 24 + pymupdf.get_text_length(name, fontname="helv", fontsize=SIZE)
    page.draw_line((plot.x0, plot.y1), (plot.x1, plot.y1), color=INK, width=0.8)
    return plot


def _y_axis(page: pymupdf.Page, plot: pymupdf.Rect, scale: Scale) -> None:
    for tick in scale.ticks():
        if tick != scale.low:
            page.draw_line((plot.x0, scale.at(tick)), (plot.x1, scale.at(tick)), color=GREY, width=0.4)
        write(page, plot.x0 - 4, scale.at(tick) + 2.5, f"{tick:,g}", align="right")
    page.draw_line((plot.x0, plot.y0), (plot.x0, plot.y1), color=INK, width=0.8)
