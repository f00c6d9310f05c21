"""Words with boxes, in any order, become blocks of text in reading order. Works for a PDF's words and for an OCR's lines alike.

Words join to pieces of lines; columns are cut where a gutter runs down between well-filled lines, around what spans them; lines
join to paragraphs, and to tables where cells line up. What kind of block a paragraph is, `workers.block_kinds` says.
"""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property, reduce
from itertools import groupby, pairwise
from typing import NamedTuple

import numpy as np

from schemas.page import BOLD, Box, Word
from workers.block_kinds import MARGIN, BlockKind, Paragraph, kinds_of, starts_item
from workers.line_text import ends_with_leader, has_rtl, is_cjk, is_rtl, join_lines, join_words

WORD_GAP = 1.8
"""In font sizes: a wider gap inside a line parts cells. Justified text reaches 1."""
GUTTER = 0.8
"""In font sizes: the least width of a gutter between columns. LaTeX's own is 1."""
MAX_CONFLICT = 0.05
"""Of a gutter; above, the page is first parted into strips of one layout each."""

Placed = list[tuple[int, Word]]
"""Words with their positions in what was given."""


@dataclass(frozen=True)
class TextBlock:
    kind: BlockKind
    text: str
    """Plain text, hyphenated words joined; a table's cells parted by tabs, its rows by newlines."""
    box: Box
    members: tuple[int, ...]
    """Positions of its words in what was given."""
    rows: tuple[tuple[str, ...], ...] = ()
    """Cells of a table, "" where empty."""


@dataclass(frozen=True)
class Piece:
    """Words that follow each other on one line without a wide gap."""

    words: tuple[tuple[int, Word], ...]
    """Position in what was given, and the word, in reading direction."""

    @cached_property
    def box(self) -> Box:
        return _around([word.box for _, word in self.words])

    @cached_property
    def size_px(self) -> float:
        return statistics.median(word.size_px for _, word in self.words)

    @cached_property
    def text(self) -> str:
        return join_words([word for _, word in self.words])

    @property
    def is_bold(self) -> bool:
        return all(word.style & BOLD for _, word in self.words)


def blocks_in_order(words: Sequence[Word], width: float, height: float) -> list[TextBlock]:
    """Blocks of the page in the order a reader takes. Every word is in exactly one block, but for words printed twice.

    `width` and `height` are the page's, in the unit of the words' boxes.
    """
    if not words:
        return []
    kept = _without_doubles(words)
    straight, down, up = _by_direction(kept)
    blocks = _read(straight, height)
    for aside, turn in ((down, _turned_left), (up, _turned_right)):
        turned = [(index, turn(word, width, height)) for index, word in aside]
        found = [replace(block, box=_around([words[i].box for i in block.members])) for block in _read(turned, width)]
        blocks = found + blocks if len(aside) > len(straight) else blocks + found
    if len(straight) < len(kept):  # a note up the margin is no title, however large
        largest = max((straight, down, up), key=len)
        main = {index for index, _ in largest}
        blocks = [block if main & set(block.members) else replace(block, kind="paragraph") for block in blocks]
    return blocks


def _read(words: Placed, height: float) -> list[TextBlock]:
    head, body, foot = _margins(_pieces(words), height)
    paragraphs = [paragraph for column in (head, *_columns(body), foot) for paragraph in _paragraphs(column)]
    blocks = []
    for paragraph, kind in zip(paragraphs, kinds_of([_outline(p) for p in paragraphs], height), strict=True):
        members = tuple(index for row in paragraph.rows for piece in row for index, _ in piece.words)
        box = _around([piece.box for row in paragraph.rows for piece in row])
        if paragraph.cells:
            text = "\n".join("\t".join(row) for row in paragraph.cells)
            blocks.append(TextBlock("table", text, box, members, paragraph.cells))
        else:
            blocks.append(TextBlock(kind, _outline(paragraph).text, box, members))
    return blocks


# --- Words to pieces of lines ---


def _without_doubles(words: Sequence[Word]) -> Placed:
    """Bold is sometimes faked by printing a word again a hair's breadth aside."""
    kept: Placed = []
    seen: dict[str, list[Word]] = {}
    for index, word in enumerate(words):
        others = seen.setdefault(word.text, [])
        near = 0.25 * word.size_px
        if not any(abs(word.left - other.left) < near and abs(word.top - other.top) < near for other in others):
            others.append(word)
            kept.append((index, word))
    return kept


def _by_direction(words: Placed) -> tuple[Placed, Placed, Placed]:
    """Words of lines that run across the page, down it (Chinese or Japanese columns; a page lying on its side), and up it."""
    across: Placed = []
    down: Placed = []
    up: Placed = []
    for _, group in groupby(words, key=lambda item: (item[1].block, item[1].line)):
        line = list(group)
        longest = max((word for _, word in line), key=lambda word: len(word.text))
        if len(longest.text) < 2 or longest.bottom - longest.top < 1.5 * (longest.right - longest.left):
            across += line
        elif len(line) > 1 and line[-1][1].top < line[0][1].top:
            up += line
        elif len(line) == 1 and not any(map(is_cjk, longest.text)):
            (up if len(up) > len(down) else down).extend(line)
        else:
            down += line
    return across, down, up


def _turned_left(word: Word, width: float, height: float) -> Word:
    """As on the page turned a quarter to the left: what was its right edge is its top."""
    return word._replace(left=word.top, top=width - word.right, right=word.bottom, bottom=width - word.left)


def _turned_right(word: Word, width: float, height: float) -> Word:
    return word._replace(left=height - word.bottom, top=word.left, right=height - word.top, bottom=word.right)


def _pieces(words: Sequence[tuple[int, Word]]) -> list[Piece]:
    """MuPDF's lines, cut at wide gaps. Words of a right-to-left line are put in order, for files draw them in any."""
    pieces = []
    for _, group in groupby(words, key=lambda item: (item[1].block, item[1].line)):
        line = list(group)
        if is_rtl("".join(word.text for _, word in line)):
            line = _right_to_left(line)
        part = line[:1]
        for before, after in pairwise(line):
            if _is_apart(before[1], after[1]):
                pieces.append(Piece(tuple(part)))
                part = []
            part.append(after)
        pieces.append(Piece(tuple(part)))
    return pieces


def _is_apart(a: Word, b: Word) -> bool:
    size = max(min(a.size_px, b.size_px), 1.0)
    gap_x = max(a.left, b.left) - min(a.right, b.right)
    gap_y = max(a.top, b.top) - min(a.bottom, b.bottom)
    return gap_x > WORD_GAP * size or gap_y > WORD_GAP * size


def _right_to_left(line: Placed) -> Placed:
    """From right to left, but runs of left-to-right words (names, numbers) within it from left to right."""
    ordered = sorted(line, key=lambda item: -item[1].right)
    runs = [list(run) for _, run in groupby(ordered, key=lambda item: _runs_left_to_right(item[1].text))]
    return [item for run in runs for item in (reversed(run) if _runs_left_to_right(run[0][1].text) else run)]


def _runs_left_to_right(text: str) -> bool:
    return any(map(str.isalnum, text)) and not has_rtl(text)


# --- Pieces to columns ---


def _margins(pieces: list[Piece], height: float) -> tuple[list[Piece], list[Piece], list[Piece]]:
    """Running head and foot, which belong to no column: lines in the page's margins that an empty strip parts from all else."""
    head: list[Piece] = []
    body = sorted(pieces, key=lambda p: p.box.top)
    bottom = 0.0
    for index, piece in enumerate(body):
        if index and piece.box.top - bottom > 0.8 * piece.size_px:
            head, body = body[:index], body[index:]
            break
        bottom = max(bottom, piece.box.bottom)
        if bottom > MARGIN * height:
            break
    top = height
    by_bottom = sorted(body, key=lambda p: -p.box.bottom)
    for index, piece in enumerate(by_bottom):
        if index and top - piece.box.bottom > 0.8 * piece.size_px:
            return head, by_bottom[index:], by_bottom[:index]
        top = min(top, piece.box.top)
        if top < (1 - MARGIN) * height:
            break
    return head, body, []


def _columns(pieces: list[Piece], depth: int = 0) -> list[list[Piece]]:
    """Runs of pieces, each to be read row by row, in reading order."""
    gutter = _gutter(pieces) if depth < 12 else None
    if gutter is None:
        return [pieces] if pieces else []
    if gutter.conflict > MAX_CONFLICT:
        top, bottom = _parted_at_widest_gap(pieces)
        if bottom:
            return _columns(top, depth + 1) + _columns(bottom, depth + 1)
        if gutter.conflict > 0.35:
            return [pieces]
    cut = gutter.x
    spanning = sorted((p for p in pieces if p.box.left < cut < p.box.right), key=lambda p: p.box.top)
    beside = [p for p in pieces if not p.box.left < cut < p.box.right]
    right_first = is_rtl("".join(p.text for p in pieces))
    result: list[list[Piece]] = []
    for band in _bands(spanning, beside):
        sides = [p for p in band if p.box.right <= cut], [p for p in band if p.box.left >= cut]
        if not sides[0] and not sides[1]:
            result += [band]
            continue
        for side in reversed(sides) if right_first else sides:
            result += _columns(side, depth + 1)
    return result


def _parted_at_widest_gap(pieces: list[Piece]) -> tuple[list[Piece], list[Piece]]:
    """Above and below the highest strip that is empty across the page; nothing below where there is none."""
    ordered = sorted(pieces, key=lambda p: p.box.top)
    size = statistics.median(p.size_px for p in pieces)
    bottom, best, cut = ordered[0].box.bottom, 0.5 * size, 0
    for index, piece in enumerate(ordered):
        if piece.box.top - bottom > best:
            best, cut = piece.box.top - bottom, index
        bottom = max(bottom, piece.box.bottom)
    return (ordered[:cut], ordered[cut:]) if cut else (ordered, [])


def _bands(spanning: list[Piece], beside: list[Piece]) -> list[list[Piece]]:
    """What spans the gutter parts what stands beside it: above, the spanning lines, below, and so on."""
    bands: list[list[Piece]] = []
    rest = beside
    for is_first, piece in [(index == 0, piece) for index, piece in enumerate(spanning)]:
        middle = (piece.box.top + piece.box.bottom) / 2
        above = [p for p in rest if (p.box.top + p.box.bottom) / 2 < middle]
        rest = [p for p in rest if (p.box.top + p.box.bottom) / 2 >= middle]
        if above or is_first:
            bands += [above, [piece]]
        else:
            bands[-1].append(piece)
    return [band for band in [*bands, rest] if band]


class Gutter(NamedTuple):
    x: float
    conflict: float
    """Share of the text that crosses it beside other text: a title over two columns does not conflict, a third column does."""


def _gutter(pieces: list[Piece]) -> Gutter | None:
    """The best gutter between two columns of text; None where there is none (or where it rather parts a table's cells)."""
    if len(pieces) < 6:
        return None
    size = statistics.median(p.size_px for p in pieces)
    left, top, right, bottom = np.array([p.box for p in pieces]).T
    height = bottom - top
    shared = np.minimum(bottom[:, None], bottom) - np.maximum(top[:, None], top)
    beside_each_other = shared > 0.4 * np.minimum(height[:, None], height)
    best: tuple[float, Gutter] | None = None
    for edge in np.unique(right.round()):
        x = float(edge) + GUTTER * size / 2
        crossing = (left < x) & (right > x)
        on_left, on_right = right <= x, left >= x
        if on_left.sum() < 3 or on_right.sum() < 3:
            continue
        gap = float(np.quantile(left[on_right], 0.03)) - float(edge)
        conflict = float((height * crossing * (beside_each_other & ~crossing).any(axis=1)).sum() / height.sum())
        score = conflict - min(gap / size, 4) * 0.01 - min(on_left.sum(), on_right.sum()) / len(pieces) * 0.05
        if gap < GUTTER * size or (best is not None and score >= best[0]):
            continue
        left_side = [p for p, is_here in zip(pieces, on_left, strict=True) if is_here]
        right_side = [p for p, is_here in zip(pieces, on_right, strict=True) if is_here]
        if _are_columns(left_side, right_side, size):
            best = score, Gutter(x, conflict)
    return None if best is None else best[1]


def _are_columns(left: list[Piece], right: list[Piece], size: float) -> bool:
    """Side by side, and both full of text (a table's cells are shorter than their column), or one has lines of its own pitch."""
    tops = max(min(p.box.top for p in side) for side in (left, right))
    bottoms = min(max(p.box.bottom for p in side) for side in (left, right))
    shorter = min(max(p.box.bottom for p in side) - min(p.box.top for p in side) for side in (left, right))
    if bottoms - tops <= 0.5 * shorter:
        return False
    left_filled, right_filled = _is_filled(left, size), _is_filled(right, size)
    return (left_filled and right_filled) or ((left_filled or right_filled) and not _share_lines(left, right, size))


def _share_lines(left: list[Piece], right: list[Piece], size: float) -> bool:
    """Most lines of the side with fewer have a line of the other side at their very height, as cells of a table have."""
    fewer, more = sorted((left, right), key=len)
    middles = np.array([(p.box.top + p.box.bottom) / 2 for p in more])
    offsets = [np.abs(middles - (p.box.top + p.box.bottom) / 2).min() for p in fewer]
    return sum(offset < 0.12 * size for offset in offsets) > 0.5 * len(fewer)


def _is_filled(side: list[Piece], size: float) -> bool:
    """Lines of at least 8 font sizes, half of which reach over 45 % of the side's width (over what most lines span: a stray wide
    piece does not make a column wide)."""
    widths = sorted(p.box.width for p in side)
    usual = widths[int(0.9 * (len(widths) - 1))]
    num_long = sum(width > 0.45 * usual for width in widths)
    return usual > 8 * size and num_long >= 0.5 * len(side)


# --- Columns to paragraphs ---


@dataclass(frozen=True)
class Lines:
    """Rows of pieces that belong together; a table has `cells`."""

    rows: tuple[tuple[Piece, ...], ...]
    cells: tuple[tuple[str, ...], ...] = ()


def _paragraphs(column: list[Piece]) -> list[Lines]:
    rows = _rows(column)
    result: list[Lines] = []
    start = 0
    for first, end in _table_spans(rows):
        result += _split(rows[start:first])
        cells = _cells(rows[first:end])
        result.append(Lines(tuple(map(tuple, rows[first:end])), cells))
        start = end
    return result + _split(rows[start:])


def _rows(column: list[Piece]) -> list[list[Piece]]:
    """Pieces whose middles lie within each other's height share a row."""
    rows: list[list[Piece]] = []
    for piece in sorted(column, key=lambda p: p.box.top + p.box.bottom):
        middle = (piece.box.top + piece.box.bottom) / 2
        if (
            rows
            and _overlaps(rows[-1], piece)
            and abs(middle - _middle(rows[-1])) < 0.45 * min(piece.box.height, rows[-1][0].box.height)
        ):
            rows[-1].append(piece)
        else:
            rows.append([piece])
    rtl = is_rtl("".join(p.text for p in column))
    return [sorted(row, key=lambda p: -p.box.right if rtl else p.box.left) for row in rows]


def _middle(row: list[Piece]) -> float:
    return statistics.fmean((p.box.top + p.box.bottom) / 2 for p in row)


def _overlaps(row: list[Piece], piece: Piece) -> bool:
    return all(min(p.box.bottom, piece.box.bottom) > max(p.box.top, piece.box.top) for p in row)


def _table_spans(rows: list[list[Piece]]) -> list[tuple[int, int]]:
    """[first, end) of runs of rows that make a table: three rows with several cells and more, all in the same columns."""
    spans = []
    start = 0
    while start < len(rows):
        end = start
        while end < len(rows) and _continues_table(rows, start, end):
            end += 1
        while end > start and len(rows[end - 1]) < 2:
            end -= 1
        if end - start >= 3 and _is_table(rows[start:end]):
            spans.append((start, end))
            start = end
        else:
            start += 1
    return spans


def _continues_table(rows: list[list[Piece]], start: int, end: int) -> bool:
    if end == start:
        return len(rows[start]) >= 2
    gap = min(p.box.top for p in rows[end]) - max(p.box.bottom for p in rows[end - 1])
    if gap > 3 * rows[end][0].size_px:
        return False
    return len(rows[end]) >= 2 or (end + 1 < len(rows) and len(rows[end + 1]) >= 2)


def _is_table(rows: list[list[Piece]]) -> bool:
    intervals = _intervals(rows)
    num_columns = len(intervals)
    num_several = sum(len(row) >= 2 for row in rows)
    num_too_many = sum(len(row) > num_columns for row in rows)
    left, right = min(p.box.left for row in rows for p in row), max(p.box.right for row in rows for p in row)
    fill = sum(p.box.width for row in rows for p in row) / (len(rows) * max(right - left, 1))
    is_regular = num_several >= 3 and num_several >= 0.7 * len(rows) and 2 <= num_columns <= 24 and num_too_many <= 0.2 * len(rows)
    if not is_regular or fill >= 0.8:  # justified lines with wide gaps are fuller
        return False
    inside = [[p for row in rows for p in row if p.box.left >= start and p.box.right <= end] for start, end in intervals]
    return sum(map(_is_aligned, inside)) >= 0.7 * num_columns


def _is_aligned(cells: list[Piece]) -> bool:
    """Most cells of a column share their left edge, right edge or middle; gaps in justified prose do not."""
    if len(cells) < 2:
        return True
    for edges in ([p.box.left for p in cells], [p.box.right for p in cells], [p.box.left + p.box.right for p in cells]):
        usual = statistics.median(edges)
        if sum(abs(edge - usual) < 0.8 * p.size_px for edge, p in zip(edges, cells, strict=True)) >= 0.6 * len(cells):
            return True
    return False


def _intervals(rows: list[list[Piece]]) -> list[tuple[float, float]]:
    """x ranges of the columns: cells that overlap share one. A few cells that span several others (headings) do not join them."""
    pieces = [p for row in rows for p in row]
    spanning = {id(p) for p in pieces if _spans_several(p, rows)}
    single = [p for p in pieces if id(p) not in spanning] if len(spanning) <= 0.25 * len(rows) else pieces
    merged: list[tuple[float, float]] = []
    for piece in sorted(single, key=lambda p: p.box.left):
        if merged and piece.box.left < merged[-1][1]:
            merged[-1] = merged[-1][0], max(merged[-1][1], piece.box.right)
        else:
            merged.append((piece.box.left, piece.box.right))
    return merged


def _spans_several(piece: Piece, rows: list[list[Piece]]) -> bool:
    under = [
        sum(1 for p in row if p.box.left < piece.box.right and p.box.right > piece.box.left) for row in rows if piece not in row
    ]
    return sum(count >= 2 for count in under) >= 0.5 * max(len(under), 1)


def _cells(rows: list[list[Piece]]) -> tuple[tuple[str, ...], ...]:
    intervals = _intervals(rows)
    if is_rtl("".join(p.text for row in rows for p in row)):
        intervals.reverse()
    table = []
    for row in rows:
        cells: list[list[str]] = [[] for _ in intervals]
        for piece in row:
            overlaps = [min(piece.box.right, right) - max(piece.box.left, left) for left, right in intervals]
            nearest = overlaps.index(max(overlaps))
            cells[next((i for i, o in enumerate(overlaps) if o > 0), nearest)].append(piece.text)
        table.append(tuple(" ".join(cell) for cell in cells))
    return tuple(table)


def _split(rows: list[list[Piece]]) -> list[Lines]:
    """Cut where a new paragraph starts."""
    if not rows:
        return []
    boxes = [_around([p.box for p in row]) for row in rows]
    gaps = [after.top - before.bottom for before, after in pairwise(boxes)]
    usual_gap = statistics.median(gaps) if gaps else 0.0
    left = statistics.quantiles([box.left for box in boxes], n=20)[1] if len(boxes) > 2 else min(box.left for box in boxes)
    right = max(box.right for box in boxes)
    rtl = is_rtl("".join(p.text for row in rows for p in row))
    groups = [[rows[0]]]
    for index, (before, after) in enumerate(pairwise(rows)):
        size = max(min(before[0].size_px, after[0].size_px), 1.0)
        edge = Box(left, 0, right, 0)
        parts = (
            gaps[index] > max(usual_gap, 0.0) + 0.45 * size
            or abs(before[0].size_px - after[0].size_px) > 0.15 * size
            or all(p.is_bold for p in before) != all(p.is_bold for p in after)
            or _starts_paragraph(boxes[index], boxes[index + 1], edge, size, rtl, before[-1].text)
            or starts_item(after[0].text)
            or ends_with_leader(before[-1].text)
        )
        if parts:
            groups.append([])
        groups[-1].append(after)
    return [Lines(tuple(map(tuple, group))) for group in groups]


def _starts_paragraph(before: Box, after: Box, edge: Box, size: float, rtl: bool, text: str) -> bool:
    """An indented first line, or a last line that ends early with a full stop."""
    indent = (before.right - after.right) if rtl else (after.left - before.left)
    to_margin = (edge.right - before.right) if rtl else (before.left - edge.left)
    short = (before.left - edge.left) if rtl else (edge.right - before.right)
    is_indented = 0.8 * size < indent < 4 * size and to_margin < 0.5 * size
    return is_indented or (short > 0.25 * max(edge.width, 1) and text.rstrip("”\"')]»")[-1:] in ".!?。．！？:؟۔।")


def _outline(lines: Lines) -> Paragraph:
    pieces = [piece for row in lines.rows for piece in row]
    texts = [" ".join(piece.text for piece in row) for row in lines.rows]
    box = _around([piece.box for piece in pieces])
    num_chars = sum(len(piece.text) for piece in pieces)
    size = sum(piece.size_px * len(piece.text) for piece in pieces) / max(num_chars, 1)
    return Paragraph(join_lines(texts), box, size, all(piece.is_bold for piece in pieces), len(lines.rows), bool(lines.cells))


def _around(boxes: Sequence[Box]) -> Box:
    return reduce(Box.union, boxes)
