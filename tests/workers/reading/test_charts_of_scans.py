"""Charts of scans, which are cut where the text's answer has them."""

import io
from typing import Any

import pytest
from PIL import Image

from schemas.failure import FailureKind
from schemas.page import Box
from tests.workers.made_pages import (
    CHART,
    NO_CHART,
    TellingEngine,
    failed,
    page,
    read,
    region,
    rendered,
)
from tests.workers.reading.made_answers import SCAN_REGIONS, scan_answer


async def test_charts_of_a_scan_are_cut_where_its_answer_says() -> None:
    engine = TellingEngine(ocr=[scan_answer((0.5, 0.5, 1.0, 1.0), (0.0, 0.0, 0.25, 0.25))])

    records = await read(engine, rendered(page(is_scan=True)), regions=SCAN_REGIONS)

    # 640 x 448: the first is (0, 0, 160, 112), the second (320, 224, 640, 448), each with 5 % more where there is room
    boxes = [tuple(round(value, 3) for value in chart.bbox_px) for chart in records.charts if chart.bbox_px]
    assert boxes == [(0, 0, 168, 117.6), (304, 212.8, 640, 448)]
    assert [(chart.region_index, chart.region_origin) for chart in records.charts] == [(0, "answer"), (1, "answer")]
    assert all(request.image.width_px % 32 == request.image.height_px % 32 == 0 for request in engine.requests)
    assert records.pages[0].num_chart_candidates == 2


async def test_charts_of_a_reduced_scan_are_cut_from_the_original() -> None:
    original = Image.new("RGB", (1280, 896), "white")
    original.paste((255, 0, 0), (640, 448, 1280, 896))
    body = io.BytesIO()
    original.save(body, "JPEG", quality=95)
    engine = TellingEngine(ocr=[scan_answer((0.5, 0.5, 1.0, 1.0))])

    await read(engine, rendered(page(is_scan=True, is_reduced=True, full_image=body.getvalue())), regions=SCAN_REGIONS)

    asked = engine.requests[-1].image  # 672 x 470 pixels of the original in cells of 32, at most 640 * 640
    assert (asked.width_px, asked.height_px) == (672, 480)
    cut = Image.frombytes("RGB", (asked.width_px, asked.height_px), asked.rgb())
    red, green, _ = cut.getpixel((400, 300))
    assert (red > 240, green < 20) == (True, True)


@pytest.mark.parametrize(
    ("chart", "boxes", "expected"),
    [
        pytest.param(CHART, [(0.1, 0.1, 0.6, 0.6)], [(0, "standalone")], id="the whole image is that one chart"),
        pytest.param(NO_CHART, [(0.1, 0.1, 0.6, 0.6)], [(0, "standalone"), (1, "answer")], id="the whole is none, a part may be"),
        pytest.param(
            CHART,
            [(0.0, 0.0, 0.5, 1.0), (0.5, 0.0, 1.0, 1.0)],
            [(0, "standalone"), (1, "answer"), (2, "answer")],
            id="several beside each other",
        ),
    ],
)
async def test_a_standalone_image_is_a_candidate_as_a_whole(chart: str, boxes: list[Any], expected: list[Any]) -> None:
    whole = region(0, origin="standalone", image=None, bbox_px=Box(0, 0, 640, 448), dpi=None)
    engine = TellingEngine(ocr=[scan_answer(*boxes)], chart=[chart])

    records = await read(engine, rendered(page(is_scan=True, dpi=None, regions=[whole])), regions=SCAN_REGIONS)

    assert [(row.region_index, row.region_origin) for row in records.charts] == expected


async def test_small_doubled_and_surplus_boxes_are_left_out() -> None:
    boxes = [(0.0, 0.0, 0.05, 0.9), (0.0, 0.0, 0.5, 0.5), (0.01, 0.0, 0.5, 0.5), (0.5, 0.5, 1.0, 1.0), (0.5, 0.0, 0.9, 0.4)]

    records = await read(
        TellingEngine(ocr=[scan_answer(*boxes)]),
        rendered(page(is_scan=True)),
        regions=SCAN_REGIONS.model_copy(update={"max_per_page": 2}),
    )

    assert [round(chart.bbox_px.left) for chart in records.charts if chart.bbox_px] == [0, 304]


async def test_charts_alone_of_a_scan_are_found_by_asking_for_its_text_which_is_not_kept() -> None:
    engine = TellingEngine(ocr=[scan_answer((0.5, 0.5, 1.0, 1.0))])

    records = await read(engine, rendered(page(is_scan=True), tasks=["chart"]), regions=SCAN_REGIONS)

    assert (records.pages, records.blocks) == ([], [])
    assert [(chart.region_index, chart.flags) for chart in records.charts] == [(0, ["places_asked_again"])]


async def test_charts_alone_of_a_scan_are_read_where_the_plan_knows_them_to_be() -> None:
    engine = TellingEngine()
    places = {0: [Box(320, 224, 640, 448)]}

    records = await read(engine, rendered(page(is_scan=True), tasks=["chart"], places=places), regions=SCAN_REGIONS)

    assert [request.task for request in engine.requests] == ["chart"]
    assert [(chart.region_index, chart.region_origin, chart.flags) for chart in records.charts] == [(0, "answer", [])]


async def test_a_scan_that_is_known_to_have_no_chart_is_not_asked() -> None:
    engine = TellingEngine()

    records = await read(engine, rendered(page(is_scan=True), tasks=["chart"], places={0: []}), regions=SCAN_REGIONS)

    assert (engine.requests, records.charts) == ([], [])


async def test_charts_alone_of_a_scan_that_cannot_be_found_are_a_failure() -> None:
    records = await read(TellingEngine(ocr=[failed(FailureKind.engine_error)]), rendered(page(is_scan=True), tasks=["chart"]))

    assert (records.pages, records.charts) == ([], [])
    assert [(failure.task, failure.kind, failure.region_index) for failure in records.failures] == [("chart", "engine_error", None)]


async def test_figures_of_a_page_with_structure_are_not_cut_again() -> None:
    engine = TellingEngine(ocr=[scan_answer((0.5, 0.5, 1.0, 1.0))])

    records = await read(engine, rendered(page(regions=[region()])), regions=SCAN_REGIONS)

    assert [chart.region_origin for chart in records.charts] == ["drawing"]
