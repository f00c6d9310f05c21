"""`open_failures`: what closes a failure, and what does not."""

import pytest

from tests.pipeline.analytics.views.hand_written_lake import OPEN

pytestmark = pytest.mark.slow


def test_a_failure_without_a_later_answer_is_open(lake):
    lake.document("v1", 1)
    lake.page("v1", 1, 0, "failed")
    lake.failure("v1", 1, "bad_json", 0, task="ocr")
    assert lake.ask(OPEN) == [("000001", "bad_json")]


@pytest.mark.parametrize("task", ["ocr", None])
def test_a_page_that_was_read_later_closes_its_failures(lake, task):
    lake.document("v1", 1)
    lake.failure("v1", 1, "render_timeout", 0, task=task)
    lake.failure("v1", 1, "render_timeout", 1, task=task)
    lake.document("v1", 2)
    lake.page("v1", 2, 0, "ok", attempt=1)
    assert lake.ask("SELECT page_index FROM open_failures") == [(1,)]


def test_a_page_that_failed_again_has_only_its_newest_failure_open(lake):
    lake.document("v1", 1)
    lake.page("v1", 1, 0, "failed")
    lake.failure("v1", 1, "engine_timeout", 0, task="ocr")
    lake.document("v1", 2)
    lake.page("v1", 2, 0, "failed", attempt=1)
    lake.failure("v1", 2, "bad_json", 0, task="ocr", attempt=1)
    assert lake.ask(OPEN) == [("000002", "bad_json")]


def test_an_answer_of_an_older_plan_closes_nothing(lake):
    lake.document("v1", 1)
    lake.page("v1", 1, 0, "ok")
    lake.document("v1", 2)
    lake.page("v1", 2, 0, "failed", attempt=1)
    lake.failure("v1", 2, "bad_json", 0, task="ocr", attempt=1)
    assert lake.ask(OPEN) == [("000002", "bad_json")]


def test_a_chart_failure_is_closed_by_its_own_region_only(lake):
    lake.document("v1", 1)
    lake.failure("v1", 1, "truncated", 0, region_index=0, task="chart")
    lake.failure("v1", 1, "refused", 0, region_index=1, task="chart")
    lake.document("v1", 2, tasks=["chart"], ocr_recipe_id=None)
    lake.chart("v1", 2, 0, 0, "ok", attempt=1)
    assert lake.ask(OPEN) == [("000001", "refused")]


def test_reading_a_page_without_charts_leaves_chart_failures_open(lake):
    lake.document("v1", 1)
    lake.failure("v1", 1, "refused", 0, region_index=0, task="chart")
    lake.document("v1", 2, tasks=["ocr"], chart_recipe_id=None)
    lake.page("v1", 2, 0, "ok", attempt=1)
    assert lake.ask(OPEN) == [("000001", "refused")]


def test_a_region_that_a_later_reading_no_longer_finds_has_no_open_failure(lake):
    lake.document("v1", 1)
    lake.failure("v1", 1, "refused", 0, region_index=3, task="chart")
    lake.document("v1", 2)
    lake.page("v1", 2, 0, "ok", attempt=1)
    assert lake.ask(OPEN) == []


def test_a_document_that_opens_later_closes_its_failure(lake):
    lake.document("v1", 1, bytes_seen=False)
    lake.failure("v1", 1, "encrypted")
    lake.document("v1", 2, num_pages_read=2)
    lake.page("v1", 2, 0, "ok", attempt=1)
    lake.page("v1", 2, 1, "ok", attempt=1)
    assert lake.ask(OPEN) == []
    assert lake.ask("SELECT status, num_pages_ok, num_failures FROM current_documents") == [("ok", 2, 0)]


def test_retrying_one_page_does_not_close_what_is_wrong_with_the_whole_document(lake):
    lake.document("v1", 1, num_pages_read=5000)
    lake.failure("v1", 1, "too_many_pages")
    lake.document("v1", 2, num_pages_read=1)
    lake.page("v1", 2, 0, "ok", attempt=1)
    assert lake.ask(OPEN) == [("000001", "too_many_pages")]


def test_pages_left_unread_are_open_until_the_first_of_them_is_read(lake):
    lake.document("v1", 1, num_pages_read=9)
    lake.page("v1", 1, 4, "failed")
    lake.failure("v1", 1, "over_budget", 4)
    lake.document("v1", 2, num_pages_read=1)
    lake.page("v1", 2, 1, "ok")
    assert lake.ask("SELECT kind FROM open_failures") == [("over_budget",)]

    lake.document("v1", 3, num_pages_read=5)
    lake.page("v1", 3, 4, "ok")
    assert lake.ask("SELECT kind FROM open_failures") == []
