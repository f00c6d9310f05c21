"""Running heads and feet: what stands at the edge of this page and, in the same place, at that of another; numbers aside."""

import re
import statistics
from collections.abc import Sequence
from typing import NamedTuple

from schemas.page import EDGE_CHARS, EDGE_SHARE, PageEdges
from workers.engines.classic.reading_order.pieces import Piece

SAME_PLACE = 0.02
"""Of the page's height: what repeats keeps its place within this."""
LETTERHEAD_ROWS = 3
"""With as many rows at the head of the document's first page they are a letterhead, or a form's, and stay text there."""
MAX_ROWS = 5
"""Of a head or a foot."""
MIN_NEARBY = 2
"""With as many pages around it that have text, what repeats on none of them is no running text, wherever it stands."""

LARGE, FULL = 1.15, 0.95
"""Of the usual font size: a large line whose numbers differ from page to page is a heading; one as large as the text, behind other
running heads, is of the page (`Question 2`, `Invoice no. 5501`)."""

_PAGE_OF = re.compile(
    r"\b(?:page|seite|página|pagina|pág\.|p\.|стр\.)\s*\d|\b\d{1,3}\s*(?:/|of|von|de|sur|di|из)\s*\d{1,3}\b", re.IGNORECASE
)
_NUMERAL = re.compile(r"[ivxlc]{1,6}")
_NUMBER = re.compile(r"\d+")
_STAMP = re.compile(
    r"(downloaded|download date|accessed|printed|retrieved|copyright|©|\(c\)\s*\d{4}|this content downloaded|licensed to"
    r"|all rights reserved|arxiv:|doi:|https?://(dx\.)?doi\.org|telechargé|téléchargé|heruntergeladen|descargado)",
    re.IGNORECASE,
)
Pieces = list[Piece]


class Running(NamedTuple):
    head: Pieces
    body: Pieces
    foot: Pieces


def is_stamp(text: str) -> bool:
    """What publishers and libraries print on each page they give out."""
    return bool(_STAMP.match(text.strip()))


def key_of(text: str) -> str:
    """What is the same on each page: letters without case and spaces, one sign for any number."""
    folded = "".join(char for char in text.casefold() if char.isalnum())
    return "#" if _NUMERAL.fullmatch(folded) else _NUMBER.sub("#", folded)


class Nearby:
    """The edges of the pages around a page."""

    def __init__(self, edges: PageEdges) -> None:
        self.num_pages = len(edges.nearby)
        self._is_first = edges.is_first
        self.is_alone = edges.is_first and not edges.nearby
        self._places: dict[str, list[float]] = {}
        self._texts: set[str] = set()
        for page in edges.nearby:
            for line in page:
                if key := key_of(line.text):
                    self._places.setdefault(key, []).append(line.y)
                    self._texts.add("".join(line.text.split()))

    def repeats(self, text: str, y: float) -> bool:
        """`y` is the middle of the text, as a share of the page's height."""
        return any(abs(y - place) < SAME_PLACE for place in self._places.get(key_of(text[:EDGE_CHARS]), ()))

    def part(self, pieces: Pieces, height: float) -> Running:
        """Head and foot of the page, as far as they repeat."""
        rows = _rows([p for p in pieces if p.box.bottom < EDGE_SHARE * height or p.box.top > (1 - EDGE_SHARE) * height])
        tops = [row for row in rows if row[0].box.bottom < EDGE_SHARE * height]
        feet = [row for row in reversed(rows) if row[0].box.top > (1 - EDGE_SHARE) * height]
        head = {id(p) for row in self._running(tops, pieces, height, 1) for p in row}
        foot = {id(p) for row in self._running(feet, pieces, height, -1) for p in row} - head
        body = [p for p in pieces if id(p) not in head and id(p) not in foot]
        if not body and len(rows) > 1:  # a page that is the same as the next is no page of running text alone
            return Running([], pieces, [])
        return Running([p for p in pieces if id(p) in head], body, [p for p in pieces if id(p) in foot])

    def _running(self, rows: Sequence[Pieces], pieces: Pieces, height: float, down: int) -> list[Pieces]:
        """Of rows from the edge inwards those that repeat; a gap parts the last from the text, as none does a table's head."""
        found: list[Pieces] = []
        num_others = 0
        usual = statistics.median(p.size_px for p in pieces) if rows else 0.0
        for row in rows:
            is_own = down > 0 and max(p.size_px for p in row) > (FULL if found else LARGE) * usual and self._counts(row)
            if not is_own and all(self.repeats(p.text, (p.box.top + p.box.bottom) / 2 / height) for p in row):
                found.append(row)
            else:
                num_others += 1
            if num_others > 1 or len(found) == MAX_ROWS:
                break
        taken = {id(p) for row in found for p in row}
        while found and not self._is_parted(found[-1], taken, pieces, down):
            taken -= {id(p) for p in found.pop()}
        return [] if self._is_first and down > 0 and len(found) >= LETTERHEAD_ROWS else found

    def _counts(self, row: Pieces) -> bool:
        """Words with numbers that are others on the pages around, and no page's number."""
        texts = ["".join(p.text[:EDGE_CHARS].split()) for p in row]
        others = [p for p, text in zip(row, texts, strict=True) if text not in self._texts and key_of(p.text) != "#"]
        return bool(others) and not any(_PAGE_OF.search(p.text) for p in row)

    def _is_parted(self, row: Pieces, taken: set[int], pieces: Pieces, down: int) -> bool:
        size = max(p.size_px for p in row)
        if down > 0:
            edge = max(p.box.bottom for p in row)
            gaps = [p.box.top - edge for p in pieces if id(p) not in taken and p.box.bottom > edge]
        else:
            edge = min(p.box.top for p in row)
            gaps = [edge - p.box.bottom for p in pieces if id(p) not in taken and p.box.top < edge]
        is_number = len(row) == 1 and key_of(row[0].text) == "#"
        return min(gaps, default=size) > (0.0 if is_number else 0.5 * size)


def _rows(pieces: Pieces) -> list[Pieces]:
    """From top to bottom."""
    rows: list[Pieces] = []
    for piece in sorted(pieces, key=lambda p: p.box.top + p.box.bottom):
        last = rows[-1][0].box if rows else None
        if last and abs(piece.box.top + piece.box.bottom - last.top - last.bottom) < piece.size_px:
            rows[-1].append(piece)
        else:
            rows.append([piece])
    return rows
