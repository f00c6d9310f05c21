"""Lines that stop short of their markers and go on behind them, as R's type "b" draws them."""

import math
from collections.abc import Sequence
from itertools import pairwise

from workers.rendering.pages.vector_charts.found import Refused
from workers.rendering.pages.vector_charts.marks.markers import Marker
from workers.rendering.pages.vector_charts.marks.shapes import Point

NUM_PIECES = 3
MAX_GAP_PT = 20.0
"""From the end of a piece to the beginning of the next."""
MIDDLE_PT = 0.8
"""How far a marker may be from the middle of its gap, as a difference of its distances to both ends."""


def mended(chains: Sequence[list[Point]], markers: Sequence[Marker]) -> list[list[Point]]:
    """One chain through the markers, where the chains are straight pieces with gaps between them; else the chains as they are.
    Raises Refused where such a gap has no marker in its middle: the ends of the pieces are no points."""
    pieces = sorted(chains, key=lambda chain: chain[0][0])
    if len(pieces) < NUM_PIECES or any(len(piece) != 2 for piece in pieces):
        return list(chains)
    gaps = [(before[1], after[0]) for before, after in pairwise(pieces)]
    if not all(end[0] < start[0] + MIDDLE_PT and math.dist(end, start) <= MAX_GAP_PT for end, start in gaps):
        return list(chains)
    joints = [_marker_between(end, start, markers) for end, start in gaps]
    if None in joints:
        raise Refused("unknown_marks", "a line with gaps and no markers in them")
    inner = [joint for joint in joints if joint is not None]
    first = _marker_beyond(pieces[0][1], pieces[0][0], math.dist(inner[0], pieces[0][1]), markers)
    last = _marker_beyond(pieces[-1][0], pieces[-1][1], math.dist(inner[-1], pieces[-1][0]), markers)
    return [[first, *inner, last]]


def _marker_between(end: Point, start: Point, markers: Sequence[Marker]) -> Point | None:
    for marker in markers:
        to_end, to_start = math.dist(marker.centre, end), math.dist(marker.centre, start)
        if abs(to_end - to_start) <= MIDDLE_PT and to_end <= MAX_GAP_PT / 2 + MIDDLE_PT:
            return marker.centre
    return None


def _marker_beyond(other: Point, end: Point, gap: float, markers: Sequence[Marker]) -> Point:
    """The marker at the outer end of the first or last piece, as far from it as the others are from theirs."""
    length = math.dist(other, end)
    x, y = (end[axis] + (end[axis] - other[axis]) / length * gap for axis in (0, 1)) if length else end
    near = min(markers, key=lambda marker: math.dist(marker.centre, (x, y)))
    if math.dist(near.centre, (x, y)) > 2 * MIDDLE_PT:
        raise Refused("unknown_marks", "a line with gaps and no marker at its end")
    return near.centre
