"""JPEGs that the sandbox writes and others open outside the sandbox: the full image of a scan, at its own resolution, and the
pictures that the lake keeps.

Such a JPEG is accepted only if its head equals that of every JPEG from `encode_jpeg`, except for the size. So the decoder never
sees another mode than grey or RGB, other tables, a progressive image, several scans (each costs as much as the whole image, and a
file may have thousands), or application segments.
"""

import io
import struct
from functools import cache
from typing import NamedTuple

from PIL import Image
from PIL.JpegImagePlugin import JpegImageFile

from workers.rendering.pages.resolution import Size

FULL_IMAGE_PIXELS = 12_000_000
"""A4 at 370 dpi. A chart on a fifth of a scanned page still gets all the pixels that a region may have."""
FULL_IMAGE_BYTES = 2 * FULL_IMAGE_PIXELS
"""Limit for the JPEG. Noise takes one byte per pixel."""
QUALITY = 92
"""Of what charts are read from."""
KEPT_QUALITY = 85
"""Of what the lake keeps for people: `python -m tests.bench pictures`."""
_SIDE_MAX = 65_500
"""JPEG's own limit."""
_SIZE = struct.Struct(">HH")  # height, width


def encode_jpeg(image: Image.Image, quality: int = QUALITY) -> bytes:
    """The JPEG of an L or RGB image; empty if a side is too long for a JPEG."""
    if max(image.size) > _SIDE_MAX:
        return b""
    out = io.BytesIO()
    image.save(out, "JPEG", quality=quality, comment=b"")
    return out.getvalue()


def announced_size(body: bytes, quality: int = QUALITY) -> Size:
    """The size by the head of a JPEG of that quality. Raises ValueError if it is not a JPEG of `encode_jpeg`, or too large."""
    head = next(
        (head for head in _heads(quality) if body.startswith(head.start) and body.startswith(head.rest, head.rest_at)), None
    )
    if head is None or len(body) > FULL_IMAGE_BYTES:
        raise ValueError("not a JPEG of ours")
    height_px, width_px = _SIZE.unpack_from(body, len(head.start))
    if not 0 < width_px * height_px <= FULL_IMAGE_PIXELS:
        raise ValueError(f"a JPEG of {width_px} x {height_px} pixels")
    return Size(width_px, height_px)


def decode(body: bytes) -> Image.Image:
    """The RGB image. Only JPEG's decoder is used, whatever the bytes are. Raises OSError and SyntaxError if they are no JPEG."""
    image = JpegImageFile(io.BytesIO(body))
    if image.width * image.height > FULL_IMAGE_PIXELS:
        raise OSError(f"a JPEG of {image.width} x {image.height} pixels")
    return image.convert("RGB")


class _Head(NamedTuple):
    """The bytes of a JPEG before the pixels: those before the size, and those after it."""

    start: bytes
    rest: bytes

    @property
    def rest_at(self) -> int:
        return len(self.start) + _SIZE.size


@cache
def _heads(quality: int) -> tuple[_Head, ...]:
    """The heads that this Pillow writes. Source: ITU T.81, B.2 (SOF0: marker, length, precision, height, width; SOS)."""
    heads = []
    for mode in ("L", "RGB"):
        body = encode_jpeg(Image.new(mode, (1, 1)), quality)
        size_at = body.index(b"\xff\xc0") + 5
        scan_at = body.index(b"\xff\xda") + 2
        end = scan_at + int.from_bytes(body[scan_at : scan_at + 2], "big")
        heads.append(_Head(body[:size_at], body[size_at + _SIZE.size : end]))
    return tuple(heads)
