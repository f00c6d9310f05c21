"""A render process that was taken over by its document may say anything: it costs the page, and neither time nor memory."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from schemas.failure import FailureKind, PageError
from schemas.settings import MEBI, RegionSettings, RenderSettings
from tests.workers.faults.lying_child import DOCUMENTS, EDGE_LIES, LIES
from tests.workers.memory import Peak
from workers.rendering.renderer import Renderer

pytestmark = pytest.mark.slow

FAULTS = Path(__file__).parents[1] / "faults"
SETTINGS = RenderSettings(wall_s=300)
MOST_S = 60.0
"""CPU seconds; half of one at most, on a machine with nothing else to do. Who waited would see `render_timeout`."""
MOST_BYTES = 256 * MEBI


class LyingRenderer(Renderer):
    _child_module = "lying_child"


@pytest.fixture(scope="module")
def lying() -> Iterator[Renderer]:
    with pytest.MonkeyPatch.context() as patch, LyingRenderer(SETTINGS, RegionSettings(), []) as renderer:
        patch.syspath_prepend(FAULTS)
        yield renderer


def told(tmp_path: Path, name: str) -> Path:
    path = tmp_path / "lie.pdf"
    path.write_text(name)
    return path


@pytest.mark.parametrize("name", LIES)
def test_a_lie_costs_its_page_and_neither_time_nor_memory(lying: Renderer, tmp_path: Path, name: str) -> None:
    path = told(tmp_path, name)
    started = time.process_time()

    with Peak() as peak:
        before, lie, after = lying.render(path, [0, 1, 2])

    assert (before.failure, after.failure) == (None, None)
    assert lie.failure is not None
    assert (lie.page_index, lie.failure.kind, lie.failure.stage) == (1, FailureKind.render_crashed, "render")
    assert "makes no sense" in lie.failure.message
    assert (lie.image, lie.regions, lie.flags) == (None, [], [])
    assert time.process_time() - started < MOST_S
    assert peak.num_bytes < MOST_BYTES


@pytest.mark.parametrize("name", EDGE_LIES)
def test_a_lie_about_neighbours_costs_what_they_would_have_shown(lying: Renderer, tmp_path: Path, name: str) -> None:
    path = told(tmp_path, name)
    pages = list(lying.render(path, [0, 1, 2]))
    assert [(page.failure, page.nearby) for page in pages[::2]] == [(None, [])] * 2


@pytest.mark.parametrize("name", DOCUMENTS)
def test_a_lie_about_a_document_costs_the_document(lying: Renderer, tmp_path: Path, name: str) -> None:
    with pytest.raises(PageError, match="makes no sense") as caught:
        lying.probe(told(tmp_path, name), None, None)

    assert caught.value.kind is FailureKind.render_crashed
    assert lying.probe(told(tmp_path, "no lie"), None, None).num_pages == 3
