"""Words of a line into running text: spaces, directions, scripts written without spaces."""

import re
import statistics
import unicodedata
from collections.abc import Sequence
from itertools import pairwise

from schemas.page import Word

RAISED_DIGITS = frozenset("⁰¹²³⁴⁵⁶⁷⁸⁹⁻")
MIN_SPACED = 4
"""Single letters in a row that may be a word whose letters are set apart."""
MAX_SPACING = 0.7
"""In font sizes: letters farther apart are headings of columns, or answers to choose from."""

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
    if text.isascii():
        return False
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
    """Words of one line. Between two CJK characters a space counts only when it is as wide as half a character; a superscript and
    letters that are set apart (`A N N U A L`) belong to what is before them."""
    texts = [word.text for word in words]
    text = " ".join(texts)
    if text.isascii() and "" not in texts and sum([len(each) == 1 for each in texts]) < MIN_SPACED:  # most lines
        return (_LEADER.sub(" … ", text) if text.count(".") > 4 else text).strip()
    text = ""
    end: Word | None = None
    spaced = _spaced_letters(words)
    for place, word in enumerate(words):
        part = letters_of(word.text)
        if end is not None and part and place not in spaced and not _is_tight(text, part, end, word):
            text += " "
        text += part
        end = word
    return _LEADER.sub(" … ", text).strip()


def ends_with_leader(line: str) -> bool:
    """A line of a table of contents."""
    return bool(_LEADER_END.search(line))


def _is_tight(text: str, part: str, before: Word, after: Word) -> bool:
    gap = _gap(before, after)
    if not text:
        return False
    if part[0] in RAISED_DIGITS and len(part) <= 3:
        return gap < 0.25 * after.size_px and not text[-1].isspace()
    return is_cjk(text[-1]) and is_cjk(part[0]) and gap < 0.5 * after.size_px


def _gap(before: Word, after: Word) -> float:
    return max(before.left, after.left) - min(before.right, after.right)


def _spaced_letters(words: Sequence[Word]) -> set[int]:
    """Places of letters that belong to the word before them: in a row of single letters and signs, evenly apart. A wider gap ends a
    word of such letters."""
    joined: set[int] = set()
    start = 0
    while start < len(words):
        end = start
        while end < len(words) and len(words[end].text) <= (1 if end == start else 2) and not is_cjk(words[end].text[:1]):
            end += 1
        run = words[start:end]
        if sum(len(word.text) == 1 for word in run) >= MIN_SPACED and sum(word.text.isalpha() for word in run) >= MIN_SPACED:
            joined |= _evenly_apart(run, start)
        start = max(end, start + 1)
    return joined


def _evenly_apart(run: Sequence[Word], start: int) -> set[int]:
    gaps = [_gap(before, after) for before, after in pairwise(run)]
    usual = statistics.median(gaps)
    size = max(run[0].size_px, 1.0)
    if not 0 < usual <= MAX_SPACING * size:
        return set()
    inside = {place for place, gap in enumerate(gaps, start + 1) if gap < usual + 0.12 * size}
    is_even = sum(abs(gap - usual) < 0.12 * size for gap in gaps) >= 0.6 * len(gaps)
    return inside if is_even and _are_words(run, inside, start) else set()


def _are_words(run: Sequence[Word], inside: set[int], start: int) -> bool:
    """Not the letters of an alphabet in their order, nor each of them large and small."""
    texts = [run[0].text]
    for place, word in enumerate(run[1:], start + 1):
        if place in inside:
            texts[-1] += word.text
        else:
            texts.append(word.text)
    longer = [letters for text in texts if len(letters := "".join(filter(str.isalpha, text))) > 2]
    is_cased = all(4 * sum(a.islower() and b.isupper() for a, b in pairwise(text)) <= len(text) for text in longer)
    return is_cased and not any(map(_is_alphabet, longer))


def _is_alphabet(text: str) -> bool:
    """Letters in their order, more of them than a word has ("almost") or with few left out ("ABDE", and not "first")."""
    is_dense = ord(text[-1]) - ord(text[0]) < 1.5 * len(text)
    return len(text) > 3 and list(text) == sorted(set(text)) and (is_dense or len(text) > 6)


def is_unspaced(before: str, after: str) -> bool:
    """Two characters of scripts that are written without spaces."""
    both_cjk = is_cjk(before) and is_cjk(after)
    return both_cjk or bool(_THAI_LAO_KHMER.match(before) and _THAI_LAO_KHMER.match(after))
