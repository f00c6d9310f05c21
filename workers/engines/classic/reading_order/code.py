"""Program code and what programs print: lines of a typewriter font, kept as they stand, with their indents.

They are taken out before lines, columns and tables are sought, for which the blanks inside of code are gutters. An OCR knows no
fonts, and so finds no code.
"""

import re
import statistics
from collections.abc import Iterator, Sequence, Set
from itertools import groupby, pairwise
from typing import NamedTuple

from schemas.page import ACROSS, BOLD, INVISIBLE, Box
from workers.engines.classic.reading_order.pieces import Placed, around
from workers.text.typewriter import typewriter_fonts

MIN_SET = 12
"""Words in other fonts: a page with fewer may be typed as a whole, and then only what reads like code is code."""
MIN_SIGNS, MIN_SIGNS_TYPED = 0.4, 0.5
"""Of the lines of a block: those with a sign that prose has not."""
GAP_EM = 1.7
"""Between two lines of one block; one empty line is about 1.5."""
ASIDE_EM = 6.0
"""Words of another font so near beside a line make it a part of a sentence, or a cell of a table."""
ALONE_EM = 0.35
"""Above and below a line of code that stands alone."""
MAX_INDENT = 200
MAX_PAIRS = 2_000_000
"""Lines and words that are compared; a page of more is left as it is."""
NUM_OPEN = 8
"""Blocks side by side."""

_SIGNS = re.compile(r"[{}<>=#$\\|;*+%^~_\[\]]|\w\(|\w\.\w|::|->|^\s*[>$#%@-]|\(\)|\"|^[\d\s.,-]+$")
_CALL = re.compile(r"[\w.:$]{2,}\(.*\);?")
_STRONG_SIGNS = re.compile(
    r"[{}]|;\s*$|[=!<>:+*-]=|->|=>|::|\w\(\)|\w_\w|\w\.\w+\("
    r"|^\s*(?://|#|>>>|> |\$ |@\w|def |class |import |from \w+ import|return\b)"
)


class CodeBlock(NamedTuple):
    text: str
    """Its lines, indented by blanks, without those that all lines begin with."""
    box: Box
    members: tuple[int, ...]
    """Positions of its words in what was given."""


class _Line(NamedTuple):
    words: Placed
    box: Box
    size: float


def part_code(words: Placed) -> tuple[list[CodeBlock], Placed]:
    """The blocks of code of a page, and the words that belong to none of them."""
    fonts = typewriter_fonts([word for _, word in words])
    typed = {index for index, word in words if word.font in fonts and word.style & (ACROSS | INVISIBLE) == ACROSS}
    if not typed:
        return [], words
    lines = list(_lines(words, typed))
    own = {index for line in lines for index, _ in line.words}
    others = [
        word.box
        for index, word in words
        if index not in own and index not in typed and not word.text.strip(".:").isdigit()  # which may count lines
    ]
    if len(lines) * len(others) > MAX_PAIRS:
        return [], words
    is_typed = len(others) < MIN_SET
    blocks = [
        block
        for block in _blocks(lines, others)
        if _is_code([_written(line.words, line.box.left, _char_width([line])) for line in block], is_typed=is_typed)
        and any(index in typed for line in block for index, _ in line.words)
        and (len(block) > 1 or _stands_alone(block[0], others))
    ]
    taken = {index for block in blocks for line in block for index, _ in line.words}
    return [_code_block(block) for block in blocks], [item for item in words if item[0] not in taken]


def _lines(words: Placed, typed: Set[int]) -> Iterator[_Line]:
    """Rows of words of a typewriter font, across wide gaps, from top to bottom. A line of the PDF with words of another font in it
    is none; signs may be of another, as TeX's braces are."""
    parts: list[_Line] = []
    for _, group in groupby(words, key=lambda item: (item[1].block, item[1].line)):
        line = list(group)
        if all(index in typed or (word.style & ACROSS and _is_sign(word.text)) for index, word in line):
            parts.append(_line(line))
    rows: list[list[_Line]] = []
    for part in sorted(parts, key=lambda part: (part.box.top + part.box.bottom, part.box.left)):
        last = rows[-1][0] if rows else None
        middle = part.box.top + part.box.bottom
        if last is not None and middle - (last.box.top + last.box.bottom) < 0.6 * min(part.size, last.size):
            rows[-1].append(part)
        else:
            rows.append([part])
    for row in rows:
        run: list[_Line] = []
        for part in sorted(row, key=lambda part: part.box.left):
            if run and part.box.left - run[-1].box.right > ASIDE_EM * part.size:
                yield _line([item for one in run for item in one.words])
                run = []
            run.append(part)
        yield _line([item for one in run for item in one.words])


def _is_sign(text: str) -> bool:
    return text.isascii() and not text[0].isalnum() and (text[0] in "{}\\<>|" or not any(map(str.isalnum, text)))


def _line(words: Placed) -> _Line:
    return _Line(words, around([word.box for _, word in words]), statistics.median(word.size_px for _, word in words))


def _blocks(lines: Sequence[_Line], others: Sequence[Box]) -> Iterator[list[_Line]]:
    """Lines below each other with nothing of another font between or beside them."""
    open_blocks: list[list[_Line]] = []
    for line in lines:
        if any(_is_aside(line, box) for box in others):
            continue
        above = next((block for block in open_blocks[-NUM_OPEN:] if _goes_on(block[-1], line, others)), None)
        if above is None:
            open_blocks.append([line])
        else:
            above.append(line)
    yield from open_blocks


def _is_aside(line: _Line, box: Box) -> bool:
    """In the same line, and near."""
    if min(line.box.bottom, box.bottom) - max(line.box.top, box.top) < 0.4 * line.size:
        return False
    return max(box.left - line.box.right, line.box.left - box.right) < ASIDE_EM * line.size


def _goes_on(above: _Line, line: _Line, others: Sequence[Box]) -> bool:
    gap = line.box.top - above.box.bottom
    if not -0.5 * line.size < gap < GAP_EM * line.size or abs(line.size - above.size) > 0.15 * line.size:
        return False
    left, right = min(line.box.left, above.box.left), max(line.box.right, above.box.right)
    if max(line.box.left, above.box.left) - min(line.box.right, above.box.right) > ASIDE_EM * line.size:
        return False
    return not any(
        left < box.right and box.left < right and above.box.bottom < (box.top + box.bottom) / 2 < line.box.top for box in others
    )


def _is_code(texts: Sequence[str], *, is_typed: bool) -> bool:
    signs, least = (_STRONG_SIGNS, MIN_SIGNS_TYPED) if is_typed else (_SIGNS, MIN_SIGNS)
    return sum(bool(signs.search(text)) for text in texts) >= least * len(texts)


def _stands_alone(line: _Line, others: Sequence[Box]) -> bool:
    """Free above and below, not bold as headings are, and more than a word or an address: a call at least."""
    is_word = len(line.words) < 2 and not _CALL.fullmatch(line.words[0][1].text)
    if is_word or all(word.style & BOLD for _, word in line.words):
        return False
    free = ALONE_EM * line.size
    return not any(
        line.box.left < box.right
        and box.left < line.box.right
        and box.top < line.box.bottom + free
        and box.bottom > line.box.top - free
        for box in others
    )


def _code_block(lines: Sequence[_Line]) -> CodeBlock:
    char = _char_width(lines)
    left = min(line.box.left for line in lines)
    pitches = [below.box.top - above.box.top for above, below in pairwise(lines)]
    pitch = statistics.median_low(pitches) if pitches else 0.0
    texts: list[str] = []
    for number, line in enumerate(lines):
        if number and pitches[number - 1] > 1.6 * pitch:
            texts.append("")
        texts.append(_written(line.words, left, char))
    box = around([line.box for line in lines])
    return CodeBlock("\n".join(texts), box, tuple(index for line in lines for index, _ in line.words))


def _char_width(lines: Sequence[_Line]) -> float:
    """One for all: the font has but one."""
    widths = [(word.right - word.left) / len(word.text) for line in lines for _, word in line.words]
    return max(statistics.median(widths), 0.01)


def _written(words: Placed, left: float, char: float) -> str:
    """With blanks as wide as the gaps."""
    text, end = "", left
    for _, word in sorted(words, key=lambda item: item[1].left):
        least = 1 if text and word.left - end > 0.3 * char else 0
        text += " " * min(max(round((word.left - left) / char) - len(text), least), MAX_INDENT) + word.text
        end = word.right
    return text
