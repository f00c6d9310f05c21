"""Bars as the picture shows them: in each label's slot the coloured runs that stand on the base line, and where they end."""

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from workers.charts.plot_pixels import SAME, Pixels, Plot, commonest, is_like

GAP_PX = 4
"""A grid line drawn over a bar is no thicker."""
START_PX = 3
FAINT = 16
"""Levels by which a bar differs from the ground; one that fades into it ends nowhere."""
GROUND = 12
"""Levels by which the ground differs from itself."""
NO_COLOUR = (-255, -255, -255)
"""Unlike any ground."""
SLIVER = 0.4
"""Of the widest bar: a narrower one at the slot's edge is a part of a neighbour's."""
MIN_WIDTH = 0.05
"""Of a slot."""


class Bar(NamedTuple):
    colour: tuple[int, int, int]
    ends: tuple[float, ...]
    """Rows where its colours end, from the base line on: one for a plain bar, one for each part of a stack."""
    colours: tuple[tuple[int, int, int], ...]
    is_down: bool


def with_ground(plot: Plot, places: Sequence[float], step: float) -> Plot:
    """The plot with the colour of what stands where the highest values would: bars may cover more of the rest than its ground."""
    height = plot.bottom - plot.top
    first, last = max(0, round(min(places) - step / 2)), round(max(places) + step / 2)
    part = plot.pixels[max(0, round(plot.top - 0.05 * height)) : round(plot.top + 0.12 * height), first:last]
    return plot._replace(background=commonest(part)) if part.size else plot


def bars_in(plot: Plot, left: float, right: float, *, by_ink: bool = False) -> list[Bar]:
    """From left to right; slivers of the neighbours' bars are left out. `by_ink`: whatever is not the ground is one colour, as
    gradients and lines across the bars need it."""
    first, last = max(0, round(left)), min(plot.pixels.shape[1], round(right))
    groups: list[list[tuple[int, Bar]]] = []
    for column in range(first, last):
        bar = _column_bar(plot, column, by_ink=by_ink)
        if bar is None:
            continue
        if groups and column - groups[-1][-1][0] <= GAP_PX + 1 and _is_same(groups[-1][-1][1], bar):
            groups[-1].append((column, bar))
        elif groups and len(groups) > 1 and column - groups[-2][-1][0] <= GAP_PX + 1 and _is_same(groups[-2][-1][1], bar):
            groups[-2].append((column, bar))  # beyond a grid line that is drawn over the bar
        else:
            groups.append([(column, bar)])
    wide = [group for group in groups if len(group) >= max(3, MIN_WIDTH * (right - left))]
    widest = max(map(len, wide), default=0)
    kept = [group for group in wide if len(group) >= SLIVER * widest or (group[0][0] > first + 1 and group[-1][0] < last - 2)]
    bars = _joined([_typical([bar for _, bar in group]) for group in kept])
    return [] if any(is_like(np.array([bar.colour]), plot.background, FAINT)[0] for bar in bars) else bars


def _joined(bars: Sequence[Bar]) -> list[Bar]:
    """Halves that an error bar parts are one bar."""
    joined: list[Bar] = []
    for bar in bars:
        if not (joined and bar.colour != NO_COLOUR and len(bar.ends) == len(joined[-1].ends) == 1 and _is_same(joined[-1], bar)):
            joined.append(bar)
    return joined


def _typical(bars: Sequence[Bar]) -> Bar:
    """The middle one of those with the commonest number of parts: some columns go through a grid line."""
    (num_parts, _), *_ = Counter(len(bar.ends) for bar in bars).most_common(1)
    alike = [bar for bar in bars if len(bar.ends) == num_parts]
    return alike[len(alike) // 2]


def _is_same(one: Bar, other: Bar) -> bool:
    if one.is_down != other.is_down or abs(one.ends[0] - other.ends[0]) > 2:
        return False
    return max(abs(a - b) for a, b in zip(one.colour, other.colour, strict=True)) <= SAME


def _column_bar(plot: Plot, column: int, *, by_ink: bool) -> Bar | None:
    base = round(plot.base)
    up = plot.pixels[max(0, int(plot.top - plot.beyond)) : max(0, base - START_PX), column][::-1]
    down = plot.pixels[base + START_PX : min(plot.pixels.shape[0], int(plot.bottom + plot.beyond)), column]
    for strip, is_down in ((up, False), (down, True)):
        runs = (_ink_run if by_ink else _runs)(strip, plot.background)
        if runs:
            ends = tuple(float(base + START_PX + end if is_down else base - START_PX - end) for end, _ in runs)
            return Bar(runs[0][1], ends, tuple(colour for _, colour in runs), is_down)
    return None


def _runs(strip: Pixels, background: Pixels) -> list[tuple[int, tuple[int, int, int]]]:
    """Coloured runs that follow each other from the strip's start, and where each ends."""
    runs: list[tuple[int, tuple[int, int, int]]] = []
    at = 0
    while at < len(strip) and len(runs) < 20:
        colour = np.median(strip[at : at + 3], axis=0).astype(np.int16)
        if is_like(colour[None], background, 12)[0]:
            if runs and at - runs[-1][0] < GAP_PX:  # a thin line between two parts of a stack
                at += 1
                continue
            break
        like = is_like(strip[at:], colour)
        unlike = np.flatnonzero(~like)
        end = _first_long_gap(unlike, len(like))
        if end >= 3:
            runs.append((at + end, (int(colour[0]), int(colour[1]), int(colour[2]))))
            at += end
            at += _edge(strip[at : at + 3], background)
        elif runs or at > 3:
            break
        else:
            at += 1
    return runs


def _ink_run(strip: Pixels, background: Pixels) -> list[tuple[int, tuple[int, int, int]]]:
    """One run, of no colour of its own, to where only the ground follows."""
    end = _first_long_gap(np.flatnonzero(is_like(strip, background, GROUND)), len(strip)) if len(strip) else 0
    return [(end, NO_COLOUR)] if end >= 3 else []


def _first_long_gap(unlike: "np.ndarray[tuple[int], np.dtype[np.intp]]", length: int) -> int:
    """Where a colour ends: the first of more than GAP_PX others in a row."""
    for index in range(len(unlike) - GAP_PX):
        if unlike[index + GAP_PX] - unlike[index] == GAP_PX:
            return int(unlike[index])
    tail = len(unlike)
    while tail and unlike[tail - 1] == length - 1 - (len(unlike) - tail):
        tail -= 1
    return length - (len(unlike) - tail)


def _edge(strip: Pixels, background: Pixels) -> int:
    """Pixels of an outline or of smoothing between two colours."""
    return 2 if len(strip) == 3 and not is_like(strip[2][None], background, 12)[0] else 1
