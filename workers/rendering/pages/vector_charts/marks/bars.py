"""Bars: alone, beside one another, on one another; upright or lying."""

import statistics
from collections import defaultdict
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Literal, NamedTuple

from schemas.page import Box
from workers.rendering.pages.vector_charts.axes import Axis, Direction
from workers.rendering.pages.vector_charts.categories import category_rows, pair
from workers.rendering.pages.vector_charts.found import Found, Refused, Value
from workers.rendering.pages.vector_charts.labels import Label
from workers.rendering.pages.vector_charts.legend import Entry, Style, name_of
from workers.rendering.pages.vector_charts.marks.bins import bin_texts
from workers.rendering.pages.vector_charts.marks.shapes import Shape, is_alike
from workers.rendering.pages.vector_charts.plot import Marks
from workers.rendering.pages.vector_charts.printed import printed_values
from workers.rendering.pages.vector_charts.scales import Scale
from workers.rendering.pages.vector_charts.x_texts import scale_texts

SAME_PT = 1.25
"""Edges that lie closer are one."""
MAX_BARS = 2_000


class _Bar(NamedTuple):
    """Turned so that it stands on the base line: `low` and `high` along the value axis, `left` and `right` along the other."""

    left: float
    right: float
    start: float
    end: float
    style: Style
    box: Box

    @property
    def middle(self) -> float:
        return (self.left + self.right) / 2


def read_bars(
    marks: Marks,
    plot: Box,
    axes: Mapping[Direction, Axis | None],
    labels: Sequence[Label],
    entries: Sequence[Entry],
    taken: Sequence[Label],
) -> Found:
    """`labels`: all of the region; `taken`: those that are ticks or legend. Raises Refused."""
    rects = _once(marks.rects)
    if len(rects) > MAX_BARS:
        raise Refused("too_much", f"{len(rects)} bars")
    direction, axis = _value_axis(rects, axes, plot)
    bars = [_turned(rect, direction) for rect in rects]
    base = _base(bars, axis, plot, direction)
    low, high = (plot.top, plot.bottom) if direction == "y" else (plot.left, plot.right)
    if any(_is_cut_off(bar, base, low, high) for bar in bars):
        raise Refused("beyond_plot", "a bar")
    columns = _columns(bars)
    is_stacked = any(len(column) > 1 for column in columns)
    across: Direction = "x" if direction == "y" else "y"
    slots, texts, x_kind = _slots(columns, across, axes[across], labels, plot, taken)
    styles = _styles(bars)
    names = _names(styles, entries, texts, slots, is_stacked=is_stacked)
    cells = _cells(slots, columns, names, base, axis, is_stacked=is_stacked)
    values, order = _in_order(cells, list(names.values()))
    printed = printed_values(cells, axis.scale, labels, taken, direction)
    is_full = is_stacked and _is_full(values, len(slots))
    kinds = ["horizontal"] if direction == "x" else []
    kinds += ["stacked 100%" if is_full else "stacked"] if is_stacked else ["grouped"] if len(order) > 1 else []
    return Found(
        kind="bar",
        subtype=" ".join(kinds) or None,
        series=order,
        x_texts=texts,
        values=[[_value(cells.get((slot, name)), printed.get((slot, name))) for slot in range(len(slots))] for name in order],
        x_places=[(columns[slot[0]][0].left + columns[slot[-1]][0].right) / 2 for slot in slots],
        x_kind=x_kind,
        positions=[
            [(cells[slot, name].box.left, cells[slot, name].box.top) for slot in range(len(slots)) if (slot, name) in cells]
            for name in order
        ],
    )


class Cell(NamedTuple):
    number: float
    box: Box
    end: float
    """Where the bar ends along the value axis, away from its base."""


def _value(cell: Cell | None, text: str | None) -> Value | None:
    return cell and Value(number=cell.number, printed=text)


def _once(rects: Sequence[Shape]) -> list[Shape]:
    """Fill and outline of one bar are one."""
    kept: list[Shape] = []
    by_place: dict[tuple[int, int], list[int]] = defaultdict(list)
    for rect in rects:
        box = rect.box
        x, y = round(box.left / 3), round(box.top / 3)
        near = [index for dx in (-1, 0, 1) for dy in (-1, 0, 1) for index in by_place[x + dx, y + dy]]
        same = next((index for index in near if all(abs(a - b) <= 0.8 for a, b in zip(kept[index].box, box, strict=True))), None)
        if same is None:
            by_place[x, y].append(len(kept))
            kept.append(rect)
        elif kept[same].fill is None:
            kept[same] = rect._replace(stroke=kept[same].stroke)
        elif rect.fill is not None and not is_alike(rect.fill, kept[same].fill):
            raise Refused("overlapping_marks", "two bars in one place")
    return kept


def _value_axis(rects: Sequence[Shape], axes: Mapping[Direction, Axis | None], plot: Box) -> tuple[Direction, Axis]:
    """That along which the bars differ while sharing a base, and whose scale is known."""
    scores: dict[Direction, tuple[float, Axis]] = {}
    for direction, axis in axes.items():
        if axis is None or axis.scale.kind == "time":
            continue
        starts = [(rect.box.top, rect.box.bottom) if direction == "y" else (rect.box.left, rect.box.right) for rect in rects]
        thick = [rect.box.width if direction == "y" else rect.box.height for rect in rects]
        middle = statistics.median(thick)
        equal = sum(abs(width - middle) <= 0.05 * middle + 0.6 for width in thick) / len(thick)
        zero = axis.scale.position(0.0) if axis.scale.kind == "linear" else None
        edges = (plot.top, plot.bottom) if direction == "y" else (plot.left, plot.right)
        bases = [zero] if zero is not None else []
        based = max(
            (
                sum(min(abs(low - base), abs(high - base)) <= SAME_PT for low, high in starts) / len(starts)
                for base in [*bases, *edges]
            ),
            default=0.0,
        )
        if equal > 0.9:
            scores[direction] = (equal + based, axis)
    if not scores:
        raise Refused("floating_bars", "no base line, or bars of several widths")
    direction = max(scores, key=lambda each: scores[each][0])
    if len(scores) == 2 and abs(scores["x"][0] - scores["y"][0]) < 0.05:
        raise Refused("categories_unclear", "bars that may stand or lie")
    return direction, scores[direction][1]


def _turned(rect: Shape, direction: Direction) -> _Bar:
    box = rect.box
    style = Style(rect.fill) if rect.fill is not None else Style(rect.stroke, rect.dashes, "outline")
    if direction == "y":
        return _Bar(box.left, box.right, box.bottom, box.top, style, box)
    return _Bar(box.top, box.bottom, box.left, box.right, style, box)


def _base(bars: Sequence[_Bar], axis: Axis, plot: Box, direction: Direction) -> float:
    """Where the bars begin: at zero where the axis shows it, else at the edge of the plot."""
    low, high = (plot.top, plot.bottom) if direction == "y" else (plot.left, plot.right)
    zero = axis.scale.position(0.0) if axis.scale.kind == "linear" else None
    ends = [end for bar in bars for end in (bar.start, bar.end)]
    if zero is not None and low - SAME_PT <= zero <= high + SAME_PT:
        near = [end for end in ends if abs(end - zero) <= SAME_PT]
        if not near:
            raise Refused("floating_bars", "none begins at zero")
        return statistics.median(near)
    first = axis.scale.value(high), axis.scale.value(low)
    edge = high if abs(first[0]) < abs(first[1]) else low  # nearer to zero
    if axis.scale.kind == "log":
        edge = high if first[0] < first[1] else low
    if sum(min(abs(bar.start - edge), abs(bar.end - edge)) <= 2 * SAME_PT or _reaches(bar, edge) for bar in bars) < len(bars):
        raise Refused("floating_bars", "some do not begin at the axis")
    return edge


def _reaches(bar: _Bar, edge: float) -> bool:
    """It is drawn to zero, and cut off by the plot's edge."""
    return min(bar.start, bar.end) < edge < max(bar.start, bar.end)


def _is_cut_off(bar: _Bar, base: float, low: float, high: float) -> bool:
    """It ends beyond the plot, on the side away from its base."""
    over_low, over_high = low - min(bar.start, bar.end) > SAME_PT, max(bar.start, bar.end) - high > SAME_PT
    return (over_low and abs(base - low) > SAME_PT) or (over_high and abs(base - high) > SAME_PT)


def _columns(bars: Sequence[_Bar]) -> list[list[_Bar]]:
    """Bars in the same place along the other axis, in order; places may touch and not overlap."""
    columns: list[list[_Bar]] = []
    for bar in sorted(bars, key=lambda bar: bar.middle):
        if columns and abs(columns[-1][0].middle - bar.middle) <= 0.15 * (bar.right - bar.left) + 0.3:
            columns[-1].append(bar)
        else:
            columns.append([bar])
    for before, after in pairwise(columns):
        if before[0].right - after[0].left > 0.12 * (after[0].right - after[0].left) + 0.8:
            raise Refused("overlapping_marks", "bars in front of bars")
    return columns


def _slots(
    columns: Sequence[list[_Bar]],
    across: Direction,
    axis: Axis | None,
    labels: Sequence[Label],
    plot: Box,
    taken: Sequence[Label],
) -> tuple[list[list[int]], list[str], Literal["category", "time", "number"]]:
    """Columns by category, and the categories' names."""
    sides = [(column[0].left, column[0].right) for column in columns]
    found = [paired for row in category_rows(labels, across, plot) if (paired := pair(sides, row, across))]
    if found:
        found.sort(key=lambda each: each[0])
        if len({tuple(each[2]) for each in found}) > 1 and found[1][0] - found[0][0] < 2.0:
            raise Refused("categories_unclear", "two rows of labels")
        _, slots, texts = found[0]
        if len(set(texts)) < len(texts):
            raise Refused("several_panels", "a category stands there twice")
        return slots, texts, "category"
    if axis is not None and axis.scale.kind != "log":
        middles = [column[0].middle for column in columns]
        widths = [column[0].right - column[0].left for column in columns]
        pitch = min((after - before for before, after in pairwise(middles)), default=0.0)
        if all(len(column) == 1 for column in columns) and (bins := bin_texts(axis, sides)):
            return [[index] for index in range(len(columns))], bins, "category"
        if pitch < 1.02 * max(widths):
            raise Refused("categories_unclear", "bars without gaps over a scale of numbers")
        texts, kind = scale_texts(axis.scale, middles)
        return [[index] for index in range(len(columns))], texts, kind
    raise Refused("categories_unclear", "no label for each bar")


def _styles(bars: Sequence[_Bar]) -> list[Style]:
    """In order of their first bar; colours that hardly differ are one."""
    styles: list[Style] = []
    for bar in bars:
        if not any(_is_same_style(bar.style, style) for style in styles):
            styles.append(bar.style)
    return styles


def _is_same_style(one: Style, other: Style) -> bool:
    return is_alike(one.colour, other.colour) and one.dashes == other.dashes and one.marker == other.marker


def _names(
    styles: Sequence[Style], entries: Sequence[Entry], texts: Sequence[str], slots: Sequence[list[int]], *, is_stacked: bool
) -> dict[Style, str | None]:
    """A name for each style. One style needs none; nor do single bars in colours that no legend explains."""
    named = {style: name_of(style, entries) for style in styles}
    has_all = all(named.values()) and len(set(named.values())) == len(named)
    if len(styles) == 1:
        return named
    is_single = not is_stacked and all(len(slot) == 1 for slot in slots)
    if is_single and (not entries or not any(named.values()) or set(named.values()) <= set(texts)):
        return dict.fromkeys(styles)
    if not has_all:
        raise Refused(
            "unnamed_series", f"{sum(name is not None for name in named.values())} of {len(styles)} colours in the legend"
        )
    return named


def _cells(
    slots: Sequence[list[int]],
    columns: Sequence[list[_Bar]],
    names: Mapping[Style, str | None],
    base: float,
    axis: Axis,
    *,
    is_stacked: bool,
) -> dict[tuple[int, str | None], Cell]:
    cells: dict[tuple[int, str | None], Cell] = {}
    for place, slot in enumerate(slots):
        for index in slot:
            for bar, number, end in _lengths(columns[index], base, axis, is_stacked=is_stacked):
                name = next(name for style, name in names.items() if _is_same_style(style, bar.style))
                if (place, name) in cells:
                    raise Refused("overlapping_marks", "two bars of one series in one category")
                cells[place, name] = Cell(number, bar.box, end)
    return cells


def _lengths(column: Sequence[_Bar], base: float, axis: Axis, *, is_stacked: bool) -> list[tuple[_Bar, float, float]]:
    """Each bar's value. On a stack each begins where the one below ends."""
    scale = axis.scale
    zero = scale.position(0.0) if scale.kind == "linear" else None
    is_from_zero = zero is not None and abs(base - zero) <= SAME_PT
    if is_stacked and not is_from_zero:
        raise Refused("floating_bars", "a stack that does not begin at zero")
    done: list[tuple[_Bar, float, float]] = []
    if not is_from_zero and not is_stacked:
        return [_cut(bar, base, scale) for bar in column]
    for side in (-1, 1):
        above = [
            bar for bar in column if side * ((bar.start + bar.end) / 2 - base) > 0 or (side > 0 and bar.start == bar.end == base)
        ]
        below = base
        for bar in sorted(above, key=lambda bar: side * (bar.start + bar.end)):
            near, far = sorted((bar.start, bar.end), key=lambda end: side * end)
            if abs(near - below) > SAME_PT:
                raise Refused("floating_bars", f"{abs(near - below):.1f} pt off the base line or the bar below")
            done.append((bar, scale.slope * scale.multiplier * (far - near), far))
            below = far
        if not is_stacked and len(above) > 1:
            raise Refused("overlapping_marks", "bars in one place")
    return done


def _cut(bar: _Bar, base: float, scale: Scale) -> tuple[_Bar, float, float]:
    """Of a bar on an axis without zero: its end is the one away from zero, wherever it begins."""
    away = 1 if scale.value(base + 1) > scale.value(base) else -1
    end = max((bar.start, bar.end), key=lambda each: away * each)
    if abs(end - base) > SAME_PT and away * (end - base) < 0:
        raise Refused("floating_bars", "a bar that ends before the axis begins")
    return bar, scale.value(end), end


def _in_order(
    cells: Mapping[tuple[int, str | None], Cell], names: Sequence[str | None]
) -> tuple[dict[str | None, dict[int, float]], list[str | None]]:
    order = list(dict.fromkeys(names))
    values: dict[str | None, dict[int, float]] = {name: {} for name in order}
    for (slot, name), cell in cells.items():
        values[name][slot] = cell.number
    return values, order


def _is_full(values: Mapping[str | None, Mapping[int, float]], num_slots: int) -> bool:
    """All stacks reach 100, or 1."""
    totals = [sum(series.get(slot, 0.0) for series in values.values()) for slot in range(num_slots)]
    return any(all(abs(total - whole) <= 0.004 * whole for total in totals) for whole in (1.0, 100.0))
