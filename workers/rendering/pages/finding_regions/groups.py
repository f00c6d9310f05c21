"""Clusters that lie apart and are one chart all the same: bars without an axis below them, an axis that stands off, a legend."""

from collections.abc import Sequence

from schemas.page import Box
from workers.rendering.pages.finding_regions.drawings import Mark, around_marks
from workers.rendering.pages.finding_regions.page_lines import PageWords, gap

APART_PT = 30.0
APART_SHARE = 1.2
"""Of a bar's width: bars stand no farther apart."""
BESIDE = 0.6
"""Of the lesser side: so much of it two parts of a chart have beside each other."""
THIN_PT = 30.0
"""An axis with its ticks, and a colour bar, are no wider."""
LEGEND_PT = 60.0
"""A legend stands no farther from its chart, or, in the colours of its marks, FAR_LEGEND_PT."""
FAR_LEGEND_PT = 130.0
MAX_CLUSTERS = 150
"""A page with more is a map, or a drawing of another kind."""

Cluster = tuple[Box, Sequence[Mark]]


def joined_clusters(found: Sequence[Cluster], text: PageWords) -> list[Cluster]:
    """Those that stand in line, close to each other and in the same colours, and an axis or colour bar beside its chart, as one."""
    if len(found) > MAX_CLUSTERS:
        return list(found)
    done: list[Cluster] = []
    for cluster in sorted(found, key=lambda each: -each[0].area):
        whole = cluster
        while other := next((each for each in done if _belong(whole, each, text)), None):
            done.remove(other)
            whole = around_marks([*whole[1], *other[1]]), [*whole[1], *other[1]]
        done.append(whole)
    return done


def _belong(one: Cluster, other: Cluster, text: PageWords) -> bool:
    apart = gap(one[0], other[0])
    narrowest = min(one[0].width, one[0].height, other[0].width, other[0].height)
    if apart > max(APART_PT, APART_SHARE * narrowest):
        return False
    for low, high, near, far in ((1, 3, 0, 2), (0, 2, 1, 3)):
        shared = min(one[0][high], other[0][high]) - max(one[0][low], other[0][low])
        sides = [box[high] - box[low] for box in (one[0], other[0])]
        if shared < BESIDE * min(sides) or min(sides) < 12:
            continue
        if _fills(one) & _fills(other) or _outlined(one, low, high) & _outlined(other, low, high):
            is_level = abs(one[0][high] - other[0][high]) <= 2 or abs(one[0][low] - other[0][low]) <= 2
            if (is_level or shared >= 0.8 * max(sides)) and not _has_prose(one[0], other[0], text):
                return True
        thin, wide = sorted((one, other), key=lambda each: each[0][far] - each[0][near])
        is_thin = apart <= APART_PT and thin[0][far] - thin[0][near] <= THIN_PT and len(thin[1]) >= 3
        if is_thin and _is_drawn(wide) and 0.5 * max(sides) <= shared and not _has_prose(one[0], other[0], text):
            return True
    return False


def _fills(cluster: Cluster) -> set[tuple[float, ...]]:
    return {mark.fill for mark in cluster[1] if mark.fill is not None and mark.is_inked and mark.shape != "rule"}


def _outlined(cluster: Cluster, low: int, high: int) -> set[int]:
    """Widths, in half points, of boxes that are outlines: bars with a pattern in them."""
    near, far = (0, 2) if low else (1, 3)
    return {round(2 * (mark.box[far] - mark.box[near])) for mark in cluster[1] if mark.shape == "box" and mark.fill is None}


def _is_drawn(cluster: Cluster) -> bool:
    """Has something that is no rule, and is as large as a chart's part."""
    return min(cluster[0].width, cluster[0].height) > THIN_PT and any(mark.shape != "rule" for mark in cluster[1])


def _has_prose(one: Box, other: Box, text: PageWords) -> bool:
    """True if running text lies in the box around both, or more text than charts have."""
    whole = one.union(other)
    return text.share_of(whole) > 0.22 or any(line.is_prose and whole.intersection(line.box).area > 0 for line in text.lines)


def with_legends(charts: Sequence[Cluster], swatches: Sequence[Cluster]) -> list[Box]:
    """Each chart's box with the colour samples that are its own: those of its colours before those that are near."""
    boxes = [box for box, _ in charts]
    colours = [{mark.colour for mark in marks} for _, marks in charts]
    for box, marks in swatches:
        inks = {mark.colour for mark in marks if mark.is_inked or mark.fill is None}
        ranked = sorted(
            (not inks & known, away, index)
            for index, ((chart, _), known) in enumerate(zip(charts, colours, strict=True))
            if (away := gap(chart, box)) <= (FAR_LEGEND_PT if inks & known else LEGEND_PT)
        )
        if ranked:
            index = ranked[0][2]
            boxes[index] = boxes[index].union(box)
    return boxes
