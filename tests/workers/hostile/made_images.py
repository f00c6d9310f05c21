"""Hostile images: each format's own way to ask for too much, and headers that lie."""

import io
import struct
import zlib
from collections.abc import Callable

from PIL import Image


def saved(kind: str, size: tuple[int, int] = (64, 48), **options: object) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", size, (200, 220, 240)).save(out, kind, **options)
    return out.getvalue()


def _chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(width: int, height: int, *, extra: bytes = b"", bits: int = 1) -> bytes:
    """All black; the pixels are really there."""
    packer = zlib.compressobj(1)
    row = bytes(1 + -(-width * bits // 8))
    body = b"".join(packer.compress(row * 64) for _ in range(-(-height // 64))) + packer.flush()
    head = struct.pack(">IIBBBBB", width, height, bits, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", head) + extra + _chunk(b"IDAT", body) + _chunk(b"IEND", b"")


def text_bomb() -> bytes:
    return png(64, 48, extra=_chunk(b"zTXt", b"Comment\0\0" + zlib.compress(b" " * (200 << 20), 1)))


def profile_bomb() -> bytes:
    return png(64, 48, extra=_chunk(b"iCCP", b"p\0\0" + zlib.compress(bytes(200 << 20), 1)))


def jpeg_of(width: int, height: int) -> bytes:
    """A small JPEG whose frame header says otherwise."""
    body = bytearray(saved("JPEG"))
    at = body.index(b"\xff\xc0")
    body[at + 5 : at + 9] = struct.pack(">HH", height, width)
    return bytes(body)


def gif_of_frames(count: int) -> bytes:
    frames = [Image.new("P", (32, 32), index % 250) for index in range(2)]
    out = io.BytesIO()
    frames[0].save(out, "GIF", save_all=True, append_images=frames[1:], duration=10)
    whole = out.getvalue()
    start = whole.index(b"\x21\xf9")
    return whole[:start] + whole[start:-1] * count + b"\x3b"


def gif_screen() -> bytes:
    body = bytearray(saved("GIF"))
    body[6:10] = struct.pack("<HH", 65535, 65535)
    return bytes(body)


def _directory(entries: list[tuple[int, int, int, int]], following: int) -> bytes:
    packed = b"".join(struct.pack("<HHII", *entry) for entry in sorted(entries))
    return struct.pack("<H", len(entries)) + packed + struct.pack("<I", following)


def _tiff_entries(width: int, height: int, offset: int, count: int) -> list[tuple[int, int, int, int]]:
    short, long = 3, 4
    return [
        (256, long, 1, width),
        (257, long, 1, height),
        (258, short, 1, 8),
        (259, short, 1, 1),
        (262, short, 1, 1),
        (273, long, 1, offset),
        (277, short, 1, 1),
        (278, long, 1, height),
        (279, long, 1, count),
    ]


def tiff_of_frames(count: int) -> bytes:
    """Small pages, each with a directory of its own."""
    size = len(_directory(_tiff_entries(8, 8, 0, 64), 0))
    out = b"II*\0" + struct.pack("<I", 72) + bytes(range(64))
    for index in range(count):
        following = 72 + size * (index + 1) if index + 1 < count else 0
        out += _directory(_tiff_entries(8, 8, 8, 64), following)
    return out


def cyclic_tiff() -> bytes:
    return b"II*\0" + struct.pack("<I", 72) + bytes(range(64)) + _directory(_tiff_entries(8, 8, 8, 64), 72)


def tiff_of(width: int, height: int) -> bytes:
    return b"II*\0" + struct.pack("<I", 72) + bytes(64) + _directory(_tiff_entries(width, height, 8, 0xFFFFFFFF), 0)


def big_tiff() -> bytes:
    """A header, and a first directory of 2^63 entries."""
    return b"II+\0\x08\0\0\0" + struct.pack("<Q", 16) + struct.pack("<Q", 1 << 63) + bytes(100)


def bmp_of(width: int, height: int) -> bytes:
    body = bytearray(saved("BMP"))
    body[18:26] = struct.pack("<ii", width, height)
    return bytes(body)


def webp_canvas() -> bytes:
    """VP8X with a canvas of 16,384 x 16,384 over a small picture."""
    picture = saved("WEBP", lossless=True)[12:]
    extended = b"VP8X" + struct.pack("<I", 10) + b"\0\0\0\0" + (16383).to_bytes(3, "little") * 2
    body = b"WEBP" + extended + picture
    return b"RIFF" + struct.pack("<I", len(body)) + body


def jp2_of(width: int, height: int) -> bytes:
    body = bytearray(saved("JPEG2000"))
    at = body.index(b"\xff\x51")
    body[at + 6 : at + 14] = struct.pack(">II", width, height)
    at = body.index(b"ihdr")
    body[at + 4 : at + 12] = struct.pack(">II", height, width)
    return bytes(body)


def avif_of(width: int, height: int) -> bytes:
    body = bytearray(saved("AVIF"))
    at = body.index(b"ispe")
    body[at + 8 : at + 16] = struct.pack(">II", width, height)
    return bytes(body)


def exif(orientation: int, *, count: int = 1) -> bytes:
    entry = struct.pack("<HHIHH", 0x0112, 3, count, orientation, 0)
    block = b"Exif\0\0II*\0" + struct.pack("<IH", 8, 1) + entry + struct.pack("<I", 8)  # the next directory is this one
    return saved("JPEG", exif=block)


IMAGES: dict[str, tuple[Callable[[], bytes], bool]] = {
    "png of 900 megapixels": (lambda: png(30_000, 30_000), False),
    "png text bomb": (text_bomb, False),
    "png profile bomb": (profile_bomb, False),
    "png cut": (lambda: png(640, 480)[:90], False),
    "jpeg of 4 gigapixels": (lambda: jpeg_of(65_500, 65_500), False),
    "jpeg of no height": (lambda: jpeg_of(64, 0), False),
    "gif of 6,000 frames": (lambda: gif_of_frames(3_000), True),
    "gif of 4 gigapixels": (gif_screen, False),
    "tiff of 4 gigapixels": (lambda: tiff_of(65_000, 65_000), False),
    "tiff of terapixels": (lambda: tiff_of(0xFFFFFFFF, 0xFFFFFFFF), False),
    "cyclic tiff": (cyclic_tiff, True),
    "big tiff": (big_tiff, False),
    "bmp of gigapixels": (lambda: bmp_of(2_000_000_000, 1), False),
    "bmp of negative width": (lambda: bmp_of(-64, -48), False),
    "webp of 268 megapixels": (webp_canvas, False),
    "jp2 of gigapixels": (lambda: jp2_of(100_000, 100_000), False),
    "avif of gigapixels": (lambda: avif_of(60_000, 60_000), False),
    "orientation 0": (lambda: exif(0), True),
    "orientation 9": (lambda: exif(9), True),
    "orientation 65535": (lambda: exif(65535), True),
    "orientation of 4 billion values": (lambda: exif(6, count=0xFFFFFFFF), True),
    "resolution of nothing": (lambda: saved("JPEG", dpi=(0, 0)), True),
}
"""Name -> (bytes, must it be read)."""
