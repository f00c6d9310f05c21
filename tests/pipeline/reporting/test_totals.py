"""When a run that came to its end is no success, and what it says of its readers."""

import pytest

from pipeline.reporting.totals import Totals
from schemas.plan import CommittedCounts
from schemas.receipt import ReaderTime, Receipt, Spent
from schemas.settings import Settings


def counts(num_ok: int = 0, num_failed: int = 0, num_unopened: int = 0) -> CommittedCounts:
    return CommittedCounts(num_documents=1, num_unopened=num_unopened, pages={"ok": num_ok, "failed": num_failed})


UNOPENED = counts(0, 0, 1)


@pytest.mark.parametrize(
    ("parts", "fail_above", "said"),
    [
        pytest.param([], None, None, id="nothing was read"),
        pytest.param([counts(1, 9)], None, None, id="nine of ten, and no bound"),
        pytest.param([counts(95, 5)], 0.05, None, id="as many as are allowed"),
        pytest.param([counts(90, 4), counts(4, 2)], 0.05, "6 of 100 pages failed: 6.0%, and run.fail_above is 5.0%", id="one more"),
        pytest.param([counts(0, 3)], None, "all 3 pages failed", id="all"),
        pytest.param([counts(0, 1)], 1.0, "the only page failed", id="all are never fine"),
        pytest.param(
            [UNOPENED, UNOPENED],
            None,
            "all 2 pages failed (2 documents that could not be opened count as a page each)",
            id="no document could be opened",
        ),
        pytest.param(
            [UNOPENED, counts(1, 0)],
            0.4,
            "1 of 2 pages failed (1 document that could not be opened counts as a page each): 50.0%, and run.fail_above is 40.0%",
            id="half of them",
        ),
        pytest.param([counts(0, 0)], None, None, id="a duplicate, or charts alone"),
    ],
)
def test_a_run_is_no_success_when_all_failed_or_more_than_is_allowed(
    parts: list[CommittedCounts], fail_above: float | None, said: str | None
) -> None:
    totals = Totals()
    for one in parts:
        totals.landed(one)
    assert totals.trouble(fail_above) == said


def test_the_summary_says_what_requests_at_once_came_to() -> None:
    totals = Totals()
    known = {"run_id": "r", "status": "finished", "output": "out"}
    assert totals.summary(Settings(), seconds=1, **known).num_requests is None

    for lived_s, num_requests in ((1, 64), (2, 160), (3, 128)):
        reader = ReaderTime(name="a", lived_s=lived_s, num_requests=num_requests)
        totals.add(Receipt(shard_index=0, name="n", uri="u", spent=Spent(readers=(reader,))))

    assert totals.summary(Settings(), seconds=1, **known).num_requests == 128
