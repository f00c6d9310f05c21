"""The ink of a line of print: its parts, where its small letters stand, and whether a part has the shape of „ ‚ ‹ › or ¡."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

SMALL_PX = 40
_Part = tuple[int, int, int, int]
"""Left, top, right, bottom, in pixels of the line."""


class Ink(NamedTuple):
    """A connected part of the ink, or several one over the other."""

    left: int
    top: int
    right: int
    bottom: int
    parts: tuple[_Part, ...]
    black: npt.NDArray[np.uint8]

    @property
    def width(self) -> int:
        return self.right - self.left

    @property
    def height(self) -> int:
        return self.bottom - self.top


class Zone(NamedTuple):
    """The rows of small letters without descenders."""

    top: float
    base: float

    @property
    def height(self) -> float:
        return self.base - self.top


def inks_of(crop: npt.NDArray[np.uint8]) -> list[Ink]:
    """From left to right, in pixels of the line or, of a small one, of half their size; without specks, and without what the crop's
    upper or lower edge cuts, which is of other lines.

    `crop`: BGR, dark on light or light on dark.
    """
    import cv2  # comes with rapidocr; a driver describes the engine without it

    black = _black(crop)
    height = black.shape[0]
    stats = cv2.connectedComponentsWithStats(black, connectivity=8)[2][1:]
    parts = sorted(
        (int(left), int(top), int(left + width), int(top + tall))
        for left, top, width, tall, area in stats
        if area >= (height / 24) ** 2 and top > 0 and top + tall < height and width < 4 * height
    )
    groups: list[list[_Part]] = []
    for part in parts:
        if groups and _are_stacked(groups[-1], part):
            groups[-1].append(part)
        else:
            groups.append([part])
    return [_ink(group, black) for group in groups]


def _black(crop: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """1 for ink. Of a small line twice as high and wide, for the two commas of „ touch there."""
    import cv2

    gray = cv2.cvtColor(crop, cv2.COLOR_BGR2GRAY)
    if len(gray) < SMALL_PX:
        gray = cv2.resize(gray, None, fx=2, fy=2, interpolation=cv2.INTER_CUBIC)
    if np.median(gray) < 128:
        gray = 255 - gray
    return np.asarray(cv2.threshold(gray, 0, 1, cv2.THRESH_BINARY_INV | cv2.THRESH_OTSU)[1], dtype=np.uint8)


def _are_stacked(group: Sequence[_Part], part: _Part) -> bool:
    """They share two fifths of the narrower one's width."""
    left, right = min(each[0] for each in group), max(each[2] for each in group)
    return min(right, part[2]) - part[0] > 0.4 * min(part[2] - part[0], right - left)


def _ink(group: Sequence[_Part], black: npt.NDArray[np.uint8]) -> Ink:
    left, top = min(part[0] for part in group), min(part[1] for part in group)
    right, bottom = max(part[2] for part in group), max(part[3] for part in group)
    return Ink(left, top, right, bottom, tuple(group), black[top:bottom, left:right])


def zone_of(inks: Sequence[Ink]) -> Zone | None:
    """From the parts that are as high as letters; None where they are few."""
    parts = [(top, bottom) for ink in inks for _, top, _, bottom in ink.parts]
    tallest = float(np.quantile([bottom - top for top, bottom in parts], 0.9)) if parts else 0.0
    letters = [(top, bottom) for top, bottom in parts if bottom - top > 0.5 * tallest]
    if len(letters) < 3:
        return None
    zone = Zone(float(np.quantile([top for top, _ in letters], 0.7)), float(np.median([bottom for _, bottom in letters])))
    return zone if zone.height >= 5 else None


def sign_of(ink: Ink, following: Ink | None, zone: Zone) -> tuple[str, int]:
    """The sign, and of how many inks; "" for all other shapes. `following`: the ink behind it, where no character stands on it."""
    if following is not None and _is_low(ink, zone, 0.05) and _is_beside(ink, following, zone):
        return "„", 2
    if _is_low(ink, zone, 0.12):
        return "‚", 1
    if _are_low_in_one(ink, zone):
        return "„", 1
    return ("¡" if _is_turned_mark(ink, zone) else _angle(ink, zone)), 1


def _is_low(ink: Ink, zone: Zone, depth: float) -> bool:
    """A comma's shape, by `depth` of the height of small letters through the base line."""
    return (
        len(ink.parts) == 1
        and ink.top > zone.top + 0.5 * zone.height
        and ink.bottom > zone.base + depth * zone.height
        and 0.2 * zone.height < ink.height < 0.75 * zone.height
        and 0.15 * ink.height < ink.width < ink.height
    )


def _are_low_in_one(ink: Ink, zone: Zone) -> bool:
    """Two commas that touch, for the scan is coarse."""
    return (
        len(ink.parts) == 1
        and ink.top > zone.top + 0.5 * zone.height
        and ink.bottom > zone.base + 0.12 * zone.height
        and 0.25 * zone.height < ink.height < 0.75 * zone.height
        and ink.height <= ink.width < 2.2 * ink.height
    )


def _is_beside(ink: Ink, following: Ink, zone: Zone) -> bool:
    """A second comma like the first, which may have lost its tail."""
    return (
        len(following.parts) == 1
        and abs(following.top - ink.top) < 0.2 * zone.height
        and following.bottom > zone.base
        and 0.5 * ink.height < following.height < 1.5 * ink.height
        and following.width < 2 * ink.width
        and following.left - ink.right < 0.5 * zone.height
    )


def _is_turned_mark(ink: Ink, zone: Zone) -> bool:
    """A dot no higher than small letters, and under it a stem that ends below the base line."""
    if len(ink.parts) != 2:
        return False
    (_, dot_top, _, dot_bottom), (_, top, _, bottom) = sorted(ink.parts, key=lambda part: part[1])
    dot = dot_bottom - dot_top
    return (
        ink.width < 0.5 * zone.height
        and dot_top > zone.top - 0.25 * zone.height
        and bottom > zone.base + 0.12 * zone.height
        and dot < 0.4 * zone.height
        and bottom - top > max(0.6 * zone.height, 1.5 * dot)
    )


def _angle(ink: Ink, zone: Zone) -> str:
    """‹ or ›, narrower than < and >: one end pointed, in the middle, the other open."""
    is_small = 0.4 * zone.height < ink.height < 1.05 * zone.height and 0.25 * ink.height < ink.width < 0.72 * ink.height
    is_on_line = (
        zone.top - 0.15 * zone.height < ink.top and zone.base - 0.35 * zone.height < ink.bottom < zone.base + 0.05 * zone.height
    )
    if not is_small or not is_on_line or len(ink.parts) > 1 or ink.width < 3:
        return ""
    step = max(ink.width // 3, 1)
    left, right = (np.asarray(end.any(axis=1)) for end in (ink.black[:, :step], ink.black[:, -step:]))
    if _is_point(left) and _is_fork(right):
        return "‹"
    return "›" if _is_point(right) and _is_fork(left) else ""


def _is_point(end: npt.NDArray[np.bool_]) -> bool:
    """`end`: which rows of it bear ink."""
    rows = np.flatnonzero(end)
    return len(rows) > 0 and rows[0] > 0.2 * len(end) and rows[-1] < 0.8 * len(end)


def _is_fork(end: npt.NDArray[np.bool_]) -> bool:
    rows = np.flatnonzero(end)
    height = len(end)
    middle = end[round(0.4 * height) : max(round(0.6 * height), round(0.4 * height) + 1)]
    return len(rows) > 0 and rows[0] <= height / 15 + 1 and rows[-1] >= height * 14 / 15 - 2 and not middle.any()
