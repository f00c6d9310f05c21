"""Charts that stand so close together that their drawings are one cluster, taken apart: panels of a grid, two charts side by side.

A cluster is cut where a strip without marks parts it, and both parts are charts with labels of their own. Panels that share an
axis stay together, for their numbers stand once.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence

from schemas.page import Box
from workers.rendering.pages.finding_regions.drawings import Mark, around_marks
from workers.rendering.pages.finding_regions.page_lines import Line

MIN_STRIP_PT = 2.0
MIN_PANEL_PT = 36.0
MIN_PANEL_SHARE = 0.25
"""Of the other part's side: a colour bar beside its chart is less."""
SPANNING = 0.9
"""Of the cluster's side: a longer filled box is a background, and joins nothing; a longer rule (axis, grid line) does."""
LABELS_REACH_PT = 60.0
AXIS_REACH_PT = 14.0
"""Of an axis on the far side; what stands farther off is the next chart's."""
LABELS_SPREAD = 0.35
"""Of a panel's side: so far its labels reach."""
MAX_CUTS = 40
MAX_STRIPS = 12
"""Of a cluster the widest are tried."""

Part = tuple[Box, Sequence[Mark]]
IsChart = Callable[[Box, Sequence[Mark]], bool]


def panels(box: Box, marks: Sequence[Mark], lines: Sequence[Line], is_chart: IsChart, is_pie: IsChart) -> list[Part]:
    """The cluster's charts; itself, where it is one."""
    waiting: list[Part] = [(box, marks)]
    done: list[Part] = []
    for _ in range(MAX_CUTS):
        if not waiting:
            break
        part = waiting.pop()
        halves = next(_cuts(part, lines, is_chart, is_pie), None)
        if halves:
            waiting.extend(halves)
        else:
            done.append(part)
    return [*done, *waiting]


def _cuts(part: Part, lines: Sequence[Line], is_chart: IsChart, is_pie: IsChart) -> Iterator[tuple[Part, Part]]:
    box, _ = part
    beside = [line for line in lines if _reaches(box, line.box)]
    for is_across in (True, False):
        for one, other in _halves(part, is_across):
            if not (_is_panel(one[0], other[0], is_across) and is_chart(*one) and is_chart(*other)):
                continue
            is_parted = (is_pie(*one) or _has_labels(one[0], other[0], beside, is_across)) and (
                is_pie(*other) or _has_labels(other[0], one[0], beside, is_across)
            )
            if is_parted:
                yield one, other


def _halves(part: Part, is_across: bool) -> Iterator[tuple[Part, Part]]:
    """Both sides of each strip without marks, the widest strip first. `is_across`: side by side."""
    box, marks = part
    low, high = (0, 2) if is_across else (1, 3)
    length = box[high] - box[low]
    kept = sorted(
        (mark for mark in marks if mark.fill is None or mark.box[high] - mark.box[low] < SPANNING * length),
        key=lambda mark: mark.box[low],
    )
    strips = []
    reach = kept[0].box[high] if kept else 0.0
    for index, mark in enumerate(kept):
        if index and mark.box[low] - reach >= MIN_STRIP_PT:
            strips.append((mark.box[low] - reach, index))
        reach = max(reach, mark.box[high])
    for _, index in sorted(strips, reverse=True)[:MAX_STRIPS]:
        yield (around_marks(kept[:index]), kept[:index]), (around_marks(kept[index:]), kept[index:])


def _is_panel(one: Box, other: Box, is_across: bool) -> bool:
    sides = [(box.width, box.height) if is_across else (box.height, box.width) for box in (one, other)]
    lengths = [along for along, _ in sides]
    return min(map(min, sides)) >= MIN_PANEL_PT and min(lengths) >= MIN_PANEL_SHARE * max(lengths)


def _has_labels(panel: Box, other: Box, lines: Sequence[Line], is_across: bool) -> bool:
    """True if at least three labels stand in line along the panel's own side, none of them beyond the other panel.

    Of panels side by side these are the labels of an upright axis, left or right of the panel; of panels one upon the other those
    below or above it, of which two are enough.
    """
    low, high, near, far = (1, 3, 0, 2) if is_across else (0, 2, 1, 3)
    rows: dict[tuple[str, int], list[float]] = defaultdict(list)
    for line in lines:
        middle = (line.box[low] + line.box[high]) / 2
        if not panel[low] - 8 <= middle <= panel[high] + 8:
            continue
        is_before = line.box[far] <= panel[near] + 6 and line.box[near] >= panel[near] - LABELS_REACH_PT
        is_after = -6 <= line.box[near] - panel[far] <= (AXIS_REACH_PT if is_across else LABELS_REACH_PT)
        if is_across:  # names right of a panel are the next one's, or a legend
            is_after = is_after and line.num_numbers > 0
        centre = (line.box[near] + line.box[far]) / 2
        if other[far] <= panel[near]:
            is_before = is_before and centre > other[far] - 2
        else:
            is_after = is_after and centre < other[near] + 2
        if not (is_before or is_after):
            continue
        side = "before" if is_before else "after"
        for edge, at in (("near", line.box[near]), ("far", line.box[far]), ("centre", centre)):
            rows[f"{side} {edge}", round(at / 3)].append(middle)
            rows[f"{side} {edge}", round(at / 3) + 1].append(middle)
    least = 3 if is_across else 2
    return any(len(row) >= least and max(row) - min(row) >= LABELS_SPREAD * (panel[high] - panel[low]) for row in rows.values())


def _reaches(box: Box, line: Box) -> bool:
    wide = Box(box.left - LABELS_REACH_PT, box.top - LABELS_REACH_PT, box.right + LABELS_REACH_PT, box.bottom + LABELS_REACH_PT)
    return wide.left <= line.right and wide.right >= line.left and wide.top <= line.bottom and wide.bottom >= line.top
