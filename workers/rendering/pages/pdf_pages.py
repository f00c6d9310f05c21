"""PDF pages through MuPDF: pixels at native resolution, the text layer, the regions. Runs inside the sandbox."""

import contextlib
import math
from collections.abc import Sequence
from functools import cached_property, partial
from pathlib import Path
from typing import Any, NamedTuple, cast

import numpy as np
import numpy.typing as npt
from PIL import Image

from schemas.failure import FailureKind, PageError
from schemas.page import MAX_CHARS, MAX_DRAWN_CHARS, MAX_SIDE_PT, MAX_WORDS, Box, EdgeLine, PageImage, Region, RenderedPage, Word
from schemas.settings import RegionSettings, RenderSettings
from schemas.source import Document
from workers.rendering.full_image import FULL_IMAGE_PIXELS
from workers.rendering.pages.finding_regions.regions import FoundRegion, PageView, find_regions
from workers.rendering.pages.image_pages import full_image, is_one_color
from workers.rendering.pages.mupdf import pymupdf, raise_if_out_of_memory
from workers.rendering.pages.passwords import spellings
from workers.rendering.pages.placed_images import placed_images
from workers.rendering.pages.resolution import Native, PlacedImage, Size, fit, native_resolution
from workers.rendering.pages.text.edge_lines import edge_lines
from workers.rendering.pages.text.forms import tick_boxes, with_ticks
from workers.rendering.pages.text.glyphs import dingbat_glyphs
from workers.rendering.pages.text.text_layer import PdfText, all_scaled, read_text
from workers.rendering.pages.text.unseen import drawing_order, with_clipped, without_unseen
from workers.rendering.pages.vector_charts.ink import Ink
from workers.rendering.pages.vector_charts.page import read_areas
from workers.rendering.pages.vector_charts.reader import Reading

pymupdf.TOOLS.mupdf_display_errors(False)
pymupdf.TOOLS.mupdf_display_warnings(False)

_TEXT_FLAGS = 0
"""Ligatures are expanded; glyphs without a Unicode meaning stay U+FFFD (the default invents their glyph number as text). No
images: `extractDICT` would encode every one of them as a file."""


PAGES_AHEAD = 2
"""As far as a page looks at those behind it."""


class PdfDocument:
    def __init__(
        self,
        path: Path,
        settings: RenderSettings,
        regions: RegionSettings,
        passwords: Sequence[str],
        *,
        draws_regions: bool = True,
        reads_drawings: bool = True,
    ) -> None:
        self._settings, self._region_settings = settings, regions
        self._draws_regions, self._reads_drawings = draws_regions, reads_drawings
        try:
            self._pdf = pymupdf.open(path, filetype="pdf")
            if not self._pdf.is_pdf:
                raise PageError(FailureKind.unsupported_type, "not a PDF inside")
            is_locked = bool(self._pdf.needs_pass)
            if is_locked and not any(self._pdf.authenticate(each) for each in spellings(passwords)):
                none = f"none of the {len(passwords)} passwords in input.passwords opens it"
                message = none if passwords else "it wants a password, and input.passwords has none"
                raise PageError(FailureKind.encrypted, message)
            num_pages = self._pdf.page_count
        except PageError:
            raise
        except MemoryError:
            raise
        except Exception as error:  # noqa: BLE001 (MuPDF's errors share no class with PyMuPDF's own)
            raise_if_out_of_memory(error)
            raise PageError(FailureKind.corrupt, str(error)) from None
        if not num_pages:
            raise PageError(FailureKind.no_pages, "the file opens but has no page")
        metadata = self._pdf.metadata or {}
        self.document = Document(
            media_type="application/pdf",
            num_pages=num_pages,
            is_encrypted=is_locked or bool(metadata.get("encryption")),
            is_repaired=bool(self._pdf.is_repaired),
            title=_clean(metadata.get("title")),
            producer=_clean(metadata.get("producer")),
        )
        self._shown: ShownPage | None = None
        self._ahead: dict[int, ShownPage] = {}
        """Pages whose edges were asked for, and that are probably drawn next: a page is interpreted once."""

    def _load(self, page_index: int) -> "ShownPage":
        pymupdf.TOOLS.reset_mupdf_warnings()
        shown = ShownPage(self._pdf.load_page(page_index), self._settings)
        shown.has_warnings = bool(pymupdf.TOOLS.mupdf_warnings())
        return shown

    def render_page(self, page_index: int) -> RenderedPage:
        self._shown = None
        self._ahead = {index: page for index, page in self._ahead.items() if 0 <= index - page_index <= PAGES_AHEAD}
        shown = self._shown = self._ahead.pop(page_index, None) or self._load(page_index)
        pymupdf.TOOLS.reset_mupdf_warnings()
        size = shown.size
        pixels = shown.drawn.pixels
        shown.part_unseen()
        layer = shown.text.layer(shown.x, shown.y)
        flags = list(shown.flags)
        flags += self._elsewhere if page_index == 0 else []
        if self._pdf.is_repaired:
            flags.append("repaired")
        if shown.has_warnings or pymupdf.TOOLS.mupdf_warnings():
            flags.append("render_warnings")
        is_blank = not shown.text.words and is_one_color(as_image(size, pixels))
        if is_blank and not self._is_page(shown.page):
            raise PageError(
                FailureKind.unreadable, "the file has no such page where its list of pages says: cut off, or overwritten"
            )
        may_be_cut = self._region_settings.enabled and self._draws_regions
        has_full_image = may_be_cut and shown.native.is_scan and shown.is_reduced  # only charts are cut from it
        return RenderedPage(
            page_index=page_index,
            image=PageImage.from_rgb(*size, pixels),
            text_layer=layer,
            width_pt=shown.page_pt.width,
            height_pt=shown.page_pt.height,
            dpi=shown.x * 72,
            rotation=int(shown.page.rotation) % 360,
            is_scan=shown.native.is_scan,
            is_blank=is_blank,
            is_reduced=shown.is_reduced,
            full_image=shown.full_image() if has_full_image else b"",
            flags=flags,
        )

    @cached_property
    def _elsewhere(self) -> list[str]:
        """Flags for what the document has besides its pages."""
        flags = []
        with contextlib.suppress(Exception):  # damaged catalogs raise whatever MuPDF does; then nothing is known
            if self._pdf.xref_get_key(self._pdf.pdf_catalog(), "AcroForm/XFA")[0] in ("array", "xref", "stream"):
                flags.append("xfa_form")
            if self._pdf.embfile_count():
                flags.append("attachments_unread")
        return flags

    def _is_page(self, page: pymupdf.Page) -> bool:
        """Whether there is a dictionary where the page tree points."""
        try:
            return str(self._pdf.xref_object(page.xref, compressed=True)).startswith("<<")
        except RuntimeError:  # MuPDF's "bad xref"
            return False

    def find_regions(self, page: RenderedPage) -> list[Region]:
        """Charts a scan shows come from the answer's boxes later; here only what the PDF's own structure shows."""
        shown = self._shown
        if not self._region_settings.enabled or shown is None or page.is_scan or page.is_blank:
            return []
        found = find_regions(shown.view(), self._region_settings)
        regions = [
            shown.region(index, each, self._region_settings if self._draws_regions else None) for index, each in enumerate(found)
        ]
        drawings = [region for region in regions if region.origin == "drawing"]
        if not self._reads_drawings:
            return regions
        readings = shown.vector_readings([found[region.region_index].rect_pt for region in drawings])
        read = {region.region_index: _with_reading(region, reading) for region, reading in zip(drawings, readings, strict=True)}
        return [read.get(region.region_index, region) for region in regions]

    def edge_lines(self, page_index: int) -> list[EdgeLine]:
        shown = self._ahead.get(page_index) or self._load(page_index)
        if self._shown is not None and 0 < page_index - self._shown.page.number <= PAGES_AHEAD:
            self._ahead[page_index] = shown
        return edge_lines(shown.text.words, shown.page_pt)

    def close(self) -> None:
        self._shown, self._ahead = None, {}
        self._pdf.close()
        pymupdf.TOOLS.store_shrink(100)


class Drawn(NamedTuple):
    """Pixels where MuPDF put them: a copy of each page would cost a tenth of drawing it."""

    pixels: memoryview | bytes
    owner: Any
    """Keeps the view's memory alive."""


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
            placed = list(placed_images(stext))
            if placed:  # a page without images is read once
                stext = self._list.get_textpage(_TEXT_FLAGS)
            images = [image for image in placed if image is not None]
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
        """Words that the page as drawn does not show go apart; ticks of its form come in. A fault in looking leaves the text as it
        is."""
        try:
            pictures = [image.box_pt for image in self.images if not image.is_speck]
            order = partial(drawing_order, self._list)
            self.text = without_unseen(self.text, self._pixels(), self.x, self.y, pictures, order)
            if self._shown_text is not None:
                self.text = with_clipped(self.text, self.page, self._shown_text, self.page_pt)
            self.text = with_ticks(self.text, tick_boxes(self.page), self.page_pt)
        except MemoryError:
            raise
        except Exception as error:  # noqa: BLE001 (see above)
            raise_if_out_of_memory(error)
            self.flags.append("text_layer_failed")
        if self.text.unseen:
            self.flags.append("hidden_text")

    def _pixels(self) -> npt.NDArray[np.uint8]:
        return np.frombuffer(self.drawn.pixels, np.uint8).reshape(self.size.height_px, self.size.width_px, 3)

    def draw(self, size: Size, part_pt: Box, *, is_gray: bool = False) -> Drawn:
        """`part_pt` drawn straight at `size`: MuPDF scales by two factors, so that nothing is resampled afterwards."""
        x, y = size.width_px / part_pt.width, size.height_px / part_pt.height
        matrix = pymupdf.Matrix(x, 0, 0, y, -part_pt.left * x, -part_pt.top * y)
        colors = pymupdf.csGRAY if is_gray else pymupdf.csRGB
        drawn = self._list.get_pixmap(matrix=matrix, colorspace=colors, alpha=False, clip=pymupdf.Rect(part_pt))
        if (drawn.width, drawn.height) == size:
            return Drawn(drawn.samples_mv, drawn)
        # float32 rounding on huge pages gives a pixel more or less
        exact = Image.new("L" if is_gray else "RGB", size, "white")
        exact.paste(as_image(Size(drawn.width, drawn.height), drawn.samples_mv))
        return Drawn(exact.tobytes(), None)

    @cached_property
    def drawn(self) -> Drawn:
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
        return full_image(as_image(size, drawn.pixels))

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
        drawn = self.draw(size, part) if size else None  # its pixels last as long as it does
        return Region(
            region_index=index,
            bbox_px=self._in_pixels(part),
            core_px=self._in_pixels(core) if core.area else None,
            origin=found.origin,
            image=PageImage.from_rgb(*size, drawn.pixels) if size and drawn else None,
            dpi=size.width_px / part.width * 72 if size else None,
            words=all_scaled([word for word in self.text.words if _is_in(word, part)], self.x, self.y),
        )


def _with_reading(region: Region, reading: Reading) -> Region:
    if reading.answer is None:
        return region.model_copy(update={"drawn_refusal": reading.reason or ""})
    said = reading.answer.model_dump_json(exclude_defaults=True)
    if len(said) > MAX_DRAWN_CHARS:
        return region.model_copy(update={"drawn_refusal": "too_much"})
    return region.model_copy(update={"drawn_answer": said})


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


def _clean(text: str | None) -> str | None:
    """Metadata for a person: printable, UTF-8, None when empty."""
    kept = "".join(char if char.isprintable() else " " for char in text or "").strip()
    return kept[:500] or None
