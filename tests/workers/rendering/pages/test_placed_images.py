"""What images a page places, and at which resolution."""

import io

import pymupdf
import pytest
from PIL import Image

from schemas.settings import RenderSettings
from workers.rendering.pages.resolution import PlacedImage
from workers.rendering.pages.shown_page import ShownPage

SIDES = (0, 0, 288, 144)


def png(width: int, height: int, mode: str = "RGB") -> bytes:
    out = io.BytesIO()
    Image.new(mode, (width, height), 200).save(out, "PNG")
    return out.getvalue()


def placed(page: pymupdf.Page) -> PlacedImage:
    (image,) = ShownPage(page, RenderSettings()).images
    return image


def new_page() -> pymupdf.Page:
    return pymupdf.open().new_page(width=288, height=144)


@pytest.mark.parametrize(
    ("size", "mask", "dpi", "is_speck"),
    [
        ((400, 200), None, 100, False),
        ((1, 1), None, 0.5, True),
        ((400, 200), (1200, 600), 300, False),  # a scan's ink, and where it is
        ((1, 1), (1200, 600), 300, False),  # letters of one colour
        ((400, 200), (40, 20), 100, False),
    ],
)
def test_an_image_is_as_fine_as_its_pixels_or_its_mask(
    size: tuple[int, int], mask: tuple[int, int] | None, dpi: float, is_speck: bool
) -> None:
    page = new_page()
    page.insert_image(SIDES, stream=png(*size), mask=png(*mask, "L") if mask else None, keep_proportion=False)

    image = placed(page)

    assert image.dpi == pytest.approx(dpi)
    assert (image.is_speck, image.is_shade) == (is_speck, False)
    assert image.box_pt == pytest.approx(SIDES)


def test_a_gradient_is_a_shade_and_an_image_of_as_many_pixels_is_not() -> None:
    page = new_page()
    document, shading = page.parent, page.parent.get_new_xref()
    document.update_object(
        shading,
        "<</ShadingType 2/ColorSpace/DeviceRGB/Coords[0 0 0 144]/Extend[true true]"
        "/Function<</FunctionType 2/Domain[0 1]/C0[1 1 1]/C1[0.8 0.9 1]/N 1>>>>",
    )
    content = document.get_new_xref()
    document.update_object(content, "<<>>")
    document.update_stream(content, b"/Sh sh")
    document.xref_set_key(page.xref, "Resources", f"<</Shading<</Sh {shading} 0 R>>>>")
    document.xref_set_key(page.xref, "Contents", f"{content} 0 R")
    picture = new_page()
    picture.insert_image(SIDES, stream=png(288, 144), keep_proportion=False)

    shade, image = placed(document.reload_page(page)), placed(picture)

    assert (shade.is_shade, image.is_shade) == (True, False)
    assert shade.dpi == image.dpi == pytest.approx(72)


def test_a_picture_that_is_cropped_is_as_large_as_what_is_seen_of_it() -> None:
    page = new_page()
    page.insert_image((-288, -144, 576, 288), stream=png(1200, 600), keep_proportion=False)
    (content,) = page.get_contents()
    page.parent.update_stream(content, b"q 100 44 80 60 re W n " + page.parent.xref_stream(content) + b" Q")

    shown = ShownPage(page.parent.reload_page(page), RenderSettings())

    (image,) = shown.images
    assert image.box_pt == pytest.approx((100, 40, 180, 100))
    assert image.dpi == pytest.approx(100)
    assert not shown.native.is_scan
