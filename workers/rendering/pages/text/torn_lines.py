"""Lines and words that MuPDF tears: columns of glyphs, and signs drawn left of their letters."""

import re
import unicodedata

from schemas.page import ACROSS, DOWN, OVER, Word

_CJK = re.compile("[\u3001-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uff01-\uff60]")
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
            and before.style & OVER == word.style & OVER == DOWN
            and before.block == word.block
            and abs(before.left - word.left) < 0.5 * word.size_px
            and -0.5 * word.size_px < word.top - before.bottom < 0.5 * word.size_px
        ):
            joined.append(word._replace(line=before.line))
        else:
            joined.append(word)
    return joined


def columns_of_glyphs(words: list[Word]) -> list[Word]:
    """Vertical text whose glyphs a program has placed one by one, upright, as browsers do: each is a line of MuPDF's. A page of
    which most characters stand so, glyph under glyph, runs down."""
    columns: list[list[int]] = []
    for place, word in enumerate(words):
        if not word.style & ACROSS or len(word.text) > 2 or not (_CJK.match(word.text) or word.text.isdecimal()):
            continue
        last = words[columns[-1][-1]] if columns else None
        if last is not None and columns[-1][-1] == place - 1 and _is_below(last, word):
            columns[-1].append(place)
        else:
            columns.append([place])
    columns = [column for column in columns if any(_CJK.match(words[place].text) for place in column)]
    stacked = [place for column in columns if len(column) > 2 for place in column]
    if 2 * sum(len(words[place].text) for place in stacked) <= sum(len(word.text) for word in words):
        return words
    turned = list(words)
    for column in columns:
        first = words[column[0]]
        for place in column:
            style = words[place].style & ~ACROSS | DOWN
            turned[place] = words[place]._replace(style=style, block=first.block, line=first.line)
    return turned


def _is_below(above: Word, word: Word) -> bool:
    size = max(above.size_px, word.size_px)
    middles = (above.left + above.right) / 2, (word.left + word.right) / 2
    return above.line != word.line and abs(middles[0] - middles[1]) < 0.3 * size and 0.7 * size < word.top - above.top < 1.6 * size


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
