"""Lines at the edges of a page, by which its neighbours see what repeats. Runs inside the sandbox."""

from collections.abc import Sequence
from itertools import groupby, pairwise

from schemas.page import EDGE_CHARS, EDGE_LINES, EDGE_SHARE, Box, EdgeLine, Word

_GAP = 1.8
"""In font sizes: a wider gap parts what stands on one line, a title on the left from a number on the right."""


def edge_lines(words: Sequence[Word], page_pt: Box) -> list[EdgeLine]:
    """Those at the head and at the foot, nearest to the edge first, and those that run up or down the page's sides."""
    groups = [list(group) for _, group in groupby(words, key=lambda word: (word.block, word.line))]
    lines = [line for group in groups if not _is_inside(group, page_pt) for line in _parts(group)]
    head, foot, sides = [], [], []
    for line in lines:
        box = _around(line)
        x, y = (box.left + box.right) / 2 / page_pt.width, (box.top + box.bottom) / 2 / page_pt.height
        found = EdgeLine(" ".join(word.text for word in line)[:EDGE_CHARS], round(min(max(y, 0.0), 1.0), 4))
        if y < EDGE_SHARE:
            head.append(found)
        elif y > 1 - EDGE_SHARE:
            foot.append(found)
        elif min(x, 1 - x) < EDGE_SHARE / 2 and box.height > 2 * box.width:
            sides.append(found)
    head.sort(key=lambda line: line.y)
    foot.sort(key=lambda line: -line.y)
    return [*head[:EDGE_LINES], *foot[:EDGE_LINES], *sides[:EDGE_LINES]]


def _around(words: Sequence[Word]) -> Box:
    _, lefts, tops, rights, bottoms, *_ = zip(*words, strict=True)
    return Box(min(lefts), min(tops), max(rights), max(bottoms))


def _is_inside(words: Sequence[Word], page_pt: Box) -> bool:
    """All of them are farther from the edges than what counts: most lines of a page."""
    left, top, right, bottom = _around(words).scaled(1 / page_pt.width, 1 / page_pt.height)
    return min(top, 1 - bottom) > EDGE_SHARE and min(left, 1 - right) > EDGE_SHARE / 2


def _parts(line: list[Word]) -> list[list[Word]]:
    parts = [line[:1]]
    for before, after in pairwise(line):
        gap = max(before.left, after.left) - min(before.right, after.right)
        if gap > _GAP * max(min(before.size_px, after.size_px), 1.0) and after.bottom - after.top < 2 * (after.right - after.left):
            parts.append([])
        parts[-1].append(after)
    return parts
