"""`current_charts` and `current_chart_points`: chosen by region, and regions that are no longer found."""

import pytest

pytestmark = pytest.mark.slow


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


def test_charts_of_pages_that_a_later_reading_left_unread_are_kept(lake):
    for plan, is_whole in ((1, True), (2, False)):
        lake.document("v1", plan, num_pages_read=9, num_pages=9, is_whole=is_whole)
    lake.chart("v1", 1, 6, 0, "ok")
    lake.failure("v1", 2, "over_budget", 4)

    assert lake.ask("SELECT page_index, plan_id FROM current_charts") == [(6, "000001")]
