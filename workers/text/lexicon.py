"""Which words a language has: lists of words in common use, for what neither page nor rule decides."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import cache
from typing import Literal

from spellchecker import SpellChecker

Language = Literal["en", "de", "fr", "es", "it", "pt", "nl"]


def words_of(text: str) -> frozenset[str]:
    return frozenset(text.split())


_COMMON: dict[Language, frozenset[str]] = {
    "en": words_of("the of and to in is for that with was by on are as at from be this which"),
    "de": words_of("der die und den das von zu mit ist des im für auf ein eine nicht dem sich wird werden"),
    "fr": words_of("le la les des et est du dans une par pour que qui sur au aux pas ce cette sont"),
    "es": words_of("el la los las de y que en del se por con para una su al como más es este"),
    "it": words_of("il di e che la della per del un una sono con non nel dei alla le gli è come"),
    "pt": words_of("o a os as de que do da em um uma para com não por dos das no na é"),
    "nl": words_of("de het een van en in is dat op te zijn voor met die niet aan er om ook bij"),
}  # fmt: skip
"""The commonest words of running text. No language has most of another's."""
_WORD = re.compile(r"[^\W\d_]+")
MIN_COMMON = 0.08
"""Share of a text's words that are common words of its language: of prose a third, of a table's cells less."""


def language_of(words: Iterable[str]) -> Language | None:
    """Of those that have a list; None where their common words are few, or two languages have as many."""
    lowered = Counter(word.casefold().strip(".,;:()") for word in words)
    counts = sorted(((sum(map(lowered.__getitem__, common)), name) for name, common in _COMMON.items()), reverse=True)
    (most, name), (second, _) = counts[:2]
    return name if most >= max(MIN_COMMON * lowered.total(), 2) and most > second else None


def knows(language: Language, word: str) -> bool:
    """A word in common use, in any case. The list is loaded at the first question: 0.1 to 0.6 s of CPU and some 20 MB."""
    return word.casefold() in _words(language)


def share_known(language: Language, texts: Sequence[str]) -> float | None:
    """Of their words of three letters and more; None where there are none."""
    words = [word for text in texts for word in _WORD.findall(text) if len(word) > 2]
    return sum(knows(language, word) for word in words) / len(words) if words else None


@cache
def _words(language: Language) -> frozenset[str]:
    return frozenset(SpellChecker(language=language, distance=1).word_frequency.words())
