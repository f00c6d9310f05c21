"""Where a gutter runs between two columns of text. The work grows with the number of pieces times its logarithm."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from workers.engines.classic.reading_order.pieces import Piece
from workers.engines.classic.time_limit import check_time

GUTTER = 0.8
"""In font sizes: the least width of a gutter between columns. LaTeX's own is 1."""
SPARSE = 1.0
"""In font sizes: lines that are usually farther apart, beside lines that are not, are headings at the side of a text."""
OVERHANG = 3
"""In font sizes: so far may a line reach into a gutter."""
MAX_TRIALS = 64
"""Edges that are looked at closely, those that least text crosses first."""

Numbers = np.ndarray[Any, np.dtype[np.float64]]


class Gutter(NamedTuple):
    x: float
    conflict: float
    """Share of the text that crosses it beside other text: a title over two columns does not conflict, a third column does."""


class _Sides(NamedTuple):
    left: Numbers
    top: Numbers
    right: Numbers
    bottom: Numbers

    def where(self, mask: np.ndarray[Any, np.dtype[np.bool_]]) -> "_Sides":
        return _Sides(*(side[mask] for side in self))


def find_gutter(pieces: Sequence[Piece]) -> Gutter | None:
    """The best gutter between two columns of text; None where there is none (or where it rather parts a table's cells)."""
    if len(pieces) < 6:
        return None
    size = float(np.median([p.size_px for p in pieces]))
    sides = _Sides(*np.array([p.box for p in pieces], dtype=float).T)
    height = sides.bottom - sides.top
    best: tuple[float, Gutter] | None = None
    for x, bonus in _edges(sides, height, size):
        check_time()
        if best is not None and -bonus >= best[0]:
            continue
        conflict = _conflict(sides, height, x)
        score = conflict - bonus
        if best is not None and score >= best[0]:
            continue
        if _are_columns(sides.where(sides.right <= x), sides.where(sides.left >= x), size):
            best = score, Gutter(x, conflict)
    return None if best is None else _past_overhangs(best[1], sides, height, size)


def _past_overhangs(gutter: Gutter, sides: _Sides, height: Numbers, size: float) -> Gutter:
    """The gutter right of the lines that reach a little into it and end before the next column begins: they span nothing."""
    start = _quantiles(np.sort(sides.left), np.array([(sides.left < gutter.x).sum()]), 0.03)[0]
    crossing = sides.right[(sides.left < gutter.x) & (sides.right > gutter.x) & (sides.right < start)]
    if not len(crossing) or crossing.max() - gutter.x > OVERHANG * size:
        return gutter
    x = (float(crossing.max()) + float(start)) / 2
    conflict = _conflict(sides, height, x)
    are_columns = _are_columns(sides.where(sides.right <= x), sides.where(sides.left >= x), size)
    return Gutter(x, conflict) if conflict <= gutter.conflict and are_columns else gutter


def _edges(sides: _Sides, height: Numbers, size: float) -> list[tuple[float, float]]:
    """(x, bonus) of the right edges with a wide enough gap after them, at most MAX_TRIALS: those that least text crosses.

    A wide gap and text on both sides earn a bonus.
    """
    by_left, by_right = np.argsort(sides.left), np.argsort(sides.right)
    lefts, rights = sides.left[by_left], sides.right[by_right]
    edges = np.unique(rights.round())
    xs = edges + GUTTER * size / 2
    on_left = np.searchsorted(rights, xs, side="right")
    first = np.searchsorted(lefts, xs, side="left")
    on_right = len(lefts) - first
    enough = (on_left >= 3) & (on_right >= 3)
    edges, xs, on_left, on_right = edges[enough], xs[enough], on_left[enough], on_right[enough]
    gaps = _quantiles(lefts, first[enough], 0.03) - edges
    wide = gaps >= GUTTER * size
    xs, on_left, on_right, gaps = xs[wide], on_left[wide], on_right[wide], gaps[wide]
    started = np.concatenate(([0.0], np.cumsum(height[by_left])))[np.searchsorted(lefts, xs, side="left")]
    ended = np.concatenate(([0.0], np.cumsum(height[by_right])))[on_left]
    bonuses = np.minimum(gaps / max(size, 1e-9), 4) * 0.01 + np.minimum(on_left, on_right) / len(lefts) * 0.05
    order = np.argsort((started - ended) / max(height.sum(), 1e-9) - bonuses, kind="stable")[:MAX_TRIALS]
    return list(zip(xs[order].tolist(), bonuses[order].tolist(), strict=True))


def _quantiles(ordered: Numbers, first: np.ndarray[Any, Any], share: float) -> Numbers:
    """Of each tail of `ordered` that begins at `first`, as np.quantile gives it."""
    position = first + share * (len(ordered) - 1 - first)
    below = np.floor(position).astype(int)
    above = np.minimum(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (position - below)


def _conflict(sides: _Sides, height: Numbers, x: float) -> float:
    """Share of the text that crosses `x` with text beside it that does not. Beside each other is what shares a line: the middles of
    their heights, three fifths of each, meet."""
    crosses = (sides.left < x) & (sides.right > x)
    if not crosses.any():
        return 0.0
    start, end = sides.top + 0.2 * height, sides.bottom - 0.2 * height
    others_start, others_end = np.sort(start[~crosses]), np.sort(end[~crosses])
    beside = np.searchsorted(others_start, end[crosses], side="left") > np.searchsorted(others_end, start[crosses], side="right")
    return float(height[crosses][beside].sum() / max(height.sum(), 1e-9))


def _are_columns(left: _Sides, right: _Sides, size: float) -> bool:
    """Side by side, and both full of text (a table's cells are shorter than their column), or one has lines of its own pitch."""
    tops = max(side.top.min() for side in (left, right))
    bottoms = min(side.bottom.max() for side in (left, right))
    shorter = min(side.bottom.max() - side.top.min() for side in (left, right))
    if bottoms - tops <= 0.5 * shorter:
        return False
    if _usual_gap(left) > SPARSE * size > _usual_gap(right) and _share_lines(left, right, size):
        return False  # side headings
    left_filled, right_filled = _is_filled(left, size), _is_filled(right, size)
    return (left_filled and right_filled) or ((left_filled or right_filled) and not _share_lines(left, right, size))


def _usual_gap(side: _Sides) -> float:
    """Between a line and the next."""
    order = np.argsort(side.top)
    return float(np.median(side.top[order][1:] - side.bottom[order][:-1])) if len(order) > 1 else 0.0


def _share_lines(left: _Sides, right: _Sides, size: float) -> bool:
    """Most lines of the side with fewer have a line of the other side at their very height, as cells of a table have."""
    fewer, more = sorted(((side.top + side.bottom) / 2 for side in (left, right)), key=len)
    middles = np.sort(more)
    after = np.searchsorted(middles, fewer).clip(1, max(len(middles) - 1, 1))
    offsets = np.minimum(np.abs(middles[after - 1] - fewer), np.abs(middles[after.clip(max=len(middles) - 1)] - fewer))
    return bool((offsets < 0.12 * size).sum() > 0.5 * len(fewer))


def _is_filled(side: _Sides, size: float) -> bool:
    """Lines of at least 8 font sizes, half of which reach over 45 % of the side's width (over what most lines span: a stray wide
    piece does not make a column wide)."""
    widths = np.sort(side.right - side.left)
    usual = float(widths[int(0.9 * (len(widths) - 1))])
    return bool(usual > 8 * size and (widths > 0.45 * usual).sum() >= 0.5 * len(widths))
