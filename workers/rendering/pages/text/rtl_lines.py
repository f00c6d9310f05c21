"""Lines of Hebrew and Arabic with numbers, Latin words and brackets in them: which characters are a word, in the order of reading.

PDFs draw such lines in any order, with blanks anywhere. MuPDF gives each run of one direction in its own order; only its place says
where a run stands on the line.
"""

import re
import unicodedata
from collections.abc import Sequence

Bbox = tuple[float, float, float, float]

_RTL = re.compile(r"[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc]")
_GAP, _GAP_INSIDE = 0.15, 0.3
"""In heights of a character: a wider gap between runs, or inside one, ends a word."""
_MIRRORED = str.maketrans("()[]{}<>«»", ")(][}{><»«")
_OPENING, _CLOSING = frozenset("([{<«"), frozenset(")]}>»")
_BESIDE_NUMBERS = frozenset("%$€₪£#°+-,./:'′″")


def has_rtl(text: str) -> bool:
    return bool(_RTL.search(text))


def is_mixed(text: str) -> bool:
    """Right-to-left letters, and signs or what runs the other way."""
    return has_rtl(text) and any(_kind(char) in ("left", "sign") for char in text)


def word_groups(chars: Sequence[str], boxes: Sequence[Bbox]) -> list[list[int]]:
    """Places of the characters of each word, words from right to left, the characters of each in the order of reading."""
    runs = sorted(_runs(chars), key=lambda run: -_middle(boxes[run[0]], boxes[run[-1]]))
    groups: list[list[int]] = [[]]
    before: list[int] = []
    for run in runs:
        if chars[run[0]].isspace():
            groups.append([])
        else:
            if before and not chars[before[0]].isspace() and _is_gap(_around(boxes, before), _around(boxes, run)):
                groups.append([])
            letter = run[0]
            for place in run:
                is_mark = unicodedata.category(chars[place])[0] == "M"  # drawn anywhere near its letter
                if not is_mark and _is_gap(boxes[letter], boxes[place], _GAP_INSIDE):
                    groups.append([])
                groups[-1].append(place)
                letter = letter if is_mark else place
        before = run
    return [group for group in groups if group]


def are_mirrored(lines: Sequence[str]) -> bool:
    """Most lines, in the order of reading, close a bracket before they open one: brackets are as they look, not as meant."""
    votes = 0
    for line in lines:
        brackets = [char in _OPENING for char in line if char in _OPENING or char in _CLOSING]
        if True in brackets and False in brackets:
            votes += 1 if not brackets[0] else -1
    return votes > 0


def mirrored(text: str) -> str:
    return text.translate(_MIRRORED)


def _runs(chars: Sequence[str]) -> list[list[int]]:
    """Places of characters that follow each other in one direction. Signs that belong to a number are part of it; other signs and
    blanks are runs of their own."""
    kinds = [_kind(char) for char in chars]
    for place, char in enumerate(chars):
        if char in _BESIDE_NUMBERS and kinds[place] == "sign":
            is_between = 0 < place < len(chars) - 1 and kinds[place - 1] == kinds[place + 1] == "left"
            is_unit = char in "%°$€₪£" and any(0 <= near < len(chars) and chars[near].isdigit() for near in (place - 1, place + 1))
            if is_between or is_unit:
                kinds[place] = "left"
    runs: list[list[int]] = []
    for place, kind in enumerate(kinds):
        if runs and kind == kinds[place - 1] and kind in ("left", "right"):
            runs[-1].append(place)
        else:
            runs.append([place])
    return runs


def _kind(char: str) -> str:
    direction = unicodedata.bidirectional(char)
    if char.isspace():
        return "blank"
    if direction in ("R", "AL") or (direction == "NSM" and has_rtl(char)) or char == "\ufffd":
        return "right"
    return "left" if direction in ("L", "EN", "AN") else "sign"


def _middle(one: Bbox, other: Bbox) -> float:
    return (min(one[0], other[0]) + max(one[2], other[2])) / 2


def _around(boxes: Sequence[Bbox], run: Sequence[int]) -> Bbox:
    lefts, tops, rights, bottoms = zip(*(boxes[place] for place in run), strict=True)
    return min(lefts), min(tops), max(rights), max(bottoms)


def _is_gap(one: Bbox, other: Bbox, least: float = _GAP) -> bool:
    return max(one[0], other[0]) - min(one[2], other[2]) > least * (one[3] - one[1])
