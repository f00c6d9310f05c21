"""What in a cluster of marks speaks for a chart: bars, a line, sectors, markers, a heat map."""

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from typing import NamedTuple

from schemas.page import Box
from workers.rendering.pages.finding_regions.drawings import THIN_PT, Mark

MARKER_PT = 12.0


class Evidence(NamedTuple):
    """What in a cluster speaks for a chart."""

    has_bars: bool
    has_line: bool
    has_pie: bool
    has_markers: bool
    has_heatmap: bool

    @property
    def any(self) -> bool:
        return self.has_bars or self.has_line or self.has_pie or self.has_markers or self.has_heatmap


def evidence(box: Box, marks: Sequence[Mark], num_words_in: Callable[[Box], int]) -> Evidence:
    """`num_words_in`: words of the text layer whose centre lies in a box; a rectangle around text is no bar."""
    side = max(box.width, box.height)
    inked = [mark for mark in marks if mark.shape == "box" and mark.is_inked]
    bars = [mark for mark in inked if not num_words_in(mark.box)]
    labelled = [mark.box for mark in inked if num_words_in(mark.box) <= 1]  # a value printed in its bar; or a cell of a table
    rules = [mark.box for mark in marks if mark.shape == "rule"]
    sticks = [rule for rule in rules if rule.height > 2 * THIN_PT]
    lines = [mark for mark in marks if mark.shape in ("slanted", "curve") and min(mark.box.width, mark.box.height) > MARKER_PT / 2]
    open_lines = [mark for mark in lines if mark.fill is None or num_words_in(mark.box) <= 3]
    blobs = [mark for mark in open_lines if mark.fill is not None and min(mark.box.width, mark.box.height) >= 18]
    small = [mark.box for mark in marks if mark.shape != "rule" and max(mark.box.width, mark.box.height) <= MARKER_PT]
    return Evidence(
        has_bars=_are_bars([mark.box for mark in bars], 3, 2, by_width=True)
        or _are_bars(labelled, 3, 3)
        or (2 * len(sticks) > len(rules) and _are_bars(sticks, 6, 5)),
        has_line=any(mark.box.width >= 0.25 * box.width and mark.length_pt >= 0.25 * side for mark in open_lines)
        or sum(mark.length_pt for mark in open_lines if mark.fill is None) >= 0.5 * side,
        has_pie=len(blobs) >= 2 and len({mark.fill for mark in blobs}) >= 2,
        has_markers=len(small) >= 6 and _spread(small),
        has_heatmap=_are_cells(bars, 12, 4) or _are_cells([mark for mark in inked if num_words_in(mark.box) <= 1], 6, 5),
    )


def _are_bars(boxes: Sequence[Box], num_needed: int, num_lengths: int, *, by_width: bool = False) -> bool:
    """Boxes that share a base line (or, stacked, a width), and differ in length; upright or lying."""
    for start, end, low, high in ((1, 3, 0, 2), (0, 2, 1, 3)):
        groups: dict[tuple[str, int], list[int]] = defaultdict(list)
        for box in boxes:
            length = round((box[end] - box[start]) / 2)
            groups["end", round(box[end])].append(length)
            groups["start", round(box[start])].append(length)
            if by_width:
                groups["width", round(box[high] - box[low])].append(length)
        for lengths in groups.values():
            if len(lengths) >= num_needed and len(set(lengths)) >= num_lengths:
                return True
    return False


def _are_cells(bars: Sequence[Mark], num_needed: int, num_colours: int) -> bool:
    """Many boxes of one size in several colours."""
    sizes = Counter((round(mark.box.width), round(mark.box.height)) for mark in bars)
    if not sizes:
        return False
    size, count = sizes.most_common(1)[0]
    fills = {mark.fill for mark in bars if (round(mark.box.width), round(mark.box.height)) == size}
    return count >= num_needed and len(fills) >= num_colours and min(size) >= MARKER_PT


def _spread(boxes: Sequence[Box]) -> bool:
    """Not all in one row or column, as bullets and check boxes are."""
    return len({round(box.left / 3) for box in boxes}) >= 5 and len({round(box.top / 3) for box in boxes}) >= 5
