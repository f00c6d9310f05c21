"""Documents as files that people take away: one folder a document, written again only where it has changed."""

import csv
import hashlib
import io
import json
import re
import time
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import duckdb

from pipeline.analytics.duckdb_tables import connected
from pipeline.analytics.result_formats import spreadsheet_safe
from pipeline.documents.docling import docling_document
from pipeline.documents.html import document_html
from pipeline.documents.markdown import Picture, document_markdown, no_picture
from pipeline.documents.model import FORMAT_VERSION, ReadBlock, ReadChart, ReadDocument
from pipeline.documents.pictures import Pictures
from pipeline.documents.places import Item
from pipeline.documents.reading import Row, content_of, listed, read_listed
from pipeline.lake.opening import open_target
from pipeline.lake.staging import this_version
from pipeline.object_store.store import Store
from schemas.failure import PageError
from schemas.page import Box
from schemas.settings import Settings

STATE = "pagefold-export.json"
"""In the folder that is exported to: what was written of which document."""
_STATE_S = 5.0
"""Seconds between two writes of it. A document that a killed export had not noted there is written again."""
_DOUBTFUL: dict[str, Any] = {"uri": "", "signature": "", "files": []}
"""Stands for a folder that is being written or removed. It has the signature of no document, so the folder is written again."""
_OURS = re.compile(
    r"document\.(?:md|json|html|docling\.json)|(?:tables|charts|figures)/page-\d+-(?:table|chart|figure)-\d+\.(?:csv|png)"
)
"""Names of files that an export writes in a document's folder."""
_MAX_NAME_BYTES = 120
_UNSAFE = re.compile(r'[\x00-\x1f\x7f-\x9f/\\:*?"<>|\ud800-\udfff]+')
_RESERVED = re.compile(rf"(?:con|prn|aux|nul|com\d|lpt\d)(?:\..*)?|{re.escape(STATE)}", re.IGNORECASE)


class ExportFormat(StrEnum):
    markdown = "md"
    json = "json"
    html = "html"
    csv = "csv"
    png = "png"
    docling = "docling"


ALL_FORMATS = tuple(form for form in ExportFormat if form is not ExportFormat.docling)
"""What is written by default: docling needs a package of its own."""


@dataclass
class Exported:
    """What an export came to."""

    num_written: int = 0
    num_unchanged: int = 0
    num_removed: int = 0
    """Folders of documents that are no longer chosen, or have another name now."""
    num_files: int = 0
    without_pictures: dict[str, str] = field(default_factory=dict)
    """uri -> why its figures could not be drawn again."""


def export(
    output: str,
    target: str,
    settings: Settings,
    *,
    formats: Sequence[ExportFormat] = ALL_FORMATS,
    where: str | None = None,
    limit: int | None = None,
) -> Iterator[tuple[Row, Exported]]:
    """Write the documents of `output` below `target`, a folder or s3://bucket/prefix; gives each with the counts so far, and ends
    once all are written. A document that stands there as it is now is left alone; one that is gone from the lake is removed.

    Raises OperatorError, StoreError.
    """
    store = open_target(target, output, settings)
    state = _read_state(store)
    with connected(output) as connection, Pictures(settings, connection) as pictures:
        everything, rows = listed(connection), listed(connection, where, limit)
        folders = folder_names(everything)
        signatures = _signatures(connection, rows, formats)
        done = Exported()
        there = {folders[row["uri"]] for row in everything}
        stale = [row for row in rows if state.get(folders[row["uri"]], _DOUBTFUL)["signature"] != signatures[row["uri"]]]
        done.num_unchanged = len(rows) - len(stale)
        gone = [folder for folder in state if folder not in there]
        if stale or gone:  # before anything is changed, so that whoever comes after a kill believes none of them
            state |= dict.fromkeys([folders[row["uri"]] for row in stale] + gone, _DOUBTFUL)
            _write_state(store, state)
        for folder in gone:
            _clear(store, folder)
            done.num_removed += 1
            del state[folder]
        written_s = time.monotonic()
        for row, document in zip(stale, read_listed(connection, stale), strict=True):
            folder = folders[row["uri"]]
            files = []
            for name, body in _files(document, formats, pictures, done):
                store.put(f"{folder}/{name}", body)
                files.append(name)
            _clear(store, folder, keep=files)
            state[folder] = {"uri": row["uri"], "signature": signatures[row["uri"]], "files": files}
            done.num_written += 1
            done.num_files += len(files)
            if time.monotonic() - written_s > _STATE_S:
                _write_state(store, state)
                written_s = time.monotonic()
            yield row, done
        _write_state(store, state)
        if not stale:
            yield {}, done


def _read_state(store: Store) -> dict[str, dict[str, Any]]:
    """By folder. Empty where nothing was exported yet, or what says so cannot be read: then all is written again."""
    try:
        said = json.loads(store.get(STATE))
    except (FileNotFoundError, ValueError):
        return {}
    folders = said.get("folders") if isinstance(said, dict) else None
    if isinstance(folders, dict) and all(isinstance(each, dict) and "signature" in each for each in folders.values()):
        return folders
    return {}


def _clear(store: Store, folder: str, keep: Collection[str] = ()) -> None:
    """Removes what an export wrote into the folder, but for `keep`; what others have put there stays."""
    names = [stored.path.removeprefix(f"{folder}/") for stored in store.list(f"{folder}/")]
    store.delete([f"{folder}/{name}" for name in names if name not in keep and _OURS.fullmatch(name)])


def _write_state(store: Store, state: dict[str, dict[str, Any]]) -> None:
    store.put(STATE, json.dumps({"format_version": FORMAT_VERSION, "folders": state}, ensure_ascii=False, indent=1).encode())


def folder_names(rows: Sequence[Row]) -> dict[str, str]:
    """uri -> name of its folder: the document's own name, with a mark of the uri where several would have the same."""
    names = {row["uri"]: safe_name(row["name"]) for row in rows}
    count = Counter(name.casefold() for name in names.values())
    return {uri: name if count[name.casefold()] == 1 else f"{name}~{_mark(uri)}" for uri, name in names.items()}


def _mark(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()[:8]


def safe_name(name: str) -> str:
    """A name that every file system and S3 take: nothing that leads elsewhere, no control characters, at most 120 bytes."""
    safe = _UNSAFE.sub("_", name).strip(" .") or "_"
    if _RESERVED.fullmatch(safe):
        safe = f"_{safe}"
    while len(safe.encode()) > _MAX_NAME_BYTES:
        stem, dot, suffix = safe.rpartition(".")
        safe = stem[:-1] + dot + suffix if dot and len(suffix) <= 8 and stem else safe[:-1]
    return safe


def _signatures(connection: duckdb.DuckDBPyConnection, rows: Sequence[Row], formats: Sequence[ExportFormat]) -> dict[str, str]:
    """uri -> what its files are made of: which answers count, and what is made of them."""
    asked = (FORMAT_VERSION, this_version(), sorted(formats))
    answers: dict[str, list[str]] = {}
    for view, columns in (
        ("current_pages", "page_index, plan_id, attempt, recipe_id"),
        ("current_charts", "page_index, region_index, plan_id, attempt, recipe_id"),
        ("open_failures", "page_index, region_index, plan_id, attempt, recipe_id"),
    ):
        sql = f"SELECT COALESCE(document_id, source_id) AS content, {columns} FROM {view} ORDER BY ALL"
        for content, *rest in connection.sql(sql).fetchall():
            answers.setdefault(content, []).append(f"{view} {rest}")
    return {row["uri"]: _mark(repr((asked, row["uri"], row["source_id"], answers.get(content_of(row), [])))) for row in rows}


def _files(
    document: ReadDocument, formats: Sequence[ExportFormat], pictures: Pictures, done: Exported
) -> Iterator[tuple[str, bytes]]:
    drawn: dict[tuple[int, int, str], str] = {}
    if ExportFormat.png in formats and _figures(document):
        try:
            made = list(_pngs(document, pictures, done))
            drawn = {place: name for place, name, _ in made}
            yield from ((name, body) for _, name, body in made)
        except PageError as error:  # touched while pictures were drawn from it: which of them are right is not known
            done.without_pictures[document.uri] = f"{error.kind}: {error}"
    picture = _picture(document, drawn) if drawn else no_picture
    if ExportFormat.markdown in formats:
        yield "document.md", document_markdown(document, picture).encode("utf-8", "replace")
    if ExportFormat.json in formats:
        yield "document.json", document.model_dump_json(indent=1).encode("utf-8", "replace")
    if ExportFormat.docling in formats:
        body = json.dumps(docling_document(document).export_to_dict(), ensure_ascii=False)
        yield "document.docling.json", body.encode("utf-8", "replace")
    if ExportFormat.html in formats:
        yield "document.html", document_html(document, picture).encode("utf-8", "replace")
    if ExportFormat.csv in formats:
        for table in document.tables:
            if table.cells:
                yield f"tables/page-{table.page_index + 1:04d}-table-{table.table_index + 1}.csv", _csv(table.rows())
        for chart in document.charts:
            if chart.points:
                yield f"charts/page-{chart.page_index + 1:04d}-chart-{chart.region_index + 1}.csv", _csv(chart.rows())


def _pngs(document: ReadDocument, pictures: Pictures, done: Exported) -> Iterator[tuple[tuple[int, int, str], str, bytes]]:
    """Place, name and PNG of each figure that the lake keeps or that can be drawn again."""
    pages = {page.page_index: page for page in document.pages}
    with pictures.open(document) as opened:
        for page_index, kind, number, box in _figures(document):
            try:
                image = opened.crop(pages[page_index], box)
            except PageError as error:
                done.without_pictures[document.uri] = f"{error.kind}: {error}"
                continue
            if image is not None:
                out = io.BytesIO()
                image.save(out, "PNG")
                yield (page_index, number, kind), f"{kind}s/page-{page_index + 1:04d}-{kind}-{number + 1}.png", out.getvalue()


def _figures(document: ReadDocument) -> list[tuple[int, str, int, Box]]:
    """Page, kind, number and box of what has a picture: charts, and figures that are none of them."""
    found = []
    for page in document.pages:
        charts = [chart.box for chart in page.charts if chart.box]
        found += [(page.page_index, "chart", chart.region_index, chart.box) for chart in page.charts if chart.box]
        found += [
            (page.page_index, "figure", block.block_index, block.box)
            for block in page.blocks
            if block.kind in ("figure", "chart") and block.box and not any(block.box.is_at(box) for box in charts)
        ]
    return found


def _picture(document: ReadDocument, drawn: dict[tuple[int, int, str], str]) -> Picture:
    def picture(page_index: int, item: Item) -> str | None:
        if isinstance(item, ReadChart):
            return drawn.get((page_index, item.region_index, "chart"))
        return drawn.get((page_index, item.block_index, "figure")) if isinstance(item, ReadBlock) else None

    return picture


def _csv(rows: Sequence[Sequence[str]]) -> bytes:
    """With a byte order mark, by which spreadsheets know UTF-8; texts that they would take for formulas have an apostrophe."""
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows([spreadsheet_safe(text) for text in row] for row in rows)
    return out.getvalue().encode("utf-8-sig", "replace")
