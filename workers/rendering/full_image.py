"""A scan at its own resolution: the JPEG that the sandbox writes and the reader opens, outside of it.

The reader believes a JPEG only if it begins as every JPEG of `encode` does, size aside. So no decoder sees another mode than grey
or RGB, tables of somebody's own, a progressive image, several scans (each costs the whole image, and a file may have thousands),
or an application's segments.
"""

import io
import struct
from functools import cache
from typing import NamedTuple

from PIL import Image
from PIL.JpegImagePlugin import JpegImageFile

from workers.rendering.pages.resolution import Size

FULL_IMAGE_PIXELS = 12_000_000
"""A4 at 370 dpi: a chart on a fifth of a scanned page still gets all the pixels that a region may have."""
FULL_IMAGE_BYTES = 2 * FULL_IMAGE_PIXELS
"""Noise takes one byte a pixel."""
_QUALITY = 92
_SIDE_MAX = 65_500
"""JPEG's own limit."""
_SIZE = struct.Struct(">HH")  # height, width


def encode_jpeg(image: Image.Image) -> bytes:
    """Of an L or RGB image; empty where a side is too long for a JPEG."""
    if max(image.size) > _SIDE_MAX:
        return b""
    out = io.BytesIO()
    image.save(out, "JPEG", quality=_QUALITY, comment=b"")
    return out.getvalue()


def announced_size(body: bytes) -> Size:
    """What the JPEG's head says. Raises ValueError when it is not one of `encode`'s, or larger than those."""
    head = next((head for head in _heads() if body.startswith(head.start) and body.startswith(head.rest, head.rest_at)), None)
    if head is None or len(body) > FULL_IMAGE_BYTES:
        raise ValueError("not a JPEG of ours")
    height_px, width_px = _SIZE.unpack_from(body, len(head.start))
    if not 0 < width_px * height_px <= FULL_IMAGE_PIXELS:
        raise ValueError(f"a JPEG of {width_px} x {height_px} pixels")
    return Size(width_px, height_px)


def decode(body: bytes) -> Image.Image:
    """RGB. Never another format than JPEG, whatever the bytes are. Raises OSError and SyntaxError on what is none."""
    image = JpegImageFile(io.BytesIO(body))
    if image.width * image.height > FULL_IMAGE_PIXELS:
        raise OSError(f"a JPEG of {image.width} x {image.height} pixels")
    return image.convert("RGB")


class _Head(NamedTuple):
    """All before the pixels: what comes before the size, and what after it."""

    start: bytes
    rest: bytes

    @property
    def rest_at(self) -> int:
        return len(self.start) + _SIZE.size


@cache
def _heads() -> tuple[_Head, ...]:
    """As this Pillow writes them. Source: ITU T.81, B.2 (SOF0: marker, length, precision, height, width; SOS)."""
    heads = []
    for mode in ("L", "RGB"):
        body = encode_jpeg(Image.new(mode, (1, 1)))
        size_at = body.index(b"\xff\xc0") + 5
        scan_at = body.index(b"\xff\xda") + 2
        end = scan_at + int.from_bytes(body[scan_at : scan_at + 2], "big")
        heads.append(_Head(body[:size_at], body[size_at + _SIZE.size : end]))
    return tuple(heads)
