"""Compares texts by their words, folded and without punctuation. Scripts without spaces are compared by the character."""

import unicodedata
from collections import Counter
from functools import lru_cache

from rapidfuzz.distance import Indel

MAX_REST_CHARS = 6000
"""Most characters, of those left after whole words were matched, that are compared letter by letter (a few ms)."""


def tokens_of(text: str) -> list[str]:
    """The tokens of a text: NFKC, case folded, with letters, marks and digits only."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    return "".join(map(_spaced, folded)).split()


@lru_cache(maxsize=65536)
def _spaced(char: str) -> str:
    if unicodedata.category(char)[0] not in "LMN":
        return " " if char not in "'’\u00ad\u200c\u200d" else ""
    return f" {char} " if _is_unspaced(char) else char


def _is_unspaced(char: str) -> bool:
    """True for Han, kana, Thai, Lao, Khmer and Burmese, but not for Hangul, which has spaces."""
    point = ord(char)
    return point >= 0x0E00 and (
        0x0E00 <= point <= 0x0EFF
        or 0x1000 <= point <= 0x109F
        or 0x1780 <= point <= 0x17FF
        or 0x3005 <= point <= 0x30FF
        or 0x3400 <= point <= 0x9FFF
        or 0xF900 <= point <= 0xFAFF
        or 0x20000 <= point <= 0x3FFFF
    )


def agreement(left: list[str], right: list[str]) -> float | None:
    """Similarity, 0 to 1, of two texts whose parts may be in another order; None if both are empty.

    Whole words are matched wherever they are, so that the order of columns does not matter. The rest is compared letter by letter,
    in order, so that a misread letter or a split word costs little. Both count by their characters.
    """
    left_bag, right_bag = Counter(left), Counter(right)
    shared = left_bag & right_bag
    num_shared = 2 * sum(len(token) * count for token, count in shared.items())
    left_rest, right_rest = _without(left, shared), _without(right, shared)
    num_chars = num_shared + len(left_rest) + len(right_rest)
    if not num_chars:
        return None
    similarity = Indel.normalized_similarity(left_rest[:MAX_REST_CHARS], right_rest[:MAX_REST_CHARS])
    return (num_shared + similarity * (len(left_rest) + len(right_rest))) / num_chars


def _without(tokens: list[str], shared: Counter[str]) -> str:
    left = Counter(shared)
    rest = []
    for token in tokens:
        if left[token] > 0:
            left[token] -= 1
        else:
            rest.append(token)
    return "".join(rest)
