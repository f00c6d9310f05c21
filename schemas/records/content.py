"""What rows say: the parts that records share, and the content of pages, blocks, words, tables, pictures and charts."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated, Literal, NamedTuple

from schemas.page import Box

PageStatus = Literal["ok", "blank", "partial", "failed"]
ChartStatus = Literal["ok", "none", "partial", "failed", "not_asked"]
DocumentStatus = Literal["ok", "partial", "failed"]
ImageKind = Literal["page", "figure", "chart"]
RunStatus = Literal["running", "finished", "incomplete", "failed"]
BlockKind = Literal[
    "title",
    "heading",
    "paragraph",
    "list_item",
    "formula",
    "code",
    "caption",
    "header",
    "footer",
    "footnote",
    "table",
    "figure",
    "chart",
]
PageIndex = Annotated[int, "Page of the document, from 0."]
TableIndex = Annotated[int, "Table on the page, from 0, in reading order."]
RegionIndex = Annotated[int, "Chart region on the page, from 0."]
BOX = {
    "left_px": "Box, left edge, pixels of the rendered page (origin top left).",
    "top_px": "Box, top edge.",
    "right_px": "Box, right edge.",
    "bottom_px": "Box, bottom edge.",
}
"""The four columns of a box, each a number or null."""
PixelBox = Annotated[Box | None, BOX]


@dataclass(frozen=True, kw_only=True)
class Lineage:
    """The origin of a row; these columns come first in every row."""

    uri: Annotated[str, "Where the source lies: s3://bucket/key, or a local path."]
    source_id: Annotated[str, "One object at one version: 32 hex digits of sha256 over uri and source_version."]
    source_version: Annotated[str, "ETag of the object; for local files <size>-<mtime_ns>."]
    version_id: Annotated[str | None, "S3 VersionId that was read; null in unversioned buckets and for local files."]
    document_id: Annotated[str | None, "sha256 of the bytes; null when they could not be fetched."]
    plan_id: Annotated[str, "The plan that produced the row; later plans sort higher."]
    run_id: Annotated[str, "The run that staged the row; joins `runs`."]
    attempt: Annotated[int, "0, then one more each time that a later plan reads of this source again, under whichever recipe."]


@dataclass(frozen=True, kw_only=True)
class Reading:
    """The engine that read, and the recipe by which it was asked."""

    recipe_id: Annotated[str, "All that changes the answer: engine, model, prompt, render settings, limits, schema version."]
    engine: Annotated[str, "classic, server, ovis or scripted."]
    model: Annotated[str | None, "Model name as configured; null for engines without one."]
    model_revision: Annotated[str | None, "Revision of the model, where one is configured."]
    prompt_version: Annotated[str | None, "Version of the prompt; null for engines that take none."]


@dataclass(frozen=True, kw_only=True)
class PageText:
    """The text of a page, and its origin."""

    text_markdown: Annotated[
        str | None,
        "The page in reading order as Markdown; empty on a blank page, null when it failed.",
    ] = None
    text_plain: Annotated[str | None, "The same without markup."] = None
    languages: Annotated[
        list[str], "Languages of the page (BCP 47), main one first, as the engine names them; empty when unknown."
    ] = field(default_factory=list)
    text_origin: Annotated[str | None, "Who the text is from: model, text_layer (the PDF's own) or ocr."] = None
    num_blocks: Annotated[int, "Rows in `blocks`."] = 0
    num_chars: Annotated[int, "Characters of text_plain without white space."] = 0


@dataclass(frozen=True, kw_only=True)
class Drawn:
    """The rendering of a page."""

    width_px: Annotated[int | None, "Width of the rendered page; null when it was not rendered."] = None
    height_px: Annotated[int | None, "Height of the rendered page."] = None
    width_pt: Annotated[float | None, "Width of the page in points (1/72 inch), rotation applied; null for images."] = None
    height_pt: Annotated[float | None, "Height of the page in points."] = None
    dpi: Annotated[float | None, "Resolution the page was rendered at; null for images, which keep their own pixels."] = None
    rotation: Annotated[int, "Degrees applied clockwise before reading (page rotation or EXIF)."] = 0
    is_scan: Annotated[bool, "One image covers the page."] = False
    is_blank: Annotated[bool, "Nothing is on the page; no engine was asked."] = False
    num_chart_candidates: Annotated[int, "Regions of the page that may hold a chart; 0 where charts are not asked for."] = 0
    num_text_layer_chars: Annotated[int | None, "Characters in the PDF's own text layer; null where there is none."] = None


@dataclass(frozen=True, kw_only=True)
class PageTrust:
    """How far to trust the text of a page."""

    text_layer_agreement: Annotated[
        float | None, "Similarity 0..1 of the text with the PDF's own text layer; null where there is none to trust."
    ] = None
    confidence: Annotated[
        float | None, "0..1, the engine's own figure (classic: mean recognition score); null where it has none."
    ] = None


@dataclass(frozen=True, kw_only=True)
class Asked:
    """How the engine was asked, and how sure it was."""

    mean_logprob: Annotated[
        float | None, "Mean log probability of the content tokens, before the grammar's mask; null where unknown."
    ] = None
    min_logprob: Annotated[float | None, "The smallest of them."] = None
    grammar_overrides: Annotated[
        float | None, "Share of decoding steps whose best token the grammar forbade; an alarm when high."
    ] = None
    stop_reason: Annotated[str | None, "Why the answer ended: stop, length, loop, cancelled, error."] = None
    num_asks: Annotated[int, "How often the question was asked; 0 when it was not (blank page, failed rendering)."] = 0
    num_prompt_tokens: Annotated[int | None, "Prompt tokens over all asks; null where the engine has none."] = None
    num_output_tokens: Annotated[int | None, "Output tokens over all asks."] = None


@dataclass(frozen=True, kw_only=True)
class Flagged:
    flags: Annotated[list[str], "What a reader should know before trusting the row; schemas/README.md lists the flags."] = field(
        default_factory=list
    )


@dataclass(frozen=True, kw_only=True)
class ReadTimes:
    read_s: Annotated[
        float, "Seconds the engine was at work on it, summed over asks; waiting for a slot or in its queue is not counted."
    ] = 0.0
    read_at: Annotated[datetime | None, "When it was read."] = None


@dataclass(frozen=True, kw_only=True)
class PageTimes(ReadTimes):
    render_s: Annotated[float, "Seconds the page took to render."] = 0.0


@dataclass(frozen=True, kw_only=True)
class PageUnseen:
    """Text that the file holds and the page does not show. New columns are at the end of their table."""

    text_hidden: Annotated[
        str | None,
        "Words of the PDF that nobody sees on the page, line by line; they are in no other column. Null where there are none.",
    ] = None


@dataclass(frozen=True, kw_only=True)
class PageReadBy:
    read_by: Annotated[
        str | None,
        "What read the page in place of the engine's own model, with its version and the size and hash of its data: "
        "`tesseract 5.3.0 ara 1436832-5c1f9a30`. Null where the model did, or the text is the PDF's own.",
    ] = None


@dataclass(frozen=True, kw_only=True)
class BlockContent:
    """A block's content and place."""

    kind: Annotated[
        BlockKind, "title, heading, paragraph, list_item, formula, code, caption, header, footer, footnote, table, figure, chart."
    ]
    text: Annotated[str, "Text of the block, inline Markdown; tables as Markdown tables."]
    html: Annotated[str | None, "Tables as HTML with row and column spans; null otherwise."] = None
    bbox_px: PixelBox = None
    box_origin: Annotated[
        Literal["text_layer", "engine"] | None, "text_layer (aligned with the PDF's own words) or engine; null without a box."
    ] = None
    confidence: Annotated[float | None, "0..1, the engine's own figure for the block; null where it has none."] = None


@dataclass(frozen=True, kw_only=True)
class WordContent:
    """A word of a page, and where it stands."""

    line_index: Annotated[int, "Line on the page, from 0, in the order of the PDF's own text; words of a line share it."]
    text: Annotated[str, "The word as the PDF has it."]
    bbox_px: PixelBox = None
    text_origin: Annotated[
        Literal["text_layer"], "Who the word is from: text_layer (the PDF's own). What is read from pixels has no words."
    ] = "text_layer"


@dataclass(frozen=True, kw_only=True)
class CellContent(Flagged):
    """What a cell of a table says."""

    row_index: Annotated[int, "Row of the table, from 0; the first row of a cell that spans several."]
    column_index: Annotated[int, "Column of the table, from 0; the first column of a cell that spans several."]
    row_span: Annotated[int, "Rows that the cell covers."]
    column_span: Annotated[int, "Columns that the cell covers."]
    is_header: Annotated[bool, "The cell names its column or its row."]
    text: Annotated[str, "Text of the cell as printed, without markup; empty for an empty cell."]
    header: Annotated[str | None, "Header of the cell's column, its levels joined by ` | `; null for header rows and without one."]
    row_label: Annotated[str | None, "Text of the row's first cell; null for that cell itself, and where it is empty."]
    value: Annotated[float | None, "The text as a number in `unit`, multiplier applied; null when it is none."]
    unit: Annotated[str | None, "Unit of the value: from its own text, else from the header; never invented."]
    scale: Annotated[float | None, "Multiplier applied (1000 for `1.2k` or a header `in thousands`); 1 when none."]
    time: Annotated[datetime | None, "The text as a date (its start), UTC; null when it is a number or no date."]


class EncodedImage(NamedTuple):
    """A picture as one column, by the convention of Hugging Face's `datasets`: a struct of `bytes` and `path`."""

    bytes: bytes
    path: str


@dataclass(frozen=True, kw_only=True)
class PictureContent:
    """A picture: what it shows, and its bytes."""

    kind: Annotated[ImageKind, "page (the whole), chart (was read as one) or figure."]
    region_index: Annotated[int | None, "Region of `charts` that it shows; null for pages and other figures."] = None
    image: Annotated[
        EncodedImage | None,
        "The picture: a struct of `bytes`, the file, and `path`, a name for it. Equal pictures of a row group are stored once.",
    ]
    format: Annotated[Literal["jpeg"], "jpeg."] = "jpeg"
    width_px: Annotated[int, "Width of the picture."]
    height_px: Annotated[int, "Height of the picture."]
    size_bytes: Annotated[int, "Bytes of the picture."]
    sha256: Annotated[str, "sha256 of the bytes; equal pictures have the same."]
    bbox_px: PixelBox = None


@dataclass(frozen=True, kw_only=True)
class ChartData:
    """A chart's labels, and how far to trust its points."""

    kind: Annotated[str | None, "bar, line, pie, scatter, …; schemas/README.md lists them."] = None
    subtype: Annotated[str | None, "stacked, grouped, percent, horizontal, …"] = None
    title: Annotated[str | None, "Title as printed."] = None
    x_label: Annotated[str | None, "Label of the x axis as printed."] = None
    x_unit: Annotated[str | None, "Unit of the x axis."] = None
    x_kind: Annotated[str | None, "category, time or number."] = None
    x_scale: Annotated[str | None, "linear or log, where x is a number."] = None
    y_label: Annotated[str | None, "Label of the y axis as printed."] = None
    y_unit: Annotated[str | None, "Unit of the y axis."] = None
    y_scale: Annotated[str | None, "linear or log."] = None
    y2_label: Annotated[str | None, "Label of a second y axis."] = None
    y2_unit: Annotated[str | None, "Unit of a second y axis."] = None
    printed: Annotated[str | None, "Are the values printed beside their marks: all, some, none."] = None
    series: Annotated[list[str], "Names of the series in order."] = field(default_factory=list)
    num_points: Annotated[int, "Rows in `chart_points`."] = 0
    labels_in_text_layer: Annotated[
        float | None, "Share of the chart's labels found in the PDF's text inside the region; null without one."
    ] = None
    values_in_axis_range: Annotated[bool | None, "All values lie inside the axis as printed; null where it cannot be told."] = None
    sum_ok: Annotated[bool | None, "A pie's (or percent chart's) parts sum to the whole; null for other kinds."] = None


@dataclass(frozen=True, kw_only=True)
class ChartDrawing:
    """What the chart's drawing says to it. New columns stand at the end of their table."""

    vector_refusal: Annotated[
        str | None, "Why the chart was not read from its drawing (workers/README.md); null where it was, and for pictures."
    ] = None
    vector_agreement: Annotated[
        float | None,
        "Share 0..1 of the points that this answer and the drawing both have, of those that either has; null where one of them was "
        "not read.",
    ] = None


@dataclass(frozen=True, kw_only=True)
class PointContent(Flagged):
    """A point's content."""

    point_index: Annotated[int, "Place of the point in its chart, from 0."]
    series_index: Annotated[int, "Place of the series in its chart, from 0."]
    series: Annotated[str | None, "Name of the series; null when the chart names none."]
    x_text: Annotated[str | None, "x as printed, verbatim."]
    x_value: Annotated[float | None, "x as a number; null when it is none."]
    x_time: Annotated[datetime | None, "x as a date (its start), UTC; null when it is none."]
    y_text: Annotated[str | None, "Value as answered, verbatim."]
    value: Annotated[float | None, "Value as a number in `unit`, multiplier applied; null when it could not be read as one."]
    unit: Annotated[str | None, "Unit of the value: from its own text, else from its axis; never invented."]
    scale: Annotated[float | None, "Multiplier applied (1000 for `1.2k` or an axis in thousands); 1 when none."]
    axis: Annotated[Literal["y", "y2"], "y or y2."]
    is_estimated: Annotated[bool | None, "True when the value was read off the axis, false when it is printed; null when unknown."]
    size_text: Annotated[str | None, "Bubble charts: the bubble's size as answered, verbatim; null otherwise."] = None
    size_value: Annotated[float | None, "Bubble charts: the size as a number."] = None
