"""Text beside text that is neither a table nor two columns of the page: short columns of sentences, headings, lists."""

import re
from collections.abc import Iterator, Sequence

from workers.engines.classic.reading_order.lines.list_marks import mark_of
from workers.engines.classic.reading_order.pieces import Piece

Row = list[Piece]
MIN_ROWS, MOST = 3, 0.6
"""Lines of an address beside pairs, and the share of these that are pairs."""
_PAIR = re.compile(r"[^\W\d_][^:]{1,24}:\s+\S")
"""`Date: 3 June`"""
MIN_WORDS = 4
"""Of a line that is part of a sentence."""
CLOSE = 0.6
"""In font sizes: the widest gap between two lines of a heading."""
MIN_TEXT = 12
"""Words of the text beside a heading."""


def apart(rows: Sequence[Row]) -> Iterator[list[Row]]:
    """Runs of rows, each to be read by itself, in the order of reading."""
    rest: list[Row] = []
    index = 0
    while index < len(rows):
        end = _end_of_columns(rows, index)
        if end - index >= 2:
            parts = [[[row[0]] for row in rows[index:end]], [[row[1]] for row in rows[index:end]]]
        elif (end := _end_of_lists(rows, index)) > index:
            parts = _lists(rows[index:end])
        elif (end := _end_of_address(rows, index)) > index:
            parts = _sides(rows[index:end])
        elif (end := _end_of_side_heading(rows, index)) > index:
            parts = [[row[:1] for row in rows[index:end] if len(row) > 1], [row[-1:] for row in rows[index:end]]]
        else:
            rest.append(rows[index])
            index += 1
            continue
        if rest:
            yield rest
            rest = []
        yield from parts
        index = end
    if rest:
        yield rest


def _end_of_columns(rows: Sequence[Row], start: int) -> int:
    """Behind the last row of two pieces that are parts of sentences, each under the one above; the last row's may be short."""
    end = start
    while end < len(rows) and len(rows[end]) == 2 and all(map(_are_in_line, rows[end], rows[start])):
        end += 1
        if any(len(piece.words) < MIN_WORDS for piece in rows[end - 1]):
            break
    is_text = end > start and all(len(piece.words) >= MIN_WORDS for piece in rows[start])
    return end if is_text else start


def are_lists(rows: Sequence[Row]) -> bool:
    """Rows of items, all opened by the same bullet or dash."""
    several = [row for row in rows if len(row) > 1]
    return 2 * sum(_is_of_items(row) for row in several) > len(several)


def are_address_and_pairs(sides: Sequence[Sequence[str]]) -> bool:
    """Lines that are no pairs on one side, `Date: 3 June` and its like on the other: the head of a letter or an invoice."""
    num_pairs = [sum(bool(_PAIR.match(text)) for text in side) for side in sides]
    return len(sides[0]) >= MIN_ROWS and min(num_pairs) == 0 and max(num_pairs) >= MOST * len(sides[0])


def _end_of_address(rows: Sequence[Row], start: int) -> int:
    end = start
    while end < len(rows) and len(rows[end]) == 2:
        end += 1
    if not are_address_and_pairs([[row[side].text for row in rows[start:end]] for side in (0, 1)]):
        return start
    while end < len(rows) and len(rows[end]) == 1 and _goes_on(rows[end][0], rows[end - 1], rows[start]):
        end += 1
    return end


def _sides(rows: Sequence[Row]) -> list[list[Row]]:
    """Either may end in lines of its own; pairs may be set to the right."""
    return [
        [[row[side]] if len(row) == 2 else row for row in rows if len(row) == 2 or _column_of(row[0], rows[0]) == side]
        for side in (0, 1)
    ]


def _goes_on(piece: Piece, above: Row, heads: Row) -> bool:
    """The longer side's next line."""
    gap = piece.box.top - max(other.box.bottom for other in above)
    return gap < 0.6 * piece.size_px and _column_of(piece, heads) is not None


def _is_of_items(row: Row) -> bool:
    marks = [mark_of(piece.text) for piece in row]
    shapes = {mark.shape for mark in marks if mark is not None and not mark.places}
    return len(row) > 1 and None not in marks and len(shapes) == 1 and all(any(map(str.isalpha, piece.text)) for piece in row)


def _end_of_lists(rows: Sequence[Row], start: int) -> int:
    """Behind the last row of items that stand below those of the first, lines that go on with one included."""
    if not _is_of_items(rows[start]):
        return start
    end = start + 1
    while end < len(rows) and all(_column_of(piece, rows[start]) is not None for piece in rows[end]):
        end += 1
    return end if sum(map(_is_of_items, rows[start:end])) > 1 else start


def _lists(rows: Sequence[Row]) -> list[list[Row]]:
    lists: list[list[Row]] = [[] for _ in rows[0]]
    for row in rows:
        for piece in row:
            lists[_column_of(piece, rows[0]) or 0].append([piece])
    return lists


def _column_of(piece: Piece, heads: Row) -> int | None:
    """Under which of the first items the piece begins, at its mark or at its text."""
    reach = 3 * max(piece.size_px, 1.0)
    near = [place for place, head in enumerate(heads) if -reach / 6 < piece.box.left - head.box.left < reach]
    return near[-1] if near else None


def _end_of_side_heading(rows: Sequence[Row], start: int) -> int:
    """Behind the text beside a few words in front of its first line; `start` where there is none."""
    if len(rows[start]) != 2:
        return start
    heading, first = rows[start]
    if len(heading.words) > MIN_WORDS or sum(map(str.isalpha, heading.text)) < 3 or any(map(str.isdigit, heading.text)):
        return start  # "1.", or "Table 1:" with its caption beside it
    end = start + 1
    while end < len(rows) and _goes_on_beside(rows[end], rows[end - 1], rows[start]):
        end += 1
    num_words = len(first.words) + sum(len(row[-1].words) for row in rows[start + 1 : end])
    return end if end - start >= 2 and num_words >= MIN_TEXT and len(first.words) >= MIN_WORDS else start


def _goes_on_beside(row: Row, above: Row, heads: Row) -> bool:
    """The text's next line, alone or beside the next line of its heading."""
    if len(row) == 1 or not _are_in_line(row[-1], heads[-1]):
        return len(row) == 1 and _are_in_line(row[0], heads[-1])
    is_close = row[0].box.top - above[0].box.bottom < CLOSE * row[0].size_px
    return len(row) == len(above) == 2 and is_close and _are_in_line(row[0], heads[0]) and len(row[0].words) <= MIN_WORDS


def _are_in_line(one: Piece, other: Piece) -> bool:
    size = max(min(one.size_px, other.size_px), 1.0)
    starts, ends = one.box.left - other.box.left, one.box.right - other.box.right
    return min(abs(starts), abs(ends)) < 0.5 * size
