"""Boxes are (left, top, right, bottom), origin top left, in pixels of the rendered page image where nothing else is said."""

from typing import NamedTuple

from schemas.page.bounds import Finite


class Box(NamedTuple):
    left: Finite
    top: Finite
    right: Finite
    bottom: Finite

    @property
    def width(self) -> float:
        return self.right - self.left

    @property
    def height(self) -> float:
        return self.bottom - self.top

    @property
    def area(self) -> float:
        """0 for an empty or inverted box."""
        return max(0.0, self.width) * max(0.0, self.height)

    def intersection(self, other: "Box") -> "Box":
        """The common part; an inverted box (area 0) if the boxes do not meet."""
        return Box(
            max(self.left, other.left), max(self.top, other.top), min(self.right, other.right), min(self.bottom, other.bottom)
        )

    def union(self, other: "Box") -> "Box":
        return Box(
            min(self.left, other.left), min(self.top, other.top), max(self.right, other.right), max(self.bottom, other.bottom)
        )

    def scaled(self, x: float, y: float) -> "Box":
        return Box(self.left * x, self.top * y, self.right * x, self.bottom * y)

    def moved(self, x: float, y: float) -> "Box":
        return Box(self.left + x, self.top + y, self.right + x, self.bottom + y)

    def is_at(self, other: "Box") -> bool:
        """True if the two share half of the smaller one: a figure and its chart, each with its own margin."""
        smaller = min(self.area, other.area)
        return smaller > 0 and self.intersection(other).area / smaller >= 0.5
