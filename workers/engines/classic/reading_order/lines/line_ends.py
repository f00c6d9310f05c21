"""Lines of a paragraph into running text: what a hyphen at a line's end joins, and what keeps it."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import cached_property

from workers.engines.classic.reading_order.korean_blanks import KoreanBlanks, is_open
from workers.engines.classic.reading_order.lines.line_text import is_unspaced
from workers.text.lexicon import Language, knows, language_of, words_of

_HYPHENS = "-\u2010\u2011"
_TOKEN_END = re.compile(r"\S+$")
_TOKEN = re.compile(r"^\S+")
_LETTERS_END = re.compile(r"[^\W\d_]+$")
_LETTERS = re.compile(r"^[^\W\d_]+(?:['’][^\W\d_]+)*")
_ADDRESS = re.compile(r"://|^\(?www\.|^\S+@\S+$|^10\.\d{4,}/")
_ADDRESS_GOES_ON = re.compile(r"[/_?=&%#]|\w[.@-]\w|\d")
_SUSPENDED = words_of("and or to und oder bis sowie bzw y o e et ou en of e/ou and/or und/oder")
"""What follows the hyphen of a word whose end comes later: `ten- and twelve-year`, `Vor- und Nachteile`."""
_CLOSED = words_of(
    "anti micro macro multi over under inter intra trans sub super pre bio geo hydro electro photo tele hyper ultra poly mono "
    "neuro cyber thermo psycho socio infra mis dis un re"
)
"""Prefixes that English writes without a hyphen."""
_JOINS_PARTS: frozenset[Language] = frozenset({"de", "nl"})
"""Languages that write compounds of known words as one word."""


class Vocabulary:
    """The words of a page, and its lines: how it writes what a line's end has broken."""

    def __init__(self, texts: Iterable[str] = (), lines: Iterable[str] = ()) -> None:
        self._texts = list(texts)
        self._lines = list(lines)
        self._counts: Counter[str] | None = None
        self._language: list[Language | None] = []

    def count(self, word: str) -> int:
        if self._counts is None:
            self._counts = Counter(text.casefold().strip(".,;:!?()[]\"'“”„«»") for text in self._texts)
        return self._counts[word.casefold()]

    @cached_property
    def korean(self) -> KoreanBlanks:
        return KoreanBlanks(self._lines)

    @property
    def language(self) -> Language | None:
        if not self._language:
            self._language.append(language_of(self._texts))
        return self._language[0]


def join_lines(lines: Sequence[str], vocabulary: Vocabulary | None = None) -> str:
    """Lines of one paragraph. A word broken at a line's end is joined as `vocabulary` (of the page; else of the lines) writes it,
    else by rule; digits, addresses and part numbers keep their hyphens."""
    vocabulary = vocabulary or Vocabulary(" ".join(lines).split(), lines)
    text = ""
    for line in lines:
        if not text:
            text = line
        elif line:
            text = _joined(text, line, vocabulary)
    return text


def _joined(text: str, line: str, vocabulary: Vocabulary) -> str:
    if is_unspaced(text[-1], line[0]):
        return text + line
    if is_open(text[-1], line[0]):
        return f"{text} {line}" if vocabulary.korean.parts(text[-2:], line[:2]) else text + line
    before, after = _TOKEN_END.search(text[-200:]), _TOKEN.match(line)
    if before is None or after is None:
        return f"{text} {line}"
    last, first = before[0], after[0]
    if _ADDRESS.search(last):
        return text + line if _address_goes_on(last, first, vocabulary) else f"{text} {line}"
    if last[-1] == "/" and last[-2:-1].isalnum() and first[0].isalnum():
        return text + line  # and/or
    if last[-1] not in _HYPHENS or not last[-2:-1].isalnum():
        return f"{text} {line}"
    if not first[0].isalnum():
        return f"{text} {line}" if first[0] in "–—" else text + line
    if _is_suspended(last, first, vocabulary):
        return f"{text} {line}"
    return (text if _keeps_hyphen(last, first, vocabulary) else text[:-1]) + line


def _address_goes_on(last: str, first: str, vocabulary: Vocabulary) -> bool:
    """The next line's first token is more of the address and no word of the sentence."""
    if last[-1] in ".,;:)>" and not _ADDRESS_GOES_ON.search(first):
        return False
    word = first.strip(".,;:()")
    looks_like_one = bool(_ADDRESS_GOES_ON.search(word))
    if last[-1] in "-_=&?%#":
        return True
    if last[-1] in "/.":
        return not word.isdigit() and (looks_like_one or not (word.isalpha() and _is_word(word, vocabulary)))
    return looks_like_one and last.count("/") > 2 and not _ADDRESS.search(first) and first[0] in "/_?=&%#.-"


def _is_suspended(last: str, first: str, vocabulary: Vocabulary) -> bool:
    word = first.strip(".,;:()").casefold()
    if word not in _SUSPENDED:
        return False
    stem = _LETTERS_END.search(last[:-1])
    return stem is None or not _is_word(stem[0] + word, vocabulary)


def _keeps_hyphen(last: str, first: str, vocabulary: Vocabulary) -> bool:
    """`last` ends with the hyphen, `first` opens the next line."""
    stem, rest = _LETTERS_END.search(last[:-1]), _LETTERS.match(first)
    if stem is None or rest is None or not first[0].islower():
        is_broken_capital = stem is not None and rest is not None and stem[0].isupper() and rest[0].isupper() and len(rest[0]) > 1
        if not (is_broken_capital and stem and len(stem[0]) > 1 and last[:-1] == stem[0]):
            return True
    assert stem is not None
    assert rest is not None
    whole = last[:-1].lstrip("([\"'“„«")
    if any(char.isdigit() or char in "_/@" for char in whole) or _followed_by_hyphen(first, rest[0]):
        return True
    with_hyphen, without = vocabulary.count(f"{stem[0]}-{rest[0]}"), vocabulary.count(stem[0] + rest[0])
    if with_hyphen or without:
        return with_hyphen > without or (with_hyphen == without and not _is_word(stem[0] + rest[0], vocabulary))
    if any(char in _HYPHENS for char in whole):  # state-of-the-art
        return not (vocabulary.language and _is_word(stem[0] + rest[0], vocabulary) and not _is_word(stem[0], vocabulary))
    if len(stem[0]) == 1:  # x-ray, e-mail
        return True
    language = vocabulary.language
    if language is None or language in _JOINS_PARTS or knows(language, stem[0] + rest[0]):
        return False
    if language == "en" and stem[0].casefold() in _CLOSED:
        return False
    return len(rest[0]) > 1 and knows(language, stem[0]) and knows(language, rest[0])


def _followed_by_hyphen(first: str, rest: str) -> bool:
    return len(first) > len(rest) + 1 and first[len(rest)] in _HYPHENS and first[len(rest) + 1].isalnum()


def _is_word(word: str, vocabulary: Vocabulary) -> bool:
    return vocabulary.count(word) > 0 or (vocabulary.language is not None and knows(vocabulary.language, word))
