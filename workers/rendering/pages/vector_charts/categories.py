"""Axes of names: which label stands at which bars, or at which place."""

import statistics
from collections.abc import Sequence
from itertools import pairwise

from schemas.page import Box
from workers.rendering.pages.vector_charts.axes import Direction, anchors, rows
from workers.rendering.pages.vector_charts.found import Refused
from workers.rendering.pages.vector_charts.labels import Label


def category_rows(labels: Sequence[Label], across: Direction, plot: Box) -> list[list[Label]]:
    """Rows below or above the plot (columns beside it), the nearest first, with the lines that continue them."""
    found: list[tuple[float, list[Label]]] = []
    for row in rows(joined_in_line(labels) if across == "y" else labels, across):
        if across == "x":
            inside = [label for label in row if plot.left - 20 <= label.centre[0] <= plot.right + 20]
            gap = min((min(abs(label.box.top - plot.bottom), abs(plot.top - label.box.bottom)) for label in inside), default=99.0)
            is_out = all(label.centre[1] > plot.bottom - 1 or label.centre[1] < plot.top + 1 for label in inside)
        else:
            inside = [label for label in row if plot.top - 4 <= label.centre[1] <= plot.bottom + 4]
            gap = min((min(abs(label.box.left - plot.right), abs(plot.left - label.box.right)) for label in inside), default=99.0)
            is_out = all(label.centre[0] > plot.right - 1 or label.centre[0] < plot.left + 1 for label in inside)
        if inside and is_out and gap <= 3.5 * inside[0].size + 8:
            found.append((gap, inside))
    whole = [
        (gap, row)
        for gap, row in found
        if not any(set(row) < set(other) and abs(gap - at) < 2 for at, other in found if other is not row)
    ]
    joined = [(gap + 0.01, more) for gap, row in whole if across == "x" and len(more := joined_in_line(row)) < len(row)]
    return [row for _, row in sorted([*whole, *joined], key=lambda each: each[0])]


def joined_in_line(row: Sequence[Label]) -> list[Label]:
    """Names of several words whose spaces are wide and not written: those that follow closely in one line are one."""
    done: list[Label] = []
    for label in row:
        last = done[-1] if done else None
        if (
            last is not None
            and last.line == label.line
            and label.is_level
            and 0 <= label.box.left - last.box.right <= 0.95 * label.size
        ):
            done[-1] = last._replace(text=f"{last.text} {label.text}", box=last.box.union(label.box), end=label.end)
        else:
            done.append(label)
    return done


def pair(
    columns: Sequence[Sequence[float]], row: Sequence[Label], across: Direction
) -> tuple[float, list[list[int]], list[str]] | None:
    """Which columns (their sides) stand over which label, each label having as many; and how far labels are off."""
    if not row or len(columns) % len(row):
        return None
    best: tuple[float, list[list[int]], list[str]] | None = None
    each = len(columns) // len(row)
    for choice in range(len(anchors(row[0], across))):
        at = [anchors(label, across)[choice] for label in row]
        order = sorted(range(len(row)), key=lambda index: at[index])
        slots = [list(range(place * each, (place + 1) * each)) for place in range(len(row))]
        middles = [(columns[slot[0]][0] + columns[slot[-1]][1]) / 2 for slot in slots]
        widths = [columns[slot[-1]][1] - columns[slot[0]][0] for slot in slots]
        offsets = [middle - at[index] for middle, index in zip(middles, order, strict=True)]
        pitch = min((b - a for a, b in pairwise(middles)), default=max(widths) * 1.5)
        if (
            max(widths) > 1.02 * pitch + 0.5
            or max(offsets) - min(offsets) > 0.2 * pitch
            or abs(statistics.median(offsets)) > 0.32 * pitch
        ):
            continue
        off = abs(statistics.median(offsets))
        if best is None or off < best[0]:
            best = off, slots, [row[index].text for index in order]
    return best


def named_places(xs: Sequence[float], labels: Sequence[Label], plot: Box) -> list[str]:
    """The category under each place: as many labels as places, all equally far off. Raises Refused."""
    pitch = min((after - before for before, after in pairwise(xs)), default=20.0)
    for row in category_rows(labels, "x", plot):
        if len(row) != len(xs):
            continue
        for choice in range(len(anchors(row[0], "x"))):
            at = sorted((anchors(label, "x")[choice], label.text) for label in row)
            offsets = [x - place for x, (place, _) in zip(xs, at, strict=True)]
            if max(offsets) - min(offsets) <= 0.2 * pitch and abs(statistics.median(offsets)) <= 0.3 * pitch:
                texts = [text for _, text in at]
                if len(set(texts)) < len(texts):
                    raise Refused("several_panels", "a category stands there twice")
                return texts
    raise Refused("categories_unclear", f"no label for each of {len(xs)} places")
