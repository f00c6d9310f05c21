"""Boxes as a model counts them, in pixels or from 0 to a fixed number, become shares of the image."""

from collections.abc import Sequence
from typing import NamedTuple


class Boxes(NamedTuple):
    width: int
    """The right edge of the image in the answer's numbers."""
    height: int

    def share(self, edges: Sequence[float]) -> list[float] | None:
        """[left, top, right, bottom] as shares of the image's sides, within it; None if these are no box."""
        if len(edges) != 4 or any(edge != edge or abs(edge) > 1e9 for edge in edges):
            return None
        scales = (self.width, self.height, self.width, self.height)
        left, top, right, bottom = (min(max(edge / scale, 0.0), 1.0) for edge, scale in zip(edges, scales, strict=True))
        return [left, top, right, bottom] if left < right and top < bottom else None
