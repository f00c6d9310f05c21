"""Lines of Hebrew and Arabic with numbers, Latin words and brackets in them: which characters are a word, in the order of reading.

PDFs draw such lines in any order, with blanks anywhere. MuPDF gives each run of one direction in its own order; only its place says
where a run stands on the line.
"""

import re
import unicodedata
from collections.abc import Sequence
from itertools import pairwise

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


def is_from_right(text: str) -> bool:
    """Most of its letters are of scripts that run from right to left."""
    return 2 * len(_RTL.findall(text)) > sum(map(str.isalpha, text))


def word_groups(chars: Sequence[str], boxes: Sequence[Bbox], *, from_right: bool = True) -> list[list[int]]:
    """Places of the characters of each word, in the order of reading. `from_right`: the sentence is of a script that runs so, else
    it has names of such a script in it."""
    runs = sorted(_runs(chars, boxes), key=lambda run: _middle(boxes[run[0]], boxes[run[-1]]), reverse=from_right)
    groups: list[list[int]] = [[]]
    for run in _with_phrases(_with_gaps(runs, boxes), chars, from_right=from_right):
        if not run or chars[run[0]].isspace():
            groups.append([])
            continue
        letter = run[0]
        for place in run:
            is_mark = unicodedata.category(chars[place])[0] == "M"  # drawn anywhere near its letter
            if not is_mark and _is_gap(boxes[letter], boxes[place], _GAP_INSIDE):
                groups.append([])
            groups[-1].append(place)
            letter = letter if is_mark else place
    return [group for group in groups if group]


def _with_gaps(runs: list[list[int]], boxes: Sequence[Bbox]) -> list[list[int]]:
    """The runs, with an empty one for each gap between two."""
    spaced = runs[:1]
    for before, run in pairwise(runs):
        spaced += [[], run] if _is_gap(_around(boxes, before), _around(boxes, run)) else [run]
    return spaced


def _with_phrases(runs: list[list[int]], chars: Sequence[str], *, from_right: bool) -> list[list[int]]:
    """The runs with each phrase of the other direction in its own order: Hebrew names in an English sentence; in a Hebrew one Latin
    words, and the numbers behind them."""
    ordered: list[list[int]] = []
    phrase: list[list[int]] = []
    for run in runs:
        kinds = {_kind(chars[place]) for place in run}
        if ("right" in kinds) == from_right and (from_right or any(chars[place].isalpha() for place in run)):
            ordered += [*_turned(phrase, chars, from_right=from_right), run]
            phrase = []
        else:
            phrase.append(run)
    return ordered + _turned(phrase, chars, from_right=from_right)


def _turned(phrase: list[list[int]], chars: Sequence[str], *, from_right: bool) -> list[list[int]]:
    """From its first run to the last that has letters, the other way round. Numbers alone stand in the order of the sentence."""
    own = [any(chars[place].isalpha() for place in run) for run in phrase]
    if True not in own:
        return phrase
    has_digits = [from_right and any(chars[place].isdigit() for place in run) for run in phrase]
    start = next(place for place in range(len(phrase)) if own[place] or has_digits[place])
    end = len(own) - own[::-1].index(True)
    return phrase[:start] + phrase[start:end][::-1] + phrase[end:]


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


def _runs(chars: Sequence[str], boxes: Sequence[Bbox]) -> list[list[int]]:
    """Places of characters that follow each other in one direction. Signs that belong to a number are part of it; other signs and
    blanks are runs of their own. Beside Arabic letters neither a hyphen nor a unit belongs to a number: they follow it to the left.
    Source: Unicode Standard Annex 9, rules W2 to W6."""
    kinds = [_kind(char) for char in chars]
    is_arabic = any(unicodedata.bidirectional(char) in ("AL", "AN") for char in chars)
    for place, char in enumerate(chars):
        if char in _BESIDE_NUMBERS and kinds[place] == "sign":
            near = [chars[other] for other in (place - 1, place + 1) if 0 <= other < len(chars)]
            is_between = 0 < place < len(chars) - 1 and kinds[place - 1] == kinds[place + 1] == "left"
            is_unit = char in "%°$€₪£" and any(map(str.isdigit, near))
            if is_arabic and all(map(str.isdigit, near)) and char in "+-%°$€₪£#":
                continue
            if is_between or (is_unit and not is_arabic):
                kinds[place] = "left"
    runs: list[list[int]] = []
    for place, kind in enumerate(kinds):
        if runs and kind == kinds[place - 1] and kind in ("left", "right"):
            runs[-1].append(place)
        else:
            runs.append([place])
    return [_from_left(run, chars, boxes) for run in runs]


def _from_left(run: list[int], chars: Sequence[str], boxes: Sequence[Bbox]) -> list[int]:
    """Digits of Arabic, which MuPDF gives as it does letters, in the order of their places."""
    has_digits = any(unicodedata.bidirectional(chars[place]) == "AN" for place in run)
    return sorted(run, key=lambda place: boxes[place][0]) if has_digits else run


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
