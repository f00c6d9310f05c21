"""Superscripts: which parts of a line are raised, and how they are written so that no reader takes them for part of a number."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Any

from schemas.page import ACROSS, Word

_RAISED = dict(zip("0123456789+-−=()abcdefghijklmnoprstuvwxyz", "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁻⁼⁽⁾ᵃᵇᶜᵈᵉᶠᵍʰⁱʲᵏˡᵐⁿᵒᵖʳˢᵗᵘᵛʷˣʸᶻ", strict=True))
_RISE = 0.15
_MAX_RISE = 0.8
_RAISED_SIZE = 0.45, 0.92
"""A mark's baseline lies higher than its line's by this share of the line's font size, and its own size is this share of it. A drop
capital's neighbours are smaller than that."""
_MARK_SIZE = 0.8
"""The same for a mark on a line of its own."""
_TOUCHES = 0.35
"""In the line's font sizes: a mark is no farther from what it belongs to."""
MAX_MARKS = 2_000
"""Of a page, that stand on lines of their own."""


def raised_spans(line: dict[str, Any]) -> frozenset[int]:
    """Places of a line's spans (of MuPDF's dictionaries) that are superscripts: smaller, higher, and close behind what they belong
    to. At the line's beginning one belongs to the words after it."""
    spans = line["spans"]
    if len(spans) < 2 or line["dir"][0] < 0.99:
        return frozenset()
    sizes = [span["size"] for span in spans]
    if min(sizes) >= _RAISED_SIZE[1] * max(sizes):  # most lines
        return frozenset()
    y, size = _base(spans)
    raised: set[int] = set()
    before: dict[str, Any] | None = None
    for place, span in enumerate(spans):
        if not _text_of(span).strip():
            continue
        if _is_higher(span, y, size):
            is_near = before is not None and span["bbox"][0] - before["bbox"][2] < _TOUCHES * size
            if is_near or (before is None and _begins_words(spans[place + 1 :], y, size)):
                raised.add(place)
        before = span
    return frozenset(raised)


def _base(spans: Sequence[dict[str, Any]]) -> tuple[float, float]:
    """(baseline's y, font size) of most of the line, in points."""
    weights: Counter[tuple[float, float]] = Counter()
    for span in spans:
        weights[span["origin"][1], span["size"]] += len(_text_of(span)) * span["size"] ** 2
    return max(weights, key=lambda base: weights[base])


def _is_higher(span: dict[str, Any], y: float, size: float) -> bool:
    smaller = _RAISED_SIZE[0] * size < span["size"] < _RAISED_SIZE[1] * size
    return bool(smaller and _RISE * size < y - span["origin"][1] < _MAX_RISE * size)


def _begins_words(spans: Sequence[dict[str, Any]], y: float, size: float) -> bool:
    """The next text is words, as after the mark of a footnote; a fraction after a formula is none."""
    texts = [_text_of(span).strip() for span in spans if not _is_higher(span, y, size)]
    text = next(filter(None, texts), "")
    return text[:1].isalpha() and sum(map(str.isalpha, text)) >= 3


def _text_of(span: dict[str, Any]) -> str:
    return span["text"] if "text" in span else "".join(char["c"] for char in span["chars"])


def joined(words: list[Word]) -> list[Word]:
    """Words with the small numbers that stand raised at their ends, on lines of their own in the PDF, as their superscripts."""
    marks = [place for place, word in enumerate(words) if word.style & ACROSS and len(word.text) <= 3 and word.text.isdecimal()]
    largest = max((word.size_px for word in words), default=0.0)
    if len(marks) > MAX_MARKS or not (marks := [place for place in marks if words[place].size_px < _MARK_SIZE * largest]):
        return words
    by_end: dict[int, list[int]] = defaultdict(list)
    for place, word in enumerate(words):
        by_end[int(word.right // 8)].append(place)
    changed: dict[int, Word] = {}
    gone: set[int] = set()
    for place in marks:
        mark = words[place]
        near = (other for slot in (-1, 0, 1) for other in by_end.get(int(mark.left // 8) + slot, ())[:64])
        base = next((other for other in near if _carries(words[other], mark)), None)
        if base is not None and base not in gone and base not in changed and not _is_numerator(mark, words, by_end):
            whole = words[base]
            changed[base] = whole._replace(
                text=whole.text + raised(mark.text, whole.text), right=mark.right, top=min(whole.top, mark.top)
            )
            gone.add(place)
    return [changed.get(place, word) for place, word in enumerate(words) if place not in gone]


def _carries(word: Word, mark: Word) -> bool:
    size = word.size_px
    return (
        _RAISED_SIZE[0] * size < mark.size_px < _MARK_SIZE * size
        and (word.block, word.line) != (mark.block, mark.line)
        and -0.1 * size < mark.left - word.right < 0.25 * size
        and 0.25 * size < word.bottom - mark.bottom < 0.9 * size
        and word.text[-1].isalnum()
    )


def _is_numerator(mark: Word, words: Sequence[Word], by_end: dict[int, list[int]]) -> bool:
    """Another small number stands right below."""
    near = (words[other] for slot in (-1, 0, 1) for other in by_end.get(int(mark.right // 8) + slot, ())[:64])
    return any(
        other.size_px < 1.1 * mark.size_px
        and 0 < other.top - mark.top < 2.5 * mark.size_px
        and min(other.right, mark.right) - max(other.left, mark.left) > 0.5 * (mark.right - mark.left)
        for other in near
    )


def raised(part: str, before: str) -> str:
    """A superscript as characters that no reader takes for part of the number before it: `4,810` and `2` give `4,810²`.

    Letters stay where they end an ordinal or an abbreviation (`1st`, `Mme`); one alone is a mark (`Totalᵃ`, `xⁿ`). What has no
    raised form in Unicode follows a caret.
    """
    letters = sum(map(str.isalpha, part))
    if (letters == len(part) and (letters > 1 or not part.islower())) or not any(map(str.isalnum, part)):
        return part
    if part in ("o", "a") and before[-1:].isdigit() and len(before) < 4:
        return "ºª"[part == "a"]  # Spanish and Italian ordinals
    if all(char in _RAISED or not char.isalnum() for char in part):
        return "".join(_RAISED.get(char, char) for char in part)
    return f"^{part}"
