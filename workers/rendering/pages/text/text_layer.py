"""Reads the text that a PDF page carries of itself, word by word: by MuPDF's words where they will do, else by its characters."""

import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import groupby
from operator import le
from types import MappingProxyType
from typing import Any, NamedTuple

from schemas.page import ACROSS, BOLD, DOWN, INVISIBLE, ITALIC, MONO, OVER, UP, Box, Word
from workers.rendering.pages.mupdf import pymupdf
from workers.rendering.pages.text import rtl_lines, superscripts, tex_fonts
from workers.rendering.pages.text.characters import clean_layer_text, is_unmapped
from workers.rendering.pages.text.glyphs import is_symbol_font, symbol_of, with_symbols
from workers.rendering.pages.text.pdf_text import PdfText
from workers.rendering.pages.text.torn_lines import columns_of_glyphs, down_lines, whole_words

_TORN = re.compile(r"(?:^|\s)(?:(?:[^\W\d_]{1,2}\s+){4,}[^\W\d_]|[bcdfghjlmnpqrtx]\s+[a-z]{2})")
"""Letters set apart look so (`W O R D`, `b est`), if MuPDF takes the gaps between them for blanks."""
_NARROW = 0.6
"""Of the narrowest blank of its line: a gap that MuPDF takes for a blank is none if it is narrower."""
_FILLED, _STROKED, _CLIPPED = 16, 32, 64  # MuPDF's fz_stext_char_flags
_ITALIC, _MONO, _BOLD = 2, 8, 16  # PyMuPDF's TEXT_FONT_*


class _Look(NamedTuple):
    size_pt: float
    style: int
    is_invisible: bool
    font: int = 0
    is_raised: bool = False
    """A superscript."""


class _Char(NamedTuple):
    text: str
    bbox: tuple[float, float, float, float]
    look: _Look


def read_text(page: pymupdf.TextPage, page_pt: Box, symbol_glyphs: Callable[[], Mapping[int, int]] = dict) -> PdfText:
    """The words of a text page, in MuPDF's (logical) order, clipped to the page.

    White space ends a word, and so does a line. Characters without a finite box are dropped; a word outside the page is counted
    (as hidden) and dropped. MuPDF's own words cost a fifth of its characters, but know neither size nor visibility: those come
    from the spans, wherever the two agree on where words end. They do not with Arabic and Hebrew, with rarer spaces, where letters
    are set apart, and in lines with a font of symbols. `symbol_glyphs`: see `glyphs.symbol_of`, asked for where there is one.
    """
    spans = page.extractDICT()
    has_symbols = any(map(is_symbol_font, {span["font"] for line in _lines(spans) for span in line["spans"]}))
    written = [span["text"] for line in _lines(spans) for span in line["spans"]]
    encodings = tex_fonts.encodings(_lines(spans)) if tex_fonts.has_controls(written) else {}
    by_character = bool(encodings) or rtl_lines.has_rtl("".join(written)) or bool(_TORN.search("".join(written)))
    glyphs = symbol_glyphs() if has_symbols else {}
    raw = page.extractRAWDICT() if has_symbols or by_character else None
    text = None if by_character else join_words(page.extractWORDS(), spans, page_pt, raw, glyphs)
    if text is None:
        text = read_words(raw or page.extractRAWDICT(), page_pt, glyphs, encodings)
    text.words = superscripts.joined(whole_words(columns_of_glyphs(down_lines(text.words))))
    return text


def _lines(page: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for block in page["blocks"]:
        yield from block.get("lines", ())


def join_words(
    words: Sequence[tuple[Any, ...]],
    spans: dict[str, Any],
    page_pt: Box,
    raw: dict[str, Any] | None = None,
    symbol_glyphs: Mapping[int, int] | None = None,
) -> PdfText | None:
    """PyMuPDF's `extractWORDS` with the looks of `extractDICT`; None where they differ on a word. Lines with a font of symbols are
    read from `raw`, PyMuPDF's `extractRAWDICT`."""
    text = PdfText()
    num_joined = 0
    for place, block in enumerate(spans["blocks"]):
        for line_index, line in enumerate(block.get("lines", ())):
            expected = "".join([span["text"] for span in line["spans"]]).split()
            if not expected:
                continue
            found = words[num_joined : num_joined + len(expected)]
            num_joined += len(expected)
            if [word[4] for word in found] != expected:
                return None
            if not math.isfinite(sum([word[0] + word[1] + word[2] + word[3] for word in found])):
                return None
            if raw is not None and any(is_symbol_font(span["font"]) for span in line["spans"]):
                _read_line(text, raw["blocks"][place], line_index, page_pt, symbol_glyphs or {})
            else:
                _add_line(text, found, _looks(text, line), block["number"], line_index, page_pt)
    return text if num_joined == len(words) else None


def _add_line(
    text: PdfText, words: Sequence[tuple[Any, ...]], looks: list[tuple[int, "_Look"]], block: int, line: int, page_pt: Box
) -> None:
    """Most lines have one look and nothing to clean or clip, and so have most words of the others: these take the short way."""
    size_pt, style, is_invisible, font, is_raised = looks[0][1]
    is_plain = len(looks) == 1 and not is_invisible and not is_raised
    page_left, page_top, page_right, page_bottom = page_pt
    lefts, tops, rights, bottoms, texts, *_ = zip(*words, strict=True)
    written = "".join(texts)
    if (
        is_plain
        and written.isascii()
        and written.isprintable()
        and page_left <= min(lefts)
        and page_top <= min(tops)
        and max(rights) <= page_right
        and max(bottoms) <= page_bottom
        and all(map(le, lefts, rights))
        and all(map(le, tops, bottoms))
    ):
        text.words += [
            Word(joined, left, top, right, bottom, block, line, size_pt, style, font)
            for left, top, right, bottom, joined, *_ in words
        ]
        text.num_chars += len(written)
        text.size_chars[size_pt] += len(written)
        return
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
            text.words.append(Word(joined, left, top, right, bottom, block, line, size_pt, style, font))
        else:
            its_looks = [(len(joined), looks[0][1])] if is_plain else _take(looks, len(joined))
            _add_word(text, joined, word, its_looks, block, line, page_pt)
    if num_chars:
        text.num_chars += num_chars
        text.size_chars[size_pt] += num_chars


def _looks(text: PdfText, line: dict[str, Any]) -> list[tuple[int, "_Look"]]:
    """(number of characters without white space, look) from the last span to the first."""
    looks: list[tuple[int, _Look]] = []
    if len(line["spans"]) == 1:
        span = line["spans"][0]
        return [(sum(map(len, span["text"].split())), _look(text, span, _direction(line), is_raised=False))]
    raised_spans = superscripts.raised_spans(line)
    direction = _direction(line)
    for place in reversed(range(len(line["spans"]))):
        span = line["spans"][place]
        if num_chars := sum(map(len, span["text"].split())):
            look = _look(text, span, direction, place in raised_spans)
            if looks and looks[-1][1] == look:
                num_chars += looks.pop()[0]
            looks.append((num_chars, look))
    return looks


def _look(text: PdfText, span: dict[str, Any], direction: int, is_raised: bool) -> "_Look":
    """`direction`: the line's."""
    is_invisible = span["alpha"] == 0 or not span["char_flags"] & (_FILLED | _STROKED | _CLIPPED)
    style = _style(span["flags"]) | direction | INVISIBLE * is_invisible
    return _Look(round(span["size"], 1), style, is_invisible, text.number_of(span["font"]), is_raised)


def _direction(line: dict[str, Any]) -> int:
    """Which way its characters follow each other on the page."""
    y = line["dir"][1]
    if line["wmode"] or y > 0.99:
        return DOWN
    return UP if y < -0.99 else OVER if line["dir"][0] < -0.99 else ACROSS


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


def read_words(
    raw: dict[str, Any],
    page_pt: Box,
    symbol_glyphs: Mapping[int, int] | None = None,
    encodings: Mapping[str, tex_fonts.Encoding] | None = None,
) -> PdfText:
    """The same, character by character, from PyMuPDF's `extractRAWDICT`. `encodings`: see `tex_fonts.encodings`."""
    text = PdfText()
    mixed: list[range] = []
    from_right = rtl_lines.is_from_right("".join(map(_text_of, _lines(raw))))
    for block in raw["blocks"]:
        for line_index in range(len(block.get("lines", ()))):
            start = len(text.words)
            if _read_line(text, block, line_index, page_pt, symbol_glyphs or {}, encodings or {}, from_right=from_right):
                mixed.append(range(start, len(text.words)))
    _mirror(text.words, mixed)
    return text


def _read_line(
    text: PdfText,
    block: dict[str, Any],
    line_index: int,
    page_pt: Box,
    symbol_glyphs: Mapping[int, int],
    encodings: Mapping[str, tex_fonts.Encoding] = MappingProxyType({}),
    *,
    from_right: bool = False,
) -> bool:
    """Adds the words of a line; True if both directions meet on it. `from_right`: the page is of a script that runs so."""
    line = block["lines"][line_index]
    word: list[_Char] = []
    raised_spans = superscripts.raised_spans(line)
    direction = _direction(line)
    is_mixed = line["dir"][0] > 0.99 and _is_mixed(line)
    blank = _narrowest_blank(line)
    for place, span in enumerate(line["spans"]):
        look = _look(text, span, direction, place in raised_spans)
        is_symbols = is_symbol_font(span["font"])
        encoding = encodings.get(span["font"], {})
        for char in span["chars"]:
            letter, bbox = char["c"], char["bbox"]
            if encoding and letter < " ":
                letter = encoding.get(ord(letter), letter)
            if is_symbols:
                letter = symbol_of(letter, span["font"], symbol_glyphs)
            if letter.isspace() and not is_mixed:
                if word and not (char.get("synthetic") and bbox[2] - bbox[0] < _NARROW * blank):
                    _end_word(text, word, block["number"], line_index, page_pt)
                    word = []
            elif math.isfinite(bbox[0] + bbox[1] + bbox[2] + bbox[3]):
                word.append(_Char(letter, bbox, look))
    if is_mixed and word:
        chars, boxes = [char.text for char in word], [char.bbox for char in word]
        from_right = from_right or rtl_lines.is_from_right("".join(chars))
        parts = [[word[place] for place in group] for group in rtl_lines.word_groups(chars, boxes, from_right=from_right)]
    else:
        parts = [word]
    for part in parts:
        if part:
            _end_word(text, part, block["number"], line_index, page_pt, is_mixed=is_mixed)
    return is_mixed


def _narrowest_blank(line: dict[str, Any]) -> float:
    """From letter to letter, of the blanks that the PDF writes on a line that runs across; 0.0 if it writes none."""
    chars = [char for span in line["spans"] for char in span["chars"]] if line["dir"][0] > 0.99 else []
    blanks = [
        after["bbox"][0] - before["bbox"][2]
        for before, char, after in zip(chars, chars[1:], chars[2:], strict=False)
        if char["c"] == " " and not char.get("synthetic") and not before["c"].isspace() and not after["c"].isspace()
    ]
    return min(blanks, default=0.0)


def _is_mixed(line: dict[str, Any]) -> bool:
    return rtl_lines.is_mixed(_text_of(line))


def _text_of(line: dict[str, Any]) -> str:
    return "".join(char["c"] for span in line["spans"] for char in span["chars"])


def _mirror(words: list[Word], lines: Sequence[range]) -> None:
    """Brackets of right-to-left lines as they are meant, where the page has them as they look."""
    if rtl_lines.are_mirrored(["".join(words[place].text for place in line) for line in lines]):
        for line in lines:
            for place in line:
                words[place] = words[place]._replace(text=rtl_lines.mirrored(words[place].text))


def _end_word(text: PdfText, chars: list[_Char], block: int, line: int, page_pt: Box, *, is_mixed: bool = False) -> None:
    """`is_mixed`: of a line on which both directions meet, where a quotation mark may stand at the other end of its quotation."""
    letters, boxes, looks = zip(*chars, strict=True)
    if is_mixed:
        boxes = tuple(char.bbox for char in chars if char.text.isalnum()) or boxes
    lefts, tops, rights, bottoms = zip(*boxes, strict=True)
    bbox = (min(lefts), min(tops), max(rights), max(bottoms))
    counted = [(len(letter), look) for letter, look in zip(letters, looks, strict=True)]
    _add_word(text, "".join(letters), bbox, counted, block, line, page_pt)


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
    spelled = joined
    if any(look.is_raised for _, look in looks):
        spelled = _spelled(joined, looks)
    if not spelled.isascii() or not spelled.isprintable():
        spelled = with_symbols(spelled)
        text.num_unmapped += sum(map(is_unmapped, spelled))
    if right < left or bottom < top:
        text.num_hidden += num_chars
        return
    for num_alike, look in looks:
        if look.is_invisible:
            text.num_hidden += num_alike
        else:
            text.size_chars[look.size_pt] += num_alike
    if cleaned := clean_layer_text(spelled):
        first = next((look for _, look in looks if not look.is_raised), looks[0][1])
        text.words.append(Word(cleaned, left, top, right, bottom, block, line, first.size_pt, first.style, first.font))


def _spelled(joined: str, looks: Sequence[tuple[int, _Look]]) -> str:
    """With its superscripts written as such."""
    spelled, start = "", 0
    for is_raised, group in groupby(looks, key=lambda item: item[1].is_raised):
        part = joined[start : start + sum(num_chars for num_chars, _ in group)]
        spelled += superscripts.raised(part, spelled) if is_raised else part
        start += len(part)
    return spelled


def _style(flags: int) -> int:
    return BOLD * bool(flags & _BOLD) + ITALIC * bool(flags & _ITALIC) + MONO * bool(flags & _MONO)
