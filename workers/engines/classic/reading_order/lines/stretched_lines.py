"""Justified lines of few words in a narrow column: MuPDF takes their wide gaps for ends of lines."""

from collections.abc import Sequence
from itertools import pairwise

from workers.engines.classic.reading_order.pieces import Piece

MIN_PIECES = 3
EVEN = 0.1
"""In font sizes: so much may the gaps of one line differ. Cells of a table are as far apart only by chance."""
MAX_GAP = 6
"""In font sizes."""


def with_stretched_lines(pieces: Sequence[Piece]) -> list[Piece]:
    """The pieces. Words of a sentence that stand at one height, with gaps all alike, are one of them."""
    joined: list[Piece] = []
    for run in _runs(sorted(pieces, key=lambda piece: (round(piece.box.bottom), piece.box.left))):
        words = [item for piece in run for item in piece.words]
        is_prose = sum(word.text[:1].islower() for _, word in words) >= 0.5 * len(words)
        joined += [Piece(tuple(words))] if len(run) >= MIN_PIECES and is_prose else run
    return joined if len(joined) < len(pieces) else list(pieces)


def _runs(ordered: Sequence[Piece]) -> list[list[Piece]]:
    """Pieces side by side, of one word each, with one gap between all of them; any other piece is a run of its own."""
    runs = [[piece] for piece in ordered[:1]]
    gap = 0.0
    for before, after in pairwise(ordered):
        size, here = after.size_px, after.box.left - before.box.right
        is_beside = abs(after.box.bottom - before.box.bottom) < 1 and abs(size - before.size_px) < 1 and 0 < here < MAX_GAP * size
        are_words = len(before.words) == len(after.words) == 1 and after.words[0][1].block >= 0  # an OCR's are lines
        if is_beside and are_words and (len(runs[-1]) == 1 or abs(here - gap) < EVEN * size):
            runs[-1].append(after)
        else:
            runs.append([after])
        gap = here if len(runs[-1]) <= 2 else gap
    return runs
