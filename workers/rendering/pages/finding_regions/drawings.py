"""The marks of a page's vector drawings: what is drawn, in the shapes that matter for finding charts.

Boxes are in points: of the *unrotated* page, as MuPDF's line art device gives them, until the caller turns them. Work is
bounded whatever the page holds. About MAX_MARKS marks are kept, evenly thinned beyond. At most MAX_ITEMS segments of a path are
looked at.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any, Literal, NamedTuple

from schemas.page import Box
from workers.rendering.pages.mupdf import pymupdf

MAX_MARKS = 8_000  # a dense scatter plot has 5,000; of a map's 100,000 every sixteenth shows where it is
MAX_ITEMS = 400
THIN_PT = 2.0
WHITE = 0.97
MAX_CLIPS = 100
MIN_STEPS = 4
ROUND_SHARE = 0.5
"""Of its box's outline: so much of a bar with round corners is straight."""

Shape = Literal["rule", "box", "slanted", "curve"]


class Mark(NamedTuple):
    """Something drawn. A path of several rectangles or rules is several marks; a polyline or a curve is one."""

    box: Box
    shape: Shape
    fill: tuple[float, ...] | None
    """Colour, None when only stroked."""
    length_pt: float = 0.0
    """Of its slanted segments or curves; of a staircase all."""
    colour: tuple[float, ...] | None = None
    """Of its fill, else of its stroke."""

    @property
    def is_inked(self) -> bool:
        return self.fill is not None and min(self.fill, default=1.0) < 0.9


class Marks:
    """Collects a page's marks; beyond MAX_MARKS it keeps every second, fourth, … path: every part of the page stays seen."""

    def __init__(self, page_box: Box) -> None:
        self.page_box = page_box
        self.kept: list[Mark] = []
        self.num_paths = 0
        self.stride = 1
        self._clips: list[Box] = []
        """What is seen inside the clip or group of each level, outermost first."""

    def add(self, path: Mapping[str, Any]) -> None:
        level = min(int(path.get("level") or 0), MAX_CLIPS)
        if path.get("type") in ("clip", "group"):
            del self._clips[level:]
            outer = self._clips[-1] if self._clips else self.page_box
            scissor = path.get("scissor")
            seen = outer.intersection(Box(*scissor)) if scissor is not None and all(map(math.isfinite, scissor)) else outer
            self._clips += [outer] * (level - len(self._clips)) + [seen]
            return
        self.num_paths += 1
        if self.num_paths % self.stride:
            return
        clip = self._clips[level - 1] if 0 < level <= len(self._clips) else None
        for mark in marks_of(path, self.page_box):
            if clip is None:
                self.kept.append(mark)
            elif (box := mark.box.intersection(clip)).right >= box.left and box.bottom >= box.top:
                self.kept.append(mark._replace(box=box))
        if len(self.kept) > MAX_MARKS:
            self.kept = self.kept[::2]
            self.stride *= 2


def page_marks(page: pymupdf.Page, page_box: Box) -> Marks:
    """The page's visible marks, backgrounds and page frames left out. `page_box`: the unrotated page."""
    marks = Marks(page_box)
    page.get_cdrawings(extended=True, callback=marks.add)
    return marks


def marks_of(path: Mapping[str, Any], page_box: Box) -> Iterator[Mark]:
    """One path of MuPDF's line art device as marks."""
    if "rect" not in path or path.get("type") not in ("f", "s", "fs"):
        return
    stroke, fill = path.get("color"), path.get("fill")
    if fill is not None and (path.get("fill_opacity", 1) == 0 or min(fill, default=1.0) > WHITE):
        fill = None
    if fill is None and (stroke is None or path.get("stroke_opacity", 1) == 0):
        return
    if fill is not None and _is_hatch(path["items"]):
        return
    colour = fill if fill is not None else stroke
    slanted_pt = curved_pt = 0.0
    rules: list[Mark] = []
    steps: list[tuple[Sequence[float], Sequence[float]]] = []
    for item in path["items"][:MAX_ITEMS]:
        kind = item[0]
        if kind == "re":
            yield from _box_mark(Box(*item[1]), fill, page_box, colour)
        elif kind == "qu":
            points = item[1]
            yield from _box_mark(_hull(points), fill, page_box, colour)
        elif kind == "l":
            start, end = item[1], item[2]
            width, height = abs(start[0] - end[0]), abs(start[1] - end[1])
            if min(width, height) <= 0.02 * max(width, height):
                rules.append(Mark(_hull((start, end)), "rule", None, 0.0, colour))
                steps.append((start, end))
            else:
                slanted_pt += math.hypot(width, height)
        elif kind == "c":
            curved_pt += math.dist(item[1], item[4])
    box = Box(*path["rect"])
    straight_pt = sum(rule.box.width + rule.box.height for rule in rules)
    if curved_pt and not slanted_pt and fill is not None and straight_pt >= ROUND_SHARE * 2 * (box.width + box.height):
        yield from _box_mark(box, fill, page_box, colour)  # a box with round corners
    elif curved_pt or slanted_pt:
        shape: Shape = "curve" if curved_pt > slanted_pt else "slanted"
        yield from _line_mark(box, shape, fill, curved_pt + slanted_pt, page_box, colour)
    elif fill is None and _is_staircase(steps):
        yield from _line_mark(box, "slanted", None, straight_pt, page_box, colour)
    elif fill is not None and rules:
        yield from _box_mark(box, fill, page_box, colour)
    else:
        for rule in rules:
            yield from _box_mark(rule.box, None, page_box, colour)


def _is_hatch(items: Sequence[Any]) -> bool:
    """Lines apart from each other that are filled, which has no area: the tile of a pattern, drawn where the pattern is defined
    and not where it is seen (MuPDF's line art device does not place tiles)."""
    return (
        len(items) >= 3
        and all(item[0] == "l" for item in items[:MAX_ITEMS])
        and all(math.dist(one[2], other[1]) > 0.1 for one, other in pairwise(items[:MAX_ITEMS]))
    )


def _is_staircase(steps: Sequence[tuple[Sequence[float], Sequence[float]]]) -> bool:
    """One line of at least MIN_STEPS treads that goes on to one side, up and down: a step line, or a histogram's outline."""
    if len(steps) < 2 * MIN_STEPS:
        return False
    treads = [(start, end) for start, end in steps if abs(start[0] - end[0]) > abs(start[1] - end[1])]
    is_joined = all(math.dist(one[1], other[0]) < 0.1 for one, other in pairwise(steps))
    is_onward = all(one[1][0] <= other[0][0] + 0.1 for one, other in pairwise(treads))
    return is_joined and is_onward and len(treads) >= MIN_STEPS and len({round(start[1]) for start, _ in treads}) >= 3


def _line_mark(
    box: Box, shape: Shape, fill: tuple[float, ...] | None, length_pt: float, page_box: Box, colour: tuple[float, ...] | None
) -> Iterator[Mark]:
    """A polyline or a curve; nothing when off the page."""
    box = box.intersection(page_box)
    if box.width >= 0 and box.height >= 0 and box.width + box.height > 0:
        yield Mark(box, shape, fill, length_pt, colour)


def _box_mark(box: Box, fill: tuple[float, ...] | None, page_box: Box, colour: tuple[float, ...] | None) -> Iterator[Mark]:
    """A rectangle or a straight line: a rule when thin; nothing when off the page, or the page's frame, panel or column rule."""
    box = Box(min(box.left, box.right), min(box.top, box.bottom), max(box.left, box.right), max(box.top, box.bottom))
    box = box.intersection(page_box)
    if box.width < 0 or box.height < 0 or box.width + box.height == 0:
        return
    across, down = box.width / page_box.width, box.height / page_box.height
    is_line = min(box.width, box.height) <= THIN_PT
    if (max(across, down) > 0.96 and is_line) or (across > 0.9 and (down > 0.88 or (down > 0.55 and not is_line))):
        return
    yield Mark(box, "rule" if min(box.width, box.height) <= THIN_PT else "box", fill, 0.0, colour)


def _hull(points: Sequence[Sequence[float]]) -> Box:
    xs, ys = [point[0] for point in points], [point[1] for point in points]
    return Box(min(xs), min(ys), max(xs), max(ys))


def around_marks(marks: Sequence[Mark]) -> Box:
    return Box(
        min(mark.box.left for mark in marks),
        min(mark.box.top for mark in marks),
        max(mark.box.right for mark in marks),
        max(mark.box.bottom for mark in marks),
    )
