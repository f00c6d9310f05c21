import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.page import Box
from schemas.settings import RenderSettings
from workers.rendering.pages.resolution import PlacedImage, fit, native_resolution, smallest_common_size_pt

A4 = Box(0, 0, 595, 842)
SMALL, LARGE = 448 * 448, 1344 * 1792


def smart_resize(height: int, width: int, factor: int, min_pixels: int, max_pixels: int) -> tuple[int, int]:
    """The model's own resize, written down from its specification (section 2) for this test alone."""
    h, w = float(height), float(width)
    if h < factor or w < factor:
        h, w = (factor, round(factor / h * w)) if h < w else (round(factor / w * h), factor)
    elif max(h, w) / min(h, w) > 200:
        h, w = (h, 200 * h) if w > h else (200 * w, w)
    rows, columns = round(h / factor) * factor, round(w / factor) * factor
    if rows * columns > max_pixels:
        beta = math.sqrt(h * w / max_pixels)
        rows, columns = math.floor(h / beta / factor) * factor, math.floor(w / beta / factor) * factor
    elif rows * columns < min_pixels:
        beta = math.sqrt(min_pixels / (h * w))
        rows, columns = math.ceil(h * beta / factor) * factor, math.ceil(w * beta / factor) * factor
    return rows, columns


@given(
    st.floats(0.01, 200_000),
    st.floats(0.01, 200_000),
    st.sampled_from([14, 28, 32]),
    st.sampled_from([LARGE, 1792 * 1792, 640_000]),
)
@settings(max_examples=400, deadline=None)
@pytest.mark.slow
def test_the_models_own_resize_changes_nothing(width: float, height: float, cell: int, most: int) -> None:
    size = fit(width, height, cell_px=cell, min_pixels=SMALL, max_pixels=most)

    assert smart_resize(size.height_px, size.width_px, cell, SMALL, most) == (size.height_px, size.width_px)


@pytest.mark.parametrize(
    ("width", "height", "expected"),
    [
        (1024, 768, (1024, 768)),  # whole cells already
        (1030, 760, (1024, 768)),  # 32.2 and 23.75 cells
        (100, 100, (448, 448)),  # enlarged to the least area
        (2688, 3584, (1344, 1792)),  # halved to the largest
        (102_074, 265, (19_200, 96)),  # 200 : 1 at most, 3 cells high
        (1, 40_000, (32, 6336)),  # 1 : 200, enlarged to the least area: 198 cells of 0.99
        (0, 0, (448, 448)),
    ],
)
def test_sizes_by_hand(width: float, height: float, expected: tuple[int, int]) -> None:
    assert fit(width, height, cell_px=32, min_pixels=SMALL, max_pixels=LARGE) == expected


@given(st.integers(1, 3000), st.integers(1, 3000), st.integers(1, 64), st.integers(1, 10**6))
@settings(deadline=None)
@pytest.mark.slow
def test_whatever_the_limits_a_size_never_exceeds_them_by_more_than_one_cell(w: int, h: int, cell: int, most: int) -> None:
    size = fit(w, h, cell_px=cell, min_pixels=1, max_pixels=most)

    assert size.width_px % cell == size.height_px % cell == 0
    assert 0 < size.width_px * size.height_px <= max(most, cell * cell)


def test_ten_point_text_is_drawn_with_twenty_pixels() -> None:
    native = native_resolution(A4, [], {10.0: 3000}, RenderSettings())

    assert native == (144.0, False)


@pytest.mark.parametrize(("size_pt", "dpi"), [(2.0, 300.0), (60.0, 96.0)])
def test_the_dpi_of_tiny_and_huge_text_is_clamped(size_pt: float, dpi: float) -> None:
    assert native_resolution(A4, [], {size_pt: 3000}, RenderSettings()).dpi == dpi


def test_the_smallest_common_size_is_not_that_of_a_footnote_mark() -> None:
    assert smallest_common_size_pt({5.0: 40, 10.0: 3000, 20.0: 100}) == 10.0
    assert smallest_common_size_pt({8.0: 400, 10.0: 3000}) == 8.0


def test_a_scan_keeps_its_own_resolution_even_below_the_least_dpi() -> None:
    scan = PlacedImage(A4, 72.0, False)

    assert native_resolution(A4, [scan], {}, RenderSettings()) == (72.0, True)


def test_a_scan_cut_into_strips_is_a_scan() -> None:
    strips = [PlacedImage(Box(0, top, 595, top + 84.2), 300.0, True) for top in (84.2 * i for i in range(10))]

    assert native_resolution(A4, strips, {}, RenderSettings()) == (300.0, True)


def test_text_over_a_background_picture_is_no_scan() -> None:
    background = PlacedImage(A4, 96.0, False)

    assert native_resolution(A4, [background], {10.0: 500}, RenderSettings()) == (144.0, False)


def test_a_small_sharp_logo_does_not_decide_for_the_scan_beneath_it() -> None:
    images = [PlacedImage(A4, 200.0, True), PlacedImage(Box(0, 0, 60, 60), 1200.0, False)]

    assert native_resolution(A4, images, {}, RenderSettings()).dpi == 200.0


def test_of_a_scan_in_strips_no_stamp_larger_than_a_strip_decides() -> None:
    strips = [PlacedImage(Box(0, top, 595, top + 21.05), 300.0, True) for top in (21.05 * i for i in range(40))]
    stamp = PlacedImage(Box(400, 50, 560, 250), 72.0, False)

    assert native_resolution(A4, [*strips, stamp], {}, RenderSettings()) == (300.0, True)


@pytest.mark.parametrize("layers", [(100.0, 600.0), (600.0, 100.0, 50.0)])
def test_of_a_scan_in_layers_the_letters_decide(layers: tuple[float, ...]) -> None:
    images = [PlacedImage(A4, dpi, False) for dpi in layers]

    assert native_resolution(A4, images, {}, RenderSettings()) == (600.0, True)


@pytest.mark.parametrize("kind", ["is_speck", "is_shade"])
def test_a_colour_laid_over_the_page_makes_no_scan(kind: str) -> None:
    ground = PlacedImage(A4, 72.0, False)._replace(**{kind: True})

    assert native_resolution(A4, [ground], {10.0: 50}, RenderSettings()) == (144.0, False)


def test_a_scanned_table_on_a_text_page_raises_the_pages_resolution() -> None:
    table = PlacedImage(Box(0, 0, 595, 400), 250.0, True)

    assert native_resolution(A4, [table], {10.0: 1500}, RenderSettings()).dpi == 250.0
