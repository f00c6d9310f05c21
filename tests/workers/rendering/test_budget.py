"""What one document may cost, counted without drawing anything."""

import os
from collections.abc import Sequence
from pathlib import Path

import pytest

from schemas.failure import FailureKind
from schemas.page import Chunk, Packed, PageImage, RenderedPage, pack
from schemas.settings import FetchSettings, RegionSettings, RenderSettings
from schemas.source import Document
from tests.pipeline.made import make_source
from workers.rendering import budget as render_budget
from workers.rendering.bounds import Bounds
from workers.rendering.budget import RenderBudget
from workers.rendering.renderer import understood

LIMITS = RenderSettings(max_document_faults=3, document_page_s=5, document_s=20)


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        return self.now


class FakeRenderer:
    """Takes `seconds` for each page, and is down after those in `faults`."""

    def __init__(self, clock: Clock, *, seconds: float = 0.1, faults: Sequence[int] = ()) -> None:
        self._clock, self._seconds, self._faults = clock, seconds, faults
        self.drawn: list[int] = []

    def page(self, page_index: int) -> tuple[Packed, bool]:
        self.drawn.append(page_index)
        self._clock.now += self._seconds
        page = RenderedPage(page_index=page_index, image=PageImage.from_rgb(448, 448, bytes(448 * 448 * 3)))
        return pack(page), page_index in self._faults


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(render_budget, "time", clock)
    return clock


@pytest.fixture
def fetch(tmp_path: Path) -> FetchSettings:
    return FetchSettings(cache_dir=tmp_path / "cache")


def make_chunk(pages: Sequence[int], document_id: str = "d") -> Chunk:
    return Chunk(
        plan_id="000001",
        shard_index=0,
        source_index=0,
        source=make_source("a.pdf"),
        document=Document(document_id=document_id),
        tasks=["ocr"],
        pages=list(pages),
    )


def draw(budget: RenderBudget, renderer: FakeRenderer, chunk: Chunk) -> list[tuple[int, str]]:
    """The pages that are left unread, and why."""
    unread = budget.left_unread(chunk)
    packed = unread if unread is not None else list(budget.draw(renderer.page, chunk))
    bounds = Bounds.of(LIMITS, RegionSettings())
    pages = [understood(*each, bounds) for each in zip(packed, chunk.pages, strict=True)]
    assert all(page.failure is None or page.failure.kind is FailureKind.over_budget for page in pages)
    return [(page.page_index, page.failure.message) for page in pages if page.failure]


def test_after_so_many_faults_the_rest_of_a_document_is_not_even_opened(clock: Clock, fetch: FetchSettings) -> None:
    budget, renderer = RenderBudget(LIMITS, fetch, "r1"), FakeRenderer(clock, faults=[1, 2, 4])
    why = "3 of its pages timed out, crashed or ran out of memory: the rest is left unread"

    assert draw(budget, renderer, make_chunk(range(4))) == []
    assert draw(budget, renderer, make_chunk(range(4, 8))) == [(5, why), (6, why), (7, why)]
    assert draw(budget, renderer, make_chunk(range(8, 12))) == [(8, why), (9, why), (10, why), (11, why)]

    assert renderer.drawn == [0, 1, 2, 3, 4]


def test_a_neighbour_is_drawn(clock: Clock, fetch: FetchSettings) -> None:
    budget, renderer = RenderBudget(LIMITS, fetch, "r1"), FakeRenderer(clock, faults=range(100))
    assert len(draw(budget, renderer, make_chunk(range(100)))) == 97

    assert draw(budget, FakeRenderer(clock), make_chunk(range(100), "another")) == []


def test_slow_pages_count_by_what_they_take_beyond_the_usual(clock: Clock, fetch: FetchSettings) -> None:
    budget, renderer = RenderBudget(LIMITS, fetch, "r1"), FakeRenderer(clock, seconds=13)

    (first, *_) = draw(budget, renderer, make_chunk(range(10)))

    assert first == (3, "its pages took 24 s more than 5 s each: the rest is left unread")


@pytest.mark.slow
def test_a_long_document_of_usual_pages_costs_nothing(clock: Clock, fetch: FetchSettings) -> None:
    budget = RenderBudget(LIMITS, fetch, "r1")

    assert draw(budget, FakeRenderer(clock, seconds=4.9), make_chunk(range(5000))) == []

    assert not (fetch.cache_dir and fetch.cache_dir.exists())


def test_the_processes_of_a_node_count_together_and_runs_do_not(clock: Clock, fetch: FetchSettings) -> None:
    one, other, later = (RenderBudget(LIMITS, fetch, run_id) for run_id in ("r1", "r1", "r2"))
    assert draw(one, FakeRenderer(clock, faults=[0, 1]), make_chunk([0, 1])) == []

    assert [page for page, _ in draw(other, FakeRenderer(clock, faults=[2]), make_chunk([2, 3, 4]))] == [3, 4]

    assert len(draw(one, FakeRenderer(clock), make_chunk([5, 6]))) == 2
    assert draw(later, FakeRenderer(clock), make_chunk([5, 6])) == []


@pytest.mark.parametrize("note", [b"", b"{", b"[1]", b"null"])
def test_a_note_that_makes_no_sense_is_written_anew(clock: Clock, fetch: FetchSettings, note: bytes) -> None:
    budget = RenderBudget(LIMITS, fetch, "r1")
    draw(budget, FakeRenderer(clock, faults=[0]), make_chunk([0]))
    assert fetch.cache_dir
    (path,) = fetch.cache_dir.iterdir()
    path.write_bytes(note)

    assert draw(budget, FakeRenderer(clock, faults=range(9)), make_chunk(range(9)))
    assert draw(RenderBudget(LIMITS, fetch, "r1"), FakeRenderer(clock), make_chunk([9]))


def test_where_no_note_can_be_written_a_process_counts_alone(clock: Clock, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    budget = RenderBudget(LIMITS, FetchSettings(cache_dir=tmp_path / "file" / "cache"), "r1")

    assert draw(budget, FakeRenderer(clock, faults=[0, 1]), make_chunk([0, 1])) == []
    assert [page for page, _ in draw(budget, FakeRenderer(clock, faults=[2]), make_chunk([2, 3]))] == [3]
    assert [page for page, _ in draw(budget, FakeRenderer(clock), make_chunk([4]))] == [4]


def test_notes_of_long_ago_are_removed(clock: Clock, fetch: FetchSettings) -> None:
    draw(RenderBudget(LIMITS, fetch, "r1"), FakeRenderer(clock, faults=[0]), make_chunk([0]))
    assert fetch.cache_dir
    (old,) = fetch.cache_dir.iterdir()
    os.utime(old, (0, 0))

    draw(RenderBudget(LIMITS, fetch, "r2"), FakeRenderer(clock, faults=[0]), make_chunk([0]))

    (left,) = fetch.cache_dir.iterdir()
    assert left != old
