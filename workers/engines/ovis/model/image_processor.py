"""Turns pixels into patches, bit-exact with the reference: PIL's resize, then a table per channel instead of float arithmetic.

Each of the 256 levels stands for one float32, so patches stay uint8 (a quarter of the bytes) until they reach the device.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from workers.engines.ovis.model.configuration import Ovis2_5VisionConfig

MIN_PIXELS = 448 * 448
MAX_PIXELS = 1792 * 1792
"""Limit of the released 9B. That of the 2B is 1344 x 1792. The checkpoints do not contain it."""
MAX_RATIO = 200


@dataclass(frozen=True)
class Patches:
    """One image (or the frames of one video), ready for the vision tower."""

    levels: npt.NDArray[np.uint8]
    """[num_patches, channels * p * p], rows in merge order. `ImageProcessor.normalise` makes floats of them."""
    grid: tuple[int, int, int]
    """(frames, rows, columns) in patches."""
    num_atoms: int


class ImageProcessor:
    """Makes patches as `preprocessor_config.json` and the vision config say."""

    def __init__(
        self,
        vit: Ovis2_5VisionConfig,
        preprocessor: Mapping[str, Any],
        *,
        min_pixels: int = MIN_PIXELS,
        max_pixels: int = MAX_PIXELS,
    ) -> None:
        if min_pixels > max_pixels:
            raise ValueError(f"min_pixels {min_pixels} is above max_pixels {max_pixels}")
        self.patch_px, self.stride, self.cell_px = vit.patch_size, vit.hidden_stride, vit.cell_px
        self.min_pixels, self.max_pixels = min_pixels, max_pixels
        self.resample = Image.Resampling(preprocessor.get("resample", Image.Resampling.BILINEAR))
        self.levels = level_table(preprocessor, vit.num_channels)
        """[channels, 256] float32: the value of each level."""

    def patches(self, frames: Sequence[Image.Image], *, min_pixels: int | None = None, max_pixels: int | None = None) -> Patches:
        """The patches of an image, or of a video's frames, which all get the size computed from the first. Transparency is dropped
        and not laid on white, as in the reference."""
        first = frames[0]
        height, width = smart_resize(
            first.height, first.width, self.cell_px, min_pixels or self.min_pixels, max_pixels or self.max_pixels
        )
        pixels = np.stack([np.asarray(as_rgb(frame).resize((width, height), self.resample)) for frame in frames])
        grid = (len(frames), height // self.patch_px, width // self.patch_px)
        return Patches(to_patches(pixels, self.patch_px, self.stride), grid, math.prod(grid) // self.stride**2)

    def normalise(self, levels: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        """The patches as float32, bit for bit those of the reference."""
        channels = len(self.levels)
        by_channel = levels.reshape(len(levels), channels, -1)
        return np.stack([self.levels[c][by_channel[:, c]] for c in range(channels)], axis=1).reshape(levels.shape)


def as_rgb(image: Image.Image) -> Image.Image:
    return image if image.mode == "RGB" else image.convert("RGB")


def level_table(preprocessor: Mapping[str, Any], channels: int) -> npt.NDArray[np.float32]:
    """[channels, 256] float32: rescaled in float64, then (x - mean) / std in float32, as the slow SigLIP processor does."""
    level = np.arange(256, dtype=np.float64)
    if preprocessor.get("do_rescale", True):
        level = level * preprocessor.get("rescale_factor", 1 / 255)
    table = np.repeat(level.astype(np.float32)[None], channels, axis=0)
    if preprocessor.get("do_normalize", True):
        mean = np.asarray(preprocessor.get("image_mean", [0.5] * channels), dtype=np.float32)[:, None]
        std = np.asarray(preprocessor.get("image_std", [0.5] * channels), dtype=np.float32)[:, None]
        table = (table - mean) / std
    return table


def smart_resize(height: int, width: int, factor: int, min_pixels: int, max_pixels: int) -> tuple[int, int]:
    """(height, width) in multiples of `factor`, with an area within the limits and the aspect kept as well as possible.

    Python's `round` (half to even) is part of the specification. The reference floors a side of an extreme strip to 0 and crashes;
    here that side is one cell, and the other shrinks to fit.
    """
    tall, wide = float(height), float(width)
    if height < factor or width < factor:
        if height < width:
            tall, wide = factor, round(factor / height * width)
        else:
            tall, wide = round(factor / width * height), factor
    elif max(height, width) / min(height, width) > MAX_RATIO:
        if height > width:
            tall = MAX_RATIO * width
        else:
            wide = MAX_RATIO * height
    new_height, new_width = round(tall / factor) * factor, round(wide / factor) * factor
    if new_height * new_width > max_pixels:
        shrink = math.sqrt(tall * wide / max_pixels)
        new_height = math.floor(tall / shrink / factor) * factor
        new_width = math.floor(wide / shrink / factor) * factor
        longest = max(factor, max_pixels // factor // factor * factor)
        if new_height == 0:
            new_height, new_width = factor, min(new_width, longest)
        elif new_width == 0:
            new_height, new_width = min(new_height, longest), factor
    elif new_height * new_width < min_pixels:
        grow = math.sqrt(min_pixels / (tall * wide))
        new_height = math.ceil(tall * grow / factor) * factor
        new_width = math.ceil(wide * grow / factor) * factor
    return new_height, new_width


def to_patches(pixels: npt.NDArray[np.uint8], patch_px: int, stride: int) -> npt.NDArray[np.uint8]:
    """[frames, height, width, channels] -> [num_patches, channels * p * p] in merge order, channels outermost in a row."""
    frames, height, width, channels = pixels.shape
    cell = patch_px * stride
    split = pixels.reshape(frames, height // cell, stride, patch_px, width // cell, stride, patch_px, channels)
    ordered = split.transpose(0, 1, 4, 2, 5, 7, 3, 6)  # frame, cell row, cell column, row in cell, column in cell | channel, y, x
    return np.ascontiguousarray(ordered).reshape(-1, channels * patch_px**2)
