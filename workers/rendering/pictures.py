"""Encodes the pictures that the lake keeps: figures and charts as they stand on the page, and whole pages. Most are encoded in the
sandbox, so that no reader waits for them."""

import sys
from collections.abc import Sequence

from PIL import Image

from schemas.page import Box, PageImage, Region, RenderedPage
from schemas.settings import Images
from workers.rendering.full_image import FULL_IMAGE_PIXELS, KEPT_QUALITY, encode_jpeg


def with_page_picture(page: RenderedPage, images: Images) -> RenderedPage:
    """The page with its picture, where whole pages are kept. A blank page has none."""
    if images != "pages" or page.image is None or page.is_blank:
        return page
    return page.model_copy(update={"picture": encoded(page.image)})


def with_region_pictures(regions: Sequence[Region], page: RenderedPage, images: Images) -> list[Region]:
    """The regions with their pictures: their own rendering where they have one, else a part of the page's. An image that is the
    whole page has none: whether it is a chart is not known yet."""
    if images == "none" or page.image is None or all(region.origin == "standalone" for region in regions):
        return [*regions]
    whole = as_image(page.image)
    return [
        region
        if region.origin == "standalone"
        else region.model_copy(update={"picture": encoded(region.image) if region.image else cut_out(whole, region.bbox_px)})
        for region in regions
    ]


def as_image(image: PageImage) -> Image.Image:
    return Image.frombytes("RGB", (image.width_px, image.height_px), image.rgb())


def encoded(image: PageImage) -> bytes:
    """The JPEG; empty for an image that is too large to be one of ours."""
    return _jpeg(as_image(image)) if image.width_px * image.height_px <= FULL_IMAGE_PIXELS else b""


def cut_out(whole: Image.Image, box: Box) -> bytes:
    """The JPEG of the part in `box`; empty where the box is no part of the image, or too large."""
    left, top = max(0, int(box.left)), max(0, int(box.top))
    right, bottom = min(whole.width, round(box.right)), min(whole.height, round(box.bottom))
    if left >= right or top >= bottom or (right - left) * (bottom - top) > FULL_IMAGE_PIXELS:
        return b""
    return _jpeg(whole.crop((left, top, right, bottom)))


def _jpeg(image: Image.Image) -> bytes:
    """Never raises: a fault here costs the picture alone."""
    try:
        return encode_jpeg(image, KEPT_QUALITY)
    except Exception as error:  # noqa: BLE001 (whatever the encoder raises)
        print(f"picture: {type(error).__name__}: {error}", file=sys.stderr)  # noqa: T201
        return b""
