"""A paragraph's first letter that is as high as several lines goes to the word it begins."""

import statistics
from collections.abc import Sequence
from dataclasses import replace

from schemas.page import Box, Word
from workers.engines.classic.reading_order.pieces import Piece
from workers.text.lexicon import knows, language_of

MIN_SIZE = 1.7
"""Over the font size of the lines beside it."""
MAX_GAP = 1.2
"""To the first line, in its font sizes."""
_ALONE = frozenset("AIOYEÀÉÈÓ")
"""Letters that are words of their own in some language."""
_QUOTES = "\"'“„«‘(¿¡"


def with_drop_caps(pieces: Sequence[Piece]) -> list[Piece]:
    """The pieces, each drop capital joined to the first line beside it; the lines beside it begin where it does."""
    cut = [_cut(piece) for piece in pieces]
    lines_of_caps = {id(parts[0]): parts[1] for parts in cut if len(parts) > 1}
    large = [parts[0] for parts in cut if _may_be_one(parts[0])]
    if not large:
        return list(pieces)
    usual = statistics.median(piece.size_px for piece in pieces)
    rest = {id(piece): piece for parts in cut for piece in parts}
    for cap in large:
        own = lines_of_caps.get(id(cap))
        if cap.size_px < MIN_SIZE * usual:
            if own is not None:
                del rest[id(cap)]
                rest[id(own)] = Piece((*cap.words, *own.words))
            continue
        beside = sorted((piece for piece in rest.values() if _is_beside(piece, cap)), key=lambda piece: piece.box.top)
        if len(beside) < 2 or abs(beside[0].box.top - cap.box.top) > cap.box.height / 2:
            if own is not None:  # it stands on its line and rises above it
                del rest[id(cap)]
                rest[id(own)] = _begun(own, cap, pieces)
            continue
        del rest[id(cap)]
        for piece in beside:
            rest[id(piece)] = _widened(piece, cap.box)
        rest[id(beside[0])] = _begun(rest[id(beside[0])], cap, pieces)
    return list(rest.values())


def _cut(piece: Piece) -> list[Piece]:
    """A capital and the rest of the line that MuPDF took it for a word of; else the piece as it is."""
    if len(piece.words) < 2 or piece.words[0][1].size_px < MIN_SIZE * piece.words[1][1].size_px:
        return [piece]
    cap, line = Piece(piece.words[:1]), Piece(piece.words[1:])
    return [cap, line] if _may_be_one(cap) and line.text[:1].islower() else [piece]


def _may_be_one(piece: Piece) -> bool:
    text = piece.text.strip(_QUOTES)
    return len(piece.words) == 1 and len(text) == 1 and text.isupper() and len(piece.text) <= 2


def _is_beside(piece: Piece, cap: Piece) -> bool:
    """A line of small letters that begins right of the capital and within its height."""
    middle = (piece.box.top + piece.box.bottom) / 2
    gap = piece.box.left - cap.box.right
    return (
        piece is not cap
        and MIN_SIZE * piece.size_px < cap.size_px
        and cap.box.top - 0.2 * piece.size_px < middle < cap.box.bottom + 0.2 * piece.size_px
        and -0.5 * piece.size_px < gap < MAX_GAP * piece.size_px
    )


def _widened(piece: Piece, cap: Box) -> Piece:
    """From the capital's left edge on: else the lines beside it would be indented."""
    (index, first), *others = piece.words
    return replace(piece, words=((index, first._replace(left=cap.left)), *others))


def _begun(piece: Piece, cap: Piece, pieces: Sequence[Piece]) -> Piece:
    ((cap_index, capital),) = cap.words
    (index, first), *others = piece.words
    blank = " " if _is_word_alone(capital, first, pieces) else ""
    whole = first._replace(text=f"{capital.text}{blank}{first.text}")
    return replace(piece, words=((cap_index, _without_text(capital, first)), (index, whole), *others))


def _without_text(capital: Word, first: Word) -> Word:
    """The capital stays a member of the line, as high as the line."""
    return capital._replace(text="", top=first.top, bottom=first.bottom, size_px=first.size_px)


def _is_word_alone(capital: Word, first: Word, pieces: Sequence[Piece]) -> bool:
    """`A` + `wall`, but `A` + `fter`: what the language has as one word is one."""
    if capital.text[-1] not in _ALONE:
        return False
    language = language_of([word.text for piece in pieces for _, word in piece.words])
    word = first.text.strip(".,;:!?")
    return language is not None and knows(language, word) and not knows(language, capital.text[-1] + word)
