"""Words of a line into running text: spaces, directions, scripts written without spaces."""

import re
import unicodedata
from collections.abc import Sequence

from schemas.page import Word

_CJK = re.compile(r"[\u2e80-\u312f\u31a0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uff00-\uffef\U00020000-\U0003ffff]")
"""Chinese and Japanese, their punctuation and full-width forms: no spaces between words. Korean has them."""
_THAI_LAO_KHMER = re.compile(r"[\u0e00-\u0eff\u1780-\u17ff\u1000-\u109f]")
_RTL = re.compile(r"[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufeff]")
_FORMS = re.compile(r"[\ufb00-\ufb4f\ufb50-\ufdcf\ufdf0-\ufdf9\ufe70-\ufefc]")
"""Ligatures (ﬁ) and the contextual shapes of Arabic: glyphs that got code points, no letters of their own."""
_REVERSED_LAM_ALEF = re.compile(r"ا([أإآ])ل")
"""A lam-alef ligature that opens a word after al-, taken apart in the wrong order: alef, hamza-alef, lam is not written."""
_LEADER = re.compile(r"\s*[.·…](?:\s*[.·…]){4,}\s*")
"""Dots that lead the eye from a heading to its page number: no text. One ellipsis stands for them."""
_LEADER_END = re.compile(r"…\s*[\dA-Za-z-]{1,6}$")
_HYPHENATED = re.compile(r"(\w*[^\W\d_])[-\u2010]$")
_WORD_CHARS = 60
"""No word is longer: looking for its hyphen through the whole text line by line would cost the square of its length."""
_NEXT_WORD = re.compile(r"[^\W\d_]+")


def is_cjk(char: str) -> bool:
    return bool(_CJK.match(char))


def is_rtl(text: str) -> bool:
    """More letters of right-to-left scripts than others."""
    num_rtl = len(_RTL.findall(text))
    return num_rtl > 0 and num_rtl * 2 > sum(map(str.isalpha, text))


def has_rtl(text: str) -> bool:
    return bool(_RTL.search(text))


def letters_of(text: str) -> str:
    """Glyph shapes back to the letters they stand for."""
    if text.isascii():
        return text
    text = _FORMS.sub(lambda match: unicodedata.normalize("NFKC", match[0]), text)
    return _REVERSED_LAM_ALEF.sub(r"ال\1", text)


def join_words(words: Sequence[Word]) -> str:
    """Words of one line. Between two CJK characters a space counts only when it is as wide as half a character."""
    text = ""
    end: Word | None = None
    for word in words:
        part = letters_of(word.text)
        if end is not None and part and not _is_tight(text, part, end, word):
            text += " "
        text += part
        end = word
    return _LEADER.sub(" … ", text).strip()


def ends_with_leader(line: str) -> bool:
    """A line of a table of contents."""
    return bool(_LEADER_END.search(line))


def _is_tight(text: str, part: str, before: Word, after: Word) -> bool:
    gap = max(before.left, after.left) - min(before.right, after.right)
    return bool(text) and is_cjk(text[-1]) and is_cjk(part[0]) and gap < 0.5 * after.size_px


def is_unspaced(before: str, after: str) -> bool:
    """Two characters of scripts that are written without spaces."""
    both_cjk = is_cjk(before) and is_cjk(after)
    return both_cjk or bool(_THAI_LAO_KHMER.match(before) and _THAI_LAO_KHMER.match(after))
