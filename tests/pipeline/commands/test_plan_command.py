"""`pagefold plan`: what it prints, and its exit code for a scheduler."""

import json

import pytest

from pipeline import preview
from pipeline.reporting.summary import PlanReport


@pytest.mark.parametrize(
    ("report", "codes"),
    [({}, (0, 0)), ({"num_shards": 1}, (0, 10)), ({"num_deleted": 1}, (0, 10)), ({"unfinished_plan_id": "000001"}, (0, 10))],
)
def test_plan_tells_a_scheduler_by_its_exit_code_whether_there_is_work(pagefold, monkeypatch, report, codes):
    counts = {
        "num_sources_found": 1,
        "num_done": 1,
        "num_new": 0,
        "num_changed": 0,
        "num_retried": 0,
        "num_bytes": 0,
        "num_shards": 0,
    }
    monkeypatch.setattr(preview, "plan", lambda *_, **__: PlanReport(**(counts | report), recipes={}))
    assert (pagefold("plan", "in", "out")[0], pagefold("plan", "in", "out", "--exit-code", "--json")[0]) == codes


def test_plan_says_what_would_be_done(pagefold, monkeypatch):
    plan = PlanReport(
        num_sources_found=9,
        num_done=4,
        num_new=3,
        num_changed=1,
        num_retried=1,
        num_bytes=3_500_000,
        num_shards=2,
        num_image_bytes=1_500_000,
        recipes={"ocr": "abc"},
        unfinished_plan_id="000007",
        num_unfinished_sources=5,
        tasks_left_out=("chart",),
    )
    monkeypatch.setattr(preview, "plan", lambda *_, **__: plan)
    code, out, _ = pagefold("plan", "in", "out", "--set", "render.dpi_max=200")
    assert code == 0
    for part in (
        "3.3 MiB",
        "in 2 shards",
        "about 1.4 MiB",
        "Plan 000007 with 5 sources left is finished first",
        "does not do chart",
        "render.dpi_max=200",
    ):
        assert part in out
    told = json.loads(pagefold("plan", "in", "out", "--json")[1])
    assert (told["num_new"], told["settings"]["render"]["dpi_max"]) == (3, 300)
