"""The words of a drawing as labels: text that stands together, with its direction, its size and its colour."""

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from schemas.page import Box
from workers.rendering.pages.vector_charts.found import Refused
from workers.rendering.pages.vector_charts.marks.shapes import Colour, Point

MAX_CHARS = 20_000
MAX_LABELS = 600
"""In one region; what has more is a table, a map or a page of text."""
GAP_EM = 0.9
"""A wider gap parts two labels; where no space is written, less does."""
UNWRITTEN_GAP_EM = 0.5
MONOSPACED_GAP_EM = 0.75
BACK_EM = 0.4
"""Where a glyph begins before the last one ends, another text begins: tick labels that overlap."""
RAISED_EM = 0.2
_GLUED = re.compile(r"[-−–]?\d[-−–\d.,e ]{2,200}")
_SHOWN = 16 | 32 | 64
"""MuPDF's fz_stext_char_flags: filled, stroked, clipped."""


class Label(NamedTuple):
    text: str
    box: Box
    angle: float
    """Direction of reading, degrees counter-clockwise from rightwards: 0, or 90 for upwards."""
    size: float
    colour: Colour
    start: Point
    """Middle of the glyphs' height where the text begins."""
    end: Point
    line: int = 0
    """Labels of one line of MuPDF share it, and so may have been one text."""
    glyphs: tuple[Box, ...] = ()
    """Of numbers that may be several, one for each character but spaces."""

    @property
    def centre(self) -> Point:
        return (self.box.left + self.box.right) / 2, (self.box.top + self.box.bottom) / 2

    @property
    def is_level(self) -> bool:
        return abs(self.angle) < 5

    @property
    def middle_y(self) -> float:
        """Half the height of a digit above the base line, of level text."""
        return (self.start[1] + self.end[1]) / 2


class _Glyph(NamedTuple):
    text: str
    origin: Point
    box: Box
    size: float
    colour: Colour
    is_written: bool


def labels_of(raw: Mapping[str, Any], area: Box) -> list[Label]:
    """Of PyMuPDF's `extractRAWDICT`; text whose centre lies outside of the area is left out. Raises Refused."""
    found: list[Label] = []
    num_chars = 0
    for number, line in enumerate(line for block in raw["blocks"] for line in block.get("lines", ())):
        x0, y0, x1, y1 = line["bbox"]
        if not math.isfinite(x0 + y0 + x1 + y1) or x1 < area.left or x0 > area.right or y1 < area.top or y0 > area.bottom:
            continue
        glyphs = list(_glyphs(line))
        num_chars += len(glyphs)
        if num_chars > MAX_CHARS or len(found) > MAX_LABELS:
            raise Refused("too_much", f"{num_chars} characters, {len(found)} labels")
        found.extend(
            label for run in _runs(glyphs, line["dir"]) if (label := _label(run, line["dir"], number)) and _is_in(label, area)
        )
    return _with_exponents(found)


def _glyphs(line: Mapping[str, Any]) -> Iterator[_Glyph]:
    for span in line["spans"]:
        if span.get("alpha", 255) == 0 or not span.get("char_flags", _SHOWN) & _SHOWN:
            continue
        colour = int(span.get("color", 0))
        rgb = (colour >> 16 & 255, colour >> 8 & 255, colour & 255)
        for char in span["chars"]:
            box, origin = char["bbox"], char["origin"]
            if all(map(math.isfinite, (*box, *origin))):
                yield _Glyph(char["c"], tuple(origin), Box(*box), float(span["size"]), rgb, not char.get("synthetic", False))


def _runs(glyphs: Sequence[_Glyph], direction: Sequence[float]) -> Iterator[list[_Glyph]]:
    """Cut at wide gaps; white space at the ends is left out."""
    run: list[_Glyph] = []
    end = 0.0
    is_spaced = False
    is_slanted = min(map(abs, direction)) > 0.2  # the glyphs' widths are not known there, but MuPDF's spaces are
    unwritten = MONOSPACED_GAP_EM if _is_monospaced(glyphs) else UNWRITTEN_GAP_EM
    for glyph in glyphs:
        if glyph.text.isspace():
            is_spaced = is_spaced or glyph.is_written or is_slanted
            continue
        start, stop = _extent(glyph.box, direction)
        gap = start - end
        limit = (GAP_EM if is_spaced else unwritten) * glyph.size
        if run and (gap > limit or gap < -BACK_EM * glyph.size):
            yield run
            run = []
        if run and (is_spaced or (gap > 0.2 * glyph.size and not is_slanted)):
            run.append(glyph._replace(text=" " + glyph.text))
        else:
            run.append(glyph)
        end, is_spaced = stop, False
    if run:
        yield run


def _is_monospaced(glyphs: Sequence[_Glyph]) -> bool:
    """Capitals, narrow and wide letters are as wide as all others: a space is wide, too."""
    level = [glyph for glyph in glyphs if not glyph.text.isspace() and glyph.box.width > 0]
    telling = {glyph.text for glyph in level if glyph.text.isupper() or glyph.text in "ijltfmw"}
    if not telling or len({glyph.text for glyph in level}) < 2:
        return False
    for sides in ([glyph.box.width for glyph in level], [glyph.box.height for glyph in level]):
        if max(sides) - min(sides) > 0.02 * max(sides):
            return False
    return True


def _extent(box: Box, direction: Sequence[float]) -> tuple[float, float]:
    """Along the direction of reading. Of slanted text the box is larger than the glyph, so its middle counts."""
    x, y = direction
    if abs(x) > 0.98:
        return (box.left, box.right) if x > 0 else (-box.right, -box.left)
    if abs(y) > 0.98:
        return (box.top, box.bottom) if y > 0 else (-box.bottom, -box.top)
    middle = x * (box.left + box.right) / 2 + y * (box.top + box.bottom) / 2
    half = 0.25 * min(box.width, box.height)
    return middle - half, middle + half


def _label(run: Sequence[_Glyph], direction: Sequence[float], line: int) -> Label | None:
    text = ""
    size = max(glyph.size for glyph in run)
    x, y = direction
    across = (y, -x)  # from the base line to the top of the glyphs
    base = max(run, key=lambda glyph: glyph.size).origin
    is_raised = False
    for glyph in run:
        lift = (glyph.origin[0] - base[0]) * across[0] + (glyph.origin[1] - base[1]) * across[1]
        was_raised, is_raised = is_raised, glyph.size < 0.9 * size and lift > RAISED_EM * size
        if is_raised and not was_raised and re.search(r"10$", text):
            text += "^"
        text += glyph.text.strip() if is_raised else glyph.text
    if not text.strip():
        return None
    half = 0.35 * size
    first, last = run[0], run[-1]
    left = (first.origin[0] + half * across[0], first.origin[1] + half * across[1])
    _, stop = _extent(last.box, direction)
    start_along = left[0] * x + left[1] * y
    length = max(stop - start_along, 0.0)
    end = (left[0] + x * length, left[1] + y * length)
    box = run[0].box
    for glyph in run[1:]:
        box = box.union(glyph.box)
    glyphs = tuple(glyph.box for glyph in run) if _GLUED.fullmatch(text.strip()) and len(run) == len(text.replace(" ", "")) else ()
    return Label(text.strip(), box, math.degrees(math.atan2(-y, x)), size, first.colour, left, end, line, glyphs)


def _with_exponents(labels: list[Label]) -> list[Label]:
    """Powers whose exponent MuPDF has as a line of its own."""
    done: list[Label] = []
    tens = [label for label in labels if label.is_level and re.search(r"(?:^|[x×·⋅ ])10$", label.text)]
    taken: set[int] = set()
    for label in labels:
        exponent = (
            next(
                (
                    index
                    for index, other in enumerate(labels)
                    if label in tens
                    and index not in taken
                    and other.size < 0.9 * label.size
                    and re.fullmatch(r"[-−–]?\d{1,2}", other.text)
                    and -0.3 * label.size <= other.box.left - label.box.right <= 0.4 * label.size
                    and label.middle_y - 1.3 * label.size < other.middle_y < label.middle_y
                ),
                None,
            )
            if tens
            else None
        )
        if exponent is not None:
            taken.add(exponent)
            other = labels[exponent]
            label = label._replace(text=f"{label.text}^{other.text}", box=label.box.union(other.box))
        done.append(label)
    return [label for index, label in enumerate(done) if index not in taken]


def _is_in(label: Label, area: Box) -> bool:
    x, y = label.centre
    return area.left <= x <= area.right and area.top <= y <= area.bottom
