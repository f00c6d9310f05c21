"""The parts of a column: its paragraphs, and the tables whose cells line up in it."""

from dataclasses import dataclass

from workers.engines.classic.reading_order.lines.line_ends import Vocabulary
from workers.engines.classic.reading_order.lines.line_text import is_rtl
from workers.engines.classic.reading_order.paragraphs import keeps_lines, split_rows
from workers.engines.classic.reading_order.pieces import Piece
from workers.engines.classic.reading_order.side_by_side import apart
from workers.engines.classic.reading_order.tables.aligned_tables import table_in, table_spans
from workers.engines.classic.reading_order.tables.found_table import FoundTable
from workers.engines.classic.reading_order.tables.ruling import Rules
from workers.engines.classic.reading_order.tables.tables_of_page import TableRow, is_at_edge, table_rows, value_tables
from workers.engines.classic.time_limit import check_time


@dataclass(frozen=True)
class Lines:
    """Rows of pieces that belong together."""

    rows: tuple[tuple[Piece, ...], ...]
    table: FoundTable | None = None
    keeps_lines: bool = False
    """Its line breaks are the writer's."""


def parts_of_column(column: list[Piece], vocabulary: Vocabulary, rules: Rules, height: float) -> list[Lines]:
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
    rows = piece_rows(column)
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


def piece_rows(column: list[Piece]) -> list[list[Piece]]:
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
