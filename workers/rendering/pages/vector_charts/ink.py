"""Whether all that is seen in a plot is explained by what is known to be drawn there.

Patterns, gradients and pictures are no paths. The page's own pixels show them: what is neither ground nor near a known shape or a
word, and fills that are not the colour that they say.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

from schemas.page import Box
from workers.rendering.pages.vector_charts.labels import Label
from workers.rendering.pages.vector_charts.marks.shapes import Colour, Shape, on_arc

Pixels = np.ndarray[tuple[int, ...], np.dtype[np.uint8]]

MAX_SIDE_PX = 700
UNEXPLAINED_SHARE = 0.003
"""Of the plot: a hatched bar is some hundredths, the rims of glyphs that stand out of their boxes less than a thousandth."""
STEPS = tuple(step / 8 for step in range(1, 8))
"""Along an arc: a quarter of a circle is then off by a two-hundredth of its radius."""
FAR = 40
"""Levels by which a pixel differs from its ground."""
MAX_COVERS = 40
MIN_INSIDE_PX = 12
FILLED_SHARE = 0.5
"""Of a fill's inside that has to show its colour."""


class Ink:
    """The pixels of a page, and how many there are to a point."""

    def __init__(self, pixels: Pixels, x: float, y: float) -> None:
        self._pixels, self._x, self._y = pixels, x, y

    def __call__(self, plot: Box, shapes: Sequence[Shape], labels: Sequence[Label], filled: Sequence[Shape]) -> str | None:
        """What cannot be explained; None where all is."""
        box = plot.scaled(self._x, self._y)
        step = max(1, int(max(box.width, box.height) / MAX_SIDE_PX))
        left, top = max(int(box.left), 0), max(int(box.top), 0)
        part = self._pixels[top : int(box.bottom) + 1 : step, left : int(box.right) + 1 : step].astype(np.int16)
        if part.shape[0] < 4 or part.shape[1] < 4:
            return "a plot of a few pixels"
        view = _View(left, top, self._x / step, self._y / step, step, part.shape[1], part.shape[0])
        if why := _wrong_fill(part, view, filled, shapes, labels):
            return why
        known, grounds = _known(view, plot, shapes, labels)
        stray = ~known
        for ground in grounds:
            stray &= np.abs(part - np.array(ground, dtype=np.int16)).max(axis=2) > FAR
        share = float(stray.mean())
        return f"{100 * share:.1f} % of the plot" if share > UNEXPLAINED_SHARE else None


class _View:
    """From points to pixels of the part that is looked at."""

    def __init__(self, left: int, top: int, x: float, y: float, step: int, width: int, height: int) -> None:
        self.left, self.top, self.x, self.y = left / step, top / step, x, y
        self.width, self.height = width, height

    def at(self, x: float, y: float) -> tuple[float, float]:
        return x * self.x - self.left, y * self.y - self.top


def _known(view: _View, plot: Box, shapes: Sequence[Shape], labels: Sequence[Label]) -> tuple[Any, list[Colour]]:
    """Where known shapes and words are, a pixel or two wider than they are; and the colours of the grounds."""
    mask = Image.new("1", (view.width, view.height), 0)
    pen = ImageDraw.Draw(mask)
    grounds: list[Colour] = [(255, 255, 255)]
    for shape in shapes:
        part = shape.box.intersection(plot)
        if part.width < -2 or part.height < -2:
            continue
        width = max(1, round(shape.width * (view.x + view.y) / 2)) + 3
        if shape.kind == "rect" and shape.fill is not None and part.area > 0.5 * plot.area:
            if len(grounds) < 12 and shape.fill not in grounds:
                grounds.append(shape.fill)
            continue
        points = [view.at(*point) for point in _outline(shape)]
        if shape.fill is not None and len(points) > 2:
            pen.polygon(points, fill=1, outline=1)
        if len(points) > 1:
            pen.line([*points, points[0]] if shape.is_closed else points, fill=1, width=width)
            if shape.fill is None or shape.side < 20:
                for x, y in (points[0], points[-1]):
                    pen.ellipse((x - width / 2, y - width / 2, x + width / 2, y + width / 2), fill=1)
    for label in labels:
        box = label.box
        (left, top), (right, bottom) = view.at(box.left - 1, box.top - 1), view.at(box.right + 1, box.bottom + 1)
        if right > 0 and bottom > 0 and left < view.width and top < view.height:
            pen.rectangle((left, top, right, bottom), fill=1)
    pen.rectangle((0, 0, view.width - 1, view.height - 1), outline=1, width=4)
    return np.array(mask, dtype=bool), grounds


def _outline(shape: Shape) -> list[tuple[float, float]]:
    if not shape.arcs:
        return list(shape.points)
    by_start = {arc[0]: arc for arc in shape.arcs}
    points: list[tuple[float, float]] = []
    for point in shape.points:
        points.append(point)
        if arc := by_start.get(point):
            points += [on_arc(arc, t) for t in STEPS]
    return points


def _holds(box: Box, label: Label) -> bool:
    x, y = label.centre
    return box.left <= x <= box.right and box.top <= y <= box.bottom


def _wrong_fill(part: Any, view: _View, filled: Sequence[Shape], shapes: Sequence[Shape], labels: Sequence[Label]) -> str | None:
    """A bar whose inside is mostly another colour than its fill: a pattern or a gradient lies over it. What a legend's ground
    covers is not looked at."""
    order = {id(shape): place for place, shape in enumerate(shapes)}
    bars = {id(shape) for shape in filled}
    covers = [
        (place, shape.box)
        for place, shape in enumerate(shapes)
        if shape.fill is not None and min(shape.fill) > 200 and id(shape) not in bars
    ][-MAX_COVERS:]
    covers = [(place, box) for place, box in covers if any(_holds(box, label) for label in labels)]
    for shape in filled[:400]:
        if shape.kind != "rect" or shape.opacity < 0.99 or shape.fill is None:
            continue
        (left, top), (right, bottom) = view.at(shape.box.left, shape.box.top), view.at(shape.box.right, shape.box.bottom)
        inner = part[max(int(top) + 2, 0) : max(int(bottom) - 1, 0), max(int(left) + 2, 0) : max(int(right) - 1, 0)]
        if inner.shape[0] < 3 or inner.shape[1] < 3:
            continue
        own = np.ones(inner.shape[:2], dtype=bool)
        for place, cover in covers:
            if place > order.get(id(shape), place) and cover.intersection(shape.box).area > 0:
                (x0, y0), (x1, y1) = view.at(cover.left, cover.top), view.at(cover.right, cover.bottom)
                rows = slice(max(int(y0) - max(int(top) + 2, 0), 0), max(int(y1) + 2 - max(int(top) + 2, 0), 0))
                own[rows, max(int(x0) - max(int(left) + 2, 0), 0) : max(int(x1) + 2 - max(int(left) + 2, 0), 0)] = False
        inner = inner[own]
        if len(inner) < MIN_INSIDE_PX:
            continue
        share = float((np.abs(inner - np.array(shape.fill, dtype=np.int16)).max(axis=-1) <= 16).mean())
        words = sum(label.box.intersection(shape.box).area for label in labels) / max(shape.box.area, 1)
        if share < FILLED_SHARE * (1 - min(words, 0.9)):
            return f"a fill that shows {100 * share:.0f} % of its colour"
    return None
