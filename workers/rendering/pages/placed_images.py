"""The images that a page places, as it is displayed."""

import math
from collections.abc import Iterator

from schemas.page import Box
from workers.rendering.pages.mupdf import pymupdf
from workers.rendering.pages.resolution import PlacedImage

_TEXT_BLOCK = 0


def placed_images(text: pymupdf.mupdf.FzStextPage) -> Iterator[PlacedImage | None]:
    """Those of a text page that was made with TEXT_PRESERVE_IMAGES, rotation applied; None for one without a size.

    MuPDF's own list of blocks: `TextPage.extractIMGINFO` makes an object of each block of text before it looks at its type, which
    cost ten times as much.
    """
    block = text.m_internal.first_block
    while block is not None:
        if block.type != _TEXT_BLOCK:
            yield _placed(pymupdf.mupdf.FzStextBlock(block))
        block = block.next


def _placed(block: pymupdf.mupdf.FzStextBlock) -> PlacedImage | None:
    image, placing, bbox = block.i_image(), block.i_transform(), block.m_internal.bbox
    box = Box(bbox.x0, bbox.y0, bbox.x1, bbox.y1)
    across_pt, down_pt = math.hypot(placing.a, placing.b), math.hypot(placing.c, placing.d)
    if not (math.isfinite(across_pt * down_pt) and across_pt > 0 and down_pt > 0 and all(map(math.isfinite, box))):
        return None
    width, height = _size(image)
    colours = pymupdf.mupdf.FzColorspace(pymupdf.mupdf.ll_fz_keep_colorspace(image.m_internal.colorspace))
    return PlacedImage(
        box,
        dpi=72 * max(width / across_pt, height / down_pt),
        is_gray=pymupdf.mupdf.fz_colorspace_n(colours) == 1,
        is_speck=min(width, height) < 2,
        is_shade=(width, height) == (across_pt, down_pt) and not pymupdf.mupdf.ll_fz_compressed_image_buffer(image.m_internal),
    )


def _size(image: pymupdf.mupdf.FzImage) -> tuple[int, int]:
    """Of the image, or of its mask where that is finer: a scan in layers has its letters' edges there."""
    mask = image.m_internal.mask
    sizes = [(image.w(), image.h()), *([(mask.w, mask.h)] if mask else [])]
    return max(sizes, key=math.prod)
