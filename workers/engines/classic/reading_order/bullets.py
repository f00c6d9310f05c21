"""A bullet, or a box to tick, goes to the text that it opens, however a file has drawn the two."""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import replace

from workers.engines.classic.reading_order.pieces import Piece

BULLETS = "•◦▪‣●○■□∙⁃►➢✓✔✗✘☐☑☒❏❑❒❖◆◉✦➔"
MAX_GAP, MAX_GAP_BOX = 2.5, 4.0
"""In font sizes, to the text; of boxes to tick, which forms set farther off."""
CLEAR = 6.0
"""In font sizes: nothing stands so near on its left, or it is a sign in a table's cell."""
MAX_BULLETS = 500
_BOXES = frozenset("☐☑☒❏❑❒✓✔✗✘")


def with_bullets(pieces: Sequence[Piece]) -> list[Piece]:
    """The pieces, each bullet that stands alone joined to the piece on its right."""
    alone = [piece for piece in pieces if len(piece.words) == 1 and len(piece.text) == 1 and piece.text in BULLETS]
    if not 0 < len(alone) <= MAX_BULLETS:
        return list(pieces)
    by_middle = sorted(pieces, key=_middle)
    middles = [_middle(piece) for piece in by_middle]
    joined: dict[int, Piece] = {}
    gone: set[int] = set()
    for bullet in alone:
        reach = 0.6 * bullet.size_px
        row = by_middle[bisect_left(middles, _middle(bullet) - reach) : bisect_right(middles, _middle(bullet) + reach)]
        opened = _opened(bullet, row)
        if opened is not None and id(opened) not in joined:
            joined[id(opened)] = replace(opened, words=(*bullet.words, *opened.words))
            gone.add(id(bullet))
    return [joined.get(id(piece), piece) for piece in pieces if id(piece) not in gone]


def _opened(bullet: Piece, row: Sequence[Piece]) -> Piece | None:
    """The piece next to it on the right, where it is near and nothing stands on the left."""
    size = max(bullet.size_px, 1.0)
    others = [piece for piece in row if piece is not bullet]
    if any(piece.box.left < bullet.box.left and bullet.box.left - piece.box.right < CLEAR * size for piece in others):
        return None
    right = min((piece for piece in others if piece.box.left >= bullet.box.left), key=lambda piece: piece.box.left, default=None)
    most = (MAX_GAP_BOX if bullet.text in _BOXES else MAX_GAP) * size
    return right if right is not None and right.text[:1] not in BULLETS and right.box.left - bullet.box.right < most else None


def _middle(piece: Piece) -> float:
    return (piece.box.top + piece.box.bottom) / 2
