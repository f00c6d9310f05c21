"""Words of a table's area as lines of atoms: the smallest runs of words that no column may part."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

from schemas.page import BOLD, Box, Word
from workers.engines.classic.reading_order.lines.line_ends import Vocabulary, join_lines
from workers.engines.classic.reading_order.lines.line_text import is_rtl, join_words
from workers.engines.classic.reading_order.pieces import Placed, around, around_words

ATOM_GAP = 0.55
"""In font sizes: a wider gap may part columns. A space of ragged text is 0.25 to 0.35."""
CELL_GAP = 1.2
"""A gap that does part cells; justified text reaches 1."""
_NUMBER = re.compile(
    r"[(\[<>≤≥~±+\-–−*†‡^]*\s*[$€£¥₹]?\s*[(\-–−+]?\s*\d[\d.,'’:/–\-\u202f\u00a0 ]*\s*[%‰°*†‡a-e)\]]*"
    r"|[-–—−.…·]{1,3}|n/?a\.?|N/?A\.?|n\.a\.|\(?[A-Z]{1,3}\)?|[$€£¥₹%]"
)
_NO_SIGN = re.compile(r"[A-Zf-z]")
"""Letters that stand behind no number."""
_LEADS = frozenset(".·…_-–—=")
_LEADER = re.compile(r"[.·…_]{3,}|[-–—=]{5,}")
_DIGITS = re.compile(r"\d")
_NO_WORDS = Vocabulary(())
_YEAR = re.compile(r"(19|20)\d\d")


@dataclass(frozen=True)
class Atom:
    words: tuple[tuple[int, Word], ...]

    @cached_property
    def box(self) -> Box:
        return around_words(self.words)

    @cached_property
    def text(self) -> str:
        return join_words([word for _, word in self.words])

    @property
    def size(self) -> float:
        return max(self.words[0][1].size_px, 1.0)

    @property
    def is_number(self) -> bool:
        return is_number(self.text)

    @property
    def is_bold(self) -> bool:
        return all(word.style & BOLD for _, word in self.words)


Line = list[Atom]
"""From left to right."""


def is_number(text: str) -> bool:
    """A number, a range of numbers, or what stands in for one: a dash, dots, "n/a", a letter or two."""
    return bool(_NUMBER.fullmatch(text.strip()))


def is_value(text: str) -> bool:
    """A number, or a few words with one: "$9,594 or less"."""
    letters = sum(map(str.isalpha, text))
    return is_number(text) or (has_digits(text) and letters <= 16 and sum(map(str.isdigit, text)) >= 0.25 * letters)


def may_be_value(text: str) -> bool:
    """False only for what `is_value` refuses however its words are joined: most lines of running text."""
    return not text.isascii() or sum(map(str.isalpha, text)) <= (16 if has_digits(text) else 3) or not _NO_SIGN.search(text)


def has_digits(text: str) -> bool:
    return bool(_DIGITS.search(text))


def is_year(text: str) -> bool:
    return bool(_YEAR.fullmatch(text.strip()))


def is_leader(text: str) -> bool:
    """Dots that lead the eye; no text."""
    return text[:1] in _LEADS and bool(_LEADER.fullmatch(text))


def lines_of(words: Placed) -> list[Line]:
    """Lines of the area from top to bottom."""
    return [atoms for row in rows_of(words) if (atoms := atoms_of(row))]


def rows_of(words: Placed) -> list[Placed]:
    """Words whose middles lie within each other's height, from top to bottom."""
    rows: list[Placed] = []
    middle = height = 0.0
    for item in sorted(words, key=lambda item: item[1].top + item[1].bottom):
        word = item[1]
        at = (word.top + word.bottom) / 2
        if rows and abs(at - middle) < 0.4 * min(word.bottom - word.top, height):
            rows[-1].append(item)
            count = len(rows[-1])
            middle += (at - middle) / count
            height += (word.bottom - word.top - height) / count
        else:
            rows.append([item])
            middle, height = at, word.bottom - word.top
    return rows


def atoms_of(row: Placed) -> Line:
    """Of one line, from left to right; a leader is none."""
    atoms: list[Placed] = []
    right = 0.0
    for item in sorted(row, key=lambda item: item[1].left):
        word = item[1]
        if is_leader(word.text):
            right = -1e12  # what a leader parts are two cells
            continue
        if atoms and word.left - right <= ATOM_GAP * max(word.size_px, 1.0):
            atoms[-1].append(item)
        else:
            atoms.append([item])
        right = max(right, word.right) if len(atoms[-1]) > 1 else word.right
    return [Atom(tuple(_in_direction(atom))) for atom in atoms]


def _in_direction(words: Placed) -> Placed:
    return words[::-1] if is_rtl("".join(word.text for _, word in words)) else words


def cells_of(line: Line) -> list[Line]:
    """Runs of atoms that no wide gap parts."""
    cells: list[Line] = []
    for atom in line:
        if cells and atom.box.left - cells[-1][-1].box.right <= CELL_GAP * atom.size:
            cells[-1].append(atom)
        else:
            cells.append([atom])
    return cells


def text_of(lines: Iterable[Sequence[Atom]], vocabulary: Vocabulary = _NO_WORDS) -> str:
    """Of one cell. `vocabulary`: the page's, for words that a line's end parts."""
    texts = [" ".join(atom.text for atom in (reversed(line) if is_rtl("".join(a.text for a in line)) else line)) for line in lines]
    return join_lines([text for text in texts if text], vocabulary)


def box_of(line: Sequence[Atom]) -> Box:
    return around([atom.box for atom in line])
