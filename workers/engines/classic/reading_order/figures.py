"""Words that belong to a picture or a chart: one block in its place, taken out before lines, columns and tables are sought."""

import re
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Literal, NamedTuple

from schemas.page import Box, Region
from workers.engines.classic.reading_order.block_kinds import is_caption
from workers.engines.classic.reading_order.pieces import Piece, Placed, pieces_of

REGION_MARGIN = 0.045
"""Share of a region's side that is its margin, where only what surrounds it stands (`regions.margin` is 0.05 of what is inside)."""
PROSE_WORDS = 5
MIN_PROSE_LINES, MAX_PROSE_SHARE = (2, 3), 0.4
"""Upon a picture, upon a drawing; with as many lines of running text, and this share of its words in them, it is a box of text or a
page's ground."""
MIN_TABLE_ROWS = 5

_NUMBER = re.compile(r"\W*\d[\d\s.,:'’/-]*\W*")


class FigureWords(NamedTuple):
    kind: Literal["figure", "chart"]
    box: Box
    """Of the picture with its labels."""
    text: str
    """Its words line by line; empty where it has none."""
    members: tuple[int, ...]
    """Positions of its words in what was given."""


def part_figures(words: Placed, regions: Sequence[Region]) -> tuple[list[FigureWords], Placed]:
    """The figures of a page, and the words that belong to none of them.

    A figure takes the words upon it, and the labels around it. Its caption stays outside, and so do lines of running text. A region
    whose words are running text or rows of a table is left alone: its words are the page's.
    """
    figures: list[FigureWords] = []
    rest = words
    for region in regions:
        if region.origin not in ("image", "drawing"):
            continue
        members = _words_of(region, pieces_of(rest))
        if members is None:
            continue
        taken = {index for piece in members for index, _ in piece.words}
        core = region.core_px or region.bbox_px
        box = Box(*core)
        for piece in members:
            box = box.union(piece.box)
        text = "\n".join(" ".join(piece.text for piece in row) for row in _lines(members))
        kind: Literal["figure", "chart"] = "chart" if region.origin == "drawing" else "figure"
        figures.append(FigureWords(kind, box, text, tuple(sorted(taken))))
        rest = [item for item in rest if item[0] not in taken]
    return figures, rest


def _words_of(region: Region, pieces: Iterable[Piece]) -> list[Piece] | None:
    """Pieces that are words of the region's figure; None where the region is no figure."""
    core = Box(*(region.core_px or region.bbox_px))
    whole = Box(*region.bbox_px)
    across, down = REGION_MARGIN * whole.width, REGION_MARGIN * whole.height
    labelled = Box(whole.left + across, whole.top + down, whole.right - across, whole.bottom - down).union(core)
    inside = [piece for piece in pieces if _holds_centre(whole, piece.box)]
    captions = _captions(inside)
    upon = [p for p in inside if _share_in(core, p.box) > 0.7 and id(p) not in captions]
    num_words = sum(len(piece.words) for piece in upon)
    prose = [piece for piece in upon if _is_prose(piece)]
    is_text = (
        len(prose) >= MIN_PROSE_LINES[region.origin == "drawing"]
        and sum(len(piece.words) for piece in prose) > MAX_PROSE_SHARE * num_words
    )
    if is_text or _is_table(upon):
        return None
    around = [p for p in inside if _share_in(core, p.box) <= 0.7 and _holds_centre(labelled, p.box) and id(p) not in captions]
    running = {p.words[0][1].block for p in inside if _is_prose(p) or not _holds_centre(labelled, p.box)}
    text = [p.box for p in inside if _is_prose(p) and id(p) not in captions and _share_in(core, p.box) <= 0.7]
    labels = [
        p for p in around
        if not _is_prose(p) and p.words[0][1].block not in running and not any(_parts(box, p.box, core) for box in text)
    ]  # fmt: skip
    return upon + (labels if region.origin == "drawing" else [])


def _captions(pieces: Sequence[Piece]) -> set[int]:
    """ids of pieces that are a caption's: the line that begins as captions do, and those of its block that follow."""
    found: set[int] = set()
    block = None
    for piece in pieces:
        if is_caption(piece.text):
            block = piece.words[0][1].block
        if block is not None and piece.words[0][1].block == block:
            found.add(id(piece))
    return found


def _is_prose(piece: Piece) -> bool:
    """A line of running text: several words, most of them no numbers."""
    texts = [word.text for _, word in piece.words]
    num_numbers = sum(bool(_NUMBER.fullmatch(text)) for text in texts)
    return len(texts) > PROSE_WORDS and 2 * num_numbers < len(texts) and sum(map(str.isalpha, piece.text)) > 20


def _is_table(pieces: Sequence[Piece]) -> bool:
    """Rows of a name and a number beside it, names that begin and numbers that end below each other. Labels of bars end at their
    axis, and values of bars where their bars do."""
    rows = []
    for line in _lines(pieces):
        for name, number in pairwise(line):
            if _NUMBER.fullmatch(number.text) and sum(map(str.isalpha, name.text)) > 1:
                sizes = max(name.size_px, 1.0), max(number.size_px, 1.0)
                rows.append((round(name.box.left / sizes[0]), round(number.box.right / sizes[1])))
    most = max((sum(abs(a - left) + abs(b - right) <= 1 for left, right in rows) for a, b in rows[:40]), default=0)
    return most >= MIN_TABLE_ROWS


def _lines(pieces: Sequence[Piece]) -> list[list[Piece]]:
    """From top to bottom, each from left to right."""
    lines: list[list[Piece]] = []
    for piece in sorted(pieces, key=lambda p: p.box.top + p.box.bottom):
        middle = (piece.box.top + piece.box.bottom) / 2
        if lines and middle - (lines[-1][0].box.top + lines[-1][0].box.bottom) / 2 < 0.5 * piece.size_px:
            lines[-1].append(piece)
        else:
            lines.append([piece])
    return [sorted(line, key=lambda p: p.box.left) for line in lines]


def _share_in(box: Box, part: Box) -> float:
    return box.intersection(part).area / max(part.area, 1e-9)


def _parts(text: Box, label: Box, core: Box) -> bool:
    """A line of running text stands between what may be a label and its figure: then it is a heading of that text."""
    middle = (text.top + text.bottom) / 2
    is_between = label.bottom <= middle <= core.top or core.bottom <= middle <= label.top
    return is_between and min(text.right, label.right) > max(text.left, label.left)


def _holds_centre(box: Box, part: Box) -> bool:
    return box.left <= (part.left + part.right) / 2 <= box.right and box.top <= (part.top + part.bottom) / 2 <= box.bottom
