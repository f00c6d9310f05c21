"""The text that a PDF carries for a page, word by word."""

from typing import Annotated, NamedTuple

from pydantic import FailFast, Field

from schemas.frozen import Frozen
from schemas.page.bounds import MAX_WORDS, Count, Pixels
from schemas.page.box import Box


class Word(NamedTuple):
    """A word of the PDF's text layer. It is a named tuple because a page has a thousand of them, which cross as JSON arrays."""

    text: str
    left: Pixels
    top: Pixels
    right: Pixels
    bottom: Pixels
    block: Count
    """MuPDF's block number: words of one paragraph share it."""
    line: Count
    """MuPDF's line number inside the block."""
    size_px: Pixels
    """Font size in pixels of the rendered page."""
    style: Annotated[int, Field(ge=0, lt=128)] = 0
    """Sum of BOLD, ITALIC, MONO, INVISIBLE, and one of ACROSS, DOWN, UP, OVER if the PDF says in which direction the line runs."""
    font: Count = 0
    """Number of the font; words in the same font of the page share it."""

    @property
    def box(self) -> Box:
        return Box(self.left, self.top, self.right, self.bottom)


BOLD, ITALIC, MONO = 1, 2, 4
ACROSS, DOWN, UP = 8, 16, 32
OVER = DOWN | UP
"""Across a page that stands upside down."""
INVISIBLE = 64
"""Drawn without ink, like the text that an OCR has laid under a scan."""
Words = Annotated[list[Word], Field(max_length=MAX_WORDS), FailFast()]
"""Validation stops at the first bad word, because an error for each of a hundred thousand would take too much memory."""


class TextLayer(Frozen):
    """The text that a PDF carries for a page, in MuPDF's order, which is not the reading order."""

    words: Words = []
    num_chars: Count = 0
    """Characters without white space."""
    num_unmapped: Count = 0
    """Those of the characters that have no Unicode meaning: U+FFFD, private use, control."""
    num_hidden: Count = 0
    """Those of the characters that are drawn invisibly (render mode 3, as under an OCRed scan) or outside the page."""
    unseen: Words = []
    """Words that nobody sees on the page: without ink, in the paper's colour, covered, clipped. The counts above leave them out."""
