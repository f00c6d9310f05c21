"""Ligatures and quotation marks of TeX's fonts that reach the text as control characters.

TeX's encodings put them where ASCII has controls. A font that says nothing of its characters' meaning, as the bitmap fonts of many
papers, hands their codes on: `strati\\x1ced`. Python takes some of these for white space, so words would be cut there as well.

Sources: the encodings OT1 and T1 ("Cork") in the LaTeX font guide.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

OT1 = dict(zip(range(0x0B, 0x12), ("ff", "fi", "fl", "ffi", "ffl", "ı", "ȷ"), strict=True)) | dict(
    zip(range(0x19, 0x20), "ßæœøÆŒØ", strict=True)
)
T1 = dict(zip(range(0x0D, 0x17), "‚‹›“”„«»–—", strict=True)) | dict(
    zip((0x19, *range(0x1B, 0x20)), ("ı", "ff", "fi", "fl", "ffi", "ffl"), strict=True)
)
MIN_WORDS = 5
"""Of four letters, in a font of text: one of formulas has its Greek letters where ligatures are."""
MAX_SHARE = 0.1
"""Of a font's characters; where more are controls, nothing is known of its encoding."""

_CONTROL = re.compile(r"[\x00-\x1f]")
_LIGATURE_OT1 = re.compile(r"(?<=[a-z])[\x0b\x0c\x0e\x0f](?=[a-z])")
"""Inside of a word; a carriage return there may be a line's end that some producers write."""
_LIGATURE_T1 = re.compile(r"[\x1b-\x1f](?=[a-z])|(?<=[a-z])[\x1b-\x1f]|\x10(?=[A-Za-z])|(?<=[A-Za-z.,])\x11")
_WORD = re.compile(r"[a-z]{4,}")

Encoding = Mapping[int, str]


def has_controls(texts: Iterable[str]) -> bool:
    return _CONTROL.search("".join(texts)) is not None


def encodings(lines: Iterable[dict[str, Any]]) -> dict[str, Encoding]:
    """By the font's name, of lines of PyMuPDF's `extractDICT`: what its control characters stand for, where that is known."""
    texts: dict[str, list[str]] = defaultdict(list)
    for line in lines:
        for span in line["spans"]:
            texts[span["font"]].append(span["text"])
    found: dict[str, Encoding] = {}
    for font, parts in texts.items():
        text = " ".join(parts)
        num_controls = len(_CONTROL.findall(text))
        if not num_controls or num_controls > MAX_SHARE * len(text) or len(_WORD.findall(text)) < MIN_WORDS:
            continue
        if _LIGATURE_OT1.search(text):
            found[font] = OT1
        elif _LIGATURE_T1.search(text):
            found[font] = T1
    return found
