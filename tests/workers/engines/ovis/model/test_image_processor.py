import numpy as np
import pytest
from PIL import Image

from workers.engines.ovis.model.configuration import Ovis2_5VisionConfig
from workers.engines.ovis.model.image_processor import ImageProcessor, level_table, smart_resize, to_patches


@pytest.mark.parametrize(
    ("size", "limits", "expected"),
    [
        ((448, 448), (448 * 448, 1792 * 1792), (448, 448)),  # already right: nothing is resampled
        ((1792, 1344), (448 * 448, 1344 * 1792), (1792, 1344)),
        ((48, 320), (32 * 32, 10**6), (64, 320)),  # 1.5 cells round to the even 2
        ((80, 320), (32 * 32, 10**6), (64, 320)),  # so do 2.5 cells
        ((112, 320), (32 * 32, 10**6), (128, 320)),  # 3.5 cells round to 4
        ((16, 32), (32 * 32, 10**6), (32, 64)),  # a side below one cell: the smaller becomes one
        ((32, 32 * 300), (32 * 32, 10**9), (32, 32 * 200)),  # a ratio above 200 is clipped
        ((100, 100), (448 * 448, 1792 * 1792), (448, 448)),  # enlarged to the minimum
        ((2000, 3000), (448 * 448, 1000 * 1000), (800, 1216)),  # reduced below the maximum: 816.5 and 1224.7 floored to cells
    ],
)
def test_sizes_become_multiples_of_a_cell_within_the_limits(size, limits, expected):
    assert smart_resize(*size, 32, *limits) == expected


@pytest.mark.parametrize(("height", "width"), [(10, 40_000), (40_000, 10), (1, 30_000), (33, 6_600)])
@pytest.mark.parametrize("max_pixels", [49_152, 2_408_448, 3_211_264])
def test_an_extreme_strip_keeps_at_least_one_cell_and_fits_the_area(height, width, max_pixels):
    new_height, new_width = smart_resize(height, width, 32, 4_096, max_pixels)
    assert min(new_height, new_width) >= 32
    assert new_height * new_width <= max_pixels
    assert (new_height % 32, new_width % 32) == (0, 0)


def test_rows_hold_one_patch_in_merge_order_and_channels_outermost():
    # given an image of 2 x 4 patches of 2 x 2 pixels whose level says where it is: 10 * patch row + patch column
    grid = np.add.outer(10 * np.arange(2), np.arange(4)).astype(np.uint8)
    pixels = np.repeat(np.repeat(grid, 2, axis=0), 2, axis=1)[None, :, :, None]
    pixels = np.concatenate([pixels, pixels + 100, pixels + 200], axis=-1)

    patches = to_patches(pixels, patch_px=2, stride=2)

    # then the four patches of a cell follow each other, cell by cell
    assert patches[:, 0].tolist() == [0, 1, 10, 11, 2, 3, 12, 13]
    assert patches[0].tolist() == [0] * 4 + [100] * 4 + [200] * 4


def test_levels_are_the_slow_processors_arithmetic_bit_for_bit():
    mean, std = [0.4, 0.5, 0.6], [0.2, 0.3, 0.4]
    table = level_table({"rescale_factor": 0.00392156862745098, "image_mean": mean, "image_std": std}, 3)

    pixels = np.random.default_rng(0).integers(0, 256, (50, 3), dtype=np.uint8)
    rescaled = (pixels.astype(np.float64) * 0.00392156862745098).astype(np.float32)
    expected = (rescaled - np.array(mean, dtype=np.float32)) / np.array(std, dtype=np.float32)

    looked_up = np.stack([table[channel][pixels[:, channel]] for channel in range(3)], axis=1)
    assert looked_up.dtype == np.float32
    assert np.array_equal(looked_up, expected)


def test_transparency_is_dropped_and_not_laid_on_white():
    image = Image.new("RGBA", (448, 448), (10, 20, 30, 0))
    patches = ImageProcessor(Ovis2_5VisionConfig(), {}).patches([image])
    assert patches.levels[0, 0] == 10
    assert patches.grid == (1, 28, 28)
    assert patches.num_atoms == 196


def test_a_minimum_above_the_maximum_is_refused():
    with pytest.raises(ValueError, match="above max_pixels"):
        ImageProcessor(Ovis2_5VisionConfig(), {}, min_pixels=2, max_pixels=1)
