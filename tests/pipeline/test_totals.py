"""When a run that came to its end is no success."""

import pytest

from pipeline.observer import Receipt, Trouble
from pipeline.totals import Totals
from schemas.failure import FailureKind


def receipt(num_ok: int = 0, num_failed: int = 0, *troubles: Trouble) -> Receipt:
    return Receipt(shard_index=0, name="c", uri="u", num_ok=num_ok, num_failed=num_failed, troubles=troubles)


def trouble(page_index: int | None) -> Trouble:
    return Trouble(kind=FailureKind.corrupt, stage="probe", task=None, page_index=page_index, region_index=None, message="broken")


UNOPENED = receipt(0, 0, trouble(None))


@pytest.mark.parametrize(
    ("receipts", "fail_above", "said"),
    [
        pytest.param([], None, None, id="nothing was read"),
        pytest.param([receipt(1, 9)], None, None, id="nine of ten, and no bound"),
        pytest.param([receipt(95, 5)], 0.05, None, id="as many as are allowed"),
        pytest.param(
            [receipt(90, 4), receipt(4, 2)], 0.05, "6 of 100 pages failed: 6.0%, and run.fail_above is 5.0%", id="one more"
        ),
        pytest.param([receipt(0, 3)], None, "all 3 pages failed", id="all"),
        pytest.param([receipt(0, 1)], 1.0, "the only page failed", id="all are never fine"),
        pytest.param(
            [UNOPENED, UNOPENED],
            None,
            "all 2 pages failed (2 documents that could not be opened count as a page each)",
            id="no document could be opened",
        ),
        pytest.param(
            [UNOPENED, receipt(1, 0)],
            0.4,
            "1 of 2 pages failed (1 documents that could not be opened count as a page each): 50.0%, and run.fail_above is 40.0%",
            id="half of them",
        ),
        pytest.param([receipt(2, 0, trouble(None))], 0.1, None, id="pages beyond render.max_pages: others were read"),
        pytest.param([receipt(0, 0, trouble(3))], None, None, id="a chart alone, of a page that was read before"),
        pytest.param([receipt(0, 0)], None, None, id="a duplicate"),
    ],
)
def test_a_run_is_no_success_when_all_failed_or_more_than_is_allowed(
    receipts: list[Receipt], fail_above: float | None, said: str | None
) -> None:
    totals = Totals()
    for one in receipts:
        totals.add(one)
    assert totals.trouble(fail_above) == said
