"""The text a PDF page carries of itself, word by word, in points."""

import math
import unicodedata
from collections import Counter
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from schemas.page import BOLD, ITALIC, MONO, Box, TextLayer, Word

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
            words=[scaled(word, x, y) for word in self.words],
            num_chars=self.num_chars,
            num_unmapped=self.num_unmapped,
            num_hidden=self.num_hidden,
        )


def scaled(word: Word, x: float, y: float) -> Word:
    text, left, top, right, bottom, block, line, size, style = word
    return Word(
        text,
        round(left * x, 2),
        round(top * y, 2),
        round(right * x, 2),
        round(bottom * y, 2),
        block,
        line,
        round(size * y, 2),
        style,
    )


class _Char(NamedTuple):
    text: str
    bbox: tuple[float, float, float, float]
    size_pt: float
    style: int
    is_invisible: bool


def read_words(raw: dict[str, Any], page_pt: Box) -> PdfText:
    """Words of PyMuPDF's `extractRAWDICT`, in MuPDF's (logical) order, clipped to the page.

    Own splitting, for `extractWORDS` knows neither size nor visibility; white space ends a word, and so does a line. Characters
    without a finite box are dropped; a word outside the page is counted (as hidden) and dropped.
    """
    text = PdfText()
    for block in raw["blocks"]:
        for line_index, line in enumerate(block.get("lines", ())):
            word: list[_Char] = []
            for span in line["spans"]:
                look = round(span["size"], 1), _style(span["flags"]), _is_invisible(span)
                for char in span["chars"]:
                    letter, bbox = char["c"], char["bbox"]
                    if letter.isspace():
                        if word:
                            _end_word(text, word, block["number"], line_index, page_pt)
                            word = []
                    elif math.isfinite(bbox[0] + bbox[1] + bbox[2] + bbox[3]):
                        word.append(_Char(letter, bbox, *look))
            if word:
                _end_word(text, word, block["number"], line_index, page_pt)
    return text


def _end_word(text: PdfText, chars: list[_Char], block: int, line: int, page_pt: Box) -> None:
    letters, boxes, sizes, styles, invisible = zip(*chars, strict=True)
    lefts, tops, rights, bottoms = zip(*boxes, strict=True)
    left, top = max(min(lefts), page_pt.left), max(min(tops), page_pt.top)
    right, bottom = min(max(rights), page_pt.right), min(max(bottoms), page_pt.bottom)
    is_inside = right >= left and bottom >= top
    joined = "".join(letters)
    text.num_chars += len(chars)
    if not joined.isprintable():  # private use, control, surrogates and unassigned are not
        text.num_unmapped += sum(map(_is_unmapped, letters))
    else:
        text.num_unmapped += joined.count("\ufffd")
    text.num_hidden += sum(invisible) if is_inside else len(chars)
    if not is_inside:
        return
    for size, is_invisible in zip(sizes, invisible, strict=True):
        if not is_invisible:
            text.size_chars[size] += 1
    if cleaned := clean_text(joined):
        text.words.append(Word(cleaned, left, top, right, bottom, block, line, sizes[0], styles[0]))


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
