"""`current_documents` and `current_sources`: which version shows, its status and counts, and what was deleted."""

import pytest

from tests.pipeline.analytics.views.hand_written_lake import PAGES

pytestmark = pytest.mark.slow


def test_a_late_retry_of_an_old_version_that_found_it_changed_does_not_bring_it_back(lake):
    lake.document("v1", 1)
    lake.document("v2", 2)
    lake.document("v1", 3, bytes_seen=False, status="failed")
    lake.failure("v1", 3, "changed")
    assert lake.ask("SELECT source_id FROM current_documents") == [("v2",)]


def test_an_old_version_that_was_put_back_and_read_again_is_current(lake):
    lake.document("v1", 1)
    lake.document("v2", 2)
    lake.document("v1", 3)
    assert lake.ask("SELECT source_id FROM current_documents") == [("v1",)]


def test_a_new_version_that_could_not_be_fetched_still_supersedes(lake):
    lake.document("v1", 1)
    lake.document("v2", 2, bytes_seen=False)
    lake.failure("v2", 2, "access_denied")
    assert lake.ask("SELECT source_id, status FROM current_documents") == [("v2", "failed")]


def test_a_document_says_what_its_current_rows_say(lake):
    lake.document("v1", 1, title="Old", status="failed")
    lake.page("v1", 1, 0, "ok", num_chart_candidates=2)
    lake.page("v1", 1, 1, "failed")
    lake.failure("v1", 1, "render_timeout", 1)
    lake.chart("v1", 1, 0, 0, "ok", num_points=3)
    lake.chart("v1", 1, 0, 1, "none")
    counts = "num_pages_read, num_pages_ok, num_pages_failed, num_chart_candidates, num_charts, num_chart_points, num_failures"
    assert lake.ask(f"SELECT title, status, {counts} FROM current_documents") == [("Old", "partial", 2, 1, 1, 2, 1, 3, 1)]
    # when the page is read later, by a plan that could not learn the title again
    lake.document("v1", 2, bytes_seen=False)
    lake.page("v1", 2, 1, "blank", attempt=1)
    assert lake.ask(f"SELECT title, status, {counts} FROM current_documents") == [("Old", "ok", 2, 1, 0, 2, 1, 3, 0)]


@pytest.mark.parametrize(
    ("pages", "failed", "status"),
    [
        (["ok", "blank"], False, "ok"),
        (["ok", "partial"], True, "partial"),
        (["ok", "failed"], True, "partial"),
        (["failed", "failed"], True, "failed"),
        (["ok"], True, "partial"),
        ([], True, "failed"),
    ],
)
def test_status_is_derived(lake, pages, failed, status):
    lake.document("v1", 1)
    for index, page in enumerate(pages):
        lake.page("v1", 1, index, page)
    if failed:
        lake.failure("v1", 1, "bad_json", 0)
    assert lake.ask("SELECT status FROM current_documents") == [(status,)]


def test_a_document_of_charts_alone_is_partial_when_one_failed(lake):
    lake.document("v1", 1, tasks=["chart"], ocr_recipe_id=None)
    lake.chart("v1", 1, 0, 0, "ok")
    lake.chart("v1", 1, 0, 1, "failed")
    lake.failure("v1", 1, "bad_json", 0, region_index=1, task="chart")
    assert lake.ask("SELECT status, num_charts FROM current_documents") == [("partial", 1)]


DELETED = "SELECT uri, deleted_at IS NOT NULL FROM current_documents"


def test_what_was_deleted_keeps_its_answers_and_says_so(lake):
    lake.document("v1", 1)
    lake.page("v1", 1, 0, "ok")
    lake.document("w1", 1, uri="b.pdf")
    lake.deletion("a.pdf", 2)
    assert lake.ask(DELETED) == [("a.pdf", True), ("b.pdf", False)]
    assert lake.ask("SELECT uri, deleted_at IS NOT NULL FROM current_sources") == [("a.pdf", True), ("b.pdf", False)]
    assert lake.ask(PAGES) == [(0, "000001", 0, "ok")]


def test_the_last_that_was_noticed_counts(lake):
    lake.document("v1", 1)
    lake.deletion("a.pdf", 2)
    lake.deletion("a.pdf", 9, is_deleted=False)
    assert lake.ask(DELETED) == [("a.pdf", False)]
    lake.deletion("a.pdf", 10)
    lake.deletion("a.pdf", 10)  # a plan that was closed may leave its rows behind
    assert lake.ask(DELETED) == [("a.pdf", True)]
