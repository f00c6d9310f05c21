"""Reading: a reader asks its engine about pages, and stages the chunks of which nothing is left to read."""

import asyncio
import contextlib
import gc
import os
import socket
import sys
import threading
import time
from collections.abc import Coroutine
from secrets import token_hex
from typing import Any, TypeVar

import pyarrow as pa

from pipeline.cluster.readiness import reporting_its_start
from pipeline.lake.begin_markers import SUSPECT_AFTER, Begins
from pipeline.lake.paths import staged_path
from pipeline.lake.staging import encode_chunk
from pipeline.object_store.store import Exists
from pipeline.planning.recipes import check_as_planned
from pipeline.reporting.json_log import event, log_in_actor
from pipeline.reporting.receipts import receipt_of, report_slow_pages
from pipeline.stages.gate import Gate
from pipeline.stages.rows import RECEIPTS, HalfRead, half_read, half_read_table
from pipeline.stages.setups import ReadSetup
from schemas.failure import Failure, FailureKind
from schemas.page import Chunk, RenderedChunk, RenderedPage
from schemas.receipt import LAYERS, ReaderTime, Spent
from schemas.records import ChunkRecords
from workers.contained import page_failure, take_reports
from workers.engines.registry import describe_engine, describe_layers, make_engine, make_layers
from workers.reading.handing_on import Handover, gives_places, in_page_order, of_pages
from workers.reading.read_pages import PageReader
from workers.reading.request_limit import Places

Answer = TypeVar("Answer")


def _handover(setup: ReadSetup) -> Handover | None:
    """What is left to later readers; None after the last."""
    if not setup.later:
        return None
    text = setup.recipes.get("ocr")
    return Handover(
        setup.later,
        setup.regions,
        reads_drawings=setup.read.charts_from != "model",
        knows_places=text is not None and gives_places(text.engine, text.prompt_version),
        keeps_pictures=setup.images != "none",
    )


class ReadPages:
    """Reads pages into records, and stages them in the output or passes them on to the next reader. A process reads many chunks at
    once, so that the engine's batches never drain at the border of a chunk."""

    def __init__(self, setup: ReadSetup) -> None:
        engine, run_id = setup.engine, setup.run_id
        self._loop = asyncio.new_event_loop()  # of its own, so that an engine that fails to start fails in this constructor
        threading.Thread(target=self._loop.run_forever, daemon=True, name="engine").start()
        self._started_s = time.monotonic()
        self._name = f"{socket.gethostname()}-{os.getpid()}-{token_hex(3)}"
        self._slow_page_s = setup.log.slow_page_s
        log_in_actor(setup.log, sys.stderr, run_id=run_id, reader=self._name)
        with reporting_its_start(run_id) as runs_on:
            started = make_layers(engine) if setup.reads_layers else make_engine(engine)
            runs_on.append(self._run(started.start()).result())
        info = describe_layers() if setup.reads_layers else describe_engine(engine)  # after loading: it describes the loaded files
        if not setup.reads_layers:
            check_as_planned(info, {task: setup.recipes[task] for task in setup.tasks})
        load_s = round(time.monotonic() - self._started_s, 3)
        event("engine_ready", reader=self._name, engine=info.name, runs_on=runs_on[-1], seconds=load_s)
        self._reader = PageReader(
            started,
            info,
            setup.recipes,
            setup.read,
            max_requests=engine.most_requests,
            run_id=run_id,
            tasks=setup.tasks,
            handover=_handover(setup),
            regions=setup.regions,
            cell_px=setup.bounds.cell_px,
            images=setup.images,
            words=setup.words,
        )
        most, in_flight = engine.most_requests, setup.in_flight
        self._room = Places(lambda: max(1, -(-in_flight * self._reader.requests.limit // most)))
        self._time = ReaderTime(
            name=self._name, reads=LAYERS if setup.reads_layers else " ".join(setup.tasks), num_gpus=engine.num_gpus
        )
        self._bounds = setup.bounds
        self._run_id = run_id
        self._recipe_ids = {str(task): recipe.recipe_id for task, recipe in setup.recipes.items()}
        self._store = setup.store
        self._begins = Begins(setup.store, run_id)
        self._gate = Gate()
        gc.freeze()  # the collector took a fifth of this process's CPU for objects that stay for ever

    async def __call__(self, batch: pa.Table) -> pa.Table:
        rows = await asyncio.wrap_future(self._run(self._rows(batch)))
        if self._reader.handover is not None:
            return half_read_table(rows)
        return pa.table({"receipts": [[part.receipt for part in row] for row in rows]}, schema=RECEIPTS)

    def _run(self, coroutine: Coroutine[Any, Any, Answer]) -> "asyncio.Future[Answer] | Any":
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop)

    async def _rows(self, batch: pa.Table) -> list[list[HalfRead]]:
        """Rows are unpacked once their pages are wanted, because their pixels take memory."""
        await self._room.enter()
        try:
            return [await self._row(row) for row in await asyncio.to_thread(batch.to_pylist)]
        finally:
            self._room.leave()

    async def _row(self, row: dict[str, Any]) -> list[HalfRead]:
        return list(await asyncio.gather(*map(self._part, half_read(row))))

    async def _part(self, part: HalfRead) -> HalfRead:
        """The chunk for the next reader, or staged, if nothing is left of it to read."""
        if part.receipt is not None:
            return part
        chunk, before = Chunk.model_validate_json(part.body), part.before
        left: list[RenderedPage] = []
        try:
            rendered = part.rendered(chunk, self._bounds)
            records = await self.read(rendered, before)
            if self._reader.handover is not None:
                left = self._reader.handover.left(chunk, rendered.pages, records)
        except Exception as error:  # noqa: BLE001 - the border of a chunk
            records = self._reader.failed_chunk(chunk, page_failure(error, "read"), before, part.left)
        spent = Spent.model_validate_json(part.spent)
        if left:
            return part.passed_on(self._spent(spent), records, left)
        report_slow_pages(chunk, records, self._slow_page_s, reader=self._name)
        started = time.monotonic()
        records = await asyncio.to_thread(self.stage, chunk, records)
        receipt = receipt_of(chunk, records, spent=self._spent(spent), stage_s=time.monotonic() - started)
        return part.done(receipt.model_dump_json())

    def _spent(self, before: Spent) -> Spent:
        """`before`, with this reader and what was reported since."""
        mine = self._time.model_copy(
            update={
                "lived_s": time.monotonic() - self._started_s,
                "busy_s": self._reader.busy_s,
                "num_requests": self._reader.requests.found,
            }
        )
        return before.model_copy(update={"reports": before.reports + take_reports(), "readers": (*before.readers, mine)})

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

    async def read(self, rendered: RenderedChunk, before: ChunkRecords | None = None) -> ChunkRecords:
        """Reads the chunk, and gives its rows with those that an earlier reader has made, `before`. A chunk that was begun twice
        and never ended is read alone and page by page."""
        if not any(page.image for page in rendered.pages):
            return await self._reader.read_chunk(rendered, before)
        name = rendered.chunk.name if before is None else f"{rendered.chunk.name}.{self._time.reads.replace(' ', '-')}"
        marker, unfinished = await self._begin(rendered.chunk, name)
        if unfinished < SUSPECT_AFTER:
            async with self._gate.shared():
                records = await self._reader.read_chunk(rendered, before)
        else:
            async with self._gate.alone():
                records = await self._read_page_by_page(rendered, name, before)
        await asyncio.to_thread(self._begins.end, marker)
        return records

    async def _read_page_by_page(self, rendered: RenderedChunk, name: str, before: ChunkRecords | None) -> ChunkRecords:
        indexes = [page.page_index for page in rendered.pages]
        parts = [] if before is None else [of_pages(before, indexes, others=True)]
        for position, page in enumerate(rendered.pages):
            chunk = rendered.chunk.model_copy(
                update={"pages": [page.page_index], "failures": rendered.chunk.failures if position == 0 else []}
            )
            marker, unfinished = await self._begin(chunk, f"{name}.page-{page.page_index}")
            is_poison = unfinished >= SUSPECT_AFTER  # a first death may have another cause, such as a lost node
            if is_poison:
                failure = Failure(
                    stage="read",
                    kind=FailureKind.crashed_worker,
                    message="the reader process died twice while it read this page alone",
                    page_index=page.page_index,
                )
                page = RenderedPage(page_index=page.page_index, failure=failure)
            of_page = None if before is None else of_pages(before, [page.page_index])
            parts.append(await self._reader.read_chunk(RenderedChunk(chunk=chunk, pages=[page]), of_page))
            if not is_poison:
                await asyncio.to_thread(self._begins.end, marker)
        return in_page_order(ChunkRecords.joined(parts))

    async def _begin(self, chunk: Chunk, name: str) -> tuple[str, int]:
        return await asyncio.to_thread(self._begins.begin, chunk.plan_id, chunk.shard_index, name)
