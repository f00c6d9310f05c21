"""One page of a PDF, interpreted once: its text, its placed images, and its pixels at any size. Runs inside the sandbox."""

import math
from collections.abc import Sequence
from functools import cached_property, partial
from typing import cast

import numpy as np
import numpy.typing as npt
from PIL import Image

from schemas.failure import FailureKind, PageError
from schemas.page import MAX_CHARS, MAX_SIDE_PT, MAX_WORDS, Box, PageImage, Region, Word
from schemas.settings import RegionSettings, RenderSettings
from workers.rendering.full_image import FULL_IMAGE_PIXELS
from workers.rendering.pages.finding_regions.regions import FoundRegion, PageView
from workers.rendering.pages.image_pages import full_image
from workers.rendering.pages.mupdf import pymupdf, raise_if_out_of_memory
from workers.rendering.pages.placed_images import placed_images
from workers.rendering.pages.resolution import Native, PlacedImage, Size, fit, native_resolution
from workers.rendering.pages.text.forms import comb_boxes, tick_boxes, with_combs, with_ticks
from workers.rendering.pages.text.glyphs import dingbat_glyphs
from workers.rendering.pages.text.pdf_text import PdfText, all_scaled
from workers.rendering.pages.text.text_layer import read_text
from workers.rendering.pages.text.unseen import drawing_order, with_clipped, without_unseen
from workers.rendering.pages.vector_charts.ink import Ink
from workers.rendering.pages.vector_charts.page import read_areas
from workers.rendering.pages.vector_charts.reader import Reading

_TEXT_FLAGS = 0
"""Ligatures are expanded; glyphs without a Unicode meaning stay U+FFFD (the default invents their glyph number as text). No
images: `extractDICT` would encode every one of them as a file. No clip, which cuts letters off words."""


class _Samples:
    """A pixmap's pixels where MuPDF put them: a copy of each page would cost a tenth of drawing it.

    Views that numpy makes of this keep the pixels' memory; PyMuPDF's own do not.
    """

    def __init__(self, pixmap: pymupdf.Pixmap) -> None:
        self._pixmap = pixmap
        shape = (len(pixmap.samples_mv),)
        self.__array_interface__ = {"version": 3, "typestr": "|u1", "shape": shape, "data": (pixmap.samples_ptr, True)}


class ShownPage:
    """A page interpreted once (display list) and drawn as often as needed: page, full image, regions."""

    def __init__(self, page: pymupdf.Page, settings: RenderSettings) -> None:
        self.page, self._settings = page, settings
        self.flags: list[str] = []
        self.has_warnings = False
        """MuPDF's, about what the page holds."""
        self._shown_text: pymupdf.TextPage | None = None
        self._list = page.get_displaylist()
        self.page_pt = _page_box(page)
        self.text, self.images = self._read_text()
        self.native: Native = native_resolution(self.page_pt, self.images, self.text.size_chars, settings)
        width_px, height_px = (side / 72 * self.native.dpi for side in (self.page_pt.width, self.page_pt.height))
        self.is_reduced = width_px * height_px > settings.max_pixels * 1.02
        self.size = fit(
            width_px, height_px, cell_px=settings.cell_px, min_pixels=settings.min_pixels, max_pixels=settings.max_pixels
        )
        self.x, self.y = self.size.width_px / self.page_pt.width, self.size.height_px / self.page_pt.height

    def _read_text(self) -> tuple[PdfText, list[PlacedImage]]:
        try:
            # from the display list: `Page.get_textpage` reads a rotated page as if it were not
            stext = self._list.get_textpage(_TEXT_FLAGS | pymupdf.TEXT_PRESERVE_IMAGES)
            images: list[PlacedImage] = []
            if any(True for _ in placed_images(stext)):  # a page without images is read once
                clipped = self._list.get_textpage(pymupdf.TEXT_PRESERVE_IMAGES | pymupdf.TEXT_CLIP)
                images = [image for image in placed_images(clipped) if image is not None]
                stext = self._list.get_textpage(_TEXT_FLAGS)
            # all characters, for those outside the page are counted too
            media = stext.m_internal.mediabox
            media.x0 = media.y0 = -MAX_SIDE_PT
            media.x1 = media.y1 = MAX_SIDE_PT
            self._shown_text = pymupdf.TextPage(stext)
            text = read_text(self._shown_text, self.page_pt, lambda: dingbat_glyphs(self.page))
            return _bounded(text, self.flags), images
        except MemoryError:
            raise
        except Exception as error:  # noqa: BLE001 (a fault in the text costs the text, not the page)
            raise_if_out_of_memory(error)
            self.flags.append("text_layer_failed")
            return PdfText(), []

    def part_unseen(self) -> None:
        """Moves the words that the page as drawn does not show to `unseen`, and adds the ticks of its form. If this fails, the text
        stays as it is."""
        try:
            pictures = [image.box_pt for image in self.images if not image.is_speck]
            order = partial(drawing_order, self._list)
            self.text = without_unseen(self.text, self._pixels(), self.x, self.y, pictures, order)
            if self._shown_text is not None:
                self.text = with_clipped(self.text, self.page, self._shown_text, self.page_pt)
            self.text = with_combs(self.text, comb_boxes(self.page))
            self.text = with_ticks(self.text, tick_boxes(self.page), self.page_pt)
        except MemoryError:
            raise
        except Exception as error:  # noqa: BLE001 (see above)
            raise_if_out_of_memory(error)
            self.flags.append("text_layer_failed")
        if self.text.unseen:
            self.flags.append("hidden_text")

    def _pixels(self) -> npt.NDArray[np.uint8]:
        return np.frombuffer(self.drawn, np.uint8).reshape(self.size.height_px, self.size.width_px, 3)

    def draw(self, size: Size, part_pt: Box, *, is_gray: bool = False) -> memoryview | bytes:
        """`part_pt` drawn straight at `size`: MuPDF scales by two factors, so that nothing is resampled afterwards."""
        x, y = size.width_px / part_pt.width, size.height_px / part_pt.height
        matrix = pymupdf.Matrix(x, 0, 0, y, -part_pt.left * x, -part_pt.top * y)
        colors = pymupdf.csGRAY if is_gray else pymupdf.csRGB
        drawn = self._list.get_pixmap(matrix=matrix, colorspace=colors, alpha=False, clip=pymupdf.Rect(part_pt))
        if (drawn.width, drawn.height) == size:
            return np.asarray(_Samples(drawn)).data
        # float32 rounding on huge pages gives a pixel more or less
        exact = Image.new("L" if is_gray else "RGB", size, "white")
        exact.paste(as_image(Size(drawn.width, drawn.height), drawn.samples_mv))
        return exact.tobytes()

    @cached_property
    def drawn(self) -> memoryview | bytes:
        """The page at `size`, RGB."""
        return self.draw(self.size, self.page_pt)

    def view(self) -> PageView:
        return PageView(self.page, self.text.words, self.images, self._pixels())

    def vector_readings(self, areas_pt: Sequence[Box]) -> list[Reading]:
        """What the drawing in each area says as a chart, or why it is not read as one."""
        try:
            return read_areas(self.page, self._list, areas_pt, Ink(self._pixels(), self.x, self.y))
        except MemoryError:
            raise
        except Exception as error:  # noqa: BLE001 (a fault here must not cost the regions)
            raise_if_out_of_memory(error)
            return [Reading(None, "odd_drawing", f"{type(error).__name__}: {error}") for _ in areas_pt]

    def full_image(self) -> bytes:
        """The scan at its own resolution, at most FULL_IMAGE_PIXELS, as JPEG."""
        width_px, height_px = (side / 72 * self.native.dpi for side in (self.page_pt.width, self.page_pt.height))
        scale = min(1.0, math.sqrt(FULL_IMAGE_PIXELS / (width_px * height_px)))
        size = Size(max(1, int(width_px * scale)), max(1, int(height_px * scale)))
        drawn = self.draw(size, self.page_pt, is_gray=all(image.is_gray for image in self.images))
        return full_image(as_image(size, drawn))

    def _in_pixels(self, part_pt: Box) -> Box:
        return Box(*(round(side, 2) for side in part_pt.scaled(self.x, self.y)))

    def region(self, index: int, found: FoundRegion, settings: RegionSettings | None) -> Region:
        """`settings`: those of its picture; None for a region without one."""
        part = found.rect_pt.intersection(self.page_pt)
        core = found.core_pt.intersection(part)
        size = settings and fit(
            part.width / 72 * found.dpi,
            part.height / 72 * found.dpi,
            cell_px=self._settings.cell_px,
            min_pixels=settings.min_pixels,
            max_pixels=settings.max_pixels,
        )
        drawn = self.draw(size, part) if size else None
        return Region(
            region_index=index,
            bbox_px=self._in_pixels(part),
            core_px=self._in_pixels(core) if core.area else None,
            origin=found.origin,
            image=PageImage.from_rgb(*size, drawn) if size and drawn else None,
            dpi=size.width_px / part.width * 72 if size else None,
            words=all_scaled([word for word in self.text.words if _is_in(word, part)], self.x, self.y),
        )


def _bounded(text: PdfText, flags: list[str]) -> PdfText:
    """The text, or none where it is more than a page can have: then the page is read from its pixels."""
    if len(text.words) <= MAX_WORDS and sum(len(word.text) for word in text.words) <= MAX_CHARS:
        return text
    flags.append("text_layer_failed")
    return PdfText()


def _page_box(page: pymupdf.Page) -> Box:
    box = Box(*map(float, page.rect))
    if not all(map(math.isfinite, box)) or box.width <= 0 or box.height <= 0 or max(box.width, box.height) > MAX_SIDE_PT:
        raise PageError(FailureKind.unreadable, f"a page of {box.width:g} x {box.height:g} points")
    return box


def as_image(size: Size, pixels: memoryview | bytes) -> Image.Image:
    """A view, grey or RGB by its length."""
    mode = "L" if len(pixels) == size.width_px * size.height_px else "RGB"
    return Image.frombuffer(mode, size, cast(bytes, pixels), "raw", mode, 0, 1)  # any buffer will do


def _is_in(word: Word, part: Box) -> bool:
    x, y = (word.left + word.right) / 2, (word.top + word.bottom) / 2
    return part.left <= x <= part.right and part.top <= y <= part.bottom
