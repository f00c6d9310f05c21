"""Pieces of lines to columns: cut where a gutter runs down between well-filled lines, around what spans it."""

import statistics

from workers.engines.classic.reading_order.block_kinds import HEADING, MARGIN
from workers.engines.classic.reading_order.gutters import find_gutter
from workers.engines.classic.reading_order.lines.line_text import is_rtl
from workers.engines.classic.reading_order.pieces import Piece
from workers.engines.classic.time_limit import check_time

MAX_CONFLICT = 0.05
"""Of a gutter; above, the page is first parted into strips of one layout each."""
MAX_HEADS = 50
"""Large lines that are looked at."""
ROOM = 5
"""In font sizes: what stands farther from a heading is not its text; a figure may lie between."""


def part_margins(pieces: list[Piece], height: float) -> tuple[list[Piece], list[Piece], list[Piece]]:
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


def columns_in_order(pieces: list[Piece], depth: int = 0) -> list[list[Piece]]:
    """Runs of pieces, each to be read row by row, in reading order."""
    check_time()
    gutter = find_gutter(pieces) if depth < 12 else None
    if gutter is None:
        return [pieces] if pieces else []
    if gutter.conflict > MAX_CONFLICT:
        top, bottom = _parted_at_widest_gap(pieces)
        if bottom:
            return columns_in_order(top, depth + 1) + columns_in_order(bottom, depth + 1)
        if gutter.conflict > 0.35:
            return [pieces]
    cut = gutter.x
    heads = {id(piece) for piece in _heads_of_both(pieces, cut)}
    spanning = sorted((p for p in pieces if p.box.left < cut < p.box.right or id(p) in heads), key=lambda p: p.box.top)
    beside = [p for p in pieces if not p.box.left < cut < p.box.right and id(p) not in heads]
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
            result += columns_in_order(side, depth + 1)
    return result + ([across] if across else [])


def _heads_of_both(pieces: list[Piece], cut: float) -> list[Piece]:
    """Large lines that cross no gutter, for they are short, and yet stand over the columns on both sides.

    Nothing is beside them. On each side lines follow them closely, and other lines end closely above them on both sides or on none.
    """
    size = statistics.median(piece.size_px for piece in pieces)
    crossing = [piece for piece in pieces if piece.box.left < cut < piece.box.right]
    large = [piece for piece in pieces if piece.size_px > HEADING * size and not piece.box.left < cut < piece.box.right]
    found: list[Piece] = []
    for piece in large if len(large) <= MAX_HEADS else []:
        others = [p for p in pieces if p is not piece]
        sides = [p for p in others if p.box.right <= cut], [p for p in others if p.box.left >= cut]
        end = min((p.box.top for p in crossing if p.box.top > piece.box.top), default=float("inf"))
        below = [[p.box.top for p in side if piece.box.top <= p.box.top < end] for side in sides]
        above = [[p.box.bottom for p in side if p.box.top < piece.box.top] for side in sides]
        gaps = [min(tops) - piece.box.bottom for tops in below if len(tops) > 1]
        gaps += [piece.box.top - max(bottoms) for bottoms in above if bottoms]
        if len(gaps) == (4 if any(above) else 2) and all(-0.1 * size <= gap < ROOM * size for gap in gaps):
            found.append(piece)
    return found


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
