"""What a block of text is on its page, where that is cheaply known: by size, weight, place and first characters."""

import re
import statistics
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from typing import Literal, NamedTuple

from schemas.page import Box
from workers.engines.classic.reading_order.lines.list_marks import mark_of
from workers.engines.classic.reading_order.running_text import is_stamp

BlockKind = Literal[
    "title", "heading", "paragraph", "list_item", "code", "caption", "header", "footer", "footnote", "table", "figure", "chart"
]

MARGIN = 0.08
"""Share of the page's height, above and below, in which running headers and footers live."""
LAST = 0.75
"""A number alone, under all else and below this share of the page's height, is the page's."""
HEADING = 1.15
"""Font size of a heading over that of the body, at least."""
TITLE = 1.4
FAR = 2.5
"""In font sizes: the head of a page that is its whole document stands so far from the text, or is smaller; else it is its first
line."""
SENTENCE = 60
"""Characters: what is longer and ends in a point is a sentence, what is shorter may be a heading."""

_SECTION = re.compile(r"^(\d{1,2}(\.\d{1,2}){0,3}\.?|[IVX]{1,4}\.|[A-Z]\.)\s+[A-Z\u00c0-\uffff]")
_PAGE_NUMBER = re.compile(r"^\W*(page\s+)?([0-9٠-٩۰-۹०-९]{1,4}|[ivxlc]{1,6})(\s*(/|of)\s*\d{1,4})?\W*$", re.IGNORECASE)
_BARE_NUMBER = re.compile(r"^[-–—\s]*\d{1,4}[-–—\s]*$")
_NUMBERED_HEAD = re.compile(r"(?:(?:page )?(\d{1,4})\s+\D.*|.*\D\s+(\d{1,4}))$", re.IGNORECASE | re.DOTALL)
_COUNTED = re.compile(r"[^\W\d_]{3,} \d{1,3}")
"""`Question 2`."""
_CAPTION = re.compile(
    r"^(figure|fig\.|table|tab\.|chart|exhibit|abb\.|abbildung|tabelle|figura|tabla|tableau|图|圖|表|図|그림|표|рис\.|таблица)\s*\d",
    re.IGNORECASE,
)
_NOTE_MARK = re.compile(r"^(\d{1,3}|[⁰¹²³⁴-⁹ᵃ-ᵻ]{1,3}|[*†‡§]+|\[\d{1,3}\])\s*\S")


class Paragraph(NamedTuple):
    text: str
    box: Box
    size_px: float
    is_bold: bool
    num_lines: int
    is_table: bool


def is_caption(text: str) -> bool:
    """Begins as captions do: "Figure 3", "Table 1"."""
    return bool(_CAPTION.match(text))


def kinds_of(
    paragraphs: Sequence[Paragraph], page_height: float, *, repeats_elsewhere: bool = False, is_alone: bool = False
) -> list[BlockKind]:
    """One kind for each, in order. Without a sign it is a paragraph.

    `repeats_elsewhere`: what runs over the document's pages is known, and not among these; only numbers and stamps can be.
    `is_alone`: the document has no other page with text.
    """
    body = _body_size(paragraphs)
    header, footer = _margins(paragraphs, page_height, body, repeats_elsewhere, is_alone)
    kinds: list[BlockKind] = []
    for index, paragraph in enumerate(paragraphs):
        if paragraph.is_table:
            kinds.append("table")
        elif index in header:
            kinds.append("header")
        elif index in footer:
            kinds.append("footer")
        else:
            kinds.append(_kind(paragraph, body, page_height))
    return _one_title(_with_lettered(kinds, paragraphs), paragraphs, body, page_height)


def _with_lettered(kinds: list[BlockKind], paragraphs: Sequence[Paragraph]) -> list[BlockKind]:
    """`a.` and `b.` below each other are items; one alone may be a name's."""
    for place, (above, below) in enumerate(pairwise(map(mark_of, (paragraph.text for paragraph in paragraphs)))):
        is_list = above is not None and below is not None and above.shape == "a." and below.follows(above)
        if is_list and kinds[place] in ("paragraph", "list_item") and kinds[place + 1] == "paragraph":
            kinds[place] = kinds[place + 1] = "list_item"
    return kinds


def _kind(paragraph: Paragraph, body: float, page_height: float) -> BlockKind:
    text = paragraph.text
    if is_caption(text):
        return "caption"
    if _is_heading(paragraph, body):
        return "heading"
    is_low = paragraph.box.top > 0.6 * page_height
    if is_low and paragraph.size_px < 0.92 * body and _NOTE_MARK.match(text):
        return "footnote"
    mark = mark_of(text)
    return "list_item" if mark is not None and mark.marks_alone else "paragraph"


def _is_heading(paragraph: Paragraph, body: float) -> bool:
    text = paragraph.text
    if len(text) > 200 or paragraph.num_lines > 4 or sum(map(str.isalpha, text)) < 2:
        return False
    ends = text.rstrip().endswith((".", ",", ";", "。", "।"))
    if paragraph.size_px > HEADING * body:
        return paragraph.is_bold or paragraph.size_px > TITLE * body or not (ends and len(text) > SENTENCE)
    if ends and not (paragraph.num_lines == 1 and len(text) <= SENTENCE and text.count(".") == 1 and text.rstrip().endswith(".")):
        return False  # "Стаття 1."
    is_short = paragraph.num_lines <= 2 and len(text) <= 120
    return (
        is_short
        and paragraph.is_bold
        and paragraph.size_px >= 0.9 * body
        and (bool(_SECTION.match(text)) or not text.endswith(":"))
    )


def _body_size(paragraphs: Sequence[Paragraph]) -> float:
    """The size most characters have."""
    chars: Counter[float] = Counter()
    for paragraph in paragraphs:
        chars[round(paragraph.size_px, 1)] += len(paragraph.text)
    if not chars:
        return 1.0
    total = sum(chars.values())
    size, count = chars.most_common(1)[0]
    if count > 0.3 * total:
        return max(size, 1.0)
    return max(statistics.median([s for s, n in chars.items() for _ in range(max(1, n // 20))]), 1.0)  # an OCR's sizes scatter


def _margins(
    paragraphs: Sequence[Paragraph], page_height: float, body: float, repeats_elsewhere: bool, is_alone: bool
) -> tuple[set[int], set[int]]:
    """Short small text within the margin, parted from the rest by more than a line."""
    header: set[int] = set()
    footer: set[int] = set()
    tops, bottoms = sorted(p.box.top for p in paragraphs), sorted(p.box.bottom for p in paragraphs)
    for index, paragraph in enumerate(paragraphs):
        if paragraph.num_lines > 2 or len(paragraph.text) > 200 or paragraph.is_table or is_caption(paragraph.text):
            continue
        box, text = paragraph.box, paragraph.text
        is_number = bool(_PAGE_NUMBER.match(text))
        is_heading = paragraph.is_bold and paragraph.size_px >= 0.95 * body and bool(_COUNTED.fullmatch(text))
        if repeats_elsewhere and not (is_number or (_has_page_number(text) and not is_heading) or is_stamp(text)):
            continue
        next_top, last_bottom = bisect_left(tops, box.bottom - 1), bisect_right(bottoms, box.top + 1)
        below = tops[next_top] - box.bottom if next_top < len(tops) else None
        above = box.top - bottoms[last_bottom - 1] if last_bottom else None
        is_last = bool(_BARE_NUMBER.match(text)) and below is None and box.top > LAST * page_height
        in_top, in_bottom = box.bottom < MARGIN * page_height, box.top > (1 - MARGIN) * page_height or is_last
        is_set_apart = not is_alone or paragraph.size_px < 0.95 * body or (below is not None and below > FAR * body)
        is_far = below is not None and below > 0.8 * body and is_set_apart
        is_text = paragraph.num_lines > 1 and len(text) > SENTENCE and text.endswith(".") and not is_stamp(text)
        if in_top and below is not None and paragraph.size_px <= 1.1 * body and (is_number or is_far) and not is_text:
            header.add(index)
        if in_bottom and above is not None and paragraph.size_px <= 1.3 * body and (is_number or above > 0.8 * body):
            footer.add(index)
    return header, footer


def _has_page_number(text: str) -> bool:
    """Words with a number before or after them that is no year: "46 Lucaccioni et al.", "Campus Attacks Page 12"."""
    match = _NUMBERED_HEAD.match(text)
    number = int(match[1] or match[2]) if match else 0
    return 0 < number < 1900 or number > 2100


def _one_title(kinds: list[BlockKind], paragraphs: Sequence[Paragraph], body: float, page_height: float) -> list[BlockKind]:
    """The largest heading in the upper part of the page is its title, when it stands out."""
    large = [
        index
        for index, kind in enumerate(kinds)
        if kind == "heading" and paragraphs[index].size_px > TITLE * body and paragraphs[index].box.top < 0.45 * page_height
    ]
    if large:
        kinds[max(large, key=lambda index: (paragraphs[index].size_px, -index))] = "title"
    return kinds
