"""Charts of regions that the PDF's structure gives."""

from schemas.failure import Failure, FailureKind
from schemas.page import Box
from tests.workers.made_pages import (
    CHART,
    NO_CHART,
    TellingEngine,
    failed,
    layer,
    page,
    read,
    region,
    rendered,
)
from workers.engines.engine import Completion


async def test_a_regions_chart_has_its_row_and_its_points() -> None:
    engine = TellingEngine()
    words = layer("North").words

    records = await read(engine, rendered(page(3, regions=[region(1, words=words, bbox_px=Box(20, 20, 340, 244))])))

    (chart,) = records.charts
    assert (chart.page_index, chart.region_index, chart.status, chart.kind, chart.title) == (3, 1, "ok", "bar", "Sales")
    assert (chart.bbox_px, chart.region_origin, chart.dpi, chart.num_points) == (Box(20, 20, 340, 244), "drawing", 144.0, 2)
    assert [(point.x_text, point.y_text, point.value, point.series) for point in records.chart_points] == [
        ("North", "12", 12.0, "2025"),
        ("South", "30", 30.0, "2025"),
    ]
    assert records.pages[0].num_chart_candidates == 1
    asked = next(request for request in engine.requests if request.task == "chart")
    assert asked.label == "s3://drop/a.pdf#page=3&region=1"
    assert asked.text_layer is not None
    (word,) = asked.text_layer.words  # 320 px of the page are 640 of the region: moved by (20, 20), twice as large
    assert (word.left, word.top, word.right, word.bottom, word.size_px) == (0, 0, 100, 32, 24)


async def test_a_region_that_is_no_chart_has_a_row_that_says_so() -> None:
    records = await read(TellingEngine(chart=[NO_CHART]), rendered(page(regions=[region()])))

    assert [(chart.status, chart.kind) for chart in records.charts] == [("none", None)]
    assert (records.chart_points, records.failures) == ([], [])


async def test_a_failed_chart_costs_the_page_nothing() -> None:
    engine = TellingEngine(chart=[failed(FailureKind.engine_timeout)])

    records = await read(engine, rendered(page(regions=[region(0), region(1)])))

    assert records.pages[0].status == "ok"
    assert [(chart.region_index, chart.status) for chart in records.charts] == [(0, "failed"), (1, "failed")]
    assert [(failure.task, failure.region_index, failure.page_index) for failure in records.failures] == [
        ("chart", 0, 0),
        ("chart", 1, 0),
    ]


async def test_a_truncated_chart_is_partial_with_the_points_that_were_finished() -> None:
    cut = Completion(text=CHART[: CHART.index('["South"') + 12], stop_reason="length")

    records = await read(TellingEngine(chart=[cut]), rendered(page(regions=[region()])))

    assert [chart.status for chart in records.charts] == ["partial"]
    assert [point.x_text for point in records.chart_points][:1] == ["North"]
    assert [failure.kind for failure in records.failures] == ["truncated"]


async def test_a_chunk_of_charts_alone_makes_no_page_rows() -> None:
    engine = TellingEngine()
    broken = page(2, image=None, failure=Failure(stage="render", kind=FailureKind.render_timeout, message="slow", page_index=2))

    records = await read(
        engine,
        rendered(page(0, regions=[region(0), region(1)]), page(1, regions=[region()]), broken, tasks=["chart"], regions=[(0, 1)]),
    )

    assert (records.pages, records.blocks) == ([], [])
    assert [(chart.page_index, chart.region_index) for chart in records.charts] == [(0, 1)]
    assert [request.task for request in engine.requests] == ["chart"]
    assert [(failure.task, failure.kind) for failure in records.failures] == [("chart", "render_timeout")]


async def test_a_task_without_a_recipe_is_left_out() -> None:
    engine = TellingEngine()

    records = await read(engine, rendered(page(regions=[region()])), tasks=["ocr"])

    assert (len(records.pages), records.charts) == (1, [])
    assert [request.task for request in engine.requests] == ["ocr"]
