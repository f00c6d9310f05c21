"""Which fonts of a trusted text layer may say other letters than they show: the reason to look at the pixels, not yet a verdict."""

import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Sequence

from schemas.page import Word
from workers.text.lexicon import Language, knows, language_of, share_known
from workers.text.trust import COMMON_LETTERS, LATIN_LETTERS, VOWELS, script_of
from workers.text.typewriter import typewriter_fonts

MIN_ODD = 2
MIN_ODD_SHARE = 0.015
MIN_LETTERS = 40
"""Latin letters of a font below which their shares say nothing."""
MIN_COMMON, MIN_VOWELS = 0.5, 0.22
MIN_WORDS = 3
MAX_KNOWN, MIN_OTHERS_KNOWN = 0.35, 0.7
"""Share of a font's words that its language knows, and of the other fonts' words, for the font to be doubtful."""
MIN_KNOWN_CODE = 0.35
"""Share of known words in a typewriter font whose text is code."""
_SIGNS = r"[&\[\]{}|\\^~<>=+*%$#°¢£¥§¤¶]+"
_ODD = re.compile(rf"[^\W\d_]{{2}}{_SIGNS}[^\W\d_]|[^\W\d_]{_SIGNS}[^\W\d_]{{2}}")  # but x=y
_ADDRESS = re.compile(r"[/@]|www\.")
READABLE = frozenset({"LATIN", "CJK", "HIRAGANA", "KATAKANA"})
"""Scripts that the OCR reads well enough to correct a layer."""


def doubtful_fonts(words: Sequence[Word]) -> set[int]:
    """`Word.font` of those: letters without a meaning, signs inside words, words that no language has, letters of no language.

    Code is full of such signs and words. A typewriter font in which many words are known has its letters right, and it has no
    ligatures that a sign could stand for.
    """
    by_font: dict[int, list[str]] = defaultdict(list)
    for word in words:
        by_font[word.font].append(word.text)
    language = language_of([word.text for word in words]) if len(by_font) > 1 else None
    known = _known_shares(by_font, language) if language else {}
    found = {font for font, texts in by_font.items() if _is_odd(texts) or _is_gibberish(texts) or _is_unknown(font, known)}
    return found - {font for font in found & typewriter_fonts(words) if _is_code(by_font[font])} if found else found


def _is_code(texts: Sequence[str]) -> bool:
    share = None if any(map(has_lost_letter, texts)) else share_known("en", texts)
    return share is not None and share >= MIN_KNOWN_CODE


def has_lost_letter(text: str) -> bool:
    """A word with a character that has no meaning; formulas are made of such signs alone."""
    return has_lost(text) and sum(map(str.isalpha, text)) >= 2


def has_lost(text: str) -> bool:
    return not text.isascii() and any(map(is_lost, text))


def is_lost(char: str) -> bool:
    return char == "\ufffd" or (not char.isascii() and unicodedata.category(char) == "Co")


def is_readable(text: str) -> bool:
    """Most of its letters are of scripts that the OCR reads; also a text without letters."""
    scripts = Counter(script for char in text if (script := script_of(char)))
    return 2 * sum(count for script, count in scripts.items() if script in READABLE) >= scripts.total()


def _is_odd(texts: Sequence[str]) -> bool:
    together = " ".join(texts)
    if has_lost(together) and any(map(has_lost_letter, texts)):
        return True
    if not _ODD.search(together):  # most fonts
        return False
    num_odd = sum(_is_odd_word(text) for text in texts)
    return num_odd >= max(MIN_ODD, MIN_ODD_SHARE * len(texts))


def _is_odd_word(text: str) -> bool:
    """A sign between small letters, and no address."""
    found = None if text.isalnum() else _ODD.search(text)
    return bool(found and found[0][0].islower() and found[0][-1].islower() and not _ADDRESS.search(text))


def _is_gibberish(texts: Sequence[str]) -> bool:
    letters = Counter(unicodedata.normalize("NFKD", "".join(texts).lower()))
    num_latin = sum(map(letters.__getitem__, LATIN_LETTERS))
    common, vowels = sum(map(letters.__getitem__, COMMON_LETTERS)), sum(map(letters.__getitem__, VOWELS))
    return num_latin >= MIN_LETTERS and (common < MIN_COMMON * num_latin or vowels < MIN_VOWELS * num_latin)


def _known_shares(by_font: dict[int, list[str]], language: Language) -> dict[int, tuple[int, int]]:
    """Font -> (words that the language knows, words of four letters and more). Each word is looked up once."""
    shares = {}
    for font, texts in by_font.items():
        plain = {text.strip(".,;:!?()[]\"'“”’") for text in texts}
        words = [text for text in plain if len(text) > 3 and text.isalpha() and (text.islower() or text.istitle())]
        shares[font] = sum(knows(language, word) for word in words), len(words)
    return shares


def _is_unknown(font: int, known: dict[int, tuple[int, int]]) -> bool:
    num_known, num_words = known.get(font, (0, 0))
    others_known = sum(count for other, (count, _) in known.items() if other != font)
    others = sum(count for other, (_, count) in known.items() if other != font)
    return (
        num_words >= MIN_WORDS
        and num_known < MAX_KNOWN * num_words
        and others > 3 * MIN_WORDS
        and others_known > MIN_OTHERS_KNOWN * others
    )
