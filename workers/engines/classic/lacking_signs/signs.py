"""Signs that the model's dictionary lacks, put into a line by their shape: „ ‚ ‹ › ¡.

A CTC model leaves such a sign out, with a score of 0.99 for the line ("Er sagte: Das ist“"), or takes the nearest that it knows.
What was left out is ink beside a word that no character stands on. Only the shapes in `shapes` count; all else stays as it was
read.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from workers.engines.classic.lacking_signs.shapes import SMALL_PX, Ink, Zone, inks_of, sign_of, zone_of
from workers.text.lexicon import language_of

SIGNS = "„‚‹›¡"
MIN_HEIGHT = 16
"""Pixels of a line below which its signs have no shape."""
MAX_GAP = 0.8
"""Of the height of small letters, between a sign and its word."""
_COLUMN_PX, _LINE_PX = 8, 48
"""The model scales a line to 48 pixels of height, and gives a character for every 8 of its width."""
_BEFORE = " ([{-–—/\"'“‘«»"
"""What stands before a word."""
_CLOSES = re.compile(r"[\w.,;:!?)]\s?[“”\"]")
_READ_AS = {"„": ',"', "‚": ",'", "‹": "<", "›": ">", "¡": ""}
"""What the model takes a sign for."""


@dataclass(frozen=True)
class _Line:
    text: str
    places: list[int]
    """In the text, of its characters but blanks."""
    inks: list[Ink]
    zone: Zone
    owners: dict[int, list[int]]
    """Ink -> the characters that stand on it."""

    def next_char(self, ink: int) -> int:
        """Place in the text of the first character on an ink behind this one."""
        char = next((self.owners[i][0] for i in range(ink + 1, len(self.inks)) if i in self.owners), None)
        return len(self.text) if char is None else self.places[char]

    def opens_word(self, place: int) -> bool:
        return place == 0 or self.text[place - 1] in _BEFORE


def with_lacking_signs(text: str, columns: Sequence[int], crop: npt.NDArray[np.uint8], lacking: frozenset[str]) -> str:
    """`columns`: of the text's characters but blanks, in steps of the model. `crop`: the line's pixels, BGR. `lacking`: of SIGNS
    those that the dictionary has not."""
    places = [index for index, char in enumerate(text) if char != " "]
    if not lacking or not places or len(columns) != len(places) or crop.shape[0] < MIN_HEIGHT:
        return text
    inks = inks_of(crop)
    zone = zone_of(inks)
    if zone is None:
        return text
    scale = _COLUMN_PX * crop.shape[0] / _LINE_PX * (2 if crop.shape[0] < SMALL_PX else 1)
    line = _Line(text, places, inks, zone, _owners(inks, [(column + 0.5) * scale for column in columns]))
    for start, end, sign in reversed(_edits(line, lacking)):
        text = text[:start] + sign + text[end:]
    return text


def _owners(inks: Sequence[Ink], places: Sequence[float]) -> dict[int, list[int]]:
    """Each character on the ink that is nearest to its place."""
    lefts, rights = np.array([ink.left for ink in inks]), np.array([ink.right for ink in inks])
    owners: dict[int, list[int]] = {}
    for char, place in enumerate(places):
        away = np.maximum(np.maximum(lefts - place, place - rights), 0) + 0.005 * np.abs(lefts + rights - 2 * place)
        owners.setdefault(int(np.argmin(away)), []).append(char)
    return owners


def _edits(line: _Line, lacking: frozenset[str]) -> list[tuple[int, int, str]]:
    """From and to of what is replaced in the text, and the sign; in order."""
    edits: list[tuple[int, int, str]] = []
    index = -1
    while (index := index + 1) < len(line.inks):
        chars = line.owners.get(index, [])
        read = line.text[line.places[chars[0]]] if len(chars) == 1 else ""
        if chars and read not in _TAKEN_FOR_SIGNS:
            continue
        following = line.inks[index + 1] if index + 1 < len(line.inks) and index + 1 not in line.owners else None
        sign, num_inks = sign_of(line.inks[index], following, line.zone)
        if sign not in lacking:
            continue
        last = index + num_inks - 1
        if sign == "„" and num_inks == 1 and not _CLOSES.search(line.text, line.next_char(last)):
            continue
        edit = _replaced(line, line.places[chars[0]], sign) if chars else _put_in(line, index, last, sign)
        edits += [edit] if edit else []
        index = last
    is_pair = {"‹", "›"} <= {sign for _, _, sign in edits}  # a single one is as often a letter's torn edge
    return [edit for edit in edits if is_pair or edit[2] not in "‹›"]


_TAKEN_FOR_SIGNS = frozenset("".join(_READ_AS.values()))


def _replaced(line: _Line, place: int, sign: str) -> tuple[int, int, str] | None:
    if line.text[place] not in _READ_AS[sign]:
        return None
    opens = line.opens_word(place) and line.text[place + 1 : place + 2].isalnum()
    return (place, place + 1, sign) if opens or sign in "‹›" else None


def _put_in(line: _Line, first: int, last: int, sign: str) -> tuple[int, int, str] | None:
    """The sign whose ink, `first` to `last`, no character stands on."""
    place = line.next_char(last)
    for near in (place, place - 1):
        if 0 <= near < len(line.text) and line.text[near] in _READ_AS[sign]:  # its character stands on the ink beside it
            return _replaced(line, near, sign)
    gap_before = line.inks[first].left - line.inks[first - 1].right if first else float("inf")
    gap_after = line.inks[last + 1].left - line.inks[last].right if last + 1 < len(line.inks) else float("inf")
    if min(gap_before, gap_after) > MAX_GAP * line.zone.height:
        return None
    if sign not in "‹›":
        opens = line.opens_word(place) and line.text[place : place + 1].isalnum()
        return (place, place, sign) if opens and gap_after < gap_before else None
    if line.text[max(place - 2, 0) : place] == "  ":  # the blanks on both sides of it
        return place - 1, place - 1, sign
    if gap_before <= gap_after:
        place = len(line.text[:place].rstrip())
    around = line.text[max(place - 1, 0) : place + 1]
    return None if (around[1:] and around.isalnum()) or set(around) & set("«»") else (place, place, sign)


_CLOSING = re.compile(r"(?<=[\w.,;:!?)])[“”](?!\w)")
_OPENING = re.compile(r"(?:(?<=[\s(\[—–-])|^)[„“”\"](?=\w)", re.MULTILINE)
_SPANISH_END = re.compile(r"(?<=\w)!")


def are_missing(text: str) -> bool:
    """True if the mates of such signs stand alone on a page: more quotes close than open, or in Spanish an ! has no ¡.

    False for English, which has none of these signs, and whose quotes may go on over paragraphs. It is true of none of 227 real
    pages with a text layer, and of one of 532 translations of the Declaration of Human Rights.
    """
    language = language_of(text.split())
    if language == "en":
        return False
    is_spanish = language == "es" and len(_SPANISH_END.findall(text)) > text.count("¡")
    return is_spanish or len(_CLOSING.findall(text)) > len(_OPENING.findall(text))
