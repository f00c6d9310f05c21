"""Standalone images as pages, through Pillow: every mode and orientation becomes upright RGB on white. Runs inside the sandbox."""

import contextlib
import math
import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pillow_heif
from PIL import (
    AvifImagePlugin,
    BmpImagePlugin,
    ExifTags,
    GifImagePlugin,
    Image,
    ImageCms,
    ImageOps,
    Jpeg2KImagePlugin,
    JpegImagePlugin,
    MpoImagePlugin,
    PngImagePlugin,
    TiffImagePlugin,
    WebPImagePlugin,
)

from schemas.failure import FailureKind, PageError
from schemas.page import Box, EdgeLine, PageImage, Region, RenderedPage
from schemas.settings import RegionSettings, RenderSettings
from schemas.source import Document
from workers.rendering.full_image import FULL_IMAGE_PIXELS, encode_jpeg
from workers.rendering.pages.chart_pictures import may_be_chart
from workers.rendering.pages.resolution import Size, fit

_FORMATS = {
    "image/png": PngImagePlugin.PngImageFile.format,
    "image/jpeg": JpegImagePlugin.JpegImageFile.format,
    "image/gif": GifImagePlugin.GifImageFile.format,
    "image/tiff": TiffImagePlugin.TiffImageFile.format,
    "image/jp2": Jpeg2KImagePlugin.Jpeg2KImageFile.format,
    "image/bmp": BmpImagePlugin.BmpImageFile.format,
    "image/webp": WebPImagePlugin.WebPImageFile.format,
    "image/avif": AvifImagePlugin.AvifImageFile.format,
    "image/heic": "HEIF",
}
_WITH_FRAMES = ("image/tiff", "image/gif", "image/webp", "image/png", "image/avif", "image/heic")
pillow_heif.register_heif_opener(thumbnails=False, decode_threads=1)
assert MpoImagePlugin  # imported: a JPEG with several pictures in it becomes one of its images
AvifImagePlugin.DEFAULT_MAX_THREADS = 1

BLANK_TOLERANCE = 4
"""Levels of 255 between the darkest and the lightest pixel of a blank page: what JPEG leaves on plain paper. Faint grey text
(250 on 255) differs by more, and so does a single dot."""
_NEW_SUBFILE_TYPE, _NO_PAGE = 254, 1 | 4
"""A tag of TIFF, and its bits for a reduced picture and a mask. Source: TIFF 6.0, section 8."""
_TRANSPOSED_DEGREES = {3: 180, 4: 180, 5: 270, 6: 90, 7: 90, 8: 270}


class ImageDocument:
    """An image file. It has a page for each frame, but for a TIFF's thumbnails and masks."""

    def __init__(
        self, path: Path, media_type: str, settings: RenderSettings, regions: RegionSettings, *, draws_regions: bool = True
    ) -> None:
        Image.MAX_IMAGE_PIXELS = settings.max_decoded_pixels
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        self._settings, self._regions = settings, regions
        self._has_full_image = regions.enabled and draws_regions
        try:
            self._image = Image.open(path, formats=[_FORMATS[media_type]])
            # by its name Pillow 13 maps a TIFF's plain pixels into memory, with the sides of the turned picture
            self._image.filename = ""
            self._frames = _page_frames(self._image) if media_type in _WITH_FRAMES else [0]
        except (Image.DecompressionBombWarning, Image.DecompressionBombError) as error:
            raise PageError(FailureKind.too_large, str(error)) from None
        except MemoryError:
            raise
        except Exception as error:  # noqa: BLE001 (plugins raise whatever their parsing met: struct.error, KeyError, ...)
            raise PageError(FailureKind.corrupt, f"{type(error).__name__}: {error}") from None
        self.document = Document(media_type=media_type, num_pages=len(self._frames))

    def render_page(self, page_index: int) -> RenderedPage:
        image: Image.Image = self._image
        settings = self._settings
        flags: list[str] = []
        try:
            frame = self._frames[page_index]
            if frame or image.tell():
                image.seek(frame)
            check_pixels(image.size, settings.max_decoded_pixels)
            orientation = _orientation(image, flags)
            is_reduced = image.width * image.height > settings.max_pixels * 1.02
            _draft(image, settings.max_pixels)
            image.load()
        except (Image.DecompressionBombWarning, Image.DecompressionBombError) as error:
            raise PageError(FailureKind.too_large, str(error)) from None
        with contextlib.suppress(Exception):  # EXIF lies must not cost the page: then it is read as it lies
            if image.getexif().get(ExifTags.Base.Orientation, 1) != 1:  # else it would be a copy, without a TIFF's tags
                image = ImageOps.exif_transpose(image)
        size = fit(*image.size, cell_px=settings.cell_px, min_pixels=settings.min_pixels, max_pixels=settings.max_pixels)
        page = resized(flattened(image), size)
        return RenderedPage(
            page_index=page_index,
            image=PageImage.from_rgb(*size, page.tobytes()),
            rotation=_TRANSPOSED_DEGREES.get(orientation, 0),
            is_scan=True,
            is_blank=is_one_color(page),
            is_reduced=is_reduced,
            full_image=full_image(image) if is_reduced and self._has_full_image else b"",
            flags=flags,
        )

    def find_regions(self, page: RenderedPage) -> list[Region]:
        """The image as a whole where it may be a picture of a chart."""
        if not self._regions.enabled or page.image is None or page.is_blank or not may_be_chart(page.image):
            return []
        whole = Box(0, 0, page.image.width_px, page.image.height_px)
        return [Region(region_index=0, bbox_px=whole, origin="standalone")]

    def edge_lines(self, page_index: int) -> list[EdgeLine]:
        """None: an image has no text of its own."""
        return []

    def close(self) -> None:
        self._image.close()


def _page_frames(image: Image.Image) -> Sequence[int]:
    """The frames that are pages: all, without those of a TIFF that say they are a smaller picture of another, or its mask."""
    frames = range(int(getattr(image, "n_frames", 1)))
    if len(frames) < 2 or not isinstance(image, TiffImagePlugin.TiffImageFile):
        return frames
    return [frame for frame in frames if not _subfile_type(image, frame) & _NO_PAGE] or frames


def _subfile_type(image: TiffImagePlugin.TiffImageFile, frame: int) -> int:
    try:
        image.seek(frame)
        return int(image.tag_v2.get(_NEW_SUBFILE_TYPE, 0))
    except Exception:  # noqa: BLE001 (a frame that cannot be read is a page that cannot)
        return 0


def check_pixels(size: tuple[int, int], most: int) -> None:
    if size[0] * size[1] > most:
        raise PageError(FailureKind.too_large, f"{size[0]} x {size[1]} pixels; the limit is {most}")


def _draft(image: Image.Image, max_pixels: int) -> None:
    """A JPEG above what we keep of an image is decoded at a half, a quarter or an eighth: its own transform does it for free. It
    keeps as many pixels as its page may have."""
    area = image.width * image.height
    if area > FULL_IMAGE_PIXELS and isinstance(image, JpegImagePlugin.JpegImageFile):
        scale = math.sqrt(max(FULL_IMAGE_PIXELS / 2, max_pixels) / area)
        image.draft(None, (math.ceil(image.width * scale), math.ceil(image.height * scale)))


def _orientation(image: Image.Image, flags: list[str]) -> int:
    try:
        return int(image.getexif().get(ExifTags.Base.Orientation, 1))
    except Exception:  # noqa: BLE001 (a broken EXIF block: any error)
        flags.append("exif_unreadable")
        return 1


def flattened(image: Image.Image) -> Image.Image:
    """L or RGB, 8 bits, transparency laid on white. Programs write bitmaps (BMP) with an alpha of 0 everywhere and mean none."""
    is_bitmap = image.format == "BMP"
    if image.mode.startswith("I") or image.mode == "F":
        return _scaled_to_8_bits(image)
    if image.mode in ("RGBa", "La"):
        image = image.convert({"RGBa": "RGBA", "La": "LA"}[image.mode])
    if image.mode in ("RGBA", "LA", "PA") or (image.mode != "CMYK" and "transparency" in image.info):
        image = image.convert("RGBA")
        alphas = image.getchannel("A").getextrema()
        if alphas == (255, 255) or (is_bitmap and alphas == (0, 0)):
            return image.convert("RGB")
        white = Image.new("RGBA", image.size, "white")
        return Image.alpha_composite(white, image).convert("RGB")
    if image.mode == "LAB":
        transform = ImageCms.buildTransform(ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB"), "LAB", "RGB")
        return ImageCms.applyTransform(image, transform) or image
    return image.convert("L") if image.mode in ("1", "L") else image.convert("RGB")


def _scaled_to_8_bits(image: Image.Image) -> Image.Image:
    """16 bits by their declared range, unless that leaves the picture nearly black; 32 bits and floats by what is in them. A level
    that is transparent is white."""
    samples = np.asarray(image)
    values = samples.astype(np.float32)
    finite = values[np.isfinite(values)]
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 0.0)
    values = np.nan_to_num(values, nan=low, posinf=high, neginf=low)
    bits = _declared_bits(image)
    declared = (1 << bits) - 1 if bits else 255 if high > 1 else 1
    if low < 0 or high > declared or high < declared / 16:
        floor, ceiling = (low, high) if high > low else (min(low, 0.0), max(high, 1.0))
    else:
        floor, ceiling = 0.0, float(declared)
    gray = Image.fromarray(((values - floor) * (255 / (ceiling - floor)) + 0.5).clip(0, 255).astype(np.uint8))
    gray = ImageOps.invert(gray) if _white_is_zero(image) else gray
    if "transparency" in image.info:
        gray.paste(255, mask=Image.fromarray(samples == image.info["transparency"]))
    return gray


def _declared_bits(image: Image.Image) -> int | None:
    """Of whole-number samples; None for floats and 32 bits, which declare no usable white."""
    tags = getattr(image, "tag_v2", None) or {}
    bits = tags.get(258, (16,) if image.mode.startswith("I;16") or image.format == "PNG" else (32,))
    return int(bits[0]) if bits[0] <= 16 and image.mode != "F" else None


def _white_is_zero(image: Image.Image) -> bool:
    return (getattr(image, "tag_v2", None) or {}).get(262) == 0


def resized(image: Image.Image, size: Size) -> Image.Image:
    """RGB at `size`, by one resize: LANCZOS, which keeps thin strokes (`reducing_gap` first averages whole pixels: twice as
    fast on a phone photo, no visible difference)."""
    if image.size != tuple(size):
        image = image.resize(size, Image.Resampling.LANCZOS, reducing_gap=3.0)
    return image if image.mode == "RGB" else image.convert("RGB")


def is_one_color(image: Image.Image) -> bool:
    """No mark at all, not one pixel."""
    extrema = image.getextrema()
    bands = extrema if isinstance(extrema[0], tuple) else (extrema,)
    return all(high - low <= BLANK_TOLERANCE for low, high in bands)


def full_image(image: Image.Image) -> bytes:
    """JPEG of an upright image at its own resolution, at most FULL_IMAGE_PIXELS."""
    flat = flattened(image)
    area = flat.width * flat.height
    if area > FULL_IMAGE_PIXELS:
        scale = math.sqrt(FULL_IMAGE_PIXELS / area)
        width_px, height_px = max(1, int(flat.width * scale)), max(1, int(flat.height * scale))
        flat = flat.resize((width_px, height_px), Image.Resampling.LANCZOS, reducing_gap=3.0)
    return encode_jpeg(flat)
