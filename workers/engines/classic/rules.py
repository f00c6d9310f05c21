"""Drawn rules, found in a page's pixels: straight edges across or down the page, long enough to be no letter's.

Pixels are looked at and not the PDF's drawing operators, because pixels are alike in a PDF, a scan and a picture. They are also
alike whatever drew them: strokes, thin rectangles, shading, white gaps between coloured cells, a clip. And nothing more has to
cross the sandbox.
"""

from typing import Any

import cv2  # comes with rapidocr
import numpy as np
import numpy.typing as npt

from workers.engines.classic.reading_order.tables.ruling import Rule, Rules

STEP = 7
"""Levels of grey (of 255) between two pixels at the edge of the faintest shading that counts, where a renderer drew the page."""
STEP_SCANNED = 40
PAPER = 250
SEAM = 30
"""Levels of grey: what is fainter, and has the same shade on both sides, is a seam between two parts of a background."""
MIN_ACROSS = 2.2
"""In font sizes: the shortest rule across. A bar of a letter is shorter, but for headings."""
MIN_DOWN = 1.1
"""In font sizes: the shortest rule down: a row of a table with no air is as high."""
MAX_GAP = 0.15
"""In font sizes: what descenders and rules that cross take away from a rule."""
MIN_DENSITY = 0.85
MAX_PAIRS = 1_000_000
"""Of an edge and a word that are looked at together: some 50 MB."""
MAX_RULES = 4_000
"""Edges each way, the longest: a page of rules and hatchings has more, a table of 500 rows and 20 columns does not."""

Gray = np.ndarray[tuple[int, int], np.dtype[np.uint8]]
_Edges = npt.NDArray[np.int64]


def find_rules(pixels: np.ndarray[Any, np.dtype[np.uint8]], words: npt.NDArray[np.float64], size: float, *, is_scan: bool) -> Rules:
    """Rules of a page, in its pixels.

    `pixels`: height x width x RGB. `words`: left, top, right, bottom, a row each; a stroke of a letter inside one is no rule.
    `size`: the usual font size.
    """
    if min(pixels.shape[:2]) < 2:
        return Rules()
    gray = _gray(pixels)
    step = STEP_SCANNED if is_scan else STEP
    across = _edges(gray, step, MIN_ACROSS * size, MAX_GAP * size)
    turned = cv2.transpose(gray)
    down = _edges(turned, step, MIN_DOWN * size, MAX_GAP * size)
    across = across[~_are_letters(across, words[:, [1, 3, 0, 2]], (0.15, 0.85), 0.7)]
    down = down[~_are_letters(down, words[:, [0, 2, 1, 3]], (0.1, 0.9), 0.6)]
    across, down = _without_seams(gray, across), _without_seams(turned, down)
    return Rules(_merged(across, 0.3 * size), _merged(down, 0.3 * size))


def _gray(pixels: np.ndarray[Any, np.dtype[np.uint8]]) -> Gray:
    """With 0.22, 0.44 and 0.34 of red, green and blue, for yellow beside white is an edge, too. An even mean costs three times as
    much, and fresh memory for each step as much again."""
    gray: Gray = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)
    cv2.addWeighted(gray, 0.75, cv2.extractChannel(pixels, 2), 0.25, 0, dst=gray)
    return gray


def _edges(gray: Gray, step: int, min_length: float, max_gap: float) -> _Edges:
    """Runs of steps between a line of pixels and the next: position (of the lower line), start, end, a row each."""
    steps = cv2.absdiff(gray[:-1], gray[1:])
    is_edge = np.greater_equal(steps, step, out=steps.view(np.bool_))
    is_edge[:, -int(max_gap) - 2 :] = False  # so that no run goes over into the next line
    places = np.flatnonzero(is_edge)
    if not len(places):
        return np.empty((0, 3), dtype=np.int64)
    width = gray.shape[1]
    ends = np.flatnonzero(np.diff(places) > max_gap + 1)
    first = np.concatenate(([0], ends + 1))
    last = np.concatenate((ends, [len(places) - 1]))
    lengths = places[last] - places[first] + 1
    chosen = (lengths >= min_length) & (last - first + 1 >= MIN_DENSITY * lengths)
    first, last, lengths = first[chosen], last[chosen], lengths[chosen]
    if len(lengths) > MAX_RULES:
        longest = np.sort(np.argsort(-lengths, kind="stable")[:MAX_RULES])
        first, last = first[longest], last[longest]
    found: _Edges = np.stack((places[first] // width + 1, places[first] % width, places[last] % width + 1), axis=1)
    return found


def _without_seams(gray: Gray, edges: _Edges) -> _Edges:
    return edges[np.array([not _is_seam(gray, *edge) for edge in edges.tolist()], dtype=bool)]


def _is_seam(gray: Gray, place: int, start: int, end: int) -> bool:
    """Faint, and on both sides the same shade, not the paper's: where a background is painted line by line, its parts meet so."""
    inside = slice(start, min(end, start + 400))
    if cv2.absdiff(gray[place - 1, inside], gray[place, inside]).mean() > SEAM:
        return False
    above, below = gray[max(place - 3, 0), inside], gray[min(place + 2, len(gray) - 1), inside]
    return float(np.median(above)) < PAPER and float(np.median(np.abs(above.astype(np.int16) - below))) < STEP - 2


def _are_letters(edges: _Edges, words: npt.NDArray[np.float64], core: tuple[float, float], most: float) -> npt.NDArray[np.bool_]:
    """Edges most of whose length lies inside words, of which `core` is the part (from, to) that no rule touches. Words are
    looked up in strips. `words`: start and end along the edges' places, start and end along the edges."""
    are = np.zeros(len(edges), dtype=bool)
    if not len(words) or not len(edges):
        return are
    low, high, start, end = words[np.argsort(words[:, 0], kind="stable")].T
    from_first, to_last = np.searchsorted(low, edges[:, 0] - float((high - low).max())), np.searchsorted(low, edges[:, 0])
    counts = to_last - from_first
    at_once = max(1, MAX_PAIRS // max(int(counts.max()), 1))
    for part in (slice(begin, begin + at_once) for begin in range(0, len(edges), at_once)):
        near = counts[part]
        edge = np.repeat(np.arange(len(near)), near)
        word = np.arange(len(edge)) + np.repeat(from_first[part] - (np.cumsum(near) - near), near)
        place, first, last = edges[part].T
        size = high[word] - low[word]
        is_inside = (low[word] + core[0] * size < place[edge]) & (place[edge] < low[word] + core[1] * size)
        shared = np.minimum(end[word], last[edge]) - np.maximum(start[word], first[edge])
        covered = np.bincount(edge, np.where(is_inside, shared.clip(0), 0.0), minlength=len(near))
        are[part] = covered > most * (last - first)
    return are


def _merged(edges: _Edges, near: float) -> tuple[Rule, ...]:
    """Edges side by side are the two sides of one rule; pieces of one rule are joined over what crosses it."""
    rules: list[Rule] = []
    open_rules: list[Rule] = []
    for place, start, end in edges[np.lexsort((edges[:, 1], edges[:, 0]))].tolist():
        still = [rule for rule in open_rules if place - rule.place <= near]
        rules += [rule for rule in open_rules if place - rule.place > near]
        joined = Rule(float(place), float(start), float(end))
        open_rules = []
        for rule in still:
            if rule.start - near <= joined.end and joined.start - near <= rule.end:
                long, short = (rule, joined) if rule.end - rule.start >= joined.end - joined.start else (joined, rule)
                place_of_both = (rule.place + joined.place) / 2 if long.length < 1.5 * short.length else long.place
                joined = Rule(place_of_both, min(rule.start, joined.start), max(rule.end, joined.end))
            else:
                open_rules.append(rule)
        open_rules.append(joined)
    return tuple(sorted(rules + open_rules))
