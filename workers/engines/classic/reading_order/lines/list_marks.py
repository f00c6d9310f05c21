"""Marks that open the items of a list: bullets, dashes, numbers, letters."""

import re
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from typing import NamedTuple

from workers.engines.classic.reading_order.bullets import BULLETS
from workers.engines.classic.reading_order.pieces import Piece

_SYMBOLS = "\uf0b7\uf0a7\uf0d8\uf06e\uf076\uf0fc"
"""Bullets of symbol fonts that kept their private codes."""
_BULLET = re.compile(rf"^([{BULLETS}·➤{_SYMBOLS}])\s*(?=\S)")
_DASH = re.compile(r"^([-–—*+o])\s+(?=\S)")
_NUMBER = re.compile(r"^(\(?)(\d{1,3}|[a-zA-Z]|[ivx]{1,5}|[IVX]{1,5})([.)]|\.\))\s+(?=\S)")
_ALONE = re.compile(rf"[·➤{_SYMBOLS}–—*-]|\(?(\d{{1,3}}|[a-zA-Z]|[ivxIVX]{{1,5}})[.)]")
REACH = 5
"""In font sizes: a mark stands no farther from its item."""
MAX_BESIDE = 200
"""Pieces at the height of a mark that are looked at; a page's line has a few."""
_ROMAN = {"i": 1, "v": 5, "x": 10}


class Mark(NamedTuple):
    shape: str
    """What items of one list share: the bullet, or how the number is written ("1.", "(a)")."""
    places: frozenset[int]
    """The item's number; several where a letter may be one or a Roman numeral; empty for a bullet."""

    @property
    def is_bullet(self) -> bool:
        """Opens an item wherever it stands; a dash or a number may be what a line happens to begin with."""
        return not self.places and self.shape not in "-–—*+o"

    @property
    def marks_alone(self) -> bool:
        """Alone it makes an item of a paragraph; "A. Smith" and "o presidente" need others beside them."""
        return self.shape not in ("a.", "A.", "o", "+")

    def follows(self, other: "Mark") -> bool:
        """The next item of the other's list."""
        if self.shape != other.shape:
            return False
        return not self.places or any(place + 1 in self.places for place in other.places)


def mark_of(text: str) -> Mark | None:
    """The mark that a line begins with."""
    if match := _BULLET.match(text) or _DASH.match(text):
        return Mark(match[1], frozenset())
    if match := _NUMBER.match(text):
        written = match[2]
        kind = "1" if written.isdigit() else "a" if written.islower() else "A"
        return Mark(match[1] + kind + match[3], _places(written))
    return None


def _places(written: str) -> frozenset[int]:
    if written.isdigit():
        return frozenset([int(written)])
    places = {ord(written.lower()) - ord("a") + 1} if len(written) == 1 else set()
    if set(written.lower()) <= _ROMAN.keys():
        values = [_ROMAN[char] for char in written.lower()]
        places.add(sum(-value if value < max(values[i:]) else value for i, value in enumerate(values)))
    return frozenset(places)


def with_marks(pieces: Sequence[Piece]) -> list[Piece]:
    """Numbers and dashes that stand by themselves, each joined with the item beside it, as `with_bullets` does with bullets: else a
    column of marks is cut from its text."""
    ordered = sorted(pieces, key=_middle)
    middles = [_middle(piece) for piece in ordered]
    joined: dict[int, Piece] = {}
    taken: set[int] = set()
    for piece in ordered:
        if len(piece.words) > 1 or not _ALONE.fullmatch(piece.text):
            continue
        near = 0.6 * max(piece.size_px, piece.box.height)
        first, end = bisect_left(middles, _middle(piece) - near), bisect_right(middles, _middle(piece) + near)
        if end - first > MAX_BESIDE:
            continue
        beside = [p for p in ordered[first:end] if 0 <= p.box.left - piece.box.right < REACH * p.size_px and id(p) not in taken]
        item = min(beside, key=lambda p: p.box.left, default=None)
        if item is not None and id(item) not in joined and _is_item(piece.text, item):
            joined[id(piece)] = Piece((*piece.words, *item.words))
            taken.add(id(item))
    return [joined.get(id(piece), piece) for piece in pieces if id(piece) not in taken]


def _is_item(mark: str, item: Piece) -> bool:
    """Words; after a number or a dash several, for in a table they are cells."""
    num_words = sum(any(map(str.isalpha, word.text)) for _, word in item.words)
    return num_words > (2 if mark[-1] in ".)-–—*" else 0)


def _middle(piece: Piece) -> float:
    return (piece.box.top + piece.box.bottom) / 2
