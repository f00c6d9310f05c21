"""The budget of a document: how much time and how many faults it may cost its renderers. When it is used up, the document's other
pages are left unread without opening it, because one crafted file could hold the renderers for days.

Costs are counted per document and run, in a note beside the fetched objects, which all render processes of a node share. A document
that is drawn on several nodes has this budget on each of them.
"""

import contextlib
import json
import time
from collections.abc import Callable, Iterator, Sequence
from typing import BinaryIO, NamedTuple

from schemas.failure import Failure, FailureKind
from schemas.page import Chunk, Packed, RenderedPage, pack
from schemas.settings import FetchSettings, RenderSettings
from workers.sources.cache import Cache, CacheError


class Overrun(NamedTuple):
    """The cost of one document, or of one of its pages."""

    num_faults: int = 0
    """Pages that ended their render process: timeouts, crashes, no memory left."""
    over_s: float = 0.0
    """Seconds that pages took beyond `render.document_page_s` each."""

    def plus(self, more: "Overrun") -> "Overrun":
        return Overrun(self.num_faults + more.num_faults, self.over_s + more.over_s)


class RenderBudget:
    """The budgets of all documents, as seen by one process."""

    def __init__(self, render: RenderSettings, fetch: FetchSettings, run_id: str) -> None:
        self._settings = render
        self._notes = Cache(fetch.cache_dir, fetch.cache_bytes)
        self._run_id = run_id
        self._known: dict[str, Overrun] = {}
        """Costs by document, in case the folder of the notes cannot be used."""

    def left_unread(self, chunk: Chunk) -> list[Packed] | None:
        """The chunk's pages as failures if the document's budget is used up; None if they are to be drawn."""
        why = self._exceeded(self._read(_document(chunk)))
        return None if why is None else _blocked(chunk.pages, why)

    def draw(self, draw: Callable[[int], tuple[Packed, bool]], chunk: Chunk) -> Iterator[Packed]:
        """Draws the chunk's pages one by one. When the document's budget is used up, the other pages are left unread.

        `draw` takes a page_index, and gives the page and whether it ended the render process.
        """
        document = _document(chunk)
        for position, page_index in enumerate(chunk.pages):
            started = time.monotonic()
            packed, took_renderer_down = draw(page_index)
            why = self._charge(document, time.monotonic() - started, took_renderer_down=took_renderer_down)
            yield packed
            if why is not None:
                yield from _blocked(chunk.pages[position + 1 :], why)
                return

    def _charge(self, document: str, seconds: float, *, took_renderer_down: bool) -> str | None:
        """Adds the cost of one page. Gives why the budget is used up, or None."""
        trouble = Overrun(int(took_renderer_down), max(0.0, seconds - self._settings.document_page_s))
        return self._exceeded(self._add(document, trouble)) if any(trouble) else None

    def _exceeded(self, trouble: Overrun) -> str | None:
        if trouble.num_faults >= self._settings.max_document_faults:
            return f"{trouble.num_faults} of its pages timed out, crashed or ran out of memory: the rest is left unread"
        if trouble.over_s >= self._settings.document_s:
            page_s = self._settings.document_page_s
            return f"its pages took {trouble.over_s:.0f} s more than {page_s:g} s each: the rest is left unread"
        return None

    def _read(self, document: str) -> Overrun:
        known = self._known.get(document, Overrun())
        with contextlib.suppress(OSError), self._notes.read_note(self._run_id, document) as file:
            return _parse(file) or known
        return known

    def _add(self, document: str, more: Overrun) -> Overrun:
        trouble = self._known.get(document, Overrun()).plus(more)
        with contextlib.suppress(OSError, CacheError), self._notes.write_note(self._run_id, document) as file:
            trouble = (_parse(file) or Overrun()).plus(more)
            file.truncate(0)
            file.write(json.dumps(trouble).encode())
        self._known[document] = trouble
        return trouble


def _document(chunk: Chunk) -> str:
    return chunk.document.document_id or chunk.source.source_id


def _blocked(pages: Sequence[int], why: str) -> list[Packed]:
    failures = [Failure(stage="render", kind=FailureKind.over_budget, message=why, page_index=page) for page in pages]
    return [pack(RenderedPage(page_index=page, failure=failure)) for page, failure in zip(pages, failures, strict=True)]


def _parse(file: BinaryIO) -> Overrun | None:
    """The cost in a note; None if the note is empty or incomplete."""
    try:
        num_faults, over_s = json.loads(file.read())
        return Overrun(int(num_faults), float(over_s))
    except (ValueError, TypeError):
        return None
