"""Pages by the words on them: what `pagefold search` finds, and how it is shown."""

from collections.abc import Callable, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

import duckdb
import pyarrow as pa
from rich.console import Console
from rich.text import Text

from pipeline.analytics.duckdb_tables import connected
from pipeline.analytics.lake_files import LakeFiles
from pipeline.analytics.search_index import (
    Hit,
    IndexBusy,
    Marked,
    Marker,
    OnProgress,
    PageKey,
    Refreshed,
    SearchIndex,
    index_folder,
)
from pipeline.reporting.figures import counted
from schemas.failure import clean_message

_LAKE = "current_pages current_blocks"
"""What a search reads of the lake."""


class Place(NamedTuple):
    """A page that has the words, and the block of it that has most of them."""

    name: str
    page_index: int
    block_index: int | None
    kind: str | None
    snippet: str
    score: float
    uri: str
    document_id: str | None
    left_px: float | None
    top_px: float | None
    right_px: float | None
    bottom_px: float | None


class Found(NamedTuple):
    num_pages: int
    """In all; `places` are the best of them."""
    places: list[Place]
    marks: list[list[tuple[int, int]]]
    """Of each place, where in its snippet the words stand."""
    refreshed: Refreshed


def search(output: str, text: str, *, limit: int, on_progress: OnProgress) -> Found:
    """The best `limit` of the current pages that have all the words of `text`. The index is made, or brought up to date, first.

    Raises OperatorError, StoreError.
    """
    lake = LakeFiles(output)
    fingerprint = sha256("\n".join([*lake.of("documents"), *lake.of("pages"), *lake.preferred]).encode()).hexdigest()
    index = SearchIndex(index_folder(output))
    with connected(output, _LAKE) as connection:
        refreshed = _refreshed(index, connection, fingerprint, on_progress)
        num_pages, hits, marker = index.search(text, limit)
        texts, blocks = _texts(connection, hits), _blocks(connection, hits)
    found = [_place(hit, texts[hit.page], blocks.get(hit.page, ()), marker) for hit in hits if hit.page in texts]
    return Found(num_pages, [place for place, _ in found], [marks for _, marks in found], refreshed)


def _refreshed(index: SearchIndex, connection: duckdb.DuckDBPyConnection, fingerprint: str, on_progress: OnProgress) -> Refreshed:
    """Brings the index up to date. While another search does that, the index is taken as it stands. Raises IndexBusy if it was
    never made."""
    if index.is_current(fingerprint):
        return Refreshed(0, 0)
    try:
        return index.refresh(connection, fingerprint, on_progress)
    except IndexBusy:
        if not index.is_made:
            raise
        return Refreshed(0, 0)


def _texts(connection: duckdb.DuckDBPyConnection, hits: list[Hit]) -> dict[PageKey, dict[str, Any]]:
    return {PageKey(row["source_id"], row["page_index"]): row for row in _rows(connection, "current_pages", hits)}


def _blocks(connection: duckdb.DuckDBPyConnection, hits: list[Hit]) -> dict[PageKey, list[dict[str, Any]]]:
    """In reading order."""
    found: dict[PageKey, list[dict[str, Any]]] = {}
    for row in sorted(_rows(connection, "current_blocks", hits), key=lambda row: row["block_index"]):
        found.setdefault(PageKey(row["source_id"], row["page_index"]), []).append(row)
    return found


def _rows(connection: duckdb.DuckDBPyConnection, view: str, hits: list[Hit]) -> list[dict[str, Any]]:
    """Of those pages. Literals, so that the filter reaches the files."""
    if not hits:
        return []
    pages = " OR ".join(f"(source_id = {_quoted(hit.page.source_id)} AND page_index = {hit.page.page_index})" for hit in hits)
    sources = ", ".join({_quoted(hit.page.source_id) for hit in hits})
    return connection.sql(f"SELECT * FROM {view} WHERE source_id IN ({sources}) AND ({pages})").to_arrow_table().to_pylist()


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _place(hit: Hit, page: dict[str, Any], blocks: Sequence[dict[str, Any]], marker: Marker) -> tuple[Place, list[tuple[int, int]]]:
    """In the block with most of the words, the first of them; a page that was read without blocks is a place by itself."""
    marked = [(marker(block["text"] or ""), block) for block in blocks]
    best, block = max(marked, key=lambda pair: _num_words(pair[0]), default=(marker(""), {}))
    if not best.places:
        best, block = marker(page["text_plain"] or ""), {}
    box = [block.get(side) for side in ("left_px", "top_px", "right_px", "bottom_px")]
    place = Place(
        page["name"],
        hit.page.page_index,
        block.get("block_index"),
        block.get("kind"),
        best.snippet,
        hit.score,
        page["uri"],
        page["document_id"],
        *box,
    )
    return place, best.places


def _num_words(marked: Marked) -> int:
    """Different ones."""
    return len({marked.snippet[start:end].casefold() for start, end in marked.places})


def as_table(found: Found) -> pa.Table:
    """One row for each place, for the formats of `query`."""
    schema = pa.schema(
        [
            ("name", pa.string()),
            ("page_index", pa.int64()),
            ("block_index", pa.int64()),
            ("kind", pa.string()),
            ("snippet", pa.string()),
            ("score", pa.float64()),
            ("uri", pa.string()),
            ("document_id", pa.string()),
            *((side, pa.float64()) for side in ("left_px", "top_px", "right_px", "bottom_px")),
        ]
    )
    return pa.Table.from_pylist([place._asdict() for place in found.places], schema=schema)


def print_places(console: Console, found: Found, link: Callable[[Place], str] | None = None) -> None:
    """Each with its snippet, its words marked, and a link that opens its page: `link`'s, else the source's own."""
    for place, marks in zip(found.places, found.marks, strict=True):
        where = Text.assemble((clean_message(place.name), "bold cyan"), f", page {place.page_index + 1}")
        if place.kind is not None:
            where.append(f", {place.kind}")
        console.print(where.append(f"  {clean_message(link(place) if link else source_link(place))}", "dim"), soft_wrap=True)
        console.print(_snippet(place.snippet, marks), soft_wrap=True)
        console.print()
    shown = f"; the first {len(found.places)} are shown" if found.num_pages > len(found.places) else ""
    console.print(f"{counted(found.num_pages, 'page')}{shown}")


def source_link(place: Place) -> str:
    return page_link(place.uri, place.page_index)


def page_link(uri: str, page_index: int) -> str:
    """As browsers open a PDF at a page."""
    return f"{uri if '://' in uri else Path(uri).absolute().as_uri()}#page={page_index + 1}"


def _snippet(text: str, marks: list[tuple[int, int]]) -> Text:
    """One line of it, the marks in bold."""
    printable = Text("".join(char if char.isprintable() else " " for char in text))
    for start, end in marks:
        printable.stylize("bold", start, end)
    return Text("  … ").append_text(printable).append(" …")
