"""Pages on their way between processes: JSON beside their pixels."""

from collections.abc import Iterator, Sequence
from typing import Annotated, NamedTuple

from pydantic import FailFast, TypeAdapter

from schemas.page.page import Region, RenderedPage


class Packed(NamedTuple):
    """Pages on their way between processes. Only their last reader unpacks them."""

    body: str
    """The pages as JSON objects with commas between them, without the pixels."""
    buffers: list[bytes]
    """Pixels and pictures, in the order that `unpack` expects."""

    @classmethod
    def joined(cls, parts: Sequence["Packed"]) -> "Packed":
        return cls(",".join(part.body for part in parts), [buffer for part in parts for buffer in part.buffers])


def pack(*pages: RenderedPage) -> Packed:
    body = ",".join(page.model_dump_json() for page in pages)
    return Packed(body, [buffer for page in pages for buffer in _buffers(page)])


def unpack(packed: Packed) -> list[RenderedPage]:
    """The pages. A page that follows another with the same `page_index` adds its regions, neighbours, flags and seconds to it.
    Regions and neighbours come later, so that a fault in finding them does not cost the page.
    Raises ValueError if these are no pages."""
    rest = iter(packed.buffers)
    pages: list[RenderedPage] = []
    for part in _PAGES.validate_json(f"[{packed.body}]"):
        page = _attach(part, rest)
        if pages and pages[-1].page_index == page.page_index:
            page = _with_regions(pages.pop(), page)
        pages.append(page)
    if next(rest, None) is not None:
        raise ValueError("more pixels than pages")
    return pages


def _with_regions(page: RenderedPage, found: RenderedPage) -> RenderedPage:
    return page.model_copy(
        update={
            "regions": [*page.regions, *found.regions],
            "nearby": [*page.nearby, *found.nearby],
            "flags": [*page.flags, *found.flags],
            "render_s": page.render_s + found.render_s,
        }
    )


def _buffers(page: RenderedPage) -> Iterator[bytes]:
    yield page.full_image
    yield page.picture
    if page.image is not None:
        yield page.image.pixels
    for region in page.regions:
        yield region.picture
        if region.image is not None:
            yield region.image.pixels


def _attach(page: RenderedPage, rest: Iterator[bytes]) -> RenderedPage:
    pictures = {"full_image": _next(rest), "picture": _next(rest)}
    image = page.image and page.image.model_copy(update={"pixels": _next(rest)})
    regions = [_attach_region(region, rest) for region in page.regions]
    return page.model_copy(update={**pictures, "image": image, "regions": regions})


def _attach_region(region: Region, rest: Iterator[bytes]) -> Region:
    picture = _next(rest)
    image = region.image and region.image.model_copy(update={"pixels": _next(rest)})
    return region.model_copy(update={"picture": picture, "image": image})


def _next(buffers: Iterator[bytes]) -> bytes:
    buffer = next(buffers, None)
    if buffer is None:
        raise ValueError("pixels are missing")
    return buffer


_PAGES = TypeAdapter(Annotated[list[RenderedPage], FailFast()])
