"""The pictures of a page that the lake keeps: those that came with it from the sandbox, and figures that only an answer found."""

import hashlib
from collections.abc import Sequence
from typing import NamedTuple

from schemas.page import Box, Region, RenderedPage
from schemas.records import ChunkRecords, EncodedImage, ImageKind, PictureContent
from workers.rendering.full_image import KEPT_QUALITY, announced_size
from workers.rendering.pictures import as_image, cut_out, encoded


class Picture(NamedTuple):
    kind: ImageKind
    body: bytes
    """A JPEG of `workers.rendering.full_image`."""
    box: Box | None = None
    region_index: int | None = None

    def content(self, page_index: int, image_index: int) -> PictureContent:
        size = announced_size(self.body, KEPT_QUALITY)
        number = f"at-{image_index + 1}" if self.region_index is None else self.region_index + 1
        suffix = "" if self.kind == "page" else f"-{self.kind}-{number}"
        return PictureContent(
            kind=self.kind,
            region_index=self.region_index,
            image=EncodedImage(self.body, f"page-{page_index + 1:04d}{suffix}.jpg"),
            width_px=size.width_px,
            height_px=size.height_px,
            size_bytes=len(self.body),
            sha256=hashlib.sha256(self.body).hexdigest(),
            bbox_px=self.box and Box(*self.box),
        )


def pictures_of(page: RenderedPage, found: Sequence[Region], read: ChunkRecords) -> list[Picture]:
    """The page's own picture first, then figures and charts. `found`: regions that were cut from a scan; `read`: the page's rows.

    An image that is the whole page is one of them where it was read as a chart. Encoding takes some milliseconds of CPU for each
    picture that did not come with the page, so call this function outside the event loop.
    """
    charts = {chart.region_index for chart in read.charts if chart.status in ("ok", "partial")}
    pictures = [Picture("page", page.picture)] if page.picture else []
    for region in [*page.regions, *found]:
        is_chart = region.region_index in charts
        if region.origin == "standalone" and not is_chart:
            continue
        image = region.image or (page.image if region.origin == "standalone" else None)
        if body := region.picture or (encoded(image) if image else b""):
            pictures.append(Picture("chart" if is_chart else "figure", body, region.bbox_px, region.region_index))
    return pictures + _elsewhere(page, [picture.box for picture in pictures if picture.box], read)


def _elsewhere(page: RenderedPage, taken: Sequence[Box], read: ChunkRecords) -> list[Picture]:
    """Figures of the answer's text that are no region."""
    boxes = [block.bbox_px for block in read.blocks if block.kind in ("figure", "chart") and block.bbox_px]
    boxes = [box for box in boxes if not any(box.is_at(other) for other in taken)]
    if not boxes or page.image is None:
        return []
    whole = as_image(page.image)
    return [Picture("figure", body, box) for box in boxes if (body := cut_out(whole, box))]
