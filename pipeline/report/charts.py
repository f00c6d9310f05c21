"""A chart drawn again from its points, as SVG: to be seen beside the picture that it was read from."""

import html
import math
from collections.abc import Callable, Sequence

from pipeline.documents.model import ReadChart, ReadPoint

WIDTH, HEIGHT = 520, 300
_LEFT, _RIGHT, _TOP, _BOTTOM = 56, 12, 30, 44
COLOURS = ("#2563b0", "#d9731a", "#3b8f52", "#a13a62", "#7a5bb5", "#8a6d3b", "#2a9d9d", "#777777")
_MAX_POINTS = 2_000
_MAX_LABELS = 12


def chart_svg(chart: ReadChart) -> str:
    """Bars, lines, points or slices by the chart's kind; empty where no value could be read as a number."""
    points = [point for point in chart.points if point.value is not None and math.isfinite(point.value)][:_MAX_POINTS]
    if not points:
        return ""
    if chart.kind == "pie":
        body = _slices(points)
    elif chart.kind in ("scatter", "bubble"):
        body = _plot(points, chart, is_scatter=True)
    else:
        body = _plot(points, chart, is_scatter=False)
    title = html.escape(f"Drawn again from {len(points)} points")
    return f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{title}">{body}</svg>'


def _plot(points: Sequence[ReadPoint], chart: ReadChart, *, is_scatter: bool) -> str:
    names = list(dict.fromkeys(point.series for point in points))
    numbers = [number for point in points if (number := _x_number(point)) is not None]
    is_numeric = len(numbers) == len(points) and (is_scatter or chart.kind in ("line", "area"))
    labels = list(dict.fromkeys(point.x_text or "" for point in points))
    is_bar = not is_scatter and chart.kind not in ("line", "area", "candlestick")
    low, high = _range([point.value or 0.0 for point in points], has_zero=is_bar or chart.kind == "area")

    def x_of(point: ReadPoint) -> float:
        if is_numeric:
            return _scaled(_x_number(point) or 0.0, min(numbers), max(numbers), _LEFT + 12, WIDTH - _RIGHT - 12)
        return _scaled(labels.index(point.x_text or "") + 0.5, 0, len(labels), _LEFT, WIDTH - _RIGHT)

    def y_of(value: float) -> float:
        return _scaled(value, low, high, HEIGHT - _BOTTOM, _TOP)

    parts = [_axis(low, high, y_of)]
    slot = (WIDTH - _LEFT - _RIGHT) / max(len(labels), 1)
    for number, name in enumerate(names):
        colour, mine = COLOURS[number % len(COLOURS)], [point for point in points if point.series == name]
        if is_bar:
            width = slot * 0.8 / len(names)
            for point in mine:
                left = x_of(point) - slot * 0.4 + number * width
                top, bottom = sorted((y_of(point.value or 0.0), y_of(max(low, min(high, 0.0)))))
                size = f'width="{width:.1f}" height="{max(bottom - top, 0.5):.1f}"'
                parts.append(f'<rect x="{left:.1f}" y="{top:.1f}" {size} fill="{colour}">{_said(point)}</rect>')
            continue
        if not is_scatter:
            path = " ".join(f"{x_of(point):.1f},{y_of(point.value or 0.0):.1f}" for point in mine)
            parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        parts += [
            f'<circle cx="{x_of(point):.1f}" cy="{y_of(point.value or 0.0):.1f}" r="3" fill="{colour}">{_said(point)}</circle>'
            for point in mine
        ]
    if is_numeric:
        ends = sorted((x_of(point), point.x_text or "") for point in points)
        parts += [_label(x, text) for x, text in (ends[0], ends[-1])]
    else:
        every = -(-len(labels) // _MAX_LABELS)
        shown = [(index, text) for index, text in enumerate(labels) if index % every == 0]
        parts += [_label(_LEFT + slot * (index + 0.5), text) for index, text in shown]
    return "".join([*parts, _legend(names)])


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


def _axis(low: float, high: float, y_of: Callable[[float], float]) -> str:
    lines = []
    for value in _ticks(low, high):
        y = y_of(value)
        lines.append(f'<line x1="{_LEFT}" x2="{WIDTH - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}" stroke="#8884"/>')
        lines.append(f'<text x="{_LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{_short(value)}</text>')
    return "".join(lines)


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


def _range(values: Sequence[float], *, has_zero: bool) -> tuple[float, float]:
    low, high = min(values), max(values)
    if has_zero:
        low, high = min(low, 0.0), max(high, 0.0)
    if low == high:
        low, high = low - 1, high + 1
    step = _step(low, high)
    return math.floor(low / step) * step, math.ceil(high / step) * step


def _ticks(low: float, high: float) -> list[float]:
    step = _step(low, high)
    return [low + step * number for number in range(min(round((high - low) / step), 10) + 1)]


def _step(low: float, high: float) -> float:
    """1, 2, 2.5 or 5 times a power of ten, so that there are about five."""
    rough = (high - low) / 5
    power = 10.0 ** math.floor(math.log10(rough))
    return power * next(nice for nice in (1.0, 2.0, 2.5, 5.0, 10.0) if rough <= nice * power * 1.001)


def _scaled(value: float, low: float, high: float, start: float, end: float) -> float:
    return start + (value - low) / (high - low) * (end - start) if high > low else (start + end) / 2


def _short(value: float) -> str:
    for size, mark in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            return f"{value / size:.3g}{mark}"
    return f"{value:.3g}"
