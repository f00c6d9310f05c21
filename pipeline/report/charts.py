"""A chart drawn again from its points, as SVG: to be seen beside the picture that it was read from."""

import html
import math
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from pipeline.documents.model import ReadChart, ReadPoint
from pipeline.report.chart_scales import Scale, scale_of, short

WIDTH, HEIGHT = 520, 300
_LEFT, _RIGHT, _TOP, _BOTTOM = 56, 12, 30, 44
_SECOND = 44
"""Numbers of a second axis stand there."""
_LYING_LEFT = 110
"""Names stand there."""
COLOURS = ("#2563b0", "#d9731a", "#3b8f52", "#a13a62", "#7a5bb5", "#8a6d3b", "#2a9d9d", "#777777")
_MAX_POINTS = 2_000
_MAX_LABELS = 12
_LARGEST = 1e300
"""Of values that are stacked or measured: sums stay finite."""


def chart_svg(chart: ReadChart) -> str:
    """Bars, lines, areas, points or slices by the chart's kind, stacked, lying and on logarithmic axes as it says; empty where no
    value could be read as a number."""
    points = [point for point in chart.points if point.value is not None and math.isfinite(point.value)][:_MAX_POINTS]
    if not points:
        return ""
    body = _slices(points) if chart.kind == "pie" else _Drawing(chart, points).svg()
    title = html.escape(f"Drawn again from {len(points)} points")
    return f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{title}">{body}</svg>'


class _Mark(NamedTuple):
    point: ReadPoint
    start: float
    """The value that it stands on: of a stack, where the part below ends."""
    end: float


class _Drawing:
    """On two axes: values, and whatever they belong to."""

    def __init__(self, chart: ReadChart, points: Sequence[ReadPoint]) -> None:
        subtype = (chart.subtype or "").casefold()
        self._is_scatter = chart.kind in ("scatter", "bubble")
        self._is_area = chart.kind == "area"
        self._is_bar = not self._is_scatter and chart.kind not in ("line", "area", "candlestick")
        self._is_lying = self._is_bar and ("horizontal" in subtype or "barh" in subtype)
        self._is_stacked = (self._is_bar or self._is_area) and any(word in subtype for word in ("stack", "percent", "100"))
        self._points = points
        self._names = list(dict.fromkeys(point.series for point in points))
        self._labels = list(dict.fromkeys(point.x_text or "" for point in points))
        self._numbers = {point.point_index: number for point in points if (number := _x_number(point)) is not None}
        is_numeric = len(self._numbers) == len(points) and not self._is_bar
        self._x_scale = _spread(list(self._numbers.values()), is_log=chart.x_scale == "log") if is_numeric else None
        is_log = chart.y_scale == "log" and not self._is_stacked
        self._scales = {
            axis: scale_of(of_axis, has_zero=self._is_bar or self._is_area, is_log=is_log)
            for axis in ("y", "y2")
            if (of_axis := [_limited(point.value or 0.0) for point in points if point.axis == axis])
        }
        self._right = WIDTH - (_SECOND if len(self._scales) > 1 else _RIGHT)
        on_second = {point.series for point in points if point.axis == "y2"} if len(self._scales) > 1 else set()
        self._bars = [name for name in self._names if self._is_bar and name not in on_second]
        self._marks = list(self._laid()) if self._is_stacked else [self._plain(point) for point in points]
        if self._is_stacked:
            ends = [end for mark in self._marks for end in (mark.start, mark.end)]
            self._scales = dict.fromkeys(self._scales, scale_of(ends, has_zero=True, is_log=False))

    def svg(self) -> str:
        parts = [self._value_axis(), *self._names_of_places()]
        for number, name in enumerate(self._names):
            colour = COLOURS[number % len(COLOURS)]
            marks = [mark for mark in self._marks if mark.point.series == name]
            if name in self._bars:
                parts += [self._bar(mark, colour) for mark in marks]
                continue
            if self._is_area:
                parts.append(self._area(marks, colour))
            if not self._is_scatter:
                path = " ".join(f"{self._x(mark.point):.1f},{self._y(mark.end, mark.point):.1f}" for mark in marks)
                parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
            parts += [
                f'<circle cx="{self._x(mark.point):.1f}" cy="{self._y(mark.end, mark.point):.1f}" r="3" fill="{colour}">'
                f"{_said(mark.point)}</circle>"
                for mark in marks
            ]
        return "".join([*parts, _legend(self._names)])

    def _plain(self, point: ReadPoint) -> _Mark:
        return _Mark(point, self._scales[point.axis].base, _limited(point.value or 0.0))

    def _laid(self) -> Iterator[_Mark]:
        """Each part on those of the series before it; what is below zero hangs down."""
        reached: dict[tuple[str, bool], float] = defaultdict(float)
        for point in sorted(self._points, key=lambda each: self._names.index(each.series)):
            value = _limited(point.value or 0.0)
            place = point.x_text or "", value < 0
            yield _Mark(point, reached[place], _limited(reached[place] + value))
            reached[place] = _limited(reached[place] + value)

    def _place(self, point: ReadPoint) -> float:
        """Along the axis that has no values, from 0 to 1."""
        if self._x_scale is not None:
            room = 12 / (self._right - _LEFT)
            return room + self._x_scale.share(self._numbers[point.point_index]) * (1 - 2 * room)
        return (self._labels.index(point.x_text or "") + 0.5) / len(self._labels)

    def _x(self, point: ReadPoint) -> float:
        return _LEFT + self._place(point) * (self._right - _LEFT)

    def _y(self, value: float, point: ReadPoint) -> float:
        return HEIGHT - _BOTTOM - self._scales[point.axis].share(value) * (HEIGHT - _BOTTOM - _TOP)

    def _bar(self, mark: _Mark, colour: str) -> str:
        num_beside = 1 if self._is_stacked else len(self._bars)
        beside = 0 if self._is_stacked else self._bars.index(mark.point.series)
        across = (HEIGHT - _BOTTOM - _TOP) if self._is_lying else (self._right - _LEFT)
        slot = across / len(self._labels)
        thick = slot * 0.8 / num_beside
        first = self._place(mark.point) * across - slot * 0.4 + beside * thick
        if self._is_lying:
            scale, length = self._scales[mark.point.axis], self._right - _LYING_LEFT
            left, right = sorted(_LYING_LEFT + scale.share(end) * length for end in (mark.start, mark.end))
            place = f'x="{left:.1f}" y="{_TOP + first:.1f}" width="{max(right - left, 0.5):.1f}" height="{thick:.1f}"'
        else:
            top, bottom = sorted(self._y(end, mark.point) for end in (mark.start, mark.end))
            place = f'x="{_LEFT + first:.1f}" y="{top:.1f}" width="{thick:.1f}" height="{max(bottom - top, 0.5):.1f}"'
        return f'<rect {place} fill="{colour}">{_said(mark.point)}</rect>'

    def _area(self, marks: Sequence[_Mark], colour: str) -> str:
        along = [f"{self._x(mark.point):.1f},{self._y(mark.end, mark.point):.1f}" for mark in marks]
        back = [f"{self._x(mark.point):.1f},{self._y(mark.start, mark.point):.1f}" for mark in reversed(marks)]
        return f'<polygon points="{" ".join(along + back)}" fill="{colour}" fill-opacity="0.35"/>'

    def _value_axis(self) -> str:
        lines = []
        first, *others = self._scales.values()
        for value in first.ticks():
            if self._is_lying:
                x = _LYING_LEFT + first.share(value) * (self._right - _LYING_LEFT)
                lines.append(f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{_TOP}" y2="{HEIGHT - _BOTTOM}" stroke="#8884"/>')
                lines.append(_label(x, short(value)))
            else:
                y = HEIGHT - _BOTTOM - first.share(value) * (HEIGHT - _BOTTOM - _TOP)
                lines.append(f'<line x1="{_LEFT}" x2="{self._right}" y1="{y:.1f}" y2="{y:.1f}" stroke="#8884"/>')
                lines.append(f'<text x="{_LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{short(value)}</text>')
        for second in others:
            for value in second.ticks():
                y = HEIGHT - _BOTTOM - second.share(value) * (HEIGHT - _BOTTOM - _TOP)
                lines.append(f'<text x="{self._right + 6}" y="{y + 4:.1f}">{short(value)}</text>')
        return "".join(lines)

    def _names_of_places(self) -> list[str]:
        if self._x_scale is not None:
            ends = sorted((self._x(point), point.x_text or "") for point in self._points)
            return [_label(x, text) for x, text in (ends[0], ends[-1])]
        every = -(-len(self._labels) // _MAX_LABELS)
        shown = [(index + 0.5, text) for index, text in enumerate(self._labels) if index % every == 0]
        if self._is_lying:
            slot = (HEIGHT - _BOTTOM - _TOP) / len(self._labels)
            return [
                f'<text x="{_LYING_LEFT - 6}" y="{_TOP + slot * place + 4:.1f}" text-anchor="end">{html.escape(text[:16])}</text>'
                for place, text in shown
            ]
        slot = (self._right - _LEFT) / len(self._labels)
        return [_label(_LEFT + slot * place, text) for place, text in shown]


def _slices(points: Sequence[ReadPoint]) -> str:
    total = sum(abs(point.value or 0.0) for point in points)
    if not total:
        return ""
    x, y, radius, angle, parts = WIDTH / 3, HEIGHT / 2, HEIGHT * 0.4, -math.pi / 2, []
    for number, point in enumerate(points):
        turn = min(abs(point.value or 0.0) / total, 0.9999) * 2 * math.pi
        start, end = (f"{x + radius * math.cos(at):.1f} {y + radius * math.sin(at):.1f}" for at in (angle, angle + turn))
        path = f"M{x:.1f} {y:.1f} L{start} A{radius:.1f} {radius:.1f} 0 {int(turn > math.pi)} 1 {end} Z"
        parts.append(f'<path d="{path}" fill="{COLOURS[number % len(COLOURS)]}">{_said(point)}</path>')
        angle += turn
    names = [f"{point.x_text or point.series or ''} {point.y_text or ''}" for point in points[:_MAX_LABELS]]
    for number, name in enumerate(names):
        top = 40 + number * 20
        parts.append(f'<rect x="{WIDTH * 0.66:.0f}" y="{top - 9}" width="10" height="10" fill="{COLOURS[number % len(COLOURS)]}"/>')
        parts.append(f'<text x="{WIDTH * 0.66 + 16:.0f}" y="{top}">{html.escape(name[:28])}</text>')
    return "".join(parts)


def _legend(names: Sequence[str | None]) -> str:
    parts, left = [], float(_LEFT)
    for number, name in enumerate(names[:6]):
        if not name:
            continue
        text = html.escape(name[:18])
        parts.append(f'<rect x="{left:.0f}" y="8" width="10" height="10" fill="{COLOURS[number % len(COLOURS)]}"/>')
        parts.append(f'<text x="{left + 14:.0f}" y="17">{text}</text>')
        left += 28 + 7 * min(len(name), 18)
    return "".join(parts)


def _label(x: float, text: str) -> str:
    return f'<text x="{x:.1f}" y="{HEIGHT - _BOTTOM + 18}" text-anchor="middle">{html.escape(text[:14])}</text>'


def _said(point: ReadPoint) -> str:
    return f"<title>{html.escape(' · '.join(filter(None, (point.series, point.x_text, point.y_text))))}</title>"


def _x_number(point: ReadPoint) -> float | None:
    if point.x_value is not None and math.isfinite(point.x_value):
        return point.x_value
    return point.x_time.timestamp() if point.x_time is not None else None


def _spread(values: Sequence[float], *, is_log: bool) -> Scale:
    """From the least to the largest."""
    low, high = min(values), max(values)
    return Scale(low, high, is_log and low > 0)


def _limited(value: float) -> float:
    return max(-_LARGEST, min(_LARGEST, value))
