"""Words with boxes, in any order, become blocks of text in reading order. Works for a PDF's words and for an OCR's lines alike.

Words join to pieces of lines; columns are cut where a gutter runs down between well-filled lines, around what spans them; lines
join to paragraphs, and to tables where cells line up. What kind of block a paragraph is, `block_kinds` beside this says.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from schemas.page import EDGE_SHARE, NO_EDGES, Box, PageEdges, Region, Word
from workers.engines.classic.reading_order.block_kinds import BlockKind, Paragraph, kinds_of
from workers.engines.classic.reading_order.bullets import with_bullets
from workers.engines.classic.reading_order.code import part_code
from workers.engines.classic.reading_order.column_parts import Lines, parts_of_column, piece_rows
from workers.engines.classic.reading_order.columns import columns_in_order, part_margins
from workers.engines.classic.reading_order.drop_caps import with_drop_caps
from workers.engines.classic.reading_order.figures import part_figures
from workers.engines.classic.reading_order.lines.line_ends import Vocabulary, join_lines
from workers.engines.classic.reading_order.lines.line_numbers import line_numbers
from workers.engines.classic.reading_order.lines.list_marks import with_marks
from workers.engines.classic.reading_order.lines.stretched_lines import with_stretched_lines
from workers.engines.classic.reading_order.paragraphs import kept_lines
from workers.engines.classic.reading_order.pieces import (
    Piece,
    Placed,
    around,
    by_direction,
    lines_as_given,
    part_slanted,
    pieces_of,
    turned_left,
    turned_over,
    turned_right,
    without_doubles,
)
from workers.engines.classic.reading_order.running_text import MIN_NEARBY, Nearby, is_stamp
from workers.engines.classic.reading_order.tables.found_table import FoundTable, Rows
from workers.engines.classic.reading_order.tables.ruling import Rules
from workers.engines.classic.reading_order.tables.tables_of_page import table_rows, tables_of_page

_NO_RULES = Rules()
CAPTION_GAP = 0.2
"""A caption stands no farther from its figure, in heights of the figure."""


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
    straight, down, up, over = by_direction(kept)
    vocabulary = Vocabulary((word.text for _, word in kept), lines_as_given(kept))
    is_turned = len(straight) < max(len(down), len(up), len(over))
    numbers = line_numbers(straight)
    blocks = _read(
        [item for item in straight if item[0] not in numbers], height, vocabulary, _NO_RULES if is_turned else rules, nearby
    )
    if numbers:  # of lines: kept, and in nobody's sentence
        counted = [item for item in straight if item[0] in numbers]
        text = " ".join(word.text for _, word in counted)
        blocks.append(TextBlock("footer", text, around([word.box for _, word in counted]), tuple(index for index, _ in counted)))
    for aside, turn, turned_rules, extent in (
        (down, turned_left, rules.turned_left(width), width),
        (up, turned_right, rules.turned_right(height), width),
        (over, turned_over, rules.turned_left(width).turned_left(height), height),
    ):
        turned = [(index, turn(word, width, height)) for index, word in aside]
        found = _read(turned, extent, vocabulary, turned_rules if len(aside) > len(straight) else _NO_RULES, Nearby(NO_EDGES))
        found = [replace(block, box=around([words[i].box for i in block.members])) for block in found]
        blocks = found + blocks if len(aside) > len(straight) else blocks + found
    if len(straight) < len(kept):  # a note up the margin is no title, however large
        largest = max((straight, down, up, over), key=len)
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
    pieces = with_marks(with_drop_caps(with_bullets(with_stretched_lines(pieces))))
    head, body, foot = part_margins([*pieces, *(row for table in tables for row in table_rows(table, words))], height)
    paragraphs = [
        part for column in (head, *columns_in_order(body), foot) for part in parts_of_column(column, vocabulary, rules, height)
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
    for row in piece_rows(pieces):
        lines = Lines((tuple(row),))
        yield lines, _outline(lines, vocabulary), kind


def _words_without(words: Placed, parts: Sequence[Piece] | Sequence[FoundTable]) -> Placed:
    taken = {
        index for part in parts for index in (part.members if isinstance(part, FoundTable) else (index for index, _ in part.words))
    }
    return [item for item in words if item[0] not in taken] if taken else words


def _outline(lines: Lines, vocabulary: Vocabulary) -> Paragraph:
    pieces = [piece for row in lines.rows for piece in row]
    texts = [" ".join(piece.text for piece in row) for row in lines.rows]
    box = around([piece.box for piece in pieces])
    num_chars = sum(len(piece.text) for piece in pieces)
    size = sum(piece.size_px * len(piece.text) for piece in pieces) / max(num_chars, 1)
    text = join_lines(texts, vocabulary)
    return Paragraph(text, box, size, all(piece.is_bold for piece in pieces), len(lines.rows), lines.table is not None)
