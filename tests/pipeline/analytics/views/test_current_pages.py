"""`current_pages`, `current_blocks`, `current_images` and `current_words`: which answer of a page is chosen."""

import pytest

from tests.pipeline.analytics.views.hand_written_lake import PAGES

pytestmark = pytest.mark.slow


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


def test_a_pages_words_are_those_of_the_answer_that_is_chosen(lake):
    for plan in (1, 2):
        lake.document("s1", plan)
        lake.page("s1", plan, 0, "ok")
        lake.word("s1", plan, 0, f"read by {plan}")
    lake.page("s1", 1, 1, "ok")
    lake.word("s1", 1, 1, "kept")
    lake.page("s1", 2, 1, "failed")
    lake.document("s2", 1, uri="b.pdf")
    lake.page("s2", 1, 0, "ok", uri="b.pdf")  # read while words were not kept
    lake.word("s1", 9, 0, "uncommitted")

    sql = "SELECT page_index, text, name FROM current_words ORDER BY page_index"
    assert lake.ask(sql) == [(0, "read by 2", "a.pdf"), (1, "kept", "a.pdf")]
