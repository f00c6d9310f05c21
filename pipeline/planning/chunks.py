"""Makes the chunks of a planned source that no earlier run has staged: their names, positions and pages."""

from collections.abc import Iterable, Iterator
from typing import TypeVar

from pipeline.lake.paths import ChunkName
from pipeline.planning.page_ranges import first_selected_pages, selected_pages
from schemas.failure import Failure, FailureKind, PageError, Stage
from schemas.frozen import Frozen
from schemas.page import Chunk
from schemas.planned import PlannedSource
from schemas.source import Document

Extra = TypeVar("Extra")


class Work(Frozen):
    """A planned source as it is probed: see `pipeline.planning.portions`."""

    plan_id: str
    shard_index: int
    source_index: int
    planned: PlannedSource
    chunk_pages: int
    page_range: str | None
    max_pages: int
    staged: list[ChunkName] = []
    """Chunks of this source that are staged. They are not read again, because the first answer is final."""
    is_done: bool = False
    """True if all of the source is staged. It is then fetched only because other sources may have the same bytes."""


def chunks(work: Work, document: Document) -> Iterator[Chunk]:
    """The chunks that are still to be read of a document that could be opened."""
    planned = work.planned
    pages = selected_pages(document.num_pages or 0, planned.pages, work.page_range, work.max_pages)
    if not pages:
        failure = Failure(stage="probe", kind=FailureKind.no_pages, message="the document has none of the pages asked for")
        yield _chunk(work, document, 0, [], 0, failures=[failure])
        return
    uncapped = selected_pages(document.num_pages or 0, planned.pages, work.page_range, work.max_pages + 1)
    failures = []
    if len(uncapped) > len(pages):
        message = f"{document.num_pages} pages, of which {work.max_pages} are read"
        failures.append(Failure(stage="probe", kind=FailureKind.too_many_pages, message=message))
    yield from _missing(work, document, pages, failures=failures)


def duplicate_chunk(work: Work, document: Document, duplicate_of: str) -> Chunk:
    """The only chunk of a source whose bytes are read as another source. It has no pages."""
    return _chunk(work, document, 0, [], 0, failures=[], duplicate_of=duplicate_of)


def failed_chunks(work: Work, document: Document, error: PageError, stage: Stage) -> Iterator[Chunk]:
    """The chunks of a source that cannot be read: one without pages. If an earlier run has staged some chunks, they are the missing
    ones with every page blocked, so that all chunks together cover the source."""
    failure = error.failure(stage)
    if not work.staged:
        yield _chunk(work, document, 0, [], 0, failures=[failure])
        return
    pages = first_selected_pages(work.staged[0].num_selected, work.planned.pages, work.page_range)
    yield from _missing(work, document, pages, blocked=failure)


def _missing(
    work: Work, document: Document, pages: list[int], *, failures: list[Failure] | None = None, blocked: Failure | None = None
) -> Iterator[Chunk]:
    for first, last in _gaps(work.staged, len(pages), work.chunk_pages):
        yield _chunk(
            work,
            document,
            first,
            pages[first : last + 1],
            len(pages),
            failures=(failures or []) if first == 0 else [],
            blocked=blocked,
        )


def _gaps(staged: Iterable[ChunkName], num_pages: int, most: int) -> Iterator[tuple[int, int]]:
    """(first, last) position of the missing chunks, of at most `most` pages, between those that are staged. A chunk ends at a
    multiple of `most` at the latest, so that the chunks after it are the same in every run."""
    done = {position for name in staged if name.num_selected == num_pages for position in range(name.first, name.last + 1)}
    first = 0
    while first < num_pages:
        if first in done:
            first += 1
            continue
        last = first
        while last + 1 < num_pages and (last + 1) % most and last + 1 not in done:
            last += 1
        yield first, last
        first = last + 1


def _chunk(
    work: Work,
    document: Document,
    first: int,
    pages: list[int],
    num_selected: int,
    *,
    failures: list[Failure],
    blocked: Failure | None = None,
    duplicate_of: str | None = None,
) -> Chunk:
    return Chunk(
        plan_id=work.plan_id,
        shard_index=work.shard_index,
        source_index=work.source_index,
        source=work.planned.source,
        document=document,
        attempt=work.planned.attempt,
        tasks=work.planned.tasks,
        first=first,
        pages=pages,
        num_selected=num_selected,
        planned_pages=work.planned.pages,
        regions=work.planned.regions,
        places={page: work.planned.places[page] for page in pages if page in work.planned.places},
        place_sizes={page: work.planned.place_sizes[page] for page in pages if page in work.planned.place_sizes},
        failures=failures,
        blocked=blocked,
        duplicate_of=duplicate_of,
    )


def bundles(chunks: Iterable[tuple[Chunk, Extra, int]]) -> Iterator[list[tuple[Chunk, Extra, int]]]:
    """Groups items of (chunk, extra, K) into bundles of up to K pages in all, which travel as one row, so that many small documents
    cost no more overhead than a large one. A chunk without pages counts as one page."""
    bundle: list[tuple[Chunk, Extra, int]] = []
    num_pages = 0
    for item in chunks:
        chunk, _, most = item
        size = max(len(chunk.pages), 1)
        if bundle and num_pages + size > most:
            yield bundle
            bundle, num_pages = [], 0
        bundle.append(item)
        num_pages += size
    if bundle:
        yield bundle
