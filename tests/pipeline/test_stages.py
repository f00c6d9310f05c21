"""What the stages make of the rows they get."""

import pytest

from pipeline.stages import unpacked
from schemas.failure import FailureKind
from schemas.page import Packed, PageImage, RenderedPage, pack
from tests.pipeline.made import make_chunk, planned

CHUNK = make_chunk(planned("a.pdf"), 0, 0, [0, 1], 2)


def page(page_index: int) -> RenderedPage:
    return RenderedPage(page_index=page_index, image=PageImage.from_rgb(1, 1, b"rgb"))


def test_a_chunk_has_the_pages_it_asked_for() -> None:
    rendered = unpacked(CHUNK.model_dump_json(), pack(page(0), page(1)))

    assert rendered.chunk == CHUNK
    assert [each.failure for each in rendered.pages] == [None, None]


@pytest.mark.parametrize(
    "answer",
    [
        pack(page(0)),
        pack(page(0), page(2)),
        pack(page(1), page(0)),
        pack(page(0), page(1), page(2)),
        Packed("{}", []),
        Packed("", []),
    ],
    ids=["one missing", "another", "another order", "one more", "no page", "nothing"],
)
def test_a_render_process_that_answers_something_else_costs_the_chunks_pages(answer: Packed) -> None:
    rendered = unpacked(CHUNK.model_dump_json(), answer)

    assert [(each.page_index, each.failure and each.failure.kind) for each in rendered.pages] == [
        (0, FailureKind.render_crashed),
        (1, FailureKind.render_crashed),
    ]
