"""Lines and words that MuPDF tears: columns of glyphs, and signs drawn left of their letters."""

import re
import unicodedata

from schemas.page import DOWN, Word

_INDIC = re.compile("[\u0900-\u0dff\u0f00-\u109f\u1780-\u17ff]")


def down_lines(words: list[Word]) -> list[Word]:
    """Glyphs of a column of Chinese or Japanese share their line: MuPDF gives each a line of its own."""
    if not any(word.style & DOWN for word in words):
        return words
    joined: list[Word] = []
    for word in words:
        before = joined[-1] if joined else None
        if (
            before is not None
            and before.style & word.style & DOWN
            and before.block == word.block
            and abs(before.left - word.left) < 0.5 * word.size_px
            and -0.5 * word.size_px < word.top - before.bottom < 0.5 * word.size_px
        ):
            joined.append(word._replace(line=before.line))
        else:
            joined.append(word)
    return joined


def whole_words(words: list[Word]) -> list[Word]:
    """Words and lines of Indic scripts, which MuPDF tears where a sign is drawn left of its letter: what touches is one word, and
    words a blank apart are on one line. A sign that combines with a letter begins no word."""
    if not _INDIC.search("".join([word.text for word in words])):
        return words
    whole: list[Word] = []
    for word in words:
        before = whole[-1] if whole else None
        if before is None or word.text.isascii() or not _are_indic_neighbours(before, word):
            whole.append(word)
            continue
        gap, size = word.left - before.right, word.size_px
        may_begin = unicodedata.category(word.text[0])[0] != "M"
        if -size < gap < 0.08 * size if may_begin else -2 * size < gap < 0.5 * size:
            left, top, right, bottom = before.box.union(word.box)
            whole[-1] = before._replace(text=before.text + word.text, left=left, top=top, right=right, bottom=bottom)
        else:
            whole.append(word._replace(block=before.block, line=before.line) if 0 < gap < size else word)
    return whole


def _are_indic_neighbours(before: Word, after: Word) -> bool:
    """On one line, of one size, and where they meet a letter of such a script."""
    if not (_INDIC.search(before.text[-1]) or _INDIC.search(after.text[0])) or after.size_px != before.size_px:
        return False
    shared = min(before.bottom, after.bottom) - max(before.top, after.top)
    return shared > 0.6 * min(before.bottom - before.top, after.bottom - after.top)
