"""A page that lay askew on the scanner: by how much, and its lines and pixels laid level."""

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from schemas.page import Box

_Pixels = npt.NDArray[np.uint8]
Quads = npt.NDArray[np.float64]
"""Corners of lines: lines x 4 x (x, y), in pixels."""

MAX_SLOPE = 0.4
"""Of a line that is askew; steeper ones are meant so."""
_REACH_DEGREES, _STEP_DEGREES = 3.0, 0.1
_LEAST = math.radians(_STEP_DEGREES)
_FINENESS = 12
"""Rows of pixels of a line that are looked at: more say nothing more."""
_INK = 64
"""Of 255: grey levels by which ink differs from the paper, at least."""
_LEAST_INK = 400
"""Pixels, of those that are looked at: less may lie in line by chance."""
_SHARPER = 1.02
"""Times the sharpness of the page as it lies, from which another angle is believed."""


def skew_of(quads: Quads, pixels: _Pixels) -> float:
    """Radians by which the page's lines fall to the right; 0 for a level page.

    The long lines say it roughly. Of short ones, as the cells of a table, the detector gives level boxes however they lie, so their
    ink decides: at the right angle it parts best into rows with and without (Postl's projection profile).
    """
    rough = _by_long_lines(quads)
    y, x = _ink(quads, pixels)
    if len(y) < _LEAST_INK:
        return rough
    angles = rough + np.radians(np.arange(-_REACH_DEGREES, _REACH_DEGREES + _STEP_DEGREES / 2, _STEP_DEGREES))
    found = [sharpness(y, x, math.tan(angle)) for angle in angles]
    best = int(np.argmax(found))
    is_askew = abs(angles[best]) >= _LEAST and found[best] >= _SHARPER * sharpness(y, x, 0.0)
    return float(angles[best]) if is_askew else 0.0


def leveled_boxes(quads: Quads, skew: float, width: int, height: int) -> list[Box]:
    """Boxes of the lines after turning the page about its middle, each as high as its line is thick."""
    level = _turned(quads, -skew, width, height)
    middle = level.mean(axis=1)
    half = np.abs(level - middle[:, None]).mean(axis=1)
    return [Box(*corners) for corners in np.concatenate([middle - half, middle + half], axis=1).tolist()]


def askew_boxes(boxes: Sequence[Box], skew: float, width: int, height: int) -> list[Box]:
    """The boxes around what lies in these on the page laid level, on the page as it was before."""
    if not skew or not boxes:
        return list(boxes)
    sides = np.array(boxes, dtype=float)
    corners = _turned(sides[:, [[0, 1], [2, 1], [2, 3], [0, 3]]], skew, width, height)
    return [Box(*around) for around in np.concatenate([corners.min(axis=1), corners.max(axis=1)], axis=1).tolist()]


def _turned(points: Quads, angle: float, width: int, height: int) -> Quads:
    """Clockwise about the middle of the page."""
    turn = np.array([[math.cos(angle), math.sin(angle)], [-math.sin(angle), math.cos(angle)]])
    centre = np.array([width / 2, height / 2])
    return np.asarray((points - centre) @ turn + centre)


def leveled_pixels(pixels: _Pixels, skew: float) -> _Pixels:
    """The page turned in the same way, in its own size; what comes in at the corners is white."""
    if not skew:
        return pixels
    import cv2  # here, because describing the engine must not load it

    height, width = pixels.shape[:2]
    turn = cv2.getRotationMatrix2D((width / 2, height / 2), math.degrees(skew), 1.0)
    return np.asarray(cv2.warpAffine(pixels, turn, (width, height), flags=cv2.INTER_LINEAR, borderValue=(255, 255, 255)), np.uint8)


def _by_long_lines(quads: Quads) -> float:
    """The usual angle of the lines longer than four times their height, each weighted by the square of its length."""
    ends = quads[np.arange(len(quads))[:, None], np.argsort(quads[..., 0], axis=1)]
    run = ends[:, 2:].mean(axis=1) - ends[:, :2].mean(axis=1)
    length = np.maximum(np.linalg.norm(run, axis=1), 1)
    slope = run[:, 1] / np.maximum(run[:, 0], 1)
    is_long = (length > 4 * _areas(quads) / length) & (np.abs(slope) < MAX_SLOPE)
    if not is_long.any():
        return 0.0
    order = np.argsort(slope[is_long])
    weights = np.cumsum(np.square(length[is_long][order]))
    return math.atan(slope[is_long][order][np.searchsorted(weights, weights[-1] / 2)])


def _areas(quads: Quads) -> npt.NDArray[np.float64]:
    x, y = quads[..., 0], quads[..., 1]
    return np.abs((x * np.roll(y, 1, axis=1) - y * np.roll(x, 1, axis=1)).sum(axis=1)) / 2


def _ink(quads: Quads, pixels: _Pixels) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Rows and columns of the pixels with ink inside the lines that do not stand upright."""
    import cv2

    sides = quads.max(axis=1) - quads.min(axis=1)
    lines = quads[sides[:, 0] > sides[:, 1]]
    step = max(1, int(np.median(_areas(quads) / np.maximum(np.hypot(*sides.T), 1)) / _FINENESS))
    grey = pixels[::step, ::step, 1]
    inside = np.zeros(grey.shape, dtype=np.uint8)
    cv2.fillPoly(inside, list((lines / step).round().astype(np.int32)), 1)
    paper = int(np.bincount(grey.ravel(), minlength=256).argmax())
    y, x = np.nonzero((np.abs(grey.astype(np.int16) - paper) > _INK) & (inside == 1))
    return y, x


def sharpness(y: npt.NDArray[np.int64], x: npt.NDArray[np.int64], slope: float) -> float:
    """How well pixels part into rows with many and rows with few, once each is moved up by `slope` times its column."""
    rows = np.floor(y - slope * x).astype(np.int64)
    return float(np.square(np.bincount(rows - rows.min()), dtype=np.float64).sum())
