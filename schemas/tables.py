"""The Arrow schema of every table, spelled out, with a description per column: the data dictionary.

Types are those that DuckDB, Athena and Spark read alike: strings, 64-bit integers, doubles, booleans, UTC timestamps in
microseconds, lists of strings. `ingest_date` is not in the files: it is the partition in their path.
"""

from collections.abc import Iterable
from functools import cache
from typing import Any, NamedTuple

import pyarrow as pa

from schemas import SCHEMA_VERSION

STRING, INT, FLOAT, BOOL = pa.string(), pa.int64(), pa.float64(), pa.bool_()
TIME = pa.timestamp("us", tz="UTC")
STRINGS = pa.list_(pa.string())


class Column(NamedTuple):
    name: str
    type: pa.DataType
    description: str
    nullable: bool = False


def _null(name: str, type_: pa.DataType, description: str) -> Column:
    return Column(name, type_, description, nullable=True)


LINEAGE = [
    Column("uri", STRING, "Where the source lies: s3://bucket/key, or a local path."),
    Column("source_id", STRING, "One object at one version: 32 hex digits of sha256 over uri and source_version."),
    Column("source_version", STRING, "ETag of the object; for local files <size>-<mtime_ns>."),
    _null("version_id", STRING, "S3 VersionId that was read; null in unversioned buckets and for local files."),
    _null("document_id", STRING, "sha256 of the bytes; null when they could not be fetched."),
    Column("plan_id", STRING, "The plan that produced the row; later plans sort higher."),
    Column("run_id", STRING, "The run that staged the row; joins `runs`."),
    Column("attempt", INT, "0, then one more for each retry of the same page or region under the same recipe."),
]
READING = [
    Column("recipe_id", STRING, "All that changes the answer: engine, model, prompt, render settings, limits, schema version."),
    Column("engine", STRING, "classic, server, ovis or scripted."),
    _null("model", STRING, "Model name as configured; null for engines without one."),
    _null("model_revision", STRING, "Revision of the model, where one is configured."),
    _null("prompt_version", STRING, "Version of the prompt; null for engines that take none."),
]
BOX = [
    _null("left_px", FLOAT, "Box, left edge, pixels of the rendered page (origin top left)."),
    _null("top_px", FLOAT, "Box, top edge."),
    _null("right_px", FLOAT, "Box, right edge."),
    _null("bottom_px", FLOAT, "Box, bottom edge."),
]
PAGE_INDEX = Column("page_index", INT, "Page of the document, from 0.")
REGION_INDEX = Column("region_index", INT, "Chart region on the page, from 0.")
TRUST = [
    _null("mean_logprob", FLOAT, "Mean log probability of the content tokens, before the grammar's mask; null where unknown."),
    _null("min_logprob", FLOAT, "The smallest of them."),
    _null("grammar_overrides", FLOAT, "Share of decoding steps whose best token the grammar forbade; an alarm when high."),
    _null("stop_reason", STRING, "Why the answer ended: stop, length, loop, cancelled, error."),
    Column("num_asks", INT, "How often the question was asked; 0 when it was not (blank page, failed rendering)."),
    _null("num_prompt_tokens", INT, "Prompt tokens over all asks; null where the engine has none."),
    _null("num_output_tokens", INT, "Output tokens over all asks."),
]
FLAGS = Column("flags", STRINGS, "What a reader should know before trusting the row; schemas/README.md lists the flags.")
READ_TIMES = [
    Column(
        "read_s",
        FLOAT,
        "Seconds the engine was at work on it, summed over asks; waiting for a slot or in its queue is not counted.",
    ),
    _null("read_at", TIME, "When it was read."),
]

COLUMNS: dict[str, list[Column]] = {
    "documents": [
        *LINEAGE,
        Column("status", STRING, "ok, partial (something failed) or failed (nothing was read); derived, of this plan's pages."),
        Column("name", STRING, "Last part of the uri."),
        _null("media_type", STRING, "By magic bytes, never by name; null when the bytes were not seen or not recognised."),
        Column("size_bytes", INT, "Size of the object."),
        Column("last_modified", TIME, "LastModified of the object, or the file's mtime."),
        _null("title", STRING, "Title in the file's metadata."),
        _null("producer", STRING, "Producer in the file's metadata."),
        Column("is_encrypted", BOOL, "The file is encrypted (it may still open: without a password, or with one of yours)."),
        Column("is_repaired", BOOL, "The file was damaged and the renderer repaired it; look at its pages with care."),
        _null("num_pages", INT, "Pages in the file; null when it could not be opened."),
        Column("num_pages_read", INT, "Pages this plan selected."),
        Column("num_pages_ok", INT, "Of these, read in full."),
        Column("num_pages_blank", INT, "Of these, blank."),
        Column("num_pages_partial", INT, "Of these, read in part (truncated answers)."),
        Column("num_pages_failed", INT, "Of these, not read."),
        Column("num_chart_candidates", INT, "Regions that may hold a chart; 0 where charts are not asked for."),
        Column("num_charts", INT, "Regions read as a chart."),
        Column("num_chart_points", INT, "Data points in them."),
        Column("num_failures", INT, "Rows in `failures` of this document and plan."),
        Column("tasks", STRINGS, "Tasks this plan ran on the document: ocr, chart."),
        _null("ocr_recipe_id", STRING, "Recipe of the ocr task; null when it was not run."),
        _null("chart_recipe_id", STRING, "Recipe of the chart task; null when it was not run."),
        _null(
            "duplicate_of",
            STRING,
            "source_id with the same bytes that was read instead (its own, where an overwritten object was put back), else null.",
        ),
        _null(
            "is_whole",
            BOOL,
            "All pages selected and all their regions were asked; false for a retry, null in older files.",
        ),
    ],
    "pages": [
        *LINEAGE,
        PAGE_INDEX,
        *READING,
        Column("status", STRING, "ok, blank, partial (part of the text was read) or failed."),
        _null("text_markdown", STRING, "The page in reading order as Markdown; empty on a blank page, null when it failed."),
        _null("text_plain", STRING, "The same without markup."),
        Column(
            "languages", STRINGS, "Languages of the page (BCP 47), main one first, as the engine names them; empty when unknown."
        ),
        _null("text_origin", STRING, "Who the text is from: model, text_layer (the PDF's own) or ocr."),
        Column("num_blocks", INT, "Rows in `blocks`."),
        Column("num_chars", INT, "Characters of text_plain without white space."),
        _null("width_px", INT, "Width of the rendered page; null when it was not rendered."),
        _null("height_px", INT, "Height of the rendered page."),
        _null("width_pt", FLOAT, "Width of the page in points (1/72 inch), rotation applied; null for images."),
        _null("height_pt", FLOAT, "Height of the page in points."),
        _null("dpi", FLOAT, "Resolution the page was rendered at; null for images, which keep their own pixels."),
        Column("rotation", INT, "Degrees applied clockwise before reading (page rotation or EXIF)."),
        Column("is_scan", BOOL, "One image covers the page."),
        Column("is_blank", BOOL, "Nothing is on the page; no engine was asked."),
        Column("num_chart_candidates", INT, "Regions of the page that may hold a chart; 0 where charts are not asked for."),
        _null("num_text_layer_chars", INT, "Characters in the PDF's own text layer; null where there is none."),
        _null(
            "text_layer_agreement",
            FLOAT,
            "Similarity 0..1 of the text with the PDF's own text layer; null where there is none to trust.",
        ),
        _null("confidence", FLOAT, "0..1, the engine's own figure (classic: mean recognition score); null where it has none."),
        *TRUST,
        FLAGS,
        Column("render_s", FLOAT, "Seconds the page took to render."),
        *READ_TIMES,
    ],
    "blocks": [
        *LINEAGE,
        PAGE_INDEX,
        *READING,
        Column("block_index", INT, "Place in reading order on the page, from 0."),
        Column(
            "kind",
            STRING,
            "title, heading, paragraph, list_item, formula, caption, header, footer, footnote, table, figure, chart.",
        ),
        Column("text", STRING, "Text of the block, inline Markdown; tables as Markdown tables."),
        _null("html", STRING, "Tables as HTML with row and column spans; null otherwise."),
        *BOX,
        _null("box_origin", STRING, "text_layer (aligned with the PDF's own words) or engine; null without a box."),
        _null("confidence", FLOAT, "0..1, the engine's own figure for the block; null where it has none."),
    ],
    "charts": [
        *LINEAGE,
        PAGE_INDEX,
        REGION_INDEX,
        *READING,
        Column("status", STRING, "ok, none (the region is no chart), partial (truncated; what was read is kept) or failed."),
        *BOX,
        _null("region_origin", STRING, "How the region was found: image, drawing, standalone, answer."),
        _null("width_px", INT, "Width of the region's own rendering, as the engine saw it."),
        _null("height_px", INT, "Height of the region's own rendering."),
        _null("dpi", FLOAT, "Resolution of the region's own rendering; null for images."),
        _null("kind", STRING, "bar, line, pie, scatter, …; schemas/README.md lists them."),
        _null("subtype", STRING, "stacked, grouped, percent, horizontal, …"),
        _null("title", STRING, "Title as printed."),
        _null("x_label", STRING, "Label of the x axis as printed."),
        _null("x_unit", STRING, "Unit of the x axis."),
        _null("x_kind", STRING, "category, time or number."),
        _null("x_scale", STRING, "linear or log, where x is a number."),
        _null("y_label", STRING, "Label of the y axis as printed."),
        _null("y_unit", STRING, "Unit of the y axis."),
        _null("y_scale", STRING, "linear or log."),
        _null("y2_label", STRING, "Label of a second y axis."),
        _null("y2_unit", STRING, "Unit of a second y axis."),
        _null("printed", STRING, "Are the values printed beside their marks: all, some, none."),
        Column("series", STRINGS, "Names of the series in order."),
        Column("num_points", INT, "Rows in `chart_points`."),
        _null(
            "labels_in_text_layer",
            FLOAT,
            "Share of the chart's labels found in the PDF's text inside the region; null without one.",
        ),
        _null("values_in_axis_range", BOOL, "All values lie inside the axis as printed; null where it cannot be told."),
        _null("sum_ok", BOOL, "A pie's (or percent chart's) parts sum to the whole; null for other kinds."),
        *TRUST,
        FLAGS,
        *READ_TIMES,
    ],
    "chart_points": [
        *LINEAGE,
        PAGE_INDEX,
        REGION_INDEX,
        *READING,
        Column("point_index", INT, "Place of the point in its chart, from 0."),
        Column("series_index", INT, "Place of the series in its chart, from 0."),
        _null("series", STRING, "Name of the series; null when the chart names none."),
        _null("x_text", STRING, "x as printed, verbatim."),
        _null("x_value", FLOAT, "x as a number; null when it is none."),
        _null("x_time", TIME, "x as a date (its start), UTC; null when it is none."),
        _null("y_text", STRING, "Value as answered, verbatim."),
        _null("value", FLOAT, "Value as a number in `unit`, multiplier applied; null when it could not be read as one."),
        _null("unit", STRING, "Unit of the value: from its own text, else from its axis; never invented."),
        _null("scale", FLOAT, "Multiplier applied (1000 for `1.2k` or an axis in thousands); 1 when none."),
        Column("axis", STRING, "y or y2."),
        _null("is_estimated", BOOL, "True when the value was read off the axis, false when it is printed; null when unknown."),
        _null("size_text", STRING, "Bubble charts: the bubble's size as answered, verbatim; null otherwise."),
        _null("size_value", FLOAT, "Bubble charts: the size as a number."),
        FLAGS,
    ],
    "failures": [
        *LINEAGE,
        _null("page_index", INT, "Page, from 0; null when the whole document is affected."),
        _null("region_index", INT, "Chart region; null when not about one."),
        _null("recipe_id", STRING, "Recipe of the task; null when the failure came before any."),
        _null("engine", STRING, "Engine of the task."),
        _null("model", STRING, "Model of the task."),
        Column("stage", STRING, "fetch, probe, render, read, validate or encode."),
        _null("task", STRING, "ocr or chart; null when all tasks are affected."),
        Column("kind", STRING, "Closed list; schemas/README.md says what to do about each."),
        Column("message", STRING, "One line for a person, at most 500 characters."),
        Column("is_transient", BOOL, "True: the next runs try again by themselves, a few times."),
        _null("raw_text", STRING, "What the engine answered, where it answered."),
        _null("failed_at", TIME, "When."),
    ],
    "deletions": [
        Column("uri", STRING, "Where the source lay: s3://bucket/key, or a local path."),
        Column("source_id", STRING, "The version that counted when it was noticed."),
        Column("source_version", STRING, "ETag of the object; for local files <size>-<mtime_ns>."),
        _null("document_id", STRING, "sha256 of the bytes; null when they were never fetched."),
        Column("plan_id", STRING, "The plan that noticed it; later plans sort higher."),
        Column("is_deleted", BOOL, "True: the input no longer lists it. False: it lists it again."),
        Column("noticed_at", TIME, "When the plan was made; the deletion itself came between two runs."),
        Column("input", STRING, "The input that was listed."),
    ],
    "runs": [
        Column("run_id", STRING, "The run; sorts by start."),
        Column(
            "status",
            STRING,
            "running (or killed), finished, incomplete or failed (an error, or too many pages: see message).",
        ),
        Column("started_at", TIME, "Start."),
        _null("ended_at", TIME, "End; null while running or when killed."),
        Column("input", STRING, "Input as given."),
        Column("output", STRING, "Output as given."),
        Column("plan_ids", STRINGS, "Plans it worked on."),
        Column("engine", STRING, "Engine."),
        _null("model", STRING, "Model."),
        _null("model_revision", STRING, "Revision of the model."),
        Column("host", STRING, "Host of the driver."),
        Column("version", STRING, "Version of pagefold."),
        Column("settings_json", STRING, "All settings, resolved, without secrets."),
        Column("num_documents", INT, "Documents committed."),
        Column("num_pages", INT, "Pages read."),
        Column("num_charts", INT, "Charts read."),
        Column("num_chart_points", INT, "Data points read."),
        Column("num_failures", INT, "Failures recorded."),
        Column("num_prompt_tokens", INT, "Prompt tokens."),
        Column("num_output_tokens", INT, "Output tokens."),
        Column("seconds", FLOAT, "Wall-clock seconds."),
        _null("pages_per_s", FLOAT, "Pages over seconds; null when none was read."),
        Column("render_s", FLOAT, "Seconds of rendering, summed over pages."),
        Column("read_s", FLOAT, "Seconds of reading, summed over pages and charts."),
        _null("gpu_s", FLOAT, "Seconds that GPUs were held: each reader from its start to its last answer, times engine.num_gpus."),
        _null("cost", FLOAT, "Cost of the run by the settings price.*; null where none is set."),
        _null("currency", STRING, "Currency of the cost; null without one."),
        _null("message", STRING, "Why it ended, when it did not finish, or how much of it failed."),
    ],
}

TABLES = ("documents", "pages", "blocks", "charts", "chart_points", "failures")
"""The tables a shard commits, `documents` last in time (see pipeline.commit); `deletions` and `runs` are written apart."""

PARTITIONED = (*TABLES, "deletions")
"""Those whose files lie below `ingest_date=…`."""


@cache
def arrow_schema(table: str) -> pa.Schema:
    """Schema of one table, with the descriptions and the schema version in its metadata. Made once: it is asked for with each
    chunk, and takes 0.2 ms."""
    columns = [
        pa.field(column.name, column.type, nullable=column.nullable, metadata={"description": column.description})
        for column in COLUMNS[table]
    ]
    return pa.schema(columns, metadata={"pagefold.table": table, "pagefold.schema_version": str(SCHEMA_VERSION)})


def to_table(table: str, rows: Iterable[dict[str, Any]]) -> pa.Table:
    """Rows with exactly the table's columns, as Arrow. Raises pa.ArrowInvalid on a value of another type."""
    return pa.Table.from_pylist(list(rows), schema=arrow_schema(table))
