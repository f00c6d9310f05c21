"""The text a PDF page carries of itself, word by word, in points."""

import math
import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from schemas.page import BOLD, FAR_PX, ITALIC, MONO, Box, TextLayer, Word
from workers.rendering.pages.mupdf import pymupdf

_FILLED, _STROKED, _CLIPPED = 16, 32, 64  # MuPDF's fz_stext_char_flags
_ITALIC, _MONO, _BOLD = 2, 8, 16  # PyMuPDF's TEXT_FONT_*
_SOFT_HYPHEN = "\u00ad"


@dataclass
class PdfText:
    """Words in points of the page as shown (rotation applied), and what counting them told."""

    words: list[Word] = field(default_factory=list)
    num_chars: int = 0
    num_unmapped: int = 0
    num_hidden: int = 0
    size_chars: Counter[float] = field(default_factory=Counter)
    """Font size in points, to 0.1 -> visible characters on the page."""

    def layer(self, x: float, y: float) -> TextLayer | None:
        """In pixels, `x` and `y` being pixels per point; None when the page has no text."""
        if not self.num_chars:
            return None
        return TextLayer(
            words=all_scaled(self.words, x, y),
            num_chars=self.num_chars,
            num_unmapped=self.num_unmapped,
            num_hidden=self.num_hidden,
        )


def all_scaled(words: Sequence[Word], x: float, y: float) -> list[Word]:
    """In pixels, to a hundredth; `x` and `y` are pixels per point. At once: one by one it costs half of what reading them does."""
    sides = np.array([(left, top, right, bottom, size) for _, left, top, right, bottom, _, _, size, _ in words], dtype=float)
    rounded = (sides.reshape(-1, 5) * (x, y, x, y, y)).round(2).clip(-FAR_PX, FAR_PX).tolist()
    return [
        Word(word.text, left, top, right, bottom, word.block, word.line, size, word.style)
        for word, (left, top, right, bottom, size) in zip(words, rounded, strict=True)
    ]


class _Look(NamedTuple):
    size_pt: float
    style: int
    is_invisible: bool


class _Char(NamedTuple):
    text: str
    bbox: tuple[float, float, float, float]
    look: _Look


def read_text(page: pymupdf.TextPage, page_pt: Box) -> PdfText:
    """The words of a text page, in MuPDF's (logical) order, clipped to the page.

    White space ends a word, and so does a line. Characters without a finite box are dropped; a word outside the page is counted
    (as hidden) and dropped. MuPDF's own words cost a fifth of its characters, but know neither size nor visibility: those come
    from the spans, wherever the two agree on where words end. They do not with Arabic and Hebrew, and with rarer spaces.
    """
    text = join_words(page.extractWORDS(), page.extractDICT(), page_pt)
    return read_words(page.extractRAWDICT(), page_pt) if text is None else text


def join_words(words: Sequence[tuple[Any, ...]], spans: dict[str, Any], page_pt: Box) -> PdfText | None:
    """PyMuPDF's `extractWORDS` with the looks of `extractDICT`; None where they differ on a word."""
    text = PdfText()
    num_joined = 0
    for block in spans["blocks"]:
        for line_index, line in enumerate(block.get("lines", ())):
            expected = "".join([span["text"] for span in line["spans"]]).split()
            if not expected:
                continue
            found = words[num_joined : num_joined + len(expected)]
            num_joined += len(expected)
            if [word[4] for word in found] != expected:
                return None
            if not math.isfinite(sum(word[0] + word[1] + word[2] + word[3] for word in found)):
                return None
            _add_line(text, found, _looks(line["spans"]), block["number"], line_index, page_pt)
    return text if num_joined == len(words) else None


def _add_line(
    text: PdfText, words: Sequence[tuple[Any, ...]], looks: list[tuple[int, "_Look"]], block: int, line: int, page_pt: Box
) -> None:
    """Most lines have one look and most words nothing to clean or clip: these take the short way."""
    size_pt, style, is_invisible = looks[0][1]
    is_plain = len(looks) == 1 and not is_invisible
    page_left, page_top, page_right, page_bottom = page_pt
    num_chars = 0
    for word in words:
        left, top, right, bottom, joined = word[:5]
        if (
            is_plain
            and joined.isascii()
            and joined.isprintable()
            and page_left <= left <= right <= page_right
            and page_top <= top <= bottom <= page_bottom
        ):
            num_chars += len(joined)
            text.words.append(Word(joined, left, top, right, bottom, block, line, size_pt, style))
        else:
            its_looks = [(len(joined), looks[0][1])] if is_plain else _take(looks, len(joined))
            _add_word(text, joined, word, its_looks, block, line, page_pt)
    if num_chars:
        text.num_chars += num_chars
        text.size_chars[size_pt] += num_chars


def _looks(spans: Sequence[dict[str, Any]]) -> list[tuple[int, "_Look"]]:
    """(number of characters without white space, look) from the last span to the first."""
    looks: list[tuple[int, _Look]] = []
    for span in reversed(spans):
        if num_chars := sum(map(len, span["text"].split())):
            look = _Look(round(span["size"], 1), _style(span["flags"]), _is_invisible(span))
            if looks and looks[-1][1] == look:
                num_chars += looks.pop()[0]
            looks.append((num_chars, look))
    return looks


def _take(looks: list[tuple[int, "_Look"]], num_chars: int) -> list[tuple[int, "_Look"]]:
    """The next characters' looks; `looks` keeps the rest."""
    taken = []
    while num_chars:
        there, look = looks.pop()
        if there > num_chars:
            looks.append((there - num_chars, look))
            there = num_chars
        taken.append((there, look))
        num_chars -= there
    return taken


def read_words(raw: dict[str, Any], page_pt: Box) -> PdfText:
    """The same, character by character, from PyMuPDF's `extractRAWDICT`."""
    text = PdfText()
    for block in raw["blocks"]:
        for line_index, line in enumerate(block.get("lines", ())):
            word: list[_Char] = []
            for span in line["spans"]:
                look = _Look(round(span["size"], 1), _style(span["flags"]), _is_invisible(span))
                for char in span["chars"]:
                    letter, bbox = char["c"], char["bbox"]
                    if letter.isspace():
                        if word:
                            _end_word(text, word, block["number"], line_index, page_pt)
                            word = []
                    elif math.isfinite(bbox[0] + bbox[1] + bbox[2] + bbox[3]):
                        word.append(_Char(letter, bbox, look))
            if word:
                _end_word(text, word, block["number"], line_index, page_pt)
    return text


def _end_word(text: PdfText, chars: list[_Char], block: int, line: int, page_pt: Box) -> None:
    letters, boxes, looks = zip(*chars, strict=True)
    lefts, tops, rights, bottoms = zip(*boxes, strict=True)
    bbox = (min(lefts), min(tops), max(rights), max(bottoms))
    _add_word(text, "".join(letters), bbox, [(1, look) for look in looks], block, line, page_pt)


def _add_word(
    text: PdfText,
    joined: str,
    bbox: Sequence[float],
    looks: Sequence[tuple[int, _Look]],
    block: int,
    line: int,
    page_pt: Box,
) -> None:
    """`looks`: how many of the word's characters look how."""
    left, top, right, bottom = bbox[:4]
    page_left, page_top, page_right, page_bottom = page_pt
    left, top = left if left > page_left else page_left, top if top > page_top else page_top
    right, bottom = right if right < page_right else page_right, bottom if bottom < page_bottom else page_bottom
    num_chars = len(joined)
    text.num_chars += num_chars
    if not joined.isascii() or not joined.isprintable():
        text.num_unmapped += sum(map(_is_unmapped, joined))
    if right < left or bottom < top:
        text.num_hidden += num_chars
        return
    for num_alike, look in looks:
        if look.is_invisible:
            text.num_hidden += num_alike
        else:
            text.size_chars[look.size_pt] += num_alike
    if cleaned := clean_text(joined):
        first = looks[0][1]
        text.words.append(Word(cleaned, left, top, right, bottom, block, line, first.size_pt, first.style))


def clean_text(text: str) -> str:
    """Without control characters; a soft hyphen is a hyphen at the end and nothing inside; a lone surrogate becomes U+FFFD."""
    if text.isascii() and text.isprintable():
        return text
    if text.endswith(_SOFT_HYPHEN) and len(text) > 1:
        text = text[:-1] + "-"
    kept = (char for char in text.replace(_SOFT_HYPHEN, "") if unicodedata.category(char) != "Cc")
    return "".join("\ufffd" if unicodedata.category(char) == "Cs" else char for char in kept)


def _is_unmapped(char: str) -> bool:
    return char == "\ufffd" or (not char.isprintable() and unicodedata.category(char) in ("Co", "Cc", "Cs", "Cn"))


def _is_invisible(span: dict[str, Any]) -> bool:
    return span["alpha"] == 0 or not span["char_flags"] & (_FILLED | _STROKED | _CLIPPED)


def _style(flags: int) -> int:
    return BOLD * bool(flags & _BOLD) + ITALIC * bool(flags & _ITALIC) + MONO * bool(flags & _MONO)
