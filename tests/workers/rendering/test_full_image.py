"""The JPEG of a scan, on its way out of the sandbox."""

import io
from typing import Any

import pytest
from PIL import Image, ImageSequence

from tests.workers.made_pages import page
from workers.reading.crops import _pixels
from workers.rendering.full_image import FULL_IMAGE_BYTES, FULL_IMAGE_PIXELS, announced_size, decode, encode_jpeg


def jpeg(mode: str = "RGB", size: tuple[int, int] = (40, 30), **more: Any) -> bytes:
    out = io.BytesIO()
    Image.new(mode, size).save(out, "JPEG", **{"quality": 92} | more)
    return out.getvalue()


@pytest.mark.parametrize("mode", ["L", "RGB"])
@pytest.mark.parametrize("size", [(1, 1), (4000, 3000), (3000, 4000), (65_500, 1)])
@pytest.mark.slow
def test_what_is_encoded_says_its_size_before_it_is_decoded(mode: str, size: tuple[int, int]) -> None:
    body = encode_jpeg(Image.new(mode, size, 200))

    assert announced_size(body) == size
    assert (decode(body).size, decode(body).mode) == (size, "RGB")


def test_a_comment_of_the_original_stays_behind() -> None:
    original = Image.open(io.BytesIO(jpeg("L", comment=b"scanned on a Monday")))

    assert announced_size(encode_jpeg(original)) == (40, 30)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        jpeg(progressive=True),
        jpeg("CMYK"),
        jpeg(quality=80),
        jpeg(subsampling=0),
        jpeg(comment=b"x"),
        jpeg(exif=Image.Exif().tobytes()),
        jpeg()[:100],
        encode_jpeg(Image.new("L", (4000, 3001))),
        encode_jpeg(Image.new("L", (10, 10))) + bytes(FULL_IMAGE_BYTES),
    ],
    ids=["nothing", "progressive", "CMYK", "tables", "subsampling", "comment", "EXIF", "cut off", "too large", "too long"],
)
def test_what_is_none_of_ours_is_refused(body: bytes) -> None:
    with pytest.raises(ValueError, match="JPEG"):
        announced_size(body)


def test_no_other_format_is_opened_and_no_larger_image() -> None:
    out = io.BytesIO()
    Image.new("L", (10, 10)).save(out, "PNG")
    with pytest.raises(SyntaxError):
        decode(out.getvalue())
    with pytest.raises(OSError, match="pixels"):
        decode(jpeg("L", (4000, FULL_IMAGE_PIXELS // 4000 + 1)))


def test_a_jpeg_of_several_pictures_is_the_first_of_them() -> None:
    out = io.BytesIO()
    Image.new("L", (40, 30)).save(out, "MPO", save_all=True, append_images=[Image.new("L", (20, 10))])

    assert len(list(ImageSequence.Iterator(decode(out.getvalue())))) == 1


def test_charts_are_cut_from_the_page_where_the_full_image_is_damaged() -> None:
    cut_off = encode_jpeg(Image.effect_noise((400, 300), 80))[:2000]

    assert _pixels(page(full_image=cut_off)).size == (640, 448)
