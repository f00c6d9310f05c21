"""What is read: input, fetching, drawing, asking."""

import re
from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr, field_validator

from schemas.failure import Task
from schemas.settings.section import MEBI, Section

Transport = Literal["json", "markdown"]


class InputSettings(Section):
    limit: int | None = Field(None, ge=1, description="Read at most this many sources; for trying things out.")
    pages: str | None = Field(None, description="Pages to read, counted from 1: `1-3,7,10-`. All by default.")
    include: list[str] = Field(
        [],
        description="Globs on the name below the input: what fits none is not read. `*` stays inside a folder, `**` crosses them, "
        "a glob without `/` fits the name in any folder. All by default.",
    )
    exclude: list[str] = Field([], description="Globs, as in `include`: what fits one of them is not read.")
    min_age_s: float = Field(
        0, ge=0, description="Seconds since an object was last written before it is read; for writers that write in place."
    )
    marker: str | None = Field(
        None,
        description="Read a folder, and those below it, only once it holds a file of this name, such as `_SUCCESS` or "
        "`*.manifest`. The marker itself is never read.",
    )
    allow_empty: bool = Field(
        False, description="An input without one object is nothing to do, and no mistake. `watch` always allows it."
    )
    passwords: list[SecretStr] = Field(
        [],
        description="Passwords to try on encrypted PDFs, in order: one, or several as a JSON list. Never written anywhere; best "
        "set in the environment.",
    )

    @field_validator("marker")
    @classmethod
    def _name_without_folder(cls, marker: str | None) -> str | None:
        if marker is not None and (not marker or "/" in marker):
            raise ValueError(f"{marker!r} is no name of a file in the folder itself, such as _SUCCESS")
        return marker

    @field_validator("pages")
    @classmethod
    def _count_from_1(cls, pages: str | None) -> str | None:
        if pages is not None and not re.fullmatch(r"[0-9]+(-[0-9]*)?(,[0-9]+(-[0-9]*)?)*", pages):
            raise ValueError(f"{pages!r} is no choice of pages, such as 1-3,7,10-")
        for part in pages.split(",") if pages else ():
            first, _, last = part.partition("-")
            if int(first) < 1 or (last and int(last) < 1):
                raise ValueError(f"pages count from 1, and {part} begins before")
            if last and int(last) < int(first):
                raise ValueError(f"{part} ends before it begins")
        return pages


class FetchSettings(Section):
    max_object_bytes: int = Field(2048 * MEBI, ge=1, description="Objects above this size fail as `too_large_object`.")
    cache_dir: Path | None = Field(
        None,
        description="Node-local cache of fetched objects; by default a temporary folder, which a run with a private Ray empties.",
    )
    cache_bytes: int = Field(4096 * MEBI, ge=0, description="Upper size of the cache; the least recently used objects leave first.")
    timeout_s: float = Field(60, gt=0, description="Connect and read timeout of one request to the store, seconds.")
    max_tries: int = Field(5, ge=1, description="Tries of one request (throttling, 5xx, broken body) before it is a failure.")


class RenderSettings(Section):
    dpi_min: int = Field(96, ge=36, le=600, description="Lower bound of a vector page's resolution.")
    dpi_max: int = Field(300, ge=72, le=600, description="Upper bound of a vector page's resolution.")
    glyph_px: float = Field(
        20, gt=4, description="Height in pixels that the smallest common font size of a vector page shall get; decides its DPI."
    )
    cell_px: int = Field(32, ge=1, description="Sides are multiples of this, so that the model's own resize is the identity.")
    min_pixels: int = Field(448 * 448, ge=1, description="Smaller images are enlarged to this area (Ovis2.5's own minimum).")
    max_pixels: int = Field(1344 * 1792, ge=1, description="Larger pages are reduced to this area (Ovis2.5-2B's own limit).")
    max_decoded_pixels: int = Field(
        120_000_000, ge=1, description="An image of more pixels is not decoded at all: `too_large` (a decompression bomb)."
    )
    max_pages: int = Field(5000, ge=1, le=99_999, description="Pages read of one document; the rest is a failure `too_many_pages`.")
    memory_bytes: int = Field(
        1536 * MEBI, ge=256 * MEBI, description="Address space a render process may add to what it starts with."
    )
    cpu_s: float = Field(30, gt=0, description="CPU seconds one page may take.")
    wall_s: float = Field(60, gt=0, description="Seconds one page, or opening a document, may take.")
    max_document_faults: int = Field(
        8,
        ge=1,
        description="Pages of one document that may time out, crash or run out of memory; then the rest of it is a failure "
        "`over_budget`.",
    )
    document_page_s: float = Field(5, gt=0, description="Seconds a page may take that do not count against `render.document_s`.")
    document_s: float = Field(
        900,
        gt=0,
        description="Seconds beyond these that pages of one document may take in all; then the rest is `over_budget`.",
    )


class RegionSettings(Section):
    enabled: bool = Field(True, description="Look for regions that may hold a chart.")
    min_side_pt: float = Field(72, gt=0, description="A region's shorter side, points; smaller ones are icons and logos.")
    margin: float = Field(0.05, ge=0, le=0.5, description="Share of its own size added on each side of a region.")
    max_per_page: int = Field(12, ge=1, description="Regions of one page; the largest are kept.")
    max_pixels: int = Field(1344 * 1792, ge=1, description="Upper area of a region's own image.")
    min_pixels: int = Field(448 * 448, ge=1, description="Lower area of a region's own image.")


ChartsFrom = Literal["vector_first", "model", "vector"]
TextFrom = Literal["model", "layer_first"]


class ReadSettings(Section):
    tasks: list[Task] = Field(
        ["ocr", "chart"], min_length=1, description="What to ask of each page; an engine leaves out what it cannot."
    )
    max_output_tokens: int = Field(8192, ge=16, description="Upper length of one answer, tokens.")
    max_asks: int = Field(
        4,
        ge=1,
        description="How often one question is asked until its answer holds; after a loop from before it, with a penalty, hotter.",
    )
    temperature: float = Field(0.0, ge=0, le=2, description="Of the first ask; later asks go hotter.")
    transport: Transport = Field(
        "json",
        description="How `ovis` and `server` are asked for a page's text: as JSON under its schema, or as free `markdown`. "
        "Markdown has no boxes, so the places of charts on scans are then asked for besides, as JSON.",
    )
    running_text: bool = Field(
        False,
        description="Keep running heads, feet and page numbers in `text_markdown` and `text_plain`; they are in `blocks` anyway.",
    )
    charts_from: ChartsFrom = Field(
        "vector_first",
        description="Who reads charts: `vector_first` (their own drawing where it can be read exactly, a model elsewhere), `model` "
        "(always a model, the drawing beside it as a witness) or `vector` (no model is asked).",
    )
    text_from: TextFrom = Field(
        "model",
        description="Who reads text, where the engine is a model: `model` every page; `layer_first` scans, and pages whose text "
        "layer cannot be trusted or leaves ink unexplained: of all others the layer is the text, without the model.",
    )
    max_internal_errors: int = Field(
        64,
        ge=1,
        description="Pages in a row that meet a bug (`internal_error`), none read in between, after which the run ends as "
        "incomplete and leaves them open: a bug that hits everything shall not fail the bucket. One document counts for an "
        "eighth of it at most.",
    )
