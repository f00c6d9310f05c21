"""The rules of `current_*` and `open_failures`, one by one, on hand-written rows."""

from collections import defaultdict
from contextlib import closing
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest

from pipeline.analytics.duckdb_tables import connect
from pipeline.analytics.quick_views import named_in, view_texts
from schemas.tables import COLUMNS, PARTITIONED, to_table
from tests.pipeline.written_lake import DAY, row, write_lake

pytestmark = pytest.mark.slow


class Lake:
    """Rows by table, asked twice: with the views of `views.sql` as they stand, and as `pagefold query` has them over files."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._num_asked = 0
        self.rows: dict[str, list[dict[str, Any]]] = defaultdict(list)

    def document(self, source: str, plan: int, *, uri: str = "a.pdf", bytes_seen: bool = True, **values: Any) -> None:
        known = {"document_id": f"bytes of {source}", "num_pages": 2} if bytes_seen else {}
        tasks = {"tasks": ["ocr", "chart"], "ocr_recipe_id": "o1", "chart_recipe_id": "c1"}
        self._add("documents", source, plan, uri, known | tasks | values)

    def page(self, source: str, plan: int, page: int, status: str, *, uri: str = "a.pdf", **values: Any) -> None:
        self._add("pages", source, plan, uri, {"page_index": page, "status": status, "recipe_id": "o1"} | values)

    def block(self, source: str, plan: int, page: int, text: str, *, uri: str = "a.pdf", **values: Any) -> None:
        self._add("blocks", source, plan, uri, {"page_index": page, "text": text, "recipe_id": "o1"} | values)

    def chart(self, source: str, plan: int, page: int, region: int, status: str, *, recipe: str = "c1", **values: Any) -> None:
        key = {"page_index": page, "region_index": region, "status": status, "recipe_id": recipe}
        self._add("charts", source, plan, "a.pdf", key | values)

    def point(self, source: str, plan: int, page: int, region: int, value: float, *, recipe: str = "c1", **values: Any) -> None:
        key = {"page_index": page, "region_index": region, "value": value, "recipe_id": recipe}
        self._add("chart_points", source, plan, "a.pdf", key | values)

    def image(self, source: str, plan: int, page: int, path: str, *, uri: str = "a.pdf", **values: Any) -> None:
        key = {"page_index": page, "image": {"bytes": path.encode(), "path": path}}
        self._add("images", source, plan, uri, key | values)

    def failure(self, source: str, plan: int, kind: str, page: int | None = None, **values: Any) -> None:
        self._add("failures", source, plan, values.pop("uri", "a.pdf"), {"kind": kind, "page_index": page} | values)

    def deletion(self, uri: str, plan: int, *, is_deleted: bool = True, **values: Any) -> None:
        key = {"uri": uri, "plan_id": f"{plan:06d}", "is_deleted": is_deleted}
        self.rows["deletions"].append(row("deletions", **key | values))

    def ask(self, sql: str) -> list[tuple[Any, ...]]:
        found = self._plain(sql)
        with closing(connect(str(self._written()), sql)) as connection:
            quick = sorted(connection.execute(sql).fetchall(), key=str)
        assert quick == found
        return found

    def _written(self) -> Path:
        """The rows as files, one for each plan and table, as commits leave them."""
        self._num_asked += 1
        root = self._folder / str(self._num_asked)
        root.mkdir()
        for plan in sorted({item["plan_id"] for rows in self.rows.values() for item in rows}):
            of_plan = {table: [item for item in rows if item["plan_id"] == plan] for table, rows in self.rows.items()}
            write_lake(root, {table: rows for table, rows in of_plan.items() if rows}, name=f"{plan}-00000")
        return root

    def _plain(self, sql: str) -> list[tuple[Any, ...]]:
        connection = duckdb.connect()
        for table in COLUMNS:
            rows = to_table(table, self.rows[table])
            if table in PARTITIONED:
                rows = rows.append_column("ingest_date", pa.array([DAY] * rows.num_rows, pa.date32()))
            connection.register(table, rows)
        for view, text in view_texts().items():
            if view in named_in(sql):
                connection.execute(f"CREATE VIEW {view} AS {text}")
        return sorted(connection.execute(sql).fetchall(), key=str)

    def _add(self, table: str, source: str, plan: int, uri: str, values: dict[str, Any]) -> None:
        key = {"source_id": source, "plan_id": f"{plan:06d}", "uri": uri}
        self.rows[table].append(row(table, **key | values))


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(tmp_path)


PAGES = "SELECT page_index, plan_id, attempt, status FROM current_pages"


def test_an_empty_lake_has_empty_views(lake):
    for view in ("current_documents", "current_pages", "current_blocks", "current_charts", "current_chart_points", "open_failures"):
        assert lake.ask(f"SELECT * FROM {view}") == []


def test_views_have_the_columns_of_their_tables(lake):
    for view, table in [("current_documents", "documents"), ("current_pages", "pages"), ("open_failures", "failures")]:
        described = {name for (name, *_) in lake.ask(f"DESCRIBE {view}")}
        derived = {"ingest_date", "deleted_at"} if view == "current_documents" else {"ingest_date", "name"}
        lost = {"rewrite"} if view == "current_documents" else set()
        assert described == {column.name for column in COLUMNS[table]} - lost | derived


def test_rows_of_a_document_that_is_not_committed_yet_do_not_show(lake):
    lake.document("v1", 1)
    lake.page("v1", 1, 0, "ok")
    lake.page("v1", 2, 0, "ok")
    lake.page("other", 2, 0, "ok", uri="b.pdf")
    lake.failure("v1", 2, "corrupt", 1)
    assert lake.ask(PAGES) == [(0, "000001", 0, "ok")]
    assert lake.ask("SELECT * FROM open_failures") == []


@pytest.mark.parametrize(
    ("answers", "chosen"),
    [
        pytest.param([(1, 0, "ok"), (2, 1, "ok")], (2, 1, "ok"), id="a later good answer wins"),
        pytest.param([(1, 0, "ok"), (2, 1, "failed")], (1, 0, "ok"), id="a failed redo takes nothing away"),
        pytest.param([(1, 0, "ok"), (2, 1, "partial")], (1, 0, "ok"), id="nor does a partial one"),
        pytest.param([(1, 0, "partial"), (2, 1, "failed")], (1, 0, "partial"), id="partial beats failed"),
        pytest.param([(1, 0, "failed"), (2, 1, "failed")], (2, 1, "failed"), id="the newest failure where nothing is better"),
        pytest.param([(1, 0, "failed"), (2, 1, "ok")], (2, 1, "ok"), id="a retry mends"),
        pytest.param([(1, 0, "ok"), (2, 1, "blank")], (2, 1, "blank"), id="blank is as good as ok"),
        pytest.param([(9, 0, "ok"), (10, 1, "ok")], (10, 1, "ok"), id="plans are in order beyond nine"),
    ],
)
def test_the_newest_good_answer_of_a_page_is_chosen(lake, answers, chosen):
    for plan, attempt, status in answers:
        lake.document("v1", plan)
        lake.page("v1", plan, 0, status, attempt=attempt, recipe_id=f"recipe of {plan}")
    plan, attempt, status = chosen
    assert lake.ask(PAGES) == [(0, f"{plan:06d}", attempt, status)]


def test_only_the_newest_version_of_a_uri_shows(lake):
    lake.document("v1", 1)
    lake.page("v1", 1, 0, "ok")
    lake.page("v1", 1, 1, "ok")
    lake.failure("v1", 1, "truncated", 1)
    lake.document("v2", 2)
    lake.page("v2", 2, 0, "failed")
    lake.document("w1", 1, uri="b.pdf")
    lake.page("w1", 1, 0, "ok", uri="b.pdf")
    assert lake.ask("SELECT source_id, page_index FROM current_pages") == [("v2", 0), ("w1", 0)]
    assert lake.ask("SELECT source_id FROM current_documents") == [("v2",), ("w1",)]
    assert lake.ask("SELECT * FROM open_failures") == []


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


def test_blocks_follow_the_page_that_was_chosen(lake):
    lake.document("v1", 1)
    lake.document("v1", 2)
    lake.page("v1", 1, 0, "ok")
    lake.block("v1", 1, 0, "old")
    lake.page("v1", 1, 1, "ok")
    lake.block("v1", 1, 1, "kept")
    lake.page("v1", 2, 0, "ok", attempt=1)
    lake.block("v1", 2, 0, "new", attempt=1)
    lake.page("v1", 2, 1, "failed", attempt=1)
    lake.block("v1", 2, 1, "torn", attempt=1)
    assert lake.ask("SELECT page_index, text FROM current_blocks") == [(0, "new"), (1, "kept")]


def test_charts_and_their_points_are_chosen_by_region(lake):
    lake.document("v1", 1)
    lake.document("v1", 2)
    lake.chart("v1", 1, 0, 0, "ok")
    lake.point("v1", 1, 0, 0, 1.0)
    lake.chart("v1", 1, 0, 1, "partial")
    lake.point("v1", 1, 0, 1, 2.0)
    lake.chart("v1", 2, 0, 0, "failed", attempt=1, recipe="c2")
    lake.chart("v1", 2, 0, 1, "ok", attempt=1, recipe="c2")
    lake.point("v1", 2, 0, 1, 3.0, attempt=1, recipe="c2")
    lake.chart("v1", 2, 0, 2, "none", attempt=1, recipe="c2")
    assert lake.ask("SELECT region_index, status FROM current_charts") == [(0, "ok"), (1, "ok"), (2, "none")]
    assert lake.ask("SELECT region_index, value FROM current_chart_points") == [(0, 1.0), (1, 3.0)]


OPEN = "SELECT plan_id, kind FROM open_failures"


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


# Deletions


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


# Duplicates


def duplicates(lake, **second):
    """a.pdf was read; b.pdf has the same bytes."""
    lake.document("v1", 1, document_id="d")
    lake.page("v1", 1, 0, "ok", document_id="d", num_chart_candidates=1)
    lake.chart("v1", 1, 0, 0, "ok", num_points=2, document_id="d")
    lake.document("w1", 2, uri="b.pdf", document_id="d", duplicate_of="v1", num_pages_read=0, **second)


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


# Regions that are no longer found


def test_a_region_that_a_newer_whole_reading_does_not_find_is_gone(lake):
    lake.document("v1", 1, is_whole=True, num_pages_read=2)
    for page, region in ((0, 0), (0, 1), (1, 0)):
        lake.chart("v1", 1, page, region, "ok")
        lake.point("v1", 1, page, region, 1.0)
    lake.document("v1", 2, is_whole=True, num_pages_read=2)
    lake.chart("v1", 2, 0, 0, "failed", recipe="c2", attempt=1)
    assert lake.ask("SELECT page_index, region_index, plan_id FROM current_charts") == [(0, 0, "000001")]
    assert lake.ask("SELECT page_index, region_index FROM current_chart_points") == [(0, 0)]


def test_a_page_on_which_the_newer_reading_failed_keeps_its_regions(lake):
    lake.document("v1", 1, is_whole=True, num_pages_read=2)
    lake.chart("v1", 1, 0, 1, "ok")
    lake.chart("v1", 1, 1, 1, "ok")
    lake.document("v1", 2, is_whole=True, num_pages_read=2)
    lake.failure("v1", 2, "render_timeout", 1, task="chart")
    assert lake.ask("SELECT page_index, region_index FROM current_charts") == [(1, 1)]


@pytest.mark.parametrize(
    "later",
    [
        pytest.param({"is_whole": False, "num_pages_read": 2}, id="a retry of some regions"),
        pytest.param({"is_whole": True, "num_pages_read": 1}, id="a range of pages"),
        pytest.param({"is_whole": None, "num_pages_read": 2}, id="a file of an older version"),
        pytest.param({"is_whole": True, "num_pages_read": 2, "chart_recipe_id": None}, id="a reading without charts"),
    ],
)
def test_a_reading_that_did_not_look_for_all_regions_takes_none_away(lake, later):
    lake.document("v1", 1, is_whole=True, num_pages_read=2)
    lake.chart("v1", 1, 0, 1, "ok")
    lake.document("v1", 2, **later)
    assert lake.ask("SELECT page_index, region_index FROM current_charts") == [(0, 1)]


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


def test_charts_of_pages_that_a_later_reading_left_unread_are_kept(lake):
    for plan, is_whole in ((1, True), (2, False)):
        lake.document("v1", plan, num_pages_read=9, num_pages=9, is_whole=is_whole)
    lake.chart("v1", 1, 6, 0, "ok")
    lake.failure("v1", 2, "over_budget", 4)

    assert lake.ask("SELECT page_index, plan_id FROM current_charts") == [(6, "000001")]


# Names, and versions beside one another


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


# A lake in which most documents were read once


def test_a_lake_of_single_readings_and_repeated_ones_shows_both(lake):
    for number in range(5):
        lake.document(f"s{number}", 1, uri=f"{number}.pdf")
        lake.page(f"s{number}", 1, 0, "ok", uri=f"{number}.pdf", text_plain="first")
        lake.block(f"s{number}", 1, 0, "first", uri=f"{number}.pdf")
    lake.document("s1", 2, uri="1.pdf")
    lake.page("s1", 2, 0, "ok", uri="1.pdf", attempt=1, text_plain="second")
    lake.block("s1", 2, 0, "second", uri="1.pdf", attempt=1)
    lake.document("t3", 2, uri="3.pdf")
    lake.page("t3", 2, 0, "ok", uri="3.pdf", text_plain="other bytes")
    expected = [("0.pdf", "first"), ("1.pdf", "second"), ("2.pdf", "first"), ("3.pdf", "other bytes"), ("4.pdf", "first")]
    assert lake.ask("SELECT uri, text_plain FROM current_pages") == expected
    assert lake.ask("SELECT uri, text FROM current_blocks") == [pair for pair in expected if pair[0] != "3.pdf"]
    assert lake.ask("SELECT uri, status, num_pages_ok FROM current_documents") == [
        (f"{number}.pdf", "ok", 1) for number in range(5)
    ]


def test_a_pages_pictures_are_those_of_the_newest_plan_that_kept_any(lake):
    for plan in (1, 2, 3):
        lake.document("s1", plan)
    lake.image("s1", 1, 0, "old 0")
    lake.image("s1", 1, 1, "old 1a", image_index=0)
    lake.image("s1", 1, 1, "old 1b", image_index=1)
    lake.image("s1", 2, 1, "new 1")  # plan 2 kept one picture of page 1 alone, plan 3 none at all
    lake.image("s1", 9, 1, "uncommitted")
    lake.document("s2", 1, uri="b.pdf")
    lake.image("s2", 1, 0, "read once", uri="b.pdf")

    sql = "SELECT page_index, image.path, name FROM current_images ORDER BY uri, page_index, image_index"
    assert lake.ask(sql) == [(0, "old 0", "a.pdf"), (0, "read once", "b.pdf"), (1, "new 1", "a.pdf")]
