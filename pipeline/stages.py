"""The stages as Ray calls them: plain rows come in and go out, with typed objects and calls of workers in between.

A row is a bundle of chunks with up to K pages in all. Probing makes the bundles. Every later stage gives exactly one row for each
row, whatever happened to its chunks.
"""

import asyncio
import contextlib
import gc
import os
import socket
import sys
import threading
import time
from collections.abc import Coroutine, Iterator
from functools import partial
from secrets import token_hex
from typing import Any, TypeVar

import pyarrow as pa

from pipeline.cluster.readiness import reporting_its_start
from pipeline.lake.begin_markers import SUSPECT_AFTER, Begins
from pipeline.lake.paths import staged_path
from pipeline.lake.staging import encode_chunk
from pipeline.object_store.store import Exists
from pipeline.planning.chunks import Work, bundles, chunks, duplicate_chunk, failed_chunks
from pipeline.planning.portions import Portion
from pipeline.planning.recipes import check_as_planned
from pipeline.reporting.json_log import event, log_in_actor
from pipeline.reporting.receipts import receipt_of, report_slow_pages
from pipeline.setups import ProbeSetup, ReadSetup, RenderSetup
from schemas.failure import Failure, FailureKind, PageError, Stage
from schemas.page import Chunk, Packed, RenderedChunk, RenderedPage, pack
from schemas.receipt import Spent
from schemas.records import ChunkRecords
from schemas.source import Document, Source
from workers.contained import page_error, page_failure, sentence, take_reports
from workers.engines.registry import describe_engine, make_engine
from workers.reading.read_pages import PageReader
from workers.rendering.bounds import Bounds
from workers.rendering.budget import RenderBudget
from workers.rendering.renderer import Renderer, understood
from workers.sources.fetch import Fetched, Fetcher
from workers.sources.listing import local_path

Answer = TypeVar("Answer")

_JSONS = pa.list_(pa.string())
BUNDLE = pa.schema([pa.field("chunks", _JSONS, nullable=False), pa.field("spent", _JSONS, nullable=False)])
RENDERED = pa.schema(
    [
        *BUNDLE,
        pa.field("pages", pa.list_(_JSONS), nullable=False),
        pa.field("buffers", pa.list_(pa.list_(pa.list_(pa.large_binary()))), nullable=False),
    ]
)
RECEIPTS = pa.schema([pa.field("receipts", pa.list_(pa.string()), nullable=False)])


class _Rendering:
    """What probing and rendering share: each process has one fetcher and one sandboxed renderer."""

    def __init__(self, setup: RenderSetup) -> None:
        log_in_actor(setup.log, sys.stderr, run_id=setup.run_id)
        self.fetcher = Fetcher(setup.fetch)
        self.renderer = Renderer(
            setup.render, setup.regions, setup.passwords, draws_regions=setup.draws_regions, images=setup.images
        )
        self.budget = RenderBudget(setup.render, setup.fetch, setup.run_id)

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
            yield self._probe(work, read)

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


def unpacked(bounds: Bounds, body: str, pages: list[str], buffers: list[list[bytes]]) -> RenderedChunk:
    """A chunk with its pages, from the columns of a rendered row."""
    chunk = Chunk.model_validate_json(body)
    packed = map(Packed, pages, buffers)
    return RenderedChunk(chunk=chunk, pages=[_understood(*each, bounds) for each in zip(packed, chunk.pages, strict=True)])


def _understood(packed: Packed, page_index: int, bounds: Bounds) -> RenderedPage:
    try:
        return understood(packed, page_index, bounds)
    except Exception as error:  # noqa: BLE001 - the border of a page
        return RenderedPage(page_index=page_index, failure=page_failure(error, "render", page_index=page_index))


class ReadPages:
    """Reads pages into records and stages them in the output. A process reads many chunks at once, so that the engine's batches
    never drain at the border of a chunk."""

    def __init__(self, setup: ReadSetup) -> None:
        engine, run_id = setup.engine, setup.run_id
        self._loop = asyncio.new_event_loop()  # of its own, so that an engine that fails to start fails in this constructor
        threading.Thread(target=self._loop.run_forever, daemon=True, name="engine").start()
        self._started_s = time.monotonic()
        self._name = f"{socket.gethostname()}-{os.getpid()}-{token_hex(3)}"
        self._slow_page_s = setup.log.slow_page_s
        log_in_actor(setup.log, sys.stderr, run_id=run_id, reader=self._name)
        with reporting_its_start(run_id) as runs_on:
            started = make_engine(engine)
            runs_on.append(self._run(started.start()).result())
        info = describe_engine(engine)  # after loading, so that it describes the files that were loaded
        check_as_planned(info, setup.recipes)
        event("engine_ready", engine=engine.name, runs_on=runs_on[-1], seconds=round(time.monotonic() - self._started_s, 3))
        self._reader = PageReader(
            started,
            info,
            setup.recipes,
            setup.read,
            max_requests=engine.max_requests,
            run_id=run_id,
            regions=setup.regions,
            cell_px=setup.bounds.cell_px,
            images=setup.images,
        )
        self._bounds = setup.bounds
        self._run_id = run_id
        self._recipe_ids = {str(task): recipe.recipe_id for task, recipe in setup.recipes.items()}
        self._store = setup.store
        self._begins = Begins(setup.store, run_id)
        self._gate = _Gate()
        gc.freeze()  # the collector took a fifth of this process's CPU for objects that stay for ever

    async def __call__(self, batch: pa.Table) -> pa.Table:
        receipts = [await asyncio.wrap_future(self._run(self._receipts(row))) for row in batch.to_pylist()]
        return pa.table({"receipts": receipts}, schema=RECEIPTS)

    def _run(self, coroutine: Coroutine[Any, Any, Answer]) -> "asyncio.Future[Answer] | Any":
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop)

    async def _receipts(self, row: dict[str, Any]) -> list[str]:
        return list(await asyncio.gather(*map(self._receipt, row["chunks"], row["pages"], row["buffers"], row["spent"])))

    async def _receipt(self, body: str, pages: list[str], buffers: list[list[bytes]], spent: str) -> str:
        chunk = Chunk.model_validate_json(body)
        try:
            records = await self.read(unpacked(self._bounds, body, pages, buffers))
        except Exception as error:  # noqa: BLE001 - the border of a chunk
            records = self._reader.failed_chunk(chunk, page_failure(error, "read"))
        report_slow_pages(chunk, records, self._slow_page_s)
        started = time.monotonic()
        records = await asyncio.to_thread(self.stage, chunk, records)
        now = time.monotonic()
        before = Spent.model_validate_json(spent)
        return receipt_of(
            chunk,
            records,
            spent=before.model_copy(update={"reports": before.reports + take_reports()}),
            stage_s=now - started,
            reader=self._name,
            reader_s=now - self._started_s,
            reader_busy_s=self._reader.busy_s,
        ).model_dump_json()

    def stage(self, chunk: Chunk, records: ChunkRecords) -> ChunkRecords:
        """Stages the records and gives them. The first answer is final, so an object that exists already is left as it is. If the
        records cannot be encoded, all pages of the chunk are staged as failed."""
        try:
            encoded = encode_chunk(chunk, records, self._run_id, self._recipe_ids)
        except Exception as error:  # noqa: BLE001 - the border of a chunk
            records = self._reader.failed_chunk(chunk, page_failure(error, "encode"))
            encoded = encode_chunk(chunk, records, self._run_id, self._recipe_ids)
        with contextlib.suppress(Exists):
            path = staged_path(chunk.plan_id, chunk.shard_index, chunk.name)
            self._store.create(path, encoded)
        return records

    async def read(self, rendered: RenderedChunk) -> ChunkRecords:
        """Reads the chunk. A chunk that was begun twice and never ended is read alone and page by page."""
        if not any(page.image for page in rendered.pages):
            return await self._reader.read_chunk(rendered)
        marker, unfinished = await self._begin(rendered.chunk, rendered.chunk.name)
        if unfinished < SUSPECT_AFTER:
            async with self._gate.shared():
                records = await self._reader.read_chunk(rendered)
        else:
            async with self._gate.alone():
                records = await self._read_page_by_page(rendered)
        await asyncio.to_thread(self._begins.end, marker)
        return records

    async def _read_page_by_page(self, rendered: RenderedChunk) -> ChunkRecords:
        parts = []
        for position, page in enumerate(rendered.pages):
            chunk = rendered.chunk.model_copy(
                update={"pages": [page.page_index], "failures": rendered.chunk.failures if position == 0 else []}
            )
            marker, unfinished = await self._begin(chunk, f"{rendered.chunk.name}.page-{page.page_index}")
            is_poison = unfinished >= SUSPECT_AFTER  # a first death may have another cause, such as a lost node
            if is_poison:
                failure = Failure(
                    stage="read",
                    kind=FailureKind.crashed_worker,
                    message="the reader process died twice while it read this page alone",
                    page_index=page.page_index,
                )
                page = RenderedPage(page_index=page.page_index, failure=failure)
            parts.append(await self._reader.read_chunk(RenderedChunk(chunk=chunk, pages=[page])))
            if not is_poison:
                await asyncio.to_thread(self._begins.end, marker)
        return ChunkRecords.joined(parts)

    async def _begin(self, chunk: Chunk, name: str) -> tuple[str, int]:
        return await asyncio.to_thread(self._begins.begin, chunk.plan_id, chunk.shard_index, name)


_LINGER_S = 1.0
"""Pause after a chunk that was read alone, so that its receipt has left the process before the next chunk may crash it."""


class _Gate:
    """Lets in many readers, or one alone. A reader that waits to be alone holds back those that come after it."""

    def __init__(self) -> None:
        self._turnstile = asyncio.Lock()
        self._num_inside = 0
        self._empty = asyncio.Event()
        self._empty.set()

    @contextlib.asynccontextmanager
    async def shared(self) -> Any:
        async with self._turnstile:
            self._num_inside += 1
            self._empty.clear()
        try:
            yield
        finally:
            self._num_inside -= 1
            if not self._num_inside:
                self._empty.set()

    @contextlib.asynccontextmanager
    async def alone(self) -> Any:
        await self._turnstile.acquire()
        try:
            await self._empty.wait()
            yield
        finally:
            asyncio.get_running_loop().call_later(_LINGER_S, self._turnstile.release)
