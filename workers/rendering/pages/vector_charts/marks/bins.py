"""Bars over a scale of numbers that (nearly) touch: the bins of a histogram, named by their two edges."""

from collections.abc import Sequence
from itertools import pairwise

from workers.rendering.pages.vector_charts.axes import Axis
from workers.rendering.pages.vector_charts.x_texts import number_text

MIN_BINS = 4
OFF_PT = 0.8
OFF_SHARE = 0.04
"""Of a bin: how far an edge may lie off a round value."""
WIDTH_SHARE = 0.75
"""Of a bin that its bar fills."""


def bin_texts(axis: Axis, sides: Sequence[tuple[float, float]]) -> list[str] | None:
    """`10–15` for each; None unless all are of one width, and the edges between them are multiples of a bin.

    Bars about whole numbers have their edges between those, and bars with gaps may have ticks at their middles: None.
    """
    scale = axis.scale
    widths = [right - left for left, right in sides]
    if scale.kind != "linear" or scale.is_yearly or len(sides) < MIN_BINS or max(widths) - min(widths) > OFF_PT:
        return None
    middles = [(left + right) / 2 for left, right in sides]
    pitch = min(after - before for before, after in pairwise(middles))
    num_steps = round((middles[-1] - middles[0]) / pitch)
    pitch = (middles[-1] - middles[0]) / num_steps
    places = [round((middle - middles[0]) / pitch) for middle in middles]
    if min(widths) < WIDTH_SHARE * pitch or any(
        abs(middle - middles[0] - place * pitch) > OFF_PT for middle, place in zip(middles, places, strict=True)
    ):
        return None
    if min(widths) < pitch - OFF_PT and any(abs(tick - middle) < 0.15 * pitch for tick in axis.positions for middle in middles):
        return None
    step = float(f"{scale.slope * scale.multiplier * pitch:.2g}")
    first = scale.value(middles[0] - pitch / 2) / step
    last = scale.value(middles[-1] + pitch / 2) / step
    if step <= 0 or abs(first - round(first)) > OFF_SHARE or abs(last - first - num_steps - 1) > OFF_SHARE:
        return None
    edges = [number_text(step * (round(first) + place), scale.span, scale.decimal) for place in range(num_steps + 2)]
    return [f"{edges[place]}–{edges[place + 1]}" for place in places]
