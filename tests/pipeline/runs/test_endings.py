"""How a run that cannot go on is ended, and what is said while nothing happens."""

import re

import pytest
from ray.exceptions import ObjectLostError, RayError, RayTaskError

from pipeline.execute import _MAX_DEATHS, _Deaths
from pipeline.reporting.observer import StageLoad
from pipeline.reporting.progress import Progress
from pipeline.ways.on_ray import _last_words
from schemas.errors import EXIT_OPERATOR, EngineDies, exit_code
from schemas.failure import FailureKind
from schemas.receipt import AskTrouble, Receipt
from workers.rendering.render_process import RenderStartError


def receipt(**counts: object) -> Receipt:
    return Receipt.model_validate({"shard_index": 0, "name": "00000.00000-00000.of-00001", "uri": "a.pdf"} | counts)


DEATH = AskTrouble(kind=FailureKind.crashed_worker, stage="read", task=None, page_index=0, region_index=None, message="died")
DIED = receipt(num_failed=1, failures={FailureKind.crashed_worker: 1}, troubles=(DEATH,))


def test_a_reader_that_dies_at_page_after_page_ends_the_run() -> None:
    deaths = _Deaths()
    for _ in range(_MAX_DEATHS - 1):
        deaths.add(DIED)
    deaths.add(receipt(num_blank=1))  # was not read

    with pytest.raises(EngineDies, match=f"last {_MAX_DEATHS} pages"):
        deaths.add(DIED)


def test_poison_pages_among_others_do_not() -> None:
    deaths = _Deaths()
    for _ in range(3 * _MAX_DEATHS):
        deaths.add(DIED)
        deaths.add(receipt(num_ok=1))


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (RayTaskError("map", "Traceback ...\n  line 3\nTypeError: bad\n", TypeError("bad")), "RayTaskError: TypeError: bad"),
        (ObjectLostError("ab", None, ""), "ObjectLostError: .+"),
        (RayError(), "RayError: it does not say why"),
    ],
)
def test_whatever_ray_raises_ends_the_run_in_one_sentence(error: RayError, sentence: str) -> None:
    said = _last_words(error)

    assert re.fullmatch(f"Ray ended the run by {sentence}", said)


def test_a_render_process_that_cannot_start_is_the_operator_s() -> None:
    assert exit_code(RenderStartError("the render process does not start: no memory")) == EXIT_OPERATOR


def test_silence_is_told_by_stage_until_something_happens() -> None:
    progress = Progress()
    progress.phase("reading")
    progress.stages([StageLoad("render", 0, 0), StageLoad("read", 16, 3)])
    assert "(read 16, 3 more wait for it)" in progress.waiting()

    progress.chunk_done(receipt(num_ok=1), 1)

    assert "16" not in progress.waiting()
