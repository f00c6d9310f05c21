"""The rows of the tables: one typed record per row. Each column is defined here or in `content` once, with its type and its
description, from which `schemas.tables` makes the Arrow schemas and the data dictionary.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, fields
from datetime import datetime
from typing import Annotated, Any

from schemas.failure import FailureKind, Stage, Task
from schemas.records.content import (
    BOX,
    Asked,
    BlockContent,
    CellContent,
    ChartData,
    ChartDrawing,
    ChartStatus,
    DocumentStatus,
    Drawn,
    EncodedImage,
    Flagged,
    Lineage,
    PageIndex,
    PageReadBy,
    PageStatus,
    PageText,
    PageTimes,
    PageTrust,
    PageUnseen,
    PictureContent,
    PixelBox,
    PointContent,
    Reading,
    ReadTimes,
    RegionIndex,
    RunStatus,
    TableIndex,
    WordContent,
)


class Record:
    """A row of a table. Its columns are its own, then those of its bases from left to right. The columns of a part (lineage,
    reading) take the part's place, and a box becomes four columns."""

    def row(self) -> dict[str, Any]:
        row: dict[str, Any] = {}
        for name, value in vars(self).items():
            if isinstance(value, (Lineage, Reading)):
                row |= vars(value)
            elif isinstance(value, EncodedImage):
                row[name] = value._asdict()
            elif name == "bbox_px":
                row |= zip(BOX, value or (None, None, None, None), strict=True)
            else:
                row[name] = value
        return row


@dataclass(frozen=True, kw_only=True)
class PageRecord(Record, PageText, Drawn, PageTrust, Asked, Flagged, PageTimes, PageUnseen, PageReadBy):
    lineage: Lineage
    page_index: PageIndex
    reading: Reading
    status: Annotated[PageStatus, "ok, blank, partial (part of the text was read) or failed."]


@dataclass(frozen=True, kw_only=True)
class BlockRecord(Record, BlockContent):
    lineage: Lineage
    page_index: PageIndex
    reading: Reading
    block_index: Annotated[int, "Place in reading order on the page, from 0."]


@dataclass(frozen=True, kw_only=True)
class WordRecord(Record, WordContent):
    lineage: Lineage
    page_index: PageIndex
    reading: Reading
    word_index: Annotated[int, "Place on the page, from 0, in the order of the PDF's own text, which may not be that of `blocks`."]


@dataclass(frozen=True, kw_only=True)
class ChartRecord(Record, ChartData, Asked, Flagged, ReadTimes, ChartDrawing):
    lineage: Lineage
    page_index: PageIndex
    region_index: RegionIndex
    reading: Reading
    status: Annotated[
        ChartStatus,
        "ok, none (the region is no chart), partial (truncated; what was read is kept), failed, or not_asked (nobody "
        "reads charts in this run, and the drawing was not read).",
    ]
    bbox_px: PixelBox = None
    region_origin: Annotated[str | None, "How the region was found: image, drawing, standalone, answer."] = None
    width_px: Annotated[
        int | None, "Width of the region's own rendering, as the engine saw it; null where no engine was asked."
    ] = None
    height_px: Annotated[int | None, "Height of the region's own rendering."] = None
    dpi: Annotated[float | None, "Resolution of the region's own rendering; null for images."] = None


@dataclass(frozen=True, kw_only=True)
class ChartPointRecord(Record, PointContent):
    lineage: Lineage
    page_index: PageIndex
    region_index: RegionIndex
    reading: Reading


@dataclass(frozen=True, kw_only=True)
class TableRecord(Record, Flagged):
    lineage: Lineage
    page_index: PageIndex
    table_index: TableIndex
    reading: Reading
    block_index: Annotated[int, "The block of `blocks` that the table is."]
    caption: Annotated[str | None, "Text of the caption before or after it; null without one."]
    num_rows: Annotated[int, "Rows, those of the header included."]
    num_columns: Annotated[int, "Columns."]
    num_header_rows: Annotated[int, "Rows of the header, at the top; 0 where none is known."]
    continued_on_page: Annotated[int | None, "page_index of the next page, where the first table goes on with it; else null."]
    bbox_px: PixelBox = None
    box_origin: Annotated[str | None, "text_layer (aligned with the PDF's own words) or engine; null without a box."] = None
    confidence: Annotated[float | None, "0..1, the engine's own figure for the table; null where it has none."] = None


@dataclass(frozen=True, kw_only=True)
class TableCellRecord(Record, CellContent):
    lineage: Lineage
    page_index: PageIndex
    table_index: TableIndex
    reading: Reading


@dataclass(frozen=True, kw_only=True)
class ImageRecord(Record, PictureContent):
    lineage: Lineage
    page_index: PageIndex
    image_index: Annotated[int, "Picture of the page, from 0."]


@dataclass(frozen=True, kw_only=True)
class FailureRecord(Record):
    lineage: Lineage
    page_index: Annotated[int | None, "Page, from 0; null when the whole document is affected."]
    region_index: Annotated[int | None, "Chart region; null when not about one."]
    recipe_id: Annotated[str | None, "Recipe of the task; null when the failure came before any."]
    engine: Annotated[str | None, "Engine of the task."]
    model: Annotated[str | None, "Model of the task."]
    stage: Annotated[Stage, "fetch, probe, render, read, validate or encode."]
    task: Annotated[Task | None, "ocr or chart; null when all tasks are affected."]
    kind: Annotated[FailureKind, "Closed list; schemas/README.md says what to do about each."]
    message: Annotated[str, "One line for a person, at most 500 characters."]
    is_transient: Annotated[bool, "True: the next runs try again by themselves, a few times."]
    raw_text: Annotated[str | None, "What the engine answered, where it answered."]
    failed_at: Annotated[datetime | None, "When."] = None


@dataclass(frozen=True, kw_only=True)
class DocumentRecord(Record):
    lineage: Lineage
    status: Annotated[DocumentStatus, "ok, partial (something failed) or failed (nothing was read); derived, of this plan's pages."]
    name: Annotated[str, "Last part of the uri."]
    media_type: Annotated[str | None, "By magic bytes, never by name; null when the bytes were not seen or not recognised."]
    size_bytes: Annotated[int, "Size of the object."]
    last_modified: Annotated[datetime, "LastModified of the object, or the file's mtime."]
    title: Annotated[str | None, "Title in the file's metadata."]
    producer: Annotated[str | None, "Producer in the file's metadata."]
    is_encrypted: Annotated[bool, "The file is encrypted (it may still open: without a password, or with one of yours)."]
    is_repaired: Annotated[bool, "The file was damaged and the renderer repaired it; look at its pages with care."]
    num_pages: Annotated[int | None, "Pages in the file; null when it could not be opened."]
    num_pages_read: Annotated[int, "Pages this plan selected."]
    num_pages_ok: Annotated[int, "Of these, read in full."]
    num_pages_blank: Annotated[int, "Of these, blank."]
    num_pages_partial: Annotated[int, "Of these, read in part (truncated answers)."]
    num_pages_failed: Annotated[int, "Of these, not read."]
    num_chart_candidates: Annotated[int, "Regions that may hold a chart; 0 where charts are not asked for."]
    num_charts: Annotated[int, "Regions read as a chart."]
    num_chart_points: Annotated[int, "Data points in them."]
    num_failures: Annotated[int, "Rows in `failures` of this document and plan."]
    tasks: Annotated[list[str], "Tasks this plan ran on the document: ocr, chart."]
    ocr_recipe_id: Annotated[str | None, "Recipe of the ocr task; null when it was not run."]
    chart_recipe_id: Annotated[str | None, "Recipe of the chart task; null when it was not run."]
    duplicate_of: Annotated[
        str | None,
        "source_id with the same bytes that was read instead (its own, where an overwritten object was put back), else null.",
    ]
    is_whole: Annotated[bool | None, "All pages selected and all their regions were asked; false for a retry, null in older files."]


@dataclass(frozen=True, kw_only=True)
class DeletionRecord(Record):
    uri: Annotated[str, "Where the source lay: s3://bucket/key, or a local path."]
    source_id: Annotated[str, "The version that counted when it was noticed."]
    source_version: Annotated[str, "ETag of the object; for local files <size>-<mtime_ns>."]
    document_id: Annotated[str | None, "sha256 of the bytes; null when they were never fetched."]
    plan_id: Annotated[str, "The plan that noticed it; later plans sort higher."]
    is_deleted: Annotated[bool, "True: the input no longer lists it. False: it lists it again."]
    noticed_at: Annotated[datetime, "When the plan was made; the deletion itself came between two runs."]
    input: Annotated[str, "The input that was listed."]


@dataclass(frozen=True, kw_only=True)
class RunRecord(Record):
    run_id: Annotated[str, "The run; sorts by start."]
    status: Annotated[RunStatus, "running (or killed), finished, incomplete or failed (an error, or too many pages: see message)."]
    started_at: Annotated[datetime, "Start."]
    ended_at: Annotated[datetime | None, "End; null while running or when killed."] = None
    input: Annotated[str, "Input as given."] = ""
    output: Annotated[str, "Output as given."] = ""
    plan_ids: Annotated[list[str], "Plans it worked on."] = field(default_factory=list)
    engine: Annotated[str, "Engine."] = ""
    model: Annotated[str | None, "Model."] = None
    model_revision: Annotated[str | None, "Revision of the model."] = None
    host: Annotated[str, "Host of the driver."] = ""
    version: Annotated[str, "Version of pagefold."] = ""
    settings_json: Annotated[str, "All settings, resolved, without secrets."] = ""
    num_documents: Annotated[int, "Documents committed."] = 0
    num_pages: Annotated[int, "Pages read."] = 0
    num_charts: Annotated[int, "Charts read."] = 0
    num_chart_points: Annotated[int, "Data points read."] = 0
    num_failures: Annotated[int, "Failures recorded."] = 0
    num_prompt_tokens: Annotated[int, "Prompt tokens."] = 0
    num_output_tokens: Annotated[int, "Output tokens."] = 0
    seconds: Annotated[float, "Wall-clock seconds."] = 0.0
    pages_per_s: Annotated[float | None, "Pages over seconds; null when none was read."] = None
    render_s: Annotated[float, "Seconds of rendering, summed over pages."] = 0.0
    read_s: Annotated[float, "Seconds of reading, summed over pages and charts."] = 0.0
    gpu_s: Annotated[
        float | None, "Seconds that GPUs were held: each reader from its start to its last answer, times its GPUs."
    ] = None
    cost: Annotated[float | None, "Cost of the run by the settings price.*; null where none is set."] = None
    currency: Annotated[str | None, "Currency of the cost; null without one."] = None
    message: Annotated[str | None, "Why it ended, when it did not finish, or how much of it failed."] = None
    chart_engine: Annotated[str | None, "Engine of charts, where another than `engine` reads them; else null."] = None
    chart_model: Annotated[str | None, "Its model."] = None
    chart_model_revision: Annotated[str | None, "Revision of that model."] = None
    chart_read_s: Annotated[float | None, "Of read_s, the seconds of reading charts."] = None
    chart_gpu_s: Annotated[
        float | None, "Of gpu_s, what readers of charts alone held; null where text and charts have the same readers."
    ] = None


@dataclass(frozen=True, kw_only=True)
class ChunkRecords:
    """All rows that result from reading one chunk."""

    pages: list[PageRecord] = field(default_factory=list)
    blocks: list[BlockRecord] = field(default_factory=list)
    charts: list[ChartRecord] = field(default_factory=list)
    chart_points: list[ChartPointRecord] = field(default_factory=list)
    images: list[ImageRecord] = field(default_factory=list)
    words: list[WordRecord] = field(default_factory=list)
    failures: list[FailureRecord] = field(default_factory=list)

    @classmethod
    def joined(cls, parts: Iterable["ChunkRecords"]) -> "ChunkRecords":
        """The rows of all parts, one part after the other."""
        whole = cls()
        for part in parts:
            for item in fields(cls):
                getattr(whole, item.name).extend(getattr(part, item.name))
        return whole
