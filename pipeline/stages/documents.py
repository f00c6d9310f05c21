"""Probing and rendering: a document becomes chunks, and chunks become pages with their pixels."""

import contextlib
import os
import sys
import time
from collections.abc import Iterator
from functools import partial
from typing import TypeVar

import pyarrow as pa

from pipeline.planning.chunks import Work, bundles, chunks, duplicate_chunk, failed_chunks
from pipeline.planning.portions import Portion
from pipeline.reporting.json_log import log_in_actor
from pipeline.stages.rows import BUNDLE, RENDERED
from pipeline.stages.setups import ProbeSetup, RenderSetup
from schemas.failure import Failure, FailureKind, PageError, Stage
from schemas.page import Chunk, Packed, RenderedPage, pack
from schemas.receipt import Spent
from schemas.source import Document, Source
from workers.contained import page_error, sentence, take_reports
from workers.rendering.budget import RenderBudget
from workers.rendering.renderer import Renderer
from workers.sources.fetch import Fetched, Fetcher
from workers.sources.listing import local_path

Answer = TypeVar("Answer")


class _Rendering:
    """What probing and rendering share: a fetcher, and the sandboxed renderers of the process."""

    def __init__(self, setup: RenderSetup) -> None:
        log_in_actor(setup.log, sys.stderr, run_id=setup.run_id)
        self.fetcher = Fetcher(setup.fetch)
        self._renderers = setup.renderers
        self._lent: Renderer | None = None
        self.budget = RenderBudget(setup.render, setup.fetch, setup.run_id)

    @property
    def renderer(self) -> Renderer:
        return self._lent or self._renderers.next()

    @contextlib.contextmanager
    def _drawing(self) -> Iterator[None]:
        """Has a renderer while the context is open."""
        with self._renderers.lent() as self._lent:
            try:
                yield
            finally:
                self._lent = None

    def contained(self, error: Exception, stage: Stage, source: Source) -> PageError:
        """The failure that an exception becomes. After a bug the render process is ended, because its state is unknown."""
        own = _file_error(error, source) if isinstance(error, OSError) else page_error(error, stage)
        if own is not error:
            self.renderer.close()
        return own

    def spent(self, before: Spent) -> Spent:
        """`before`, with what was fetched and reported since."""
        counts = self.fetcher.take_counts()
        return before.model_copy(
            update={
                "num_downloads": before.num_downloads + counts.num_downloads,
                "num_cache_hits": before.num_cache_hits + counts.num_cache_hits,
                "num_bytes_fetched": before.num_bytes_fetched + counts.num_bytes,
                "reports": before.reports + take_reports(),
            }
        )


class ProbeDocuments(_Rendering):
    """Fetches planned sources, opens them, counts their pages, and gives their chunks in bundles."""

    def __init__(self, setup: ProbeSetup) -> None:
        super().__init__(setup.rendering)
        self._known = setup.known

    def __call__(self, batch: pa.Table) -> Iterator[pa.Table]:
        rows = map(Portion.model_validate_json, batch.column("work").to_pylist())
        for bundle in bundles(probed for portion in rows for works in portion.works() for probed in self._probed(works)):
            yield pa.table(
                {
                    "chunks": [[chunk.model_dump_json() for chunk, _, _ in bundle]],
                    "spent": [[spent.model_dump_json() for _, spent, _ in bundle]],
                },
                schema=BUNDLE,
            )

    def _probed(self, works: list[Work]) -> Iterator[tuple[Chunk, Spent, int]]:
        """Gives each chunk, what it has cost so far, and K, the pages that a bundle may have."""
        started = time.monotonic()
        for work, found in zip(works, self.probe(works), strict=True):
            spent = self.spent(Spent(probe_s=time.monotonic() - started))
            for chunk in found:
                yield chunk, spent, work.chunk_pages
                spent = Spent()
            started = time.monotonic()

    def probe(self, works: list[Work]) -> Iterator[list[Chunk]]:
        """Gives the chunks of each work, in the order of the plan. Of works with the same bytes only the first is read."""
        read: dict[str, str] = {}
        for work in works:
            with self._drawing():
                found = self._probe(work, read)
            yield found

    def _probe(self, work: Work, read: dict[str, str]) -> list[Chunk]:
        """The chunks of one work. `read` has the source_id by document_id of the works before; this work is added."""
        document, duplicate_of = Document(), None
        stage: Stage = "fetch"
        try:
            with self.fetcher.open(work.planned.source) as fetched:
                if work.planned.document_id not in (None, fetched.document_id):  # other bytes with the same size and time
                    raise PageError(FailureKind.changed, "the lake has other bytes of this version: write it anew to have it read")
                document = Document(document_id=fetched.document_id, version_id=fetched.version_id, file=fetched.file)
                same = self._known.get(fetched.document_id) or read.get(fetched.document_id)
                read.setdefault(fetched.document_id, same or work.planned.source.source_id)
                if work.is_done:
                    return []
                if work.planned.document_id is None and not work.staged:
                    duplicate_of = same
                stage = "probe"
                document = self.renderer.probe(fetched.path, fetched.document_id, fetched.version_id, fetched.file)
            if duplicate_of is None:
                return list(chunks(work, document))
        except Exception as error:  # noqa: BLE001 - the border of a document
            failed = self.contained(error, stage, work.planned.source)
            if work.is_done:
                return []
            if failed.kind is FailureKind.changed:  # the hash may be that of other bytes
                document, duplicate_of = Document(), None
            if duplicate_of is None:
                return list(failed_chunks(work, document, failed, stage))
        return [duplicate_chunk(work, document, duplicate_of)]


class RenderPages(_Rendering):
    """Draws the pages of chunks: pixels, text layers and regions."""

    def __call__(self, batch: pa.Table) -> Iterator[pa.Table]:
        for row in batch.to_pylist():
            rendered = [self._rendered(*each) for each in zip(row["chunks"], row["spent"], strict=True)]
            spent, pages, buffers = zip(*rendered, strict=True)
            yield pa.table(
                {"chunks": [row["chunks"]], "spent": [spent], "pages": [pages], "buffers": [buffers]},
                schema=RENDERED,
            )

    def _rendered(self, chunk: str, spent: str) -> tuple[str, list[str], list[list[bytes]]]:
        with self._drawing():
            pages = self.render(Chunk.model_validate_json(chunk))
        now_spent = self.spent(Spent.model_validate_json(spent)).model_dump_json()
        return now_spent, [page.body for page in pages], [page.buffers for page in pages]

    def render(self, chunk: Chunk) -> list[Packed]:
        """Gives one packed page for each page of the chunk, drawn or failed."""
        if chunk.blocked is not None:
            return list(map(pack, _failed(chunk.pages, chunk.blocked)))
        if not chunk.pages:
            return []
        if (unread := self.budget.left_unread(chunk)) is not None:
            return unread
        try:
            with self.fetcher.open(chunk.source, chunk.document.document_id, chunk.document.file) as fetched:
                return list(self.budget.draw(partial(self._draw, chunk.source, fetched), chunk))
        except Exception as error:  # noqa: BLE001 - the border of a document
            return list(map(pack, _failed(chunk.pages, self.contained(error, "fetch", chunk.source).failure("fetch"))))

    def _draw(self, source: Source, fetched: Fetched, page_index: int) -> tuple[Packed, bool]:
        """Gives the page, drawn or failed, and whether it ended the render process. A failure costs no other page."""
        try:
            (packed,) = self.renderer.draw(fetched.path, [page_index], fetched.file)
        except Exception as error:  # noqa: BLE001 - the border of a page
            (failed,) = _failed([page_index], self.contained(error, "render", source).failure("render"))
            return pack(failed), False
        return packed, self.renderer.took_down


def _file_error(error: OSError, source: Source) -> PageError:
    """The failure for an OSError: `gone` if it names the local source itself, else `fetch_failed`."""
    is_local = not source.uri.startswith("s3://") and error.filename is not None
    is_gone = isinstance(error, FileNotFoundError | NotADirectoryError)
    if is_gone and is_local and os.fspath(error.filename) == local_path(source.uri):
        return PageError(FailureKind.gone, "the file is no longer there")
    return PageError(FailureKind.fetch_failed, f"the file cannot be read: {sentence(error)}")


def _failed(pages: list[int], failure: Failure) -> list[RenderedPage]:
    return [
        RenderedPage(page_index=page_index, failure=failure.model_copy(update={"page_index": page_index})) for page_index in pages
    ]
