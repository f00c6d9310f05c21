"""Encodes pixels as a data URL. JPEG is the default, because PNG takes most of a client's CPU time.

Measured on pages at 150 dpi (1275 x 1650) by `python -m tests.bench encode`, CPU and size of each page:
- PNG, level 1: 40 ms, 483 kB; level 6: 100 ms, 472 kB.
- Lossless WebP: 49 ms, 406 kB.
- JPEG, quality 95, halved chroma: 5 ms, 346 kB; full chroma, which keeps thin coloured lines: 8 ms, 380 kB.

Pillow releases the interpreter's lock only while it encodes into a file with a descriptor. Into a `BytesIO` it keeps the lock: a
thread that counts as fast as it can then stood still in the middle of 9 of 10 encodings; with a descriptor, of none.
"""

import base64
import os
import sys
import tempfile
from collections.abc import Mapping
from typing import IO, Any, Literal

from PIL import Image

from schemas.page import PageImage

ImageFormat = Literal["jpeg", "png", "webp"]

_SAVE: Mapping[ImageFormat, dict[str, Any]] = {
    "jpeg": {"quality": 95, "subsampling": 0},
    "png": {"compress_level": 1},
    "webp": {"lossless": True, "quality": 0, "method": 0},
}


def encode_image(image: PageImage, image_format: ImageFormat, size: tuple[int, int] | None = None) -> bytes:
    """The image, at another size (width, height) if one is given, as a file's bytes."""
    pixels = Image.frombuffer("RGB", (image.width_px, image.height_px), image.rgb(), "raw", "RGB", 0, 1)
    if size is not None and size != pixels.size:
        pixels = pixels.resize(size, Image.Resampling.BICUBIC)
    with _file_in_memory() as out:
        pixels.save(out, image_format.upper(), **_SAVE[image_format])
        out.seek(0)
        return out.read()


def _file_in_memory() -> IO[bytes]:
    if sys.platform == "linux":
        return os.fdopen(os.memfd_create("image"), "w+b")
    return tempfile.TemporaryFile()


def data_url(image: PageImage, image_format: ImageFormat, size: tuple[int, int] | None = None) -> str:
    return f"data:image/{image_format};base64,{base64.b64encode(encode_image(image, image_format, size)).decode('ascii')}"
