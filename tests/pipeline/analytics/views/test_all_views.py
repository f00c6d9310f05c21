"""What holds of every view, and `page_versions`: versions of a document beside one another."""

import pytest

from schemas.tables import COLUMNS
from tests.pipeline.analytics.views.hand_written_lake import duplicates

pytestmark = pytest.mark.slow


def test_an_empty_lake_has_empty_views(lake):
    for view in ("current_documents", "current_pages", "current_blocks", "current_charts", "current_chart_points", "open_failures"):
        assert lake.ask(f"SELECT * FROM {view}") == []


def test_views_have_the_columns_of_their_tables(lake):
    for view, table in [("current_documents", "documents"), ("current_pages", "pages"), ("open_failures", "failures")]:
        described = {name for (name, *_) in lake.ask(f"DESCRIBE {view}")}
        derived = {"ingest_date", "deleted_at"} if view == "current_documents" else {"ingest_date", "name"}
        lost = {"rewrite"} if view == "current_documents" else set()
        assert described == {column.name for column in COLUMNS[table]} - lost | derived


def test_every_view_has_the_name_and_the_uri_of_what_was_read(lake):
    uri = "s3://b/in/a folder/b.pdf"
    lake.document("v1", 1, uri=uri, name="b.pdf")
    lake.page("v1", 1, 0, "ok", uri=uri)
    lake.failure("v1", 1, "bad_json", 1, uri=uri)
    for view in ("current_documents", "current_pages", "open_failures", "current_sources", "source_contents"):
        assert lake.ask(f"SELECT name, uri FROM {view}") == [("b.pdf", uri)]
    for view in ("current_blocks", "current_charts", "current_chart_points", "page_versions"):
        assert {"name", "uri"} <= {name for (name, *_) in lake.ask(f"DESCRIBE {view}")}


CHANGES = "SELECT version, page_index, change, previous_text_plain, text_plain FROM page_versions"


def test_versions_of_a_document_are_compared_page_by_page(lake):
    lake.document("v1", 1)
    for page, text in enumerate(["kept", "old", "gone", None]):
        lake.page("v1", 1, page, "failed" if text is None else "ok", text_plain=text)
    lake.document("v2", 2)
    for page, text in enumerate(["kept", "new"]):
        lake.page("v2", 2, page, "ok", text_plain=text)
    lake.page("v2", 2, 3, "ok", text_plain="read at last")
    lake.page("v2", 2, 4, "ok", text_plain="more")
    lake.document("w1", 1, uri="b.pdf")
    lake.page("w1", 1, 0, "ok", uri="b.pdf", text_plain="alone")
    assert lake.ask(CHANGES) == [
        (2, 0, "same", "kept", "kept"),
        (2, 1, "changed", "old", "new"),
        (2, 2, "removed", "gone", None),
        (2, 3, "unread", None, "read at last"),
        (2, 4, "added", None, "more"),
    ]


def test_a_version_whose_bytes_were_read_under_another_name_is_compared_by_them(lake):
    duplicates(lake)
    lake.document("w2", 3, uri="b.pdf", document_id="e")
    lake.page("w2", 3, 0, "ok", uri="b.pdf", document_id="e", text_plain="other")
    assert lake.ask("SELECT uri, version, change, text_plain FROM page_versions") == [("b.pdf", 2, "unread", "other")]
