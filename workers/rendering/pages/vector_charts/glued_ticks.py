"""Tick labels that touch, and so are one label of the text: `20012002`, `2005.02007.52010.0`.

Such a label is parted only where its parts, with the other numbers of its row, lie on one scale; a multiplier behind a tick
(`1.0 1e8`) always.
"""

import re
from collections.abc import Iterator, Sequence
from itertools import pairwise

from workers.rendering.pages.vector_charts.labels import Label
from workers.rendering.pages.vector_charts.scales import fit_numbers, is_number

MIN_TICKS = 4
"""Parts and others together: three numbers may lie on a scale by chance."""
OTHERS_LENGTH = 0.75
"""Of the glued label's length: the other labels of the row are shorter."""
SAME_ROW_EM = 0.22
_TICK = re.compile(r"[-−–]?(?!0\d)\d+(?:[.,]\d+)*")
_MULTIPLIED = re.compile(r"([-−–]?\d[\d.,]*) 1e[+-]?\d{1,2}")


def parted(labels: Sequence[Label]) -> list[Label]:
    done: list[Label] = []
    for label in labels:
        done += _parts(label, labels) or [label]
    return done


def _parts(label: Label, labels: Sequence[Label]) -> list[Label] | None:
    if not label.glyphs or not label.is_level:
        return None
    if match := _MULTIPLIED.fullmatch(label.text):
        return _slices(label, [0, len(match.group(1)), len(label.glyphs)])
    others = [
        other
        for other in labels
        if other is not label
        and len(other.text) < OTHERS_LENGTH * len(label.text)
        and abs(other.middle_y - label.middle_y) <= SAME_ROW_EM * label.size
        and is_number(other.text)
    ]
    for parts in _cuts(label):
        row = sorted([*others, *parts], key=lambda each: each.centre[0])
        inner = [row, row[1:], row[:-1], row[1:-1]]  # labels at the ends may be moved inwards (Vega does it)
        if any(len(each) >= MIN_TICKS and _is_scale(each) for each in inner):
            return parts
    return None


def _is_scale(row: Sequence[Label]) -> bool:
    tolerance = 0.6 + 0.05 * row[0].size
    return fit_numbers([label.text for label in row], [label.centre[0] for label in row], tolerance) is not None


def _cuts(label: Label) -> Iterator[list[Label]]:
    """At its spaces; else into parts of one length; else in two anywhere."""
    if " " in label.text:
        ends = [0]
        for part in label.text.split(" "):
            ends.append(ends[-1] + len(part))
        yield from _at(label, ends)
        return
    length = len(label.glyphs)
    for size in range(2, length // 2 + 1):
        if length % size == 0:
            yield from _at(label, list(range(0, length + 1, size)))
    for cut in range(1, length):
        yield from _at(label, [0, cut, length])


def _at(label: Label, ends: Sequence[int]) -> Iterator[list[Label]]:
    parts = _slices(label, ends)
    if all(_TICK.fullmatch(part.text) for part in parts):
        yield parts


def _slices(label: Label, ends: Sequence[int]) -> list[Label]:
    compact = label.text.replace(" ", "")
    parts = []
    for start, end in pairwise(ends):
        box = label.glyphs[start]
        for glyph in label.glyphs[start + 1 : end]:
            box = box.union(glyph)
        y = label.middle_y
        parts.append(label._replace(text=compact[start:end], box=box, start=(box.left, y), end=(box.right, y), glyphs=()))
    return parts
