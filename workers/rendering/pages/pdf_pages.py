"""PDF documents through MuPDF: their pages rendered, with text layer and regions. Runs inside the sandbox."""

import contextlib
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

from schemas.failure import FailureKind, PageError
from schemas.page import MAX_DRAWN_CHARS, EdgeLine, PageImage, Region, RenderedPage
from schemas.settings import RegionSettings, RenderSettings
from schemas.source import Document
from workers.rendering.pages.finding_regions.regions import find_regions
from workers.rendering.pages.image_pages import is_one_color
from workers.rendering.pages.mupdf import pymupdf, raise_if_out_of_memory
from workers.rendering.pages.passwords import spellings
from workers.rendering.pages.shown_page import ShownPage, as_image
from workers.rendering.pages.text.edge_lines import edge_lines
from workers.rendering.pages.vector_charts.reader import Reading

PAGES_AHEAD = 2
"""So many of the pages after it a page is compared with."""


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

    def _load(self, page_index: int) -> ShownPage:
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
        pixels = shown.drawn
        shown.part_unseen()
        layer = shown.text.layer(shown.x, shown.y)
        flags = list(shown.flags)
        flags += self._elsewhere if page_index == 0 else []
        if "attachments_unread" not in flags and _has_attachment(shown.page):
            flags.append("attachments_unread")
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
            if self._pdf.embfile_count() or self._pdf.xref_get_key(self._pdf.pdf_catalog(), "AF")[0] in ("array", "xref"):
                flags.append("attachments_unread")
        return flags

    def _is_page(self, page: pymupdf.Page) -> bool:
        """Whether there is a dictionary where the page tree points."""
        try:
            return str(self._pdf.xref_object(page.xref, compressed=True)).startswith("<<")
        except RuntimeError:  # MuPDF's "bad xref"
            return False

    def find_regions(self, page: RenderedPage) -> list[Region]:
        """The regions that the PDF's own structure shows. Charts on a scan come later, from the boxes of the answer."""
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


def _has_attachment(page: pymupdf.Page) -> bool:
    with contextlib.suppress(Exception):  # a damaged annotation raises whatever MuPDF does
        return any(kind == pymupdf.PDF_ANNOT_FILE_ATTACHMENT for _, kind, _ in page.annot_xrefs())
    return False


def _with_reading(region: Region, reading: Reading) -> Region:
    if reading.answer is None:
        return region.model_copy(update={"drawn_refusal": reading.reason or ""})
    said = reading.answer.model_dump_json(exclude_defaults=True)
    if len(said) > MAX_DRAWN_CHARS:
        return region.model_copy(update={"drawn_refusal": "too_much"})
    return region.model_copy(update={"drawn_answer": said})


def _clean(text: str | None) -> str | None:
    """Metadata for a person: printable, UTF-8, None when empty."""
    kept = "".join(char if char.isprintable() else " " for char in text or "").strip()
    return kept[:500] or None
