"""Opening a document: its type by magic bytes, its pages by number. Runs inside the sandbox."""

import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from schemas.failure import FailureKind, PageError
from schemas.page import EdgeLine, Region, RenderedPage
from schemas.settings import RegionSettings, RenderSettings
from schemas.source import Document

_HEAD_BYTES = 1024
_MAGIC: tuple[tuple[bytes, str], ...] = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"II*\0", "image/tiff"),
    (b"MM\0*", "image/tiff"),
    (b"II+\0", "image/tiff"),  # BigTIFF
    (b"MM\0+", "image/tiff"),
    (b"\0\0\0\x0cjP  \r\n\x87\n", "image/jp2"),
    (b"\xff\x4f\xff\x51", "image/jp2"),  # a bare JPEG 2000 codestream
    (b"BM", "image/bmp"),
)


class OpenDocument(Protocol):
    """A document with its pages at hand."""

    document: Document

    def render_page(self, page_index: int) -> RenderedPage:
        """Without regions. Raises PageError and whatever the libraries raise."""

    def find_regions(self, page: RenderedPage) -> list[Region]:
        """Of the page rendered last."""

    def edge_lines(self, page_index: int) -> list[EdgeLine]:
        """Of any page. Raises as `render_page` does."""

    def close(self) -> None: ...


def sniff(path: Path) -> str | None:
    """Media type by magic bytes; None when it is nothing we decode. Raises PageError: empty."""
    with path.open("rb") as file:
        head = file.read(_HEAD_BYTES)
        file.seek(max(0, os.fstat(file.fileno()).st_size - _HEAD_BYTES))
        tail = file.read(_HEAD_BYTES)
    if not head:
        raise PageError(FailureKind.empty, "the file has no bytes")
    for magic, media_type in _MAGIC:
        if head.startswith(magic):
            return media_type
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "image/webp"
    if head[4:8] == b"ftyp" and re.search(rb"avi[fs]", head[8 : int.from_bytes(head[:4], "big")]):
        return "image/avif"
    if head[4:8] == b"ftyp" and re.search(rb"hei[cxms]|hev[cxms]|mif1", head[8 : int.from_bytes(head[:4], "big")]):
        return "image/heic"
    return "application/pdf" if _is_pdf(head, tail) else None


def _is_pdf(head: bytes, tail: bytes) -> bool:
    """The header may stand anywhere in the first 1024 bytes; where it is damaged, an object at the start and a PDF's end count."""
    if head.startswith((b"PK\x03\x04", b"\xd0\xcf\x11\xe0")):
        return False
    if b"%PDF" in head:
        return True
    return re.search(rb"\d+\s+\d+\s+obj\b", head) is not None and (b"startxref" in tail or b"%%EOF" in tail)


def open_document(
    path: Path,
    settings: RenderSettings,
    regions: RegionSettings,
    passwords: Sequence[str],
    *,
    draws_regions: bool = True,
    reads_drawings: bool = True,
) -> OpenDocument:
    """Raises PageError: empty, unsupported_type, encrypted, corrupt, no_pages, too_large."""
    media_type = sniff(path)
    if media_type == "application/pdf":
        from workers.rendering.pages.pdf_pages import PdfDocument

        return PdfDocument(path, settings, regions, passwords, draws_regions=draws_regions, reads_drawings=reads_drawings)
    if media_type is None:
        raise PageError(FailureKind.unsupported_type, "neither a PDF nor an image we decode, by its first bytes")
    from workers.rendering.pages.image_pages import ImageDocument

    return ImageDocument(path, media_type, settings, regions, draws_regions=draws_regions)
