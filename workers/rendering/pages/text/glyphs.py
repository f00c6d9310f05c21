"""Characters that mean another sign than their code says: symbol fonts, and Word's private use."""

from collections.abc import Mapping
from functools import cache

from workers.rendering.pages.mupdf import pymupdf

_ZAPF = {
    **{code: 0x2700 + code - 0x20 for code in range(0x21, 0x7F)},
    0x25: 0x260E, 0x2A: 0x261B, 0x2B: 0x261E, 0x48: 0x2605, 0x6C: 0x25CF, 0x6E: 0x25A0, 0x73: 0x25B2, 0x74: 0x25BC, 0x75: 0x25C6,
    0x77: 0x25D7,
    **{code: 0x2761 + code - 0xA1 for code in range(0xA1, 0xA8)},
    0xA8: 0x2663, 0xA9: 0x2666, 0xAA: 0x2665, 0xAB: 0x2660,
    **{code: 0x2460 + code - 0xAC for code in range(0xAC, 0xB6)},
    **{code: 0x2776 + code - 0xB6 for code in range(0xB6, 0xD5)},
    0xD5: 0x2192, 0xD6: 0x2194, 0xD7: 0x2195,
    **{code: 0x2798 + code - 0xD8 for code in range(0xD8, 0xF0)},
    **{code: 0x27B1 + code - 0xF1 for code in range(0xF1, 0xFF)},
}  # fmt: skip
"""Source: unicode.org, MAPPINGS/VENDORS/ADOBE/zdingbat.txt."""
_WINGDINGS = {
    0x20: " ", 0x21: "✏", 0x22: "✂", 0x28: "☎", 0x29: "✆", 0x2A: "✉", 0x46: "☞", 0x4A: "☺", 0x4C: "☹", 0x6C: "●", 0x6D: "❍",
    0x6E: "■", 0x6F: "☐", 0x70: "☐", 0x71: "❑", 0x72: "❒", 0x73: "⬧", 0x74: "⧫", 0x75: "◆", 0x76: "❖", 0x77: "⬥", 0x9E: "·",
    0x9F: "•", 0xA1: "○", 0xA4: "◉", 0xA7: "▪", 0xA8: "☐", 0xAB: "★", 0xB7: "•", 0xD8: "➢", 0xDC: "➲", 0xDF: "←", 0xE0: "→",
    0xE1: "↑", 0xE2: "↓", 0xE8: "➔", 0xF0: "⇨", 0xFB: "✗", 0xFC: "✓", 0xFD: "☒", 0xFE: "☑",
}  # fmt: skip
"""Those that documents use: bullets, boxes, ticks, arrows. 0xB7 is Word's bullet, of its font Symbol."""
_SYMBOL = {
    **dict(zip(range(0x41, 0x5B), "ΑΒΧΔΕΦΓΗΙϑΚΛΜΝΟΠΘΡΣΤΥςΩΞΨΖ", strict=True)),
    **dict(zip(range(0x61, 0x7B), "αβχδεφγηιϕκλμνοπθρστυϖωξψζ", strict=True)),
    0x22: "∀", 0x24: "∃", 0x27: "∋", 0x2A: "∗", 0x2D: "−", 0x40: "≅", 0x5C: "∴", 0x5E: "⊥", 0x7E: "∼", 0xA0: "€", 0xA2: "′",
    0xA3: "≤", 0xA4: "⁄", 0xA5: "∞", 0xAB: "↔", 0xAC: "←", 0xAD: "↑", 0xAE: "→", 0xAF: "↓", 0xB0: "°", 0xB1: "±", 0xB2: "″",
    0xB3: "≥", 0xB4: "×", 0xB5: "∝", 0xB6: "∂", 0xB7: "•", 0xB8: "÷", 0xB9: "≠", 0xBA: "≡", 0xBB: "≈", 0xBC: "…", 0xC5: "⊕",
    0xC6: "∅", 0xC7: "∩", 0xC8: "∪", 0xCE: "∈", 0xCF: "∉", 0xD1: "∇", 0xD5: "∏", 0xD6: "√", 0xD7: "⋅", 0xE5: "∑", 0xF2: "∫",
}  # fmt: skip
"""Source: unicode.org, MAPPINGS/VENDORS/ADOBE/symbol.txt."""
_UNENCODED = 8
_PRIVATE = 0xF000
"""Windows puts the codes of a symbol font from here on."""


def is_symbol_font(name: str) -> bool:
    lower = name.lower()
    return "dingbat" in lower or "wingdings" in lower or lower.endswith("symbol") or "symbolmt" in lower


def symbol_of(char: str, font: str, glyphs: Mapping[int, int]) -> str:
    """What a character of a symbol font shows; itself where it has a meaning of its own already, or none is known.

    `glyphs`: code as MuPDF gives it -> glyph, of Zapf Dingbats. Where the PDF names no encoding, MuPDF's code is the glyph's number
    in its own font less 1 to 6.
    """
    code = ord(char)
    if code > 0xFF and not _PRIVATE < code <= _PRIVATE + 0xFF:
        return char
    low = code & 0xFF
    if "dingbat" in font.lower():
        glyph = glyphs.get(code, 0)
        if 0 < glyph - code <= _UNENCODED and glyph in _own_dingbats():
            return chr(_own_dingbats()[glyph])
        return chr(_ZAPF[low]) if low in _ZAPF else char
    if "wingdings" in font.lower():
        return _WINGDINGS.get(low, char)
    if font.lower().startswith(("zapf", "web")):
        return char
    return _SYMBOL.get(low, char)


def dingbat_glyphs(page: pymupdf.Page) -> dict[int, int]:
    """Code as MuPDF gives it -> glyph, of the page's Zapf Dingbats."""
    spans = [span for span in page.get_texttrace() if "dingbat" in span["font"].lower()]
    return {code: glyph for span in spans for code, glyph, *_ in span["chars"]}


@cache
def _own_dingbats() -> dict[int, int]:
    """Glyph -> code point, of the font that MuPDF brings along."""
    font = pymupdf.Font("zadb")
    return {glyph: point for point in _ZAPF.values() if (glyph := font.has_glyph(point))}


def with_symbols(text: str) -> str:
    """Private use as Word writes it (bullets, boxes, ticks) as what it shows; the rest stays."""
    return "".join(_WINGDINGS.get(ord(char) - _PRIVATE, char) if "\uf020" <= char <= "\uf0ff" else char for char in text)
