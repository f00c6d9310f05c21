"""The bytes that are drawn are the bytes that were hashed, whatever becomes of a local file between two stages."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pipeline.planning.chunks import Work
from pipeline.stages.documents import ProbeDocuments, RenderPages
from pipeline.stages.setups import ProbeSetup, RenderSetup
from schemas.failure import FailureKind
from schemas.page import Chunk, RenderedPage
from schemas.plan import SourceFailure
from schemas.planned import PlannedSource
from schemas.settings import RegionSettings, RenderSettings, Settings
from tests.pipeline.made import RECIPES, make_source
from tests.pipeline.made_input import make_pdf
from tests.pipeline.planning.test_duplicates import choose, committed, ledger
from workers.rendering.bounds import Bounds
from workers.rendering.renderer import understood
from workers.sources.listing import list_sources

pytestmark = pytest.mark.slow

SETUP = RenderSetup.of(Settings(), RECIPES, "r1")


@pytest.fixture(scope="module")
def probing() -> Iterator[ProbeDocuments]:
    stage = ProbeDocuments(ProbeSetup(rendering=SETUP))
    yield stage
    stage.renderer.close()


@pytest.fixture(scope="module")
def rendering() -> Iterator[RenderPages]:
    stage = RenderPages(SETUP)
    yield stage
    stage.renderer.close()


def works(folder: Path) -> list[Work]:
    return [
        Work(
            plan_id="000001",
            shard_index=0,
            source_index=index,
            planned=PlannedSource(source=source, tasks=["ocr"]),
            chunk_pages=2,
            page_range=None,
            max_pages=10,
        )
        for index, source in enumerate(list_sources(str(folder)))
    ]


def probed(probing: ProbeDocuments, folder: Path) -> list[Chunk]:
    """As another process gets them."""
    found = [chunk for each in probing.probe(works(folder)) for chunk in each]
    return [Chunk.model_validate_json(chunk.model_dump_json()) for chunk in found]


def drawn(rendering: RenderPages, chunk: Chunk) -> list[RenderedPage]:
    bounds = Bounds.of(RenderSettings(), RegionSettings())
    return [understood(*each, bounds) for each in zip(rendering.render(chunk), chunk.pages, strict=True)]


def kinds(pages: list[RenderedPage]) -> list[FailureKind | None]:
    return [page.failure and page.failure.kind for page in pages]


def replace(path: Path, num_pages: int) -> None:
    """By another file, which is as long and as old."""
    before = path.stat()
    other = path.with_suffix(".new")
    make_pdf(other, num_pages)
    with other.open("ab") as file:
        file.write(b" " * (before.st_size - other.stat().st_size))
    os.replace(other, path)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert (path.stat().st_size, path.stat().st_mtime_ns) == (before.st_size, before.st_mtime_ns)


def make_padded(path: Path, num_pages: int) -> None:
    make_pdf(path, num_pages)
    with path.open("ab") as file:
        file.write(b" " * 10_000)


def test_a_file_replaced_after_it_was_hashed_is_changed_and_its_neighbour_is_drawn(
    probing: ProbeDocuments, rendering: RenderPages, tmp_path: Path
) -> None:
    make_padded(tmp_path / "a.pdf", 3)
    make_pdf(tmp_path / "b.pdf", 2)
    first, second, other = probed(probing, tmp_path)
    assert kinds(drawn(rendering, first)) == [None, None]

    replace(tmp_path / "a.pdf", 4)

    assert kinds(drawn(rendering, second)) == [FailureKind.changed]
    assert kinds(drawn(rendering, other)) == [None, None]


def test_pages_drawn_while_their_file_is_replaced_are_changed(
    probing: ProbeDocuments, rendering: RenderPages, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_padded(tmp_path / "a.pdf", 2)
    (chunk,) = probed(probing, tmp_path)
    real: Callable[..., Iterator[object]] = rendering.renderer.draw

    def draw(*arguments: object) -> Iterator[object]:
        yield from real(*arguments)
        replace(tmp_path / "a.pdf", 3)

    monkeypatch.setattr(rendering.renderer, "draw", draw)

    assert kinds(drawn(rendering, chunk)) == [FailureKind.changed, FailureKind.changed]


def test_a_file_replaced_while_it_is_probed_is_nobodys_document(
    probing: ProbeDocuments, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_padded(tmp_path / "a.pdf", 2)
    real = probing.renderer.probe

    def probe(*arguments: object) -> object:
        replace(tmp_path / "a.pdf", 3)
        return real(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(probing.renderer, "probe", probe)

    (chunk,) = probed(probing, tmp_path)

    assert (chunk.document.document_id, [failure.kind for failure in chunk.failures]) == (None, [FailureKind.changed])


def test_a_version_of_which_the_lake_has_other_bytes_is_changed(probing: ProbeDocuments, tmp_path: Path) -> None:
    make_pdf(tmp_path / "a.pdf", 2)
    (work,) = works(tmp_path)
    again = work.model_copy(update={"planned": work.planned.model_copy(update={"document_id": "other", "attempt": 1})})

    ((chunk,),) = probing.probe([again])

    assert (chunk.document.document_id, [failure.kind for failure in chunk.failures]) == (None, [FailureKind.changed])


def test_honest_bytes_are_read_after_all_whoever_has_them(tmp_path: Path) -> None:
    poisoned, honest = make_source("a", size_bytes=1), make_source("b", size_bytes=1)
    failed = [SourceFailure(kind=FailureKind.changed, task=None, page_index=page, region_index=None) for page in (4, 5)]
    lake = ledger(committed(poisoned, "honest", failures=failed), committed(honest, "honest", duplicate_of=poisoned.source_id))

    (again,) = choose(lake, honest)

    assert (again.source.uri, again.document_id, again.pages) == (honest.uri, "honest", [4, 5])


def test_a_file_that_is_drawn_twice_after_it_was_touched_is_drawn(
    probing: ProbeDocuments, rendering: RenderPages, tmp_path: Path
) -> None:
    make_pdf(tmp_path / "a.pdf", 3)
    chunks = probed(probing, tmp_path)

    (tmp_path / "a.pdf").chmod(0o640)

    assert [kinds(drawn(rendering, chunk)) for chunk in chunks] == [[None, None], [None]]
