"""Whether a picture of its own may be a chart: photographs have no plain ground, and on sheets of text nothing is larger than a
letter.

A picture that may be either is asked about. Of shared data (`python -m tests.bench chart_pictures`) all 64 pictures of charts are,
3 of 8 receipts, 7 of 52 sheets and lines of text, none of 4 photographs, and all of 12 tables.
"""

from typing import Any

import numpy as np
from PIL import Image

from schemas.page import PageImage

SIDE_PX = 480
"""Longer side of what is looked at: an axis of one pixel is seen, and letters are small."""
GROUND_SHARE = 0.22
"""The ground of a chart covers at least this share of it."""
INK = 20
"""Levels of 255 by which ink differs from the ground; grid lines differ by no more."""
LONG = 0.17
"""Of the longer side: axes, bars, curves and slices are longer, letters, words that touch and stamps are not."""

Mask = np.ndarray[Any, np.dtype[np.bool_]]


def may_be_chart(picture: PageImage) -> bool:
    """False for photographs and for sheets with text alone. A table with rules, a form or a logo may be one."""
    image = Image.frombytes("RGB", (picture.width_px, picture.height_px), picture.rgb())
    shrink = max(image.size) / SIDE_PX
    if shrink > 1:
        size = max(1, round(image.width / shrink)), max(1, round(image.height / shrink))
        image = image.resize(size, Image.Resampling.BOX)
    pixels = np.asarray(image).astype(np.int16)
    keys = (pixels[..., 0] >> 4 << 8) | (pixels[..., 1] >> 4 << 4) | (pixels[..., 2] >> 4)
    counts = np.bincount(keys.ravel())
    commonest = int(counts.argmax())
    if counts[commonest] < GROUND_SHARE * keys.size:
        return False
    ground = np.median(pixels[keys == commonest], axis=0)
    ink = np.abs(pixels - ground).max(axis=2) > INK
    return longest_part(ink) >= LONG * max(ink.shape)


def longest_part(ink: Mask) -> int:
    """Longer side, in pixels, of the largest box around ink that hangs together (corners touch, too)."""
    parent: list[int] = []
    boxes: list[tuple[int, int, int, int]] = []

    def root_of(run: int) -> int:
        while parent[run] != run:
            parent[run] = parent[parent[run]]
            run = parent[run]
        return run

    above: list[tuple[int, int, int]] = []
    for y, row in enumerate(ink):
        edges = np.flatnonzero(np.diff(np.concatenate(([False], row, [False])).astype(np.int8))).tolist()
        here: list[tuple[int, int, int]] = []
        first = 0
        for start, stop in zip(edges[::2], edges[1::2], strict=True):
            run = len(parent)
            parent.append(run)
            boxes.append((start, y, stop, y + 1))
            while first < len(above) and above[first][1] < start:
                first += 1
            for left, right, other in above[first:]:
                if left > stop:
                    break
                if right >= start and (one := root_of(other)) != (two := root_of(run)):
                    parent[two] = one
                    a, b = boxes[one], boxes[two]
                    boxes[one] = min(a[0], b[0]), min(a[1], b[1]), max(a[2], b[2]), max(a[3], b[3])
            here.append((start, stop, run))
        above = here
    sides = (max(boxes[run][2] - boxes[run][0], boxes[run][3] - boxes[run][1]) for run in range(len(parent)) if parent[run] == run)
    return max(sides, default=0)
