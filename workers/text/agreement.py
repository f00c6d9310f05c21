"""Words for comparing texts: folded, without punctuation; scripts written without spaces count by the character."""

import unicodedata
from collections import Counter
from functools import lru_cache

from rapidfuzz.distance import Indel

MAX_REST_CHARS = 6000
"""Of what is left after whole words matched; compared letter by letter (a few ms)."""


def tokens_of(text: str) -> list[str]:
    """NFKC, case folded, letters, marks and digits only."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    return "".join(map(_spaced, folded)).split()


@lru_cache(maxsize=65536)
def _spaced(char: str) -> str:
    if unicodedata.category(char)[0] not in "LMN":
        return " " if char not in "'’\u00ad\u200c\u200d" else ""
    return f" {char} " if _is_unspaced(char) else char


def _is_unspaced(char: str) -> bool:
    """Han, kana, Thai, Lao, Khmer, Burmese; Hangul has spaces."""
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
    """Similarity 0..1 of two texts whose parts may stand in another order; None when both are empty.

    Whole words are matched wherever they stand (a bag, so the order of columns costs nothing); what is left is compared letter by
    letter in its order, so that a misread letter or a split word costs little. Weighted by characters.
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
