"""Whatever lies in the drop folder ends as pages or as a failure, in time, and the next document is read as if nothing had been."""

from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from schemas.failure import FailureKind, PageError
from schemas.page import RenderedPage
from schemas.settings import MEBI, RegionSettings, RenderSettings
from schemas.source import Document
from tests.workers.hostile.made_images import IMAGES, tiff_of_frames
from tests.workers.hostile.made_pdfs import PDFS, active, one_page, told_by_escapes
from workers.rendering.renderer import Renderer

SETTINGS = RenderSettings(wall_s=300, cpu_s=3, memory_bytes=512 * MEBI)
MOST_PAGES = 3
RENDER_CHILD = "workers.rendering.sandbox.confined"
"""A killed process is started again."""

EXPECTED = {
    FailureKind.unsupported_type,
    FailureKind.corrupt,
    FailureKind.no_pages,
    FailureKind.unreadable,
    FailureKind.too_large,
    FailureKind.render_timeout,
    FailureKind.render_out_of_memory,
    FailureKind.render_crashed,
}
READABLE = (
    "reversed box",
    "odd rotation",
    "many objects",
    "many annotations",
    "recursive form",
    "broken font",
    "escapes",
)
"""PDFs that hold a page which any reader shows."""
ENDLESS = ("million strokes", "endless string", "flate bomb", "laughing forms")
"""PDFs that take all the CPU time there is, so they get less of it: a good page takes a fiftieth of a second."""


@pytest.fixture(scope="module")
def renderer() -> Iterator[Renderer]:
    """With CPU time enough for all that ends, whose most is two seconds, on a slow machine too."""
    with Renderer(SETTINGS.model_copy(update={"cpu_s": 30}), RegionSettings(), []) as renderer:
        yield renderer


@pytest.fixture(scope="module")
def hurried() -> Iterator[Renderer]:
    with Renderer(SETTINGS.model_copy(update={"cpu_s": 1}), RegionSettings(), []) as renderer:
        yield renderer


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("good") / "good.pdf"
    path.write_bytes(one_page())
    return path


def read(renderer: Renderer, path: Path) -> tuple[Document | None, list[RenderedPage], FailureKind | None]:
    """(document, first pages, why there is none)."""
    try:
        document = renderer.probe(path, None, None)
        assert document.num_pages
        pages = list(renderer.render(path, range(min(document.num_pages, MOST_PAGES))))
        return document, pages, None
    except PageError as error:
        return None, [], error.kind


def check(renderer: Renderer, good: Path, path: Path, *, is_readable: bool) -> list[RenderedPage]:
    _, pages, why = read(renderer, path)
    kinds = {page.failure.kind for page in pages if page.failure} | ({why} if why else set())
    assert kinds <= EXPECTED
    assert pages or why
    for page in pages:
        assert (page.image is None) == (page.failure is not None)
        if page.image:
            assert page.image.width_px * page.image.height_px <= 1.03 * SETTINGS.max_pixels
            assert len(page.image.rgb()) == page.image.width_px * page.image.height_px * 3
    if is_readable:
        assert pages
        assert pages[0].image is not None, kinds
    assert [page.failure for page in renderer.render(good, [0])] == [None]
    return pages


@pytest.mark.slow
@pytest.mark.parametrize("name", PDFS)
def test_a_hostile_pdf_costs_itself(renderer: Renderer, hurried: Renderer, good: Path, tmp_path: Path, name: str) -> None:
    path = tmp_path / "hostile.pdf"
    path.write_bytes(PDFS[name]())
    assert path.stat().st_size < 12 * MEBI
    before = psutil.Process().memory_info().rss

    check(hurried if name in ENDLESS else renderer, good, path, is_readable=name in READABLE)

    assert psutil.Process().memory_info().rss - before < 300 * MEBI  # the parent only ever holds what it was sent


@pytest.mark.slow
@pytest.mark.parametrize("name", IMAGES)
def test_a_hostile_image_costs_itself(renderer: Renderer, good: Path, tmp_path: Path, name: str) -> None:
    make, is_readable = IMAGES[name]
    path = tmp_path / "hostile.img"
    path.write_bytes(make())

    check(renderer, good, path, is_readable=is_readable)


@pytest.mark.slow
def test_thousands_of_frames_are_thousands_of_pages(renderer: Renderer, good: Path, tmp_path: Path) -> None:
    path = tmp_path / "many.tiff"
    path.write_bytes(tiff_of_frames(3_000))

    document, pages, _ = read(renderer, path)

    assert document is not None
    assert document.num_pages == 3_000
    assert [page.failure for page in pages] == [None] * MOST_PAGES


@pytest.mark.slow
def test_nothing_in_a_document_is_run_or_opened(renderer: Renderer, good: Path, tmp_path: Path) -> None:
    touched = tmp_path / "touched"
    path = tmp_path / "active.pdf"
    path.write_bytes(active(str(touched)))
    children = set(psutil.Process().children(recursive=True))

    pages = check(renderer, good, path, is_readable=True)

    assert pages[0].text_layer is not None
    assert [word.text for word in pages[0].text_layer.words] == ["Here", "is", "a", "line", "of", "text"]
    assert not touched.exists()
    started = set(psutil.Process().children(recursive=True)) - children
    assert [process.cmdline() for process in started if RENDER_CHILD not in process.cmdline()] == []


@pytest.mark.slow
def test_no_text_of_a_document_can_speak_to_a_terminal(renderer: Renderer, tmp_path: Path) -> None:
    path = tmp_path / "escapes.pdf"
    path.write_bytes(told_by_escapes())

    document, (page,), _ = read(renderer, path)

    assert document is not None
    assert page.text_layer is not None
    for text in (document.title or "", document.producer or "", *(word.text for word in page.text_layer.words)):
        assert text.isprintable()
    assert (document.title or "").startswith("Report")
