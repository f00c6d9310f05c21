"""All views, where several sources have the same bytes."""

import pytest

from tests.pipeline.analytics.views.hand_written_lake import OPEN, duplicates

pytestmark = pytest.mark.slow


def test_pages_are_one_per_distinct_document_and_join_every_uri(lake):
    duplicates(lake)
    assert lake.ask("SELECT source_id, page_index FROM current_pages") == [("v1", 0)]
    joined = "SELECT documents.uri, page_index FROM current_pages JOIN current_documents AS documents USING (document_id)"
    assert lake.ask(joined) == [("a.pdf", 0), ("b.pdf", 0)]
    counts = "uri, status, num_pages_read, num_pages_ok, num_charts, num_chart_points, duplicate_of"
    assert lake.ask(f"SELECT {counts} FROM current_documents") == [
        ("a.pdf", "ok", 1, 1, 1, 2, None),
        ("b.pdf", "ok", 1, 1, 1, 2, "v1"),
    ]


def test_a_duplicate_keeps_its_answers_when_the_first_is_overwritten(lake):
    duplicates(lake)
    lake.document("v2", 3, document_id="other bytes")
    lake.page("v2", 3, 0, "ok", document_id="other bytes")
    assert lake.ask("SELECT source_id FROM current_pages") == [("v1",), ("v2",)]
    assert lake.ask("SELECT uri, num_pages_ok FROM current_documents") == [("a.pdf", 1), ("b.pdf", 1)]
    # and when no object has these bytes any more, they are gone
    lake.document("w2", 4, uri="b.pdf", document_id="new bytes")
    assert lake.ask("SELECT source_id FROM current_pages") == [("v2",)]


def test_the_newest_answer_counts_whoever_of_them_was_read(lake):
    duplicates(lake)
    lake.document("w1", 3, uri="b.pdf", document_id="d")
    lake.page("w1", 3, 0, "ok", uri="b.pdf", document_id="d", attempt=1)
    assert lake.ask("SELECT source_id, plan_id FROM current_pages") == [("w1", "000003")]


def test_a_failure_of_a_page_is_a_failure_of_all_that_have_the_bytes(lake):
    duplicates(lake)
    lake.failure("v1", 1, "bad_json", 1, document_id="d")
    assert lake.ask("SELECT uri, status, num_failures FROM current_documents") == [("a.pdf", "partial", 1), ("b.pdf", "partial", 1)]
    lake.document("w1", 3, uri="b.pdf", document_id="d")
    lake.page("w1", 3, 1, "ok", uri="b.pdf", document_id="d", attempt=1)
    assert lake.ask(OPEN) == []


def test_a_duplicate_does_not_close_what_is_wrong_with_the_bytes(lake):
    lake.document("v1", 1, document_id="d", num_pages=None)
    lake.failure("v1", 1, "encrypted", document_id="d")
    lake.document("w1", 2, uri="b.pdf", document_id="d", num_pages=None, duplicate_of="v1")
    assert lake.ask(OPEN) == [("000001", "encrypted")]
    assert lake.ask("SELECT uri, status FROM current_documents") == [("a.pdf", "failed"), ("b.pdf", "failed")]


def test_a_source_that_could_not_be_fetched_and_turns_out_a_duplicate_has_no_open_failure(lake):
    lake.document("v1", 1, document_id="d")
    lake.document("w1", 1, uri="b.pdf", bytes_seen=False)
    lake.failure("w1", 1, "fetch_failed", uri="b.pdf")
    assert lake.ask(OPEN) == [("000001", "fetch_failed")]
    assert lake.ask("SELECT uri, status FROM current_documents") == [("a.pdf", "ok"), ("b.pdf", "failed")]
    lake.document("w1", 2, uri="b.pdf", document_id="d", duplicate_of="v1")
    assert lake.ask(OPEN) == []
    assert lake.ask("SELECT uri, status FROM current_documents") == [("a.pdf", "ok"), ("b.pdf", "ok")]


def test_what_was_not_fetched_of_an_overwritten_version_does_not_show_with_its_duplicates(lake):
    duplicates(lake)
    lake.document("v1", 3, bytes_seen=False)
    lake.failure("v1", 3, "changed")
    lake.document("v2", 4)
    assert lake.ask(OPEN) == []


def test_an_old_version_that_was_put_back_is_current_with_the_answers_it_had(lake):
    lake.document("v1", 1, document_id="d")
    lake.page("v1", 1, 0, "ok", document_id="d")
    lake.document("v2", 2, document_id="e")
    lake.document("v1", 3, document_id="d", duplicate_of="v1", num_pages_read=0)
    assert lake.ask("SELECT source_id, num_pages_ok FROM current_documents") == [("v1", 1)]
    assert lake.ask("SELECT source_id FROM current_pages") == [("v1",)]
