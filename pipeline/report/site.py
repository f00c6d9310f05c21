"""Writes the report: one folder that any browser opens from disk."""

import io
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import duckdb
from PIL import Image

from pipeline.analytics.duckdb_tables import connected
from pipeline.analytics.questions import find_question
from pipeline.documents.export import folder_names
from pipeline.documents.model import ReadChart, ReadDocument, ReadPage
from pipeline.documents.pictures import DocumentPictures, Pictures
from pipeline.documents.reading import Row, listed, read_listed
from pipeline.lake.opening import open_target
from pipeline.object_store.store import Store
from pipeline.report.index import index_body
from pipeline.report.links import ReportLinks
from pipeline.report.pages import document_body
from pipeline.report.style import document as page_of
from schemas.failure import PageError
from schemas.page import Box
from schemas.settings import Settings

PAGES_PER_FILE = 20
_MAX_SIDE_PX = 1_400
_QUALITY = 80
_MAX_REVIEWS = 500
_MAX_RUNS = 20


class Step(NamedTuple):
    """One document is written."""

    name: str
    num_done: int
    num_documents: int
    why_no_pictures: str | None


def write_report(
    output: str, target: str, settings: Settings, *, where: str | None = None, limit: int | None = None
) -> Iterator[Step]:
    """Write the report of `output` into the folder `target`, document after document; `index.html` last, of all that is chosen.

    Raises OperatorError, StoreError.
    """
    store = open_target(target, output, settings)
    with connected(output) as connection, Pictures(settings, connection) as pictures:
        rows = listed(connection, where, limit)
        folders = folder_names(rows)
        shown: dict[str, list[tuple[int, str]]] = {}
        for number, (row, document) in enumerate(zip(rows, read_listed(connection, rows), strict=True), 1):
            folder = f"documents/{folders[row['uri']]}"
            why = _write_document(store, folder, document, pictures)
            shown[row["uri"]] = [(pages[0].page_index if pages else 0, f"{folder}/{name}") for name, pages in _files(document)]
            yield Step(row["name"], number, len(rows), why)
        runs = _rows(connection, f"SELECT * FROM runs WHERE ended_at IS NOT NULL ORDER BY started_at DESC LIMIT {_MAX_RUNS}")
        chosen = {row["uri"] for row in rows}
        review = find_question("pages_to_review").sql("duckdb", {})
        reviews = [row for row in _rows(connection, review) if row["uri"] in chosen][:_MAX_REVIEWS]
        failures = [
            row for row in _rows(connection, "SELECT * FROM open_failures ORDER BY uri, page_index") if row["uri"] in chosen
        ]

        links = ReportLinks(shown)
        links.write(store)
        body = index_body(output, runs, rows, reviews, failures, lambda uri, page_index: links.of(uri, page_index) or "")
        store.put("index.html", page_of(output, body, has_script=True).encode("utf-8", "replace"))


def _rows(connection: duckdb.DuckDBPyConnection, sql: str) -> list[Row]:
    found: list[Row] = connection.sql(sql).to_arrow_table().to_pylist()
    return found


def _write_document(store: Store, folder: str, document: ReadDocument, pictures: Pictures) -> str | None:
    """Gives why there are no pictures, where there are none."""
    why, files = None, _files(document)
    shown: set[int] = set()
    crops: dict[tuple[int, int], str] = {}
    if document.pages:
        try:
            with pictures.open(document) as opened:
                for page in document.pages:
                    if (picture := _picture(opened, page)) is not None:
                        store.put(f"{folder}/{_image_name(page.page_index)}", picture)
                        shown.add(page.page_index)
                    for chart in page.charts:
                        if chart.points and chart.box and (body := _crop(opened, page, chart.box)) is not None:
                            name = f"page-{page.page_index + 1:04d}-chart-{chart.region_index + 1}.webp"
                            store.put(f"{folder}/{name}", body)
                            crops[page.page_index, chart.region_index] = name
                if (error := opened.why_not_drawn) is not None:
                    why = f"{error.kind}: {error}"
        except PageError as error:
            why = f"{error.kind}: {error}"
            shown, crops = set(), {}

    def crop_of(chart: ReadChart) -> str | None:
        return crops.get((chart.page_index, chart.region_index))

    for name, pages in files:
        links = "".join(_file_link(other, those, is_here=other == name) for other, those in files) if len(files) > 1 else ""
        text = document_body(document, pages, lambda index: _image_name(index) if index in shown else None, crop_of, links=links)
        store.put(f"{folder}/{name}", page_of(document.name, text).encode("utf-8", "replace"))
    return why


def _files(document: ReadDocument) -> list[tuple[str, list[ReadPage]]]:
    """Name and pages of each file: a book is several."""
    parts = [document.pages[start : start + PAGES_PER_FILE] for start in range(0, len(document.pages), PAGES_PER_FILE)] or [[]]
    return [("index.html" if number == 0 else f"part-{number + 1}.html", part) for number, part in enumerate(parts)]


def _file_link(name: str, pages: Sequence[ReadPage], *, is_here: bool) -> str:
    return f"<b>{_span(pages)}</b>" if is_here else f'<a href="{name}">{_span(pages)}</a>'


def _span(pages: Sequence[ReadPage]) -> str:
    return f"pages {pages[0].page_index + 1} to {pages[-1].page_index + 1}" if pages else "no pages"


def _image_name(page_index: int) -> str:
    return f"page-{page_index + 1:04d}.webp"


def _picture(opened: DocumentPictures, page: ReadPage) -> bytes | None:
    """None where this page alone cannot be drawn."""
    try:
        return _webp(opened.page(page.page_index))
    except PageError:
        return None


def _crop(opened: DocumentPictures, page: ReadPage, box: Box) -> bytes | None:
    """None where it is not kept and cannot be drawn."""
    try:
        image = opened.crop(page, box)
    except PageError:
        return None
    return None if image is None else _webp(image)


def _webp(image: Image.Image) -> bytes:
    out, smaller = io.BytesIO(), image.copy()
    smaller.thumbnail((_MAX_SIDE_PX, _MAX_SIDE_PX))
    smaller.save(out, "WEBP", quality=_QUALITY, method=2)
    return out.getvalue()
