"""Pages turned upright, and boxes on them taken back to the image as it came."""

from collections.abc import Sequence

import numpy as np

from schemas.page import Box
from workers.engines.classic.ppocr import Pixels, Rotation


def turned_pixels(rgb: Pixels, rotation: Rotation) -> Pixels:
    """Turned clockwise by `rotation`."""
    return np.ascontiguousarray(np.rot90(rgb, -(rotation // 90))) if rotation else rgb


def turned_boxes(boxes: Sequence[Box], rotation: Rotation, width: int, height: int) -> list[Box]:
    """Boxes on a page that was turned clockwise by `rotation`, on the image before that, which is `width` by `height`."""

    def back(box: Box) -> Box:
        left, top, right, bottom = box
        match rotation:
            case 90:
                return Box(top, height - right, bottom, height - left)
            case 180:
                return Box(width - right, height - bottom, width - left, height - top)
            case 270:
                return Box(width - bottom, left, width - top, right)
        return box

    return [back(box) for box in boxes]
