"""Words with boxes, in any order, become blocks of text in reading order. Works for a PDF's words and for an OCR's lines alike.

Words join to pieces of lines; columns are cut where a gutter runs down between well-filled lines, around what spans them; lines
join to paragraphs, and to tables where cells line up. What kind of block a paragraph is, `block_kinds` beside this says.
"""

import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from schemas.page import EDGE_SHARE, NO_EDGES, Box, PageEdges, Region, Word
from workers.engines.classic.reading_order.block_kinds import MARGIN, BlockKind, Paragraph, kinds_of
from workers.engines.classic.reading_order.bullets import with_bullets
from workers.engines.classic.reading_order.code import part_code
from workers.engines.classic.reading_order.drop_caps import with_drop_caps
from workers.engines.classic.reading_order.figures import part_figures
from workers.engines.classic.reading_order.gutters import find_gutter
from workers.engines.classic.reading_order.lines.line_ends import Vocabulary, join_lines
from workers.engines.classic.reading_order.lines.line_numbers import line_numbers
from workers.engines.classic.reading_order.lines.line_text import is_rtl
from workers.engines.classic.reading_order.lines.list_marks import with_marks
from workers.engines.classic.reading_order.paragraphs import keeps_lines, kept_lines, split_rows
from workers.engines.classic.reading_order.pieces import (
    Piece,
    Placed,
    around,
    by_direction,
    lines_as_given,
    part_slanted,
    pieces_of,
    turned_left,
    turned_right,
    without_doubles,
)
from workers.engines.classic.reading_order.running_text import MIN_NEARBY, Nearby, is_stamp
from workers.engines.classic.reading_order.side_by_side import apart
from workers.engines.classic.reading_order.tables.aligned_tables import table_in, table_spans
from workers.engines.classic.reading_order.tables.found_table import FoundTable, Rows
from workers.engines.classic.reading_order.tables.ruling import Rules
from workers.engines.classic.reading_order.tables.tables_of_page import (
    TableRow,
    is_at_edge,
    table_rows,
    tables_of_page,
    value_tables,
)
from workers.engines.classic.time_limit import check_time

_NO_RULES = Rules()
CAPTION_GAP = 0.2
"""A caption stands no farther from its figure, in heights of the figure."""
MAX_CONFLICT = 0.05
"""Of a gutter; above, the page is first parted into strips of one layout each."""


@dataclass(frozen=True)
class TextBlock:
    kind: BlockKind
    text: str
    """Plain text, hyphenated words joined; a table's cells parted by tabs, its rows by newlines."""
    box: Box
    members: tuple[int, ...]
    """Positions of its words in what was given."""
    rows: Rows = ()
    """Cells of a table: "" where empty, None continues the cell on the left, "^" the one above."""
    num_header_rows: int = 0


@dataclass(frozen=True)
class Lines:
    """Rows of pieces that belong together."""

    rows: tuple[tuple[Piece, ...], ...]
    table: FoundTable | None = None
    keeps_lines: bool = False
    """Its line breaks are the writer's."""


def blocks_in_order(
    words: Sequence[Word],
    width: float,
    height: float,
    regions: Sequence[Region] = (),
    rules: Rules = _NO_RULES,
    edges: PageEdges = NO_EDGES,
) -> list[TextBlock]:
    """Blocks of the page in the order a reader takes. Every word is in exactly one block, but for words printed twice.

    `width` and `height` are the page's, in the unit of the boxes of words and rules. `regions` may hold figures or charts: the
    words of each that does are one block. `edges` is what stands at those of the document's other pages.
    """
    figures, kept = part_figures(without_doubles(words), regions)
    slanted, kept = part_slanted(kept)
    listings, kept = part_code(kept)
    blocks = _text_blocks(kept, words, width, height, rules, Nearby(edges)) if kept else []
    for code in listings:
        blocks.insert(_place_of(code.box, blocks), TextBlock("code", code.text, code.box, code.members))
    for figure in figures:
        place = _place_of(figure.box, blocks)
        blocks.insert(place, TextBlock(figure.kind, figure.text, figure.box, figure.members))
    for line in slanted:
        text = " ".join(word.text for _, word in line)
        blocks.append(TextBlock("paragraph", text, around([word.box for _, word in line]), tuple(index for index, _ in line)))
    return blocks


def _place_of(figure: Box, blocks: Sequence[TextBlock]) -> int:
    """Of a figure among the blocks: beside its caption; else after what stands above it in its column; else before that."""
    across = [
        (index, block)
        for index, block in enumerate(blocks)
        if min(block.box.right, figure.right) > max(block.box.left, figure.left)
    ]
    captions = [
        (max(block.box.top - figure.bottom, figure.top - block.box.bottom), index)
        for index, block in across
        if block.kind == "caption"
    ]
    if captions:
        gap, index = min(captions)
        if gap < CAPTION_GAP * max(figure.height, 1.0):
            return index + (blocks[index].box.top < figure.top)
    above = [(block.box.bottom, index) for index, block in across if (block.box.top + block.box.bottom) / 2 < figure.top]
    if above:
        return max(above)[1] + 1
    return min((index for index, _ in across), default=len(blocks))


def _text_blocks(kept: Placed, words: Sequence[Word], width: float, height: float, rules: Rules, nearby: Nearby) -> list[TextBlock]:
    straight, down, up = by_direction(kept)
    vocabulary = Vocabulary((word.text for _, word in kept), lines_as_given(kept))
    is_turned = len(straight) < max(len(down), len(up))
    numbers = line_numbers(straight)
    blocks = _read(
        [item for item in straight if item[0] not in numbers], height, vocabulary, _NO_RULES if is_turned else rules, nearby
    )
    if numbers:  # of lines: kept, and in nobody's sentence
        counted = [item for item in straight if item[0] in numbers]
        text = " ".join(word.text for _, word in counted)
        blocks.append(TextBlock("footer", text, around([word.box for _, word in counted]), tuple(index for index, _ in counted)))
    for aside, turn, turned_rules in (
        (down, turned_left, rules.turned_left(width)),
        (up, turned_right, rules.turned_right(height)),
    ):
        turned = [(index, turn(word, width, height)) for index, word in aside]
        found = _read(turned, width, vocabulary, turned_rules if len(aside) > len(straight) else _NO_RULES, Nearby(NO_EDGES))
        found = [replace(block, box=around([words[i].box for i in block.members])) for block in found]
        blocks = found + blocks if len(aside) > len(straight) else blocks + found
    if len(straight) < len(kept):  # a note up the margin is no title, however large
        largest = max((straight, down, up), key=len)
        main = {index for index, _ in largest}
        blocks = [block if main & set(block.members) else _beside(block, width, height, nearby) for block in blocks]
    return blocks


def _beside(block: TextBlock, width: float, height: float, nearby: Nearby) -> TextBlock:
    """What runs up or down the page's side: a stamp, or a note."""
    box = block.box
    is_at_side = box.right < EDGE_SHARE / 2 * width or box.left > (1 - EDGE_SHARE / 2) * width
    is_running = nearby.repeats(block.text, (box.top + box.bottom) / 2 / height) or is_stamp(block.text)
    return replace(block, kind="header" if is_at_side and is_running else "paragraph")


def _read(words: Placed, height: float, vocabulary: Vocabulary, rules: Rules, nearby: Nearby) -> list[TextBlock]:
    given, pieces = words, pieces_of(words)
    running = nearby.part(pieces, height)
    words = _words_without(words, [*running.head, *running.foot])
    tables = tables_of_page(words, rules, vocabulary, height)
    if (rest := _words_without(words, tables)) is not given:
        pieces = pieces_of(rest)
    pieces = with_marks(with_drop_caps(with_bullets(pieces)))
    head, body, foot = _margins([*pieces, *(row for table in tables for row in table_rows(table, words))], height)
    paragraphs = [
        paragraph for column in (head, *_columns(body), foot) for paragraph in _paragraphs(column, vocabulary, rules, height)
    ]
    outlines = [_outline(paragraph, vocabulary) for paragraph in paragraphs]
    kinds = kinds_of(outlines, height, repeats_elsewhere=nearby.num_pages >= MIN_NEARBY, is_alone=nearby.is_alone)
    blocks = []
    for paragraph, outline, kind in [
        *_running_lines(running.head, "header", vocabulary),
        *zip(paragraphs, outlines, kinds, strict=True),
        *_running_lines(running.foot, "footer", vocabulary),
    ]:
        if (table := paragraph.table) is not None:
            text = "\n".join("\t".join(cell or "" for cell in row) for row in table.rows)
            blocks.append(TextBlock("table", text, table.box, table.members, table.rows, table.num_header_rows))
        else:
            members = tuple(index for row in paragraph.rows for piece in row for index, _ in piece.words)
            box = around([piece.box for row in paragraph.rows for piece in row])
            text = outline.text
            if paragraph.keeps_lines and kind == "paragraph":
                text = kept_lines([" ".join(piece.text for piece in row) for row in paragraph.rows], vocabulary)
            blocks.append(TextBlock(kind, text, box, members))
    return blocks


def _running_lines(pieces: list[Piece], kind: BlockKind, vocabulary: Vocabulary) -> Iterator[tuple[Lines, Paragraph, BlockKind]]:
    for row in _rows(pieces):
        lines = Lines((tuple(row),))
        yield lines, _outline(lines, vocabulary), kind


def _words_without(words: Placed, parts: Sequence[Piece] | Sequence[FoundTable]) -> Placed:
    taken = {
        index for part in parts for index in (part.members if isinstance(part, FoundTable) else (index for index, _ in part.words))
    }
    return [item for item in words if item[0] not in taken] if taken else words


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
    check_time()
    gutter = find_gutter(pieces) if depth < 12 else None
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
    across: list[Piece] = []  # what spans the gutter, and short lines between that have nothing on its other side
    for band in _bands(spanning, beside):
        sides = [p for p in band if p.box.right <= cut], [p for p in band if p.box.left >= cut]
        if not sides[0] or not sides[1]:
            across += band
            continue
        result += [across] if across else []
        across = []
        for side in reversed(sides) if right_first else sides:
            result += _columns(side, depth + 1)
    return result + ([across] if across else [])


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


# --- Columns to paragraphs ---


def _paragraphs(column: list[Piece], vocabulary: Vocabulary, rules: Rules, height: float) -> list[Lines]:
    """Tables found before columns were cut stand between what is above and below their middle; others are sought here."""
    check_time()
    words = [item for piece in column for item in piece.words]
    found_here = value_tables(words, rules, vocabulary, height)
    in_tables = {index for table in found_here for index in table.members}
    column = [left for piece in column if (left := _without(piece, in_tables)) is not None]
    column += [row for table in found_here for row in table_rows(table, words)]
    found = {id(piece.table): piece for piece in column if isinstance(piece, TableRow)}
    rest = [piece for piece in column if not isinstance(piece, TableRow)]
    result: list[Lines] = []
    for row in sorted(found.values(), key=lambda row: row.table.box.top):
        middle = (row.table.box.top + row.table.box.bottom) / 2
        result += _text_paragraphs([piece for piece in rest if piece.box.bottom <= middle], vocabulary, height)
        result.append(Lines(((row,),), row.table))
        rest = [piece for piece in rest if piece.box.bottom > middle]
    return result + _text_paragraphs(rest, vocabulary, height)


def _without(piece: Piece, members: set[int]) -> Piece | None:
    """The piece, or what is left of it."""
    if isinstance(piece, TableRow) or not any(index in members for index, _ in piece.words):
        return piece
    rest = tuple(item for item in piece.words if item[0] not in members)
    return Piece(rest) if rest else None


def _text_paragraphs(column: list[Piece], vocabulary: Vocabulary, height: float) -> list[Lines]:
    rows = _rows(column)
    result: list[Lines] = []
    start = 0
    for first, end in table_spans(rows):
        table = table_in(rows[first:end], vocabulary)
        if table is not None and not is_at_edge(table.box, height):
            result += _split_apart(rows[start:first])
            result.append(Lines(tuple(map(tuple, rows[first:end])), table))
            start = end
    return result + _split_apart(rows[start:])


def _split_apart(rows: list[list[Piece]]) -> list[Lines]:
    return [lines for part in apart(rows) for lines in _split(part)]


def _rows(column: list[Piece]) -> list[list[Piece]]:
    """Pieces whose middles lie within each other's height share a row."""
    rows: list[list[Piece]] = []
    middles = highest_bottom = lowest_top = 0.0
    for piece in sorted(column, key=lambda p: p.box.top + p.box.bottom):
        middle = (piece.box.top + piece.box.bottom) / 2
        if (
            rows
            and lowest_top < piece.box.bottom
            and piece.box.top < highest_bottom
            and abs(middle - middles / len(rows[-1])) < 0.45 * min(piece.box.height, rows[-1][0].box.height)
        ):
            rows[-1].append(piece)
            middles += middle
            highest_bottom, lowest_top = min(highest_bottom, piece.box.bottom), max(lowest_top, piece.box.top)
        else:
            rows.append([piece])
            middles, highest_bottom, lowest_top = middle, piece.box.bottom, piece.box.top
    rtl = is_rtl("".join(p.text for p in column))
    return [sorted(row, key=lambda p: -p.box.right if rtl else p.box.left) for row in rows]


def _split(rows: list[list[Piece]]) -> list[Lines]:
    """Cut where a new paragraph starts."""
    return [Lines(tuple(map(tuple, group)), keeps_lines=keeps_lines(group, rows)) for group in split_rows(rows)]


def _outline(lines: Lines, vocabulary: Vocabulary) -> Paragraph:
    pieces = [piece for row in lines.rows for piece in row]
    texts = [" ".join(piece.text for piece in row) for row in lines.rows]
    box = around([piece.box for piece in pieces])
    num_chars = sum(len(piece.text) for piece in pieces)
    size = sum(piece.size_px * len(piece.text) for piece in pieces) / max(num_chars, 1)
    text = join_lines(texts, vocabulary)
    return Paragraph(text, box, size, all(piece.is_bold for piece in pieces), len(lines.rows), lines.table is not None)
