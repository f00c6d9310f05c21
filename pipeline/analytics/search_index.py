"""An index of the words on all current pages, kept beside the lake and brought up to date before each search.

Words are cut by a pattern: runs of letters, marks and digits, without case and accents. In scripts that put no spaces between words
each character is one, and a run of them in a query has to stand on the page as a run. The index holds places, not texts: what is
shown of a hit is read from the lake.
"""

import json
import os
import unicodedata
from collections.abc import Callable, Iterator
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import tantivy

from pipeline.lake.opening import comparable
from schemas.errors import OperatorError

_VERSION = "v1"
"""Of the fields and of how words are cut: an index of another version lies elsewhere."""
_UNSPACED = r"\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}"
_WORD = rf"[{_UNSPACED}]\p{{M}}*|[[\p{{L}}\p{{N}}\p{{M}}]--[{_UNSPACED}]]+"
_READ_ROWS = 1000
_COMMIT_PAGES = 50_000
_HEAP_BYTES = 128 * 2**20
_KEY = "CONCAT_WS('/', source_id, page_index, plan_id, attempt, recipe_id)"
_PAGES = f"SELECT {_KEY} AS key FROM current_pages WHERE num_chars > 0"
_NEW_PAGES = f"SELECT {_KEY} AS key, name, text_plain FROM current_pages WHERE num_chars > 0 AND key IN (SELECT key FROM new_keys)"


class PageKey(NamedTuple):
    source_id: str
    page_index: int


class Hit(NamedTuple):
    page: PageKey
    score: float


class Refreshed(NamedTuple):
    num_added: int
    num_removed: int


def index_folder(output: str) -> Path:
    """In a lake's own folder where one may write there, else in the user's cache."""
    place = comparable(output)
    inside = Path(place, "_pagefold")
    if not output.startswith("s3://") and inside.is_dir() and os.access(inside, os.W_OK):
        return inside / "search" / _VERSION
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return cache / "pagefold" / "search" / sha256(os.fsencode(place)).hexdigest()[:16] / _VERSION


def searchable(text: str) -> str:
    """As it is indexed and asked for: compatibility forms (ligatures, wide letters) are plain ones, soft hyphens are none."""
    return unicodedata.normalize("NFKC", text).replace("\u00ad", "")


class IndexBusy(OperatorError):
    """Another process brings it up to date."""


OnProgress = Callable[[int, int], None]


class SearchIndex:
    """Of one lake, in `folder`. Raises OperatorError where nothing can be written there."""

    def __init__(self, folder: Path) -> None:
        self._state_path = folder / "state.json"
        self._keys_path = folder / "keys.parquet"
        builder = tantivy.SchemaBuilder()
        builder.add_text_field("key", stored=True, tokenizer_name="raw", index_option="basic")
        builder.add_text_field("name", tokenizer_name="words")
        builder.add_text_field("text", tokenizer_name="words")
        self._schema = builder.build()
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._index = tantivy.Index(self._schema, path=str(folder))
        except (OSError, ValueError) as error:
            raise OperatorError(
                f"The search index {folder} cannot be opened: {error}. Remove that folder; it is made anew."
            ) from None
        self._index.register_tokenizer("words", _analyzer())

    @property
    def is_made(self) -> bool:
        return bool(self._state())

    def is_current(self, fingerprint: str) -> bool:
        """True if it was last brought up to date for a lake of that fingerprint."""
        return self._state().get("fingerprint") == fingerprint

    def refresh(
        self, connection: duckdb.DuckDBPyConnection, fingerprint: str, on_progress: Callable[[int, int], None]
    ) -> Refreshed:
        """Index pages that are new, drop those that are no longer current; `on_progress` hears of pages done and pages to do.

        Killed at any moment, the next call goes on, or begins anew where keys and index do not fit. Raises IndexBusy.
        """
        try:
            writer = self._index.writer(heap_size=_HEAP_BYTES, num_threads=1)
        except ValueError as error:
            raise IndexBusy(f"The search index is being made by another search ({error}); try again later.") from None
        keys = self._keys(writer.commit_opstamp)
        if keys is None:
            writer.delete_all_documents()
            keys = pa.table({"key": pa.array([], pa.string())})
        connection.register("old_keys", keys)
        new = connection.sql(f"{_PAGES} EXCEPT SELECT key FROM old_keys").to_arrow_table()
        gone = connection.sql(f"SELECT key FROM old_keys EXCEPT {_PAGES}").to_arrow_table()
        connection.register("new_keys", new)
        for key in gone["key"].to_pylist():
            writer.delete_documents_by_term("key", key)
        done = set(keys["key"].to_pylist()).difference(gone["key"].to_pylist())
        num_added = 0
        for rows in _batches(connection.sql(_NEW_PAGES).to_arrow_reader(_READ_ROWS), _COMMIT_PAGES):
            for key, name, text in rows:
                writer.add_document(tantivy.Document(key=key, name=searchable(name or ""), text=searchable(text or "")))
            done.update(key for key, *_ in rows)
            num_added += len(rows)
            self._save(done, writer.commit(), None)
            on_progress(num_added, new.num_rows)
        self._save(done, writer.commit(), fingerprint)
        writer.wait_merging_threads()
        return Refreshed(num_added, gone.num_rows)

    def search(self, text: str, limit: int) -> tuple[int, list[Hit], "Marker"]:
        """How many pages have all the words, the best of them, and who finds the words in a text."""
        self._index.reload()
        searcher = self._index.searcher()
        query, found = self._searched(searcher, searchable(text), limit)
        hits = []
        for score, address in found.hits:
            source_id, page_index, *_ = searcher.doc(address)["key"][0].split("/")
            hits.append(Hit(PageKey(source_id, int(page_index)), score))
        num_pages: int = found.count  # type: ignore[attr-defined]  # its stub lacks it
        return num_pages, hits, Marker(searcher, query, self._schema)

    def _searched(self, searcher: tantivy.Searcher, text: str, limit: int) -> tuple[tantivy.Query, tantivy.SearchResult]:
        """By tantivy's language: words that must all be there, "a phrase", -without, a OR b, name:report. What is none of it, a
        time of day or a lone bracket, is taken word by word; so is what this index cannot be asked, such as name:*."""

        def found(text: str) -> tuple[tantivy.Query, tantivy.SearchResult]:
            query = self._index.parse_query(text, ["text"], conjunction_by_default=True)
            return query, searcher.search(query, limit, count=True)

        with suppress(ValueError):
            return found(text)
        return found(" ".join(f'"{word}"' for word in text.replace('"', " ").replace("\\", " ").split()))

    def _state(self) -> dict[str, Any]:
        with suppress(OSError, ValueError):
            return json.loads(self._state_path.read_text("utf-8"))
        return {}

    def _keys(self, opstamp: int) -> pa.Table | None:
        """Of the pages that the index holds; None where that is not known."""
        if self._state().get("opstamp") != opstamp:
            return None
        with suppress(OSError, pa.ArrowException):
            return pq.read_table(self._keys_path)
        return None

    def _save(self, keys: set[str], opstamp: int, fingerprint: str | None) -> None:
        part = self._keys_path.with_suffix(".part")
        pq.write_table(pa.table({"key": pa.array(sorted(keys), pa.string())}), part, compression="zstd")
        part.replace(self._keys_path)
        part = self._state_path.with_suffix(".part")
        part.write_text(json.dumps({"opstamp": opstamp, "fingerprint": fingerprint}), "utf-8")
        part.replace(self._state_path)


class Marked(NamedTuple):
    """The part of a text in which most of the words stand, and where in it they do, by character."""

    snippet: str
    places: list[tuple[int, int]]


class Marker:
    """Finds a query's words in a text."""

    def __init__(self, searcher: tantivy.Searcher, query: tantivy.Query, schema: tantivy.Schema) -> None:
        self._generator = tantivy.SnippetGenerator.create(searcher, query, schema, "text")

    def __call__(self, text: str, max_chars: int = 160) -> Marked:
        self._generator.set_max_num_chars(max_chars)
        snippet = self._generator.snippet_from_doc(tantivy.Document(text=searchable(text)))
        fragment = snippet.fragment()
        raw = fragment.encode()
        places = [(len(raw[: place.start].decode()), len(raw[: place.end].decode())) for place in snippet.highlighted()]
        return Marked(fragment, places)


def _analyzer() -> tantivy.TextAnalyzer:
    words = tantivy.TextAnalyzerBuilder(tantivy.Tokenizer.regex(_WORD))
    return words.filter(tantivy.Filter.lowercase()).filter(tantivy.Filter.ascii_fold()).build()


def _batches(reader: pa.RecordBatchReader, size: int) -> Iterator[list[tuple[Any, ...]]]:
    rows: list[tuple[Any, ...]] = []
    for batch in reader:
        rows += zip(*(column.to_pylist() for column in batch.columns), strict=True)
        if len(rows) >= size:
            yield rows
            rows = []
    if rows:
        yield rows
