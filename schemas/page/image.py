"""Pixels, as they cross from process to process."""

from typing import Annotated

import pyarrow as pa
from pydantic import Field

from schemas.frozen import Frozen
from schemas.page.bounds import SidePixels

_ZSTD = pa.Codec("zstd", compression_level=1)  # 16.6 ms and 1.2 MB a page, against 98 ms for PNG and 11 MB raw
_ZSTD_MAGIC = bytes.fromhex("28b52ffd")


class PageImage(Frozen):
    """An image as RGB pixels, uint8, row by row, compressed with zstd level 1."""

    width_px: SidePixels
    height_px: SidePixels
    pixels: Annotated[bytes, Field(exclude=True, repr=False)] = b""

    @classmethod
    def from_rgb(cls, width_px: int, height_px: int, rgb: bytes | memoryview) -> "PageImage":
        if len(rgb) != width_px * height_px * 3:
            raise ValueError(f"{len(rgb)} bytes are no {width_px} x {height_px} RGB image")
        return cls(width_px=width_px, height_px=height_px, pixels=_ZSTD.compress(rgb, asbytes=True))

    def rgb(self) -> bytes:
        """The pixels, width_px * height_px * 3 bytes."""
        return _ZSTD.decompress(self.pixels, decompressed_size=self.width_px * self.height_px * 3, asbytes=True)


def announced_bytes(pixels: bytes) -> int:
    """The number of bytes that zstd `pixels` unpack to, by the header of their first frame. Nothing else is read.

    Raises ValueError if they are not zstd, or the header has no size. Source: RFC 8878, section 3.1.1.1.
    """
    if not pixels.startswith(_ZSTD_MAGIC) or len(pixels) < 6:
        raise ValueError("not zstd")
    descriptor = pixels[4]
    is_single = bool(descriptor & 0x20)
    start = 5 + (not is_single) + (0, 1, 2, 4)[descriptor & 3]
    size = (int(is_single), 2, 4, 8)[descriptor >> 6]
    if not size or len(pixels) < start + size:
        raise ValueError("zstd without its size")
    return int.from_bytes(pixels[start : start + size], "little") + 256 * (size == 2)


def check_pixels(pixels: bytes, most_bytes: int) -> None:
    """Unpacks the pixels once and discards the result. Raises ValueError: not zstd, damaged, or more than `most_bytes`."""
    if (num_bytes := announced_bytes(pixels)) > most_bytes:
        raise ValueError(f"{num_bytes} bytes of pixels")
    try:
        _ZSTD.decompress(pixels, decompressed_size=num_bytes)
    except OSError as error:
        raise ValueError(str(error)) from None
