"""What the stages make of the rows they get."""

import pytest

from pipeline.stages import unpacked
from schemas.failure import FailureKind
from schemas.page import Packed, PageImage, RenderedChunk, RenderedPage, pack
from tests.pipeline.made import make_chunk, planned

CHUNK = make_chunk(planned("a.pdf"), 0, 0, [0, 1], 2)


def page(page_index: int) -> RenderedPage:
    return RenderedPage(page_index=page_index, image=PageImage.from_rgb(1, 1, b"rgb"))


def unpack(*pages: Packed) -> RenderedChunk:
    return unpacked(CHUNK.model_dump_json(), [page.body for page in pages], [page.buffers for page in pages])


def test_a_chunk_has_the_pages_it_asked_for() -> None:
    rendered = unpack(pack(page(0)), pack(page(1)))

    assert rendered.chunk == CHUNK
    assert [each.failure for each in rendered.pages] == [None, None]


@pytest.mark.parametrize(
    "answer",
    [pack(page(2)), pack(page(1), page(2)), pack(RenderedPage(page_index=1)), Packed("{}", []), Packed("", [])],
    ids=["another page", "one more", "without pixels", "no page", "nothing"],
)
def test_a_render_process_that_answers_something_else_costs_that_page(answer: Packed) -> None:
    rendered = unpack(pack(page(0)), answer)

    assert [(each.page_index, each.failure and each.failure.kind) for each in rendered.pages] == [
        (0, None),
        (1, FailureKind.render_crashed),
    ]
