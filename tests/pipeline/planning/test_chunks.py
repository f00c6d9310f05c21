"""Chunks: names, positions, what is staged already, and when they cover a source."""

from datetime import UTC, datetime

import pytest

from pipeline.lake.paths import ChunkName, chunk_name
from pipeline.lake.shard_progress import Coverage
from pipeline.planning.chunks import Work, bundles, chunks, failed_chunks
from schemas.failure import FailureKind, PageError
from schemas.page import Chunk
from schemas.planned import PlannedSource
from schemas.source import Document, Source

SOURCE = Source(uri="s3://drop/a.pdf", etag="1", size_bytes=10, last_modified=datetime(2026, 1, 1, tzinfo=UTC))


def work(*, staged: list[str] = (), pages: list[int] | None = None, page_range: str | None = None, max_pages: int = 100) -> Work:  # type: ignore[assignment]
    return Work(
        plan_id="000001",
        shard_index=0,
        source_index=7,
        planned=PlannedSource(source=SOURCE, tasks=["ocr"], pages=pages),
        chunk_pages=4,
        page_range=page_range,
        max_pages=max_pages,
        staged=[name for text in staged if (name := chunk_name(text))],
    )


def document(num_pages: int) -> Document:
    return Document(document_id="d", media_type="application/pdf", num_pages=num_pages)


def test_a_document_becomes_chunks_of_k_pages_whose_names_are_the_receipt() -> None:
    got = list(chunks(work(), document(9)))

    assert [chunk.pages for chunk in got] == [[0, 1, 2, 3], [4, 5, 6, 7], [8]]
    assert [chunk.name for chunk in got] == [
        "00007.00000-00003.of-00009",
        "00007.00004-00007.of-00009",
        "00007.00008-00008.of-00009",
    ]


def test_names_count_positions_so_that_a_retry_of_some_pages_can_be_covered() -> None:
    got = list(chunks(work(pages=[3, 90, 91, 92, 93]), document(100)))

    assert [chunk.pages for chunk in got] == [[3, 90, 91, 92], [93]]
    assert [chunk.name for chunk in got] == ["00007.00000-00003.of-00005", "00007.00004-00004.of-00005"]


def test_what_an_earlier_run_staged_is_not_read_again() -> None:
    got = list(chunks(work(staged=["00007.00000-00003.of-00009", "00007.00008-00008.of-00009"]), document(9)))

    assert [chunk.pages for chunk in got] == [[4, 5, 6, 7]]


def test_pages_above_the_cap_are_a_failure_of_the_first_chunk() -> None:
    got = list(chunks(work(max_pages=5), document(9)))

    assert sum(len(chunk.pages) for chunk in got) == 5
    assert [[failure.kind for failure in chunk.failures] for chunk in got] == [[FailureKind.too_many_pages], []]


def test_a_range_that_ends_below_the_cap_is_no_failure() -> None:
    got = list(chunks(work(max_pages=5, page_range="1-5"), document(9)))

    assert [failure for chunk in got for failure in chunk.failures] == []


def test_a_document_without_the_pages_asked_for_is_one_chunk_with_a_failure() -> None:
    (chunk,) = chunks(work(page_range="20-30"), document(9))

    assert chunk.pages == []
    assert [failure.kind for failure in chunk.failures] == [FailureKind.no_pages]


def test_a_source_that_cannot_be_read_is_one_chunk_without_pages() -> None:
    (chunk,) = failed_chunks(work(), Document(), PageError(FailureKind.gone, "no such key"), "fetch")

    assert (chunk.name, chunk.pages, chunk.blocked) == ("00007.00000-00000.of-00000", [], None)
    assert [(failure.kind, failure.stage) for failure in chunk.failures] == [(FailureKind.gone, "fetch")]


def test_a_source_that_went_away_half_staged_is_covered_by_blocked_pages() -> None:
    staged = ["00007.00000-00003.of-00009"]
    got = list(failed_chunks(work(staged=staged), Document(), PageError(FailureKind.changed, "another ETag"), "fetch"))

    assert [chunk.pages for chunk in got] == [[4, 5, 6, 7], [8]]
    assert all(chunk.blocked and chunk.blocked.kind == FailureKind.changed for chunk in got)
    coverage = cover(staged + [chunk.name for chunk in got])
    assert coverage.complete() is not None


def cover(names: list[str]) -> Coverage:
    coverage = Coverage()
    for text in names:
        name = chunk_name(text)
        assert name is not None
        coverage.add(name)
    return coverage


@pytest.mark.parametrize(
    ("names", "is_complete"),
    [
        ([], False),
        (["00000.00000-00000.of-00000"], True),
        (["00000.00000-00003.of-00006"], False),
        (["00000.00000-00003.of-00006", "00000.00004-00005.of-00006"], True),
        (["00000.00004-00005.of-00006", "00000.00000-00003.of-00006"], True),
        (["00000.00000-00003.of-00006", "00000.00005-00005.of-00006"], False),
        (["00000.00000-00003.of-00006", "00000.00004-00005.of-00009"], False),
    ],
)
def test_a_source_is_covered_when_its_chunks_tile_it_exactly(names: list[str], is_complete: bool) -> None:
    assert (cover(names).complete() is not None) == is_complete


def test_of_two_page_counts_the_pages_are_taken_rather_than_the_failure() -> None:
    names = ["00000.00000-00000.of-00000", "00000.00000-00000.of-00001"]

    assert cover(names).complete() == cover(names[::-1]).complete() == [ChunkName(0, 0, 0, 1)]


def test_small_documents_share_a_row_of_up_to_k_pages_and_large_ones_fill_their_own() -> None:
    sizes = [1, 2, 1, 0, 3, 4, 4, 1]
    made = [chunk for size in sizes for chunk in (list(chunks(work(), document(size))) if size else _failed())]

    got = [[len(chunk.pages) for chunk, _, _ in bundle] for bundle in bundles((chunk, None, 4) for chunk in made)]

    assert got == [[1, 2, 1], [0, 3], [4], [4], [1]]


def _failed() -> list[Chunk]:
    return list(failed_chunks(work(), Document(), PageError(FailureKind.gone, "gone"), "fetch"))
