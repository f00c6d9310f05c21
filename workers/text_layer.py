"""The text a PDF page carries of itself, word by word, in points."""

import math
import unicodedata
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

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
    left, top, right, bottom = word.box.scaled(x, y)
    return word._replace(
        left=round(left, 2),
        top=round(top, 2),
        right=round(right, 2),
        bottom=round(bottom, 2),
        size_px=round(word.size_px * y, 2),
    )


def read_words(raw: dict[str, Any], page_pt: Box) -> PdfText:
    """Words of PyMuPDF's `extractRAWDICT`, in MuPDF's (logical) order, clipped to the page.

    Own splitting, for `extractWORDS` knows neither size nor visibility; white space ends a word, and so does a line. Characters
    without a finite box are dropped; a word outside the page is counted (as hidden) and dropped.
    """
    text = PdfText()
    for block in raw["blocks"]:
        for line_index, line in enumerate(block.get("lines", ())):
            chars: list[tuple[str, Any, dict[str, Any]]] = []
            for span in line["spans"]:
                for char in span["chars"]:
                    if char["c"].isspace():
                        _end_word(text, chars, block["number"], line_index, page_pt)
                        chars = []
                    elif all(map(math.isfinite, char["bbox"])):
                        chars.append((char["c"], char["bbox"], span))
            _end_word(text, chars, block["number"], line_index, page_pt)
    return text


def _end_word(text: PdfText, chars: list[tuple[str, Any, dict[str, Any]]], block: int, line: int, page_pt: Box) -> None:
    if not chars:
        return
    span = chars[0][2]
    box = Box(
        min(bbox[0] for _, bbox, _ in chars),
        min(bbox[1] for _, bbox, _ in chars),
        max(bbox[2] for _, bbox, _ in chars),
        max(bbox[3] for _, bbox, _ in chars),
    ).intersection(page_pt)
    is_inside = box.right >= box.left and box.bottom >= box.top
    text.num_chars += len(chars)
    text.num_unmapped += sum(map(_is_unmapped, (char for char, _, _ in chars)))
    for _, _, part in chars:
        if not is_inside or _is_invisible(part):
            text.num_hidden += 1
        else:
            text.size_chars[round(part["size"], 1)] += 1
    cleaned = clean_text(char for char, _, _ in chars)
    if is_inside and cleaned:
        text.words.append(Word(cleaned, *box, block=block, line=line, size_px=span["size"], style=_style(span["flags"])))


def clean_text(chars: Iterable[str]) -> str:
    """Without control characters; a soft hyphen is a hyphen at the end and nothing inside; a lone surrogate becomes U+FFFD."""
    text = "".join(chars)
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
