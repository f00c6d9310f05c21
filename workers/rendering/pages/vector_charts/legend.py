"""Legends: which name stands beside which sample of colour, dashes or marker."""

from collections.abc import Collection, Sequence
from typing import NamedTuple

from schemas.page import Box
from workers.rendering.pages.vector_charts.found import Refused
from workers.rendering.pages.vector_charts.labels import Label
from workers.rendering.pages.vector_charts.marks.shapes import Colour, Shape, is_alike

SWATCH_GAP_EM = 2.4
FAR_SWATCH_GAP_EM = 6.0
"""Where names begin in line and samples stand behind them."""
SWATCH_HEIGHT_EM = 2.3
SWATCH_WIDTH_EM = 6.5
MAX_LABELS = 400
MIXED_WIDTH = 1.6


class Style(NamedTuple):
    """How a series looks."""

    colour: Colour | None
    dashes: str = ""
    marker: str = ""
    """Form of its markers, where it has some."""


class Entry(NamedTuple):
    label: Label
    swatches: tuple[Shape, ...]

    @property
    def box(self) -> Box:
        whole = self.swatches[0].box
        for shape in self.swatches[1:]:
            whole = whole.union(shape.box)
        return whole


def find_legend(labels: Sequence[Label], shapes: Sequence[Shape], tick_labels: Collection[Label]) -> list[Entry]:
    """Entries whose samples are of one size and stand in line; those that stand alone only where there are no others.

    Every entry of a legend is there, whether or not anything in the plot looks like it.
    """
    ticks = set(tick_labels)
    small = [shape for shape in shapes if shape.side <= 90 and min(shape.box.width, shape.box.height) <= 40]
    names = _joined_names([label for label in labels if label not in ticks and label.is_level][:MAX_LABELS], small)
    best: list[Entry] = []
    alone: list[Entry] = []
    for is_right in (False, True):
        entries = [entry for label in names for entry in _entries(label, small, names, is_right=is_right)]
        groups = [group for group in _in_line(entries) if len(group) >= 2 and len({entry.label for entry in group}) == len(group)]
        whole = _joined(groups)
        if len(whole) > len(best):
            best = whole
        alone += entries
    return best or _only_one(alone, shapes)


def _only_one(entries: Sequence[Entry], shapes: Sequence[Shape]) -> list[Entry]:
    """The only entry there is, or the only one with a frame of its own around it. Raises Refused where one name has several marks
    beside it: its sample would count as data."""
    if len(entries) > 1:
        entries = [entry for entry in entries if any(_frames(shape, [entry]) for shape in shapes)] or entries
    if len(entries) > 1 and len({entry.label for entry in entries}) == 1:
        raise Refused("unknown_marks", "several marks beside the only name of the legend")
    return list(entries) if len(entries) == 1 else []


def _joined_names(labels: Sequence[Label], shapes: Sequence[Shape]) -> list[Label]:
    """Words that follow closely in one line are one name, unless a sample stands between them."""
    done: list[Label] = []
    for label in labels:
        last = done[-1] if done else None
        if last is None or last.line != label.line or not 0 <= label.box.left - last.box.right <= 0.95 * label.size:
            done.append(label)
            continue
        gap = Box(last.box.right, label.box.top, label.box.left, label.box.bottom)
        if any(_overlaps(gap, shape.box) for shape in shapes):
            done.append(label)
        else:
            done[-1] = last._replace(text=f"{last.text} {label.text}", box=last.box.union(label.box), end=label.end)
    return done


def _entries(label: Label, shapes: Sequence[Shape], labels: Sequence[Label], *, is_right: bool) -> list[Entry]:
    """What may be the label's sample: shapes beside it that lie in one place, with no other text between. A mark of the plot may be
    one of several; the legend's other entries decide."""
    em = label.size
    places: list[list[Shape]] = []
    for shape in sorted(shapes, key=lambda shape: -shape.box.width):
        if shape.box.height > SWATCH_HEIGHT_EM * em or shape.box.width > SWATCH_WIDTH_EM * em:
            continue
        if abs(shape.centre[1] - label.middle_y) > 0.6 * em:
            continue
        gap = shape.box.left - label.box.right if is_right else label.box.left - shape.box.right
        if not -0.15 * em <= gap <= (FAR_SWATCH_GAP_EM if is_right else SWATCH_GAP_EM) * em:
            continue
        same = next((place for place in places if _is_inside(shape, place[0])), None)
        if same is None:
            places.append([shape])
        else:
            same.append(shape)
    return [Entry(label, tuple(place)) for place in places if is_right or not _is_parted(label, place[0], labels)]


def _is_parted(label: Label, shape: Shape, labels: Sequence[Label]) -> bool:
    """Another text stands between the two."""
    em = label.size
    between = Box(shape.box.right, label.middle_y - 0.25 * em, max(shape.box.right, label.box.left), label.middle_y + 0.25 * em)
    return any(other is not label and _overlaps(between, other.box) for other in labels)


def _is_inside(shape: Shape, whole: Shape) -> bool:
    return whole.box.left - 0.5 <= shape.box.left and shape.box.right <= whole.box.right + 0.5


def _overlaps(one: Box, other: Box) -> bool:
    shared = one.intersection(other)
    return shared.width > 1 and shared.height > 1


def _in_line(entries: Sequence[Entry]) -> list[list[Entry]]:
    """Entries whose samples are of one width and stand below one another, or beside one another at one height."""
    groups: list[list[Entry]] = []
    for along in (_swatch_x, _label_y):
        left = sorted(entries, key=along)
        while left:
            first = left[0]
            width = first.box.width
            group = [
                entry
                for entry in left
                if along(entry) - along(first) <= 1.5
                and (abs(entry.box.width - width) <= 0.15 * max(entry.box.width, width) + 1 or _are_line_and_box(first, entry))
            ]
            groups.append(group)
            left = [entry for entry in left if entry not in group]
    return groups


def _are_line_and_box(one: Entry, other: Entry) -> bool:
    """Samples of two kinds, of which one is a little wider, about one middle."""
    kinds = {entry.swatches[0].kind == "rect" for entry in (one, other)}
    widths = sorted((one.box.width, other.box.width))
    return len(kinds) == 2 and widths[1] <= MIXED_WIDTH * widths[0] and abs(_swatch_x(one) - _swatch_x(other)) <= 1.5


def _swatch_x(entry: Entry) -> float:
    return (entry.box.left + entry.box.right) / 2


def _label_y(entry: Entry) -> float:
    return entry.label.middle_y


def _joined(groups: Sequence[list[Entry]]) -> list[Entry]:
    """The largest group and those that share an entry with it: a legend of several rows."""
    if not groups:
        return []
    whole: list[Entry] = []
    for group in groups:
        if len(group) > len(whole):
            whole = list(group)
    is_growing = True
    while is_growing:
        is_growing = False
        for group in groups:
            if any(entry in whole for entry in group) and (more := [entry for entry in group if entry not in whole]):
                whole += more
                is_growing = True
    return whole


def name_of(style: Style, entries: Sequence[Entry]) -> str | None:
    """The one name whose sample looks so; None where there is none, or several."""
    names = {entry.label.text for entry in entries if _looks_like(entry, style)}
    return next(iter(names)) if len(names) == 1 else None


def _looks_like(entry: Entry, style: Style) -> bool:
    return any(
        is_alike(shape.fill if shape.fill is not None else shape.stroke, style.colour)
        or (
            shape.fill is not None
            and shape.stroke is not None
            and is_alike(shape.stroke, style.colour)
            and shape.kind in ("rule", "line")
        )
        for shape in entry.swatches
        if shape.dashes == style.dashes or shape.kind not in ("rule", "line")
    )


def legend_shapes(entries: Sequence[Entry], shapes: Sequence[Shape]) -> list[Shape]:
    """The samples, and the frame and ground around the entries."""
    if not entries:
        return []
    own = [shape for entry in entries for shape in entry.swatches]
    return [*own, *(shape for shape in shapes if _frames(shape, entries))]


def _frames(shape: Shape, entries: Sequence[Entry]) -> bool:
    """It holds all entries and not much more."""
    if shape.kind not in ("rect", "curve", "polygon") or any(shape is swatch for entry in entries for swatch in entry.swatches):
        return False
    whole = entries[0].box.union(entries[0].label.box)
    for entry in entries[1:]:
        whole = whole.union(entry.box).union(entry.label.box)
    em = entries[0].label.size
    box = shape.box
    return (
        box.left <= whole.left + 0.5
        and box.right >= whole.right - 0.5
        and box.top <= whole.top + 0.3 * em
        and box.bottom >= whole.bottom - 0.3 * em
        and box.area <= 3.5 * max(whole.area, 1) + 40 * em
    )
