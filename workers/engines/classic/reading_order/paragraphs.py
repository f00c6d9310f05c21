"""Lines of a column to paragraphs: where one ends, and whether its lines are broken by the margin or by the writer."""

import re
import statistics
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

from schemas.page import Box
from workers.engines.classic.reading_order.lines.line_ends import Vocabulary, join_lines
from workers.engines.classic.reading_order.lines.line_text import ends_with_leader, is_rtl
from workers.engines.classic.reading_order.lines.list_marks import Mark, mark_of
from workers.engines.classic.reading_order.pieces import WORD_GAP, Piece, around

TERMINALS = ".!?。．！？:؟۔।…"
_OPEN_END = re.compile(r"[^\W\d_]$|[,\-\u2010(&/]$")
_SUM_END = re.compile(r"(?:^|\s)[-−]?[$€£¥]?\s?\d{1,3}(?:[.,' ]?\d{3})*[.,]\d\d\s?[$€£¥A-Z*]?$")
_CLOSERS = "”\"')]»’"
GAP = 0.45
"""In font sizes: so much more than usual between two lines parts paragraphs; a sentence that goes on bears twice as much."""
SHORT = 0.25
"""Of the column's width: what a line leaves free that ends a paragraph."""
MIN_HARD = 0.6
"""Of a block's line ends that its writer set: then they are kept."""

SLIM = 16
"""In font sizes: in a column no wider, lines that begin in capitals or digits are broken by their writer."""
MIN_SLIP, MIN_ANEW = 6, 0.75
"""Lines of a column, and the share of them that begins in a capital or a digit, from which that is no accident. Of prose a fifth
do, of German two fifths."""
WIDE_SLIP = 30
"""In font sizes: no receipt is wider."""
NARROW = 10
"""In font sizes: running text has no margin that leaves its lines shorter."""

Row = list[Piece]


class _Line(NamedTuple):
    row: Row
    box: Box
    text: str
    size: float
    is_bold: bool
    mark: Mark | None


def split_rows(rows: Sequence[Row]) -> list[list[Row]]:
    """Cut where a new paragraph or item starts."""
    if not rows:
        return []
    return [[line.row for line in group] for group in _groups(_lines(rows), _Column.of(rows))]


def keeps_lines(rows: Sequence[Row], column: Sequence[Row]) -> bool:
    """Whether a paragraph's line breaks are its writer's, as in addresses, receipts, letterheads and poems.

    Then most lines had room for the next one's first word, are centred, are parted by wide gaps, end in an amount, or begin as
    nearly all in their column do: in a capital or a digit. `column`: the lines that show how far they may reach.
    """
    if len(rows) < 2:
        return False
    lines, edges = _lines(rows), _Column.of(column)
    if _are_centred(lines) or _are_entries(lines) or _are_of_a_slip(lines, column, edges):
        return True
    if len(lines) > 2 and edges.right - edges.left < SLIM * lines[0].size:  # nothing there shows how far a line may reach
        ends = [edges.short(line.box) for line in lines[:-1]]
        num_anew = sum(_begins_anew(before, after) for before, after in pairwise(lines))
        return num_anew >= MIN_HARD * (len(lines) - 1) and max(ends) - min(ends) > lines[0].size
    num_hard = sum(edges.is_hard(before, after) and not after.text[:1].islower() for before, after in pairwise(lines))
    return num_hard >= MIN_HARD * (len(lines) - 1) and not _are_even(lines, edges)


def _are_centred(lines: Sequence[_Line]) -> bool:
    """Around one middle, most lines with ends of their own; the last line of a centred paragraph has them, too."""
    size = lines[0].size
    middles, lefts = [(line.box.left + line.box.right) / 2 for line in lines], [line.box.left for line in lines]
    if len(lines) < 3 or max(middles) - min(middles) > 0.8 * size or max(lefts) - min(lefts) < size:
        return False
    num_shifted = sum(abs(after - before) > 0.3 * size for before, after in pairwise(lefts))
    return num_shifted >= MIN_HARD * (len(lines) - 1)


def _are_entries(lines: Sequence[_Line]) -> bool:
    """Names and values: cells a wide gap apart, or a sum at the end of each line."""
    num_parted = sum(_has_wide_gap(line) for line in lines)
    num_sums = sum(bool(_SUM_END.search(line.text)) for line in lines)
    return num_parted >= MIN_HARD * len(lines) or (len(lines) > 2 and num_sums >= MIN_HARD * len(lines))


def _has_wide_gap(line: _Line) -> bool:
    boxes = sorted(piece.box for piece in line.row)
    return any(after.left - before.right > WORD_GAP * line.size for before, after in pairwise(boxes))


def _are_of_a_slip(lines: Sequence[_Line], column: Sequence[Row], edges: "_Column") -> bool:
    """In a column of short lines, as on a receipt, that nearly all begin anew."""
    if len(column) < MIN_SLIP or edges.right - edges.left > WIDE_SLIP * lines[0].size:
        return False
    if not all(_begins_anew(before, after) for before, after in pairwise(lines)):
        return False
    rest = _lines(column)
    return sum(_begins_anew(*pair) for pair in pairwise(rest)) >= MIN_ANEW * (len(rest) - 1) and not _are_even(lines, edges)


def _begins_anew(before: _Line, after: _Line) -> bool:
    return (after.text[:1].isupper() or after.text[:1].isdigit()) and before.text[-1:] not in "-\u2010"


def kept_lines(texts: Sequence[str], vocabulary: Vocabulary) -> str:
    """Lines whose breaks are the writer's; one that goes on in small letters is no line of its own."""
    lines: list[list[str]] = []
    for text in texts:
        if lines and text[:1].islower() and _OPEN_END.search(lines[-1][-1]):
            lines[-1].append(text)
        else:
            lines.append([text])
    return "\n".join(join_lines(parts, vocabulary) for parts in lines)


class _Column(NamedTuple):
    """What is usual among the lines of a column."""

    left: float
    right: float
    gap: float
    is_rtl: bool

    @classmethod
    def of(cls, rows: Sequence[Row]) -> "_Column":
        boxes = [around([p.box for p in row]) for row in rows]
        gaps = [after.top - before.bottom for before, after in pairwise(boxes)]
        lefts = [box.left for box in boxes]
        return cls(
            left=statistics.quantiles(lefts, n=20)[1] if len(boxes) > 2 else min(lefts),
            right=max(box.right for box in boxes),
            gap=max(statistics.median(gaps), 0.0) if gaps else 0.0,
            is_rtl=is_rtl("".join(p.text for row in rows for p in row)),
        )

    def indent(self, box: Box) -> float:
        return self.right - box.right if self.is_rtl else box.left - self.left

    def short(self, box: Box) -> float:
        """What is left of its line."""
        return box.left - self.left if self.is_rtl else self.right - box.right

    def is_hard(self, before: _Line, after: _Line) -> bool:
        """The first word of `after` would have fitted behind `before`, with room to spare."""
        word = after.row[0].words[0][1]  # an OCR's is a whole line
        first = (word.right - word.left) * len(word.text.split(" ", 1)[0]) / max(len(word.text), 1)
        return self.short(before.box) > first + before.size


def _lines(rows: Sequence[Row]) -> list[_Line]:
    found = []
    for row in rows:
        text = " ".join(piece.text for piece in row)
        is_bold = all(piece.is_bold for piece in row)
        size = max(row, key=lambda piece: len(piece.text)).size_px  # not that of a bullet
        found.append(_Line(row, around([p.box for p in row]), text, max(size, 1.0), is_bold, mark_of(text)))
    return found


def _groups(lines: Sequence[_Line], column: _Column) -> list[list[_Line]]:
    groups = [[lines[0]]]
    for index in range(1, len(lines)):
        after = lines[index + 1] if index + 1 < len(lines) else None
        if _starts(groups[-1], lines[index], after, column):
            groups.append([])
        groups[-1].append(lines[index])
    return groups


def _starts(group: list[_Line], line: _Line, after: _Line | None, column: _Column) -> bool:
    """Whether `line` starts a paragraph of its own, `group` being the one above it."""
    before = group[-1]
    size = min(before.size, line.size)
    gap = line.box.top - before.box.bottom - column.gap
    if ends_with_leader(before.text) or _is_item(group, line, column):
        return True
    goes_on = bool(_OPEN_END.search(before.text)) and line.text[:1].islower() and not column.is_hard(before, line)
    if before.is_bold != line.is_bold and column.short(before.box) > SHORT * max(column.right - column.left, 1):
        goes_on = False  # a short bold line is a heading
    if goes_on and abs(before.size - line.size) < 0.25 * size and gap < 2 * GAP * size:
        return False
    if gap > GAP * size or abs(before.size - line.size) > 0.15 * size or before.is_bold != line.is_bold:
        return True
    if group[0].mark is not None and _hangs(group, line, column):
        return False
    ends = before.text.rstrip(_CLOSERS)[-1:] in TERMINALS
    if ends and column.short(before.box) > SHORT * max(column.right - column.left, 1):
        return True
    return _is_indented(before, line, after, column, ends) or _returns(group, line, column, ends)


def _is_item(group: list[_Line], line: _Line, column: _Column) -> bool:
    if line.mark is None:
        return False
    if line.mark.is_bullet:
        return True
    above = group[0].mark
    is_beside = above is not None and abs(line.box.left - group[0].box.left) < 0.8 * line.size
    if above is not None and is_beside and line.mark.follows(above):
        return True
    if 1 in line.mark.places or not line.mark.places:  # the first of a list, after a sentence that has ended or announces it
        ends = group[-1].text.rstrip(_CLOSERS)[-1:] in TERMINALS + ";"
        return ends and (column.is_hard(group[-1], line) or group[-1].text.endswith((":", ";")))
    return False


def _hangs(group: list[_Line], line: _Line, column: _Column) -> bool:
    """Under the text of an item, not under its mark."""
    if len(group) > 1:
        return abs(column.indent(line.box) - column.indent(group[1].box)) < 0.8 * line.size
    return 0.5 * line.size < column.indent(line.box) - column.indent(group[0].box) < 6 * line.size


def _is_indented(before: _Line, line: _Line, after: _Line | None, column: _Column, ends: bool) -> bool:
    """The first line of a paragraph begins farther in, and its second does not; those of a hanging paragraph all do."""
    indent = column.indent(line.box) - column.indent(before.box)
    if not 0.8 * line.size < indent < 4 * line.size or column.indent(before.box) > 0.5 * line.size:
        return False
    if after is None:
        return ends or column.is_hard(before, line)
    hangs = (
        abs(column.indent(after.box) - column.indent(line.box)) < 0.4 * line.size and after.box.top - line.box.bottom < line.size
    )
    return not hangs or column.is_hard(before, line)


def _returns(group: list[_Line], line: _Line, column: _Column, ends: bool) -> bool:
    """Back to where a hanging paragraph began, after its indented lines."""
    if len(group) < 2 or group[0].size * 0.8 > column.indent(group[1].box) - column.indent(group[0].box):
        return False
    back = column.indent(group[-1].box) - column.indent(line.box)
    return back > 0.8 * line.size and (ends or column.is_hard(group[-1], line))


def _are_even(lines: Sequence[_Line], column: _Column) -> bool:
    """Lines that end at a margin of their own, all but the last."""
    ends = [column.short(line.box) for line in lines[:-1]]
    nearest = min(ends)
    is_wide = statistics.median(line.box.right - line.box.left for line in lines[:-1]) > NARROW * lines[0].size
    return is_wide and len(ends) > 1 and sum(end - nearest < 3 * lines[0].size for end in ends) > 0.7 * len(ends)
