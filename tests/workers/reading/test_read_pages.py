import asyncio
import io
import json
import time
from dataclasses import replace
from typing import Any, get_args

import pytest
from PIL import Image

from pipeline.lake.staging import CHUNK_TABLES
from schemas.failure import KINDS, Failure, FailureKind, Task
from schemas.flags import FLAGS
from schemas.page import Box
from schemas.settings import ReadSettings, RegionSettings
from schemas.tables import to_table
from tests.workers.made_pages import (
    CHART,
    NO_CHART,
    NOON,
    OCR,
    TellingEngine,
    failed,
    layer,
    page,
    read,
    recipe,
    region,
    rendered,
)
from workers.engines.engine import Completion, Request
from workers.reading import read_pages
from workers.reading.prompts import prompt_for
from workers.reading.rows import ChunkRows

TRUNCATED = Completion(text='{"languages": ["en"], "blocks": [{"title": "Kept"}, {"paragraph": "and cut', stop_reason="length")
LOOPING = Completion(
    text='{"languages": ["en"], "blocks": [{"title": "Kept"}' + ', {"paragraph": "over and over again"}' * 60, stop_reason="length"
)


# --- every page has its row, whatever happened


@pytest.mark.parametrize("kind", list(FailureKind))
async def test_an_engines_failure_is_a_failed_page_and_a_failure_row(kind: FailureKind) -> None:
    engine = TellingEngine(ocr=[failed(kind)])

    records = await read(engine, rendered(page(4)))

    (row,), (failure,) = records.pages, records.failures
    assert (row.page_index, row.status, row.text_markdown, row.stop_reason) == (4, "failed", None, "error")
    assert (failure.page_index, failure.task, failure.stage, failure.kind) == (4, "ocr", "read", kind)
    assert failure.is_transient == KINDS[kind].is_transient
    assert failure.recipe_id == recipe("ocr").recipe_id
    assert len(engine.requests) == 1  # engines have retried what passes


async def test_a_good_page_is_ok_with_its_blocks_and_lineage() -> None:
    engine = TellingEngine()

    records = await read(engine, rendered(page(2, text_layer=layer("Annual", "report"), render_s=0.5, rotation=90)))

    (row,) = records.pages
    assert (row.status, row.page_index, row.num_asks) == ("ok", 2, 1)
    assert row.text_markdown == "# Annual report\n\nSales rose by **4 %**."
    assert row.languages == ["en"]
    assert (row.width_px, row.height_px, row.render_s, row.rotation, row.read_at) == (640, 448, 0.5, 90, NOON)
    assert (row.num_prompt_tokens, row.num_output_tokens, row.num_text_layer_chars) == (100, 7, 12)
    assert [(block.block_index, block.kind, block.text) for block in records.blocks] == [
        (0, "title", "Annual report"),
        (1, "paragraph", "Sales rose by **4 %**."),
    ]
    assert (row.lineage.uri, row.lineage.run_id, row.lineage.attempt) == ("s3://drop/a.pdf", "run-1", 1)
    assert (row.lineage.version_id, row.lineage.document_id) == ("v1", "d" * 64)
    assert (row.reading.recipe_id, row.reading.prompt_version) == (recipe("ocr").recipe_id, "ocr-1")
    assert records.failures == []
    assert engine.requests[0].label == "s3://drop/a.pdf#page=2"


async def test_a_page_that_was_not_rendered_is_failed_without_asking() -> None:
    engine = TellingEngine()
    broken = page(1, image=None, failure=Failure(stage="render", kind=FailureKind.render_crashed, message="died", page_index=1))

    records = await read(engine, rendered(page(0), broken))

    assert [(row.page_index, row.status, row.num_asks) for row in records.pages] == [(0, "ok", 1), (1, "failed", 0)]
    (failure,) = records.failures
    assert (failure.stage, failure.kind, failure.task, failure.recipe_id) == ("render", "render_crashed", None, None)
    assert len(engine.requests) == 1


async def test_a_blank_page_is_blank_without_asking() -> None:
    engine = TellingEngine()

    records = await read(engine, rendered(page(is_blank=True)))

    (row,) = records.pages
    assert (row.status, row.text_markdown, row.text_plain, row.num_asks, row.read_at) == ("blank", "", "", 0, None)
    assert (engine.requests, records.failures) == ([], [])


async def test_a_document_that_failed_has_its_failure_and_no_pages() -> None:
    failure = Failure(stage="probe", kind=FailureKind.encrypted, message="no password opens it")

    records = await read(TellingEngine(), rendered(failures=[failure]))

    assert records.pages == []
    assert [(row.kind, row.page_index, row.is_transient) for row in records.failures] == [("encrypted", None, False)]


class Broken(TellingEngine):
    """Raises where its task is asked for."""

    def __init__(self, task: Task, error: Exception) -> None:
        super().__init__()
        self._task, self._error = task, error

    async def read(self, request: Any) -> Completion:
        if request.task == self._task:
            raise self._error
        return await super().read(request)


@pytest.mark.parametrize("error", [KeyError("bug"), MemoryError(), OSError(5, "I/O")], ids=repr)
async def test_a_bug_at_the_text_costs_no_chart_and_a_bug_at_a_chart_no_text(error: Exception) -> None:
    text_broken = await read(Broken("ocr", error), rendered(page(2, regions=[region()])))
    chart_broken = await read(Broken("chart", error), rendered(page(2, regions=[region()])))

    assert ([row.status for row in text_broken.pages], [row.status for row in text_broken.charts]) == (["failed"], ["ok"])
    assert ([row.status for row in chart_broken.pages], [row.status for row in chart_broken.charts]) == (["ok"], ["failed"])
    failures = [*text_broken.failures, *chart_broken.failures]
    assert [(row.kind, row.stage, row.task, row.page_index, row.region_index) for row in failures] == [
        ("internal_error", "read", "ocr", 2, None),
        ("internal_error", "read", "chart", 2, 0),
    ]


@pytest.mark.parametrize(
    ("place", "name", "stage"),
    [
        (read_pages, "chart_content", "validate"),
        (ChunkRows, "of_chart", "read"),
        (read_pages, "region_text_layer", "read"),
    ],
)
async def test_a_bug_around_a_chart_costs_the_chart(place: Any, name: str, stage: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def breaks(*_: object, **__: object) -> None:
        raise ValueError("bug")

    monkeypatch.setattr(place, name, breaks)
    records = await read(TellingEngine(), rendered(page(regions=[region(), region(1)])))

    assert [(row.region_index, row.status, row.region_origin) for row in records.charts] == [
        (0, "failed", "drawing"),
        (1, "failed", "drawing"),
    ]
    assert [row.status for row in records.pages] == ["ok"]
    assert [(row.kind, row.stage, row.region_index) for row in records.failures] == [
        ("internal_error", stage, 0),
        ("internal_error", stage, 1),
    ]


async def test_a_bug_in_cutting_charts_out_of_a_scan_costs_these(monkeypatch: pytest.MonkeyPatch) -> None:
    def breaks(*_: object) -> None:
        raise ValueError("bug")

    monkeypatch.setattr(read_pages, "crop_regions", breaks)
    chart = json.dumps({"languages": [], "blocks": [{"title": "Sales"}, {"chart": "a chart", "box": [0.1, 0.1, 0.9, 0.9]}]})
    records = await read(TellingEngine(ocr=[chart]), rendered(page(is_scan=True)))

    assert [row.status for row in records.pages] == ["ok"]
    assert [(row.kind, row.task, row.region_index) for row in records.failures] == [("internal_error", "chart", None)]


async def test_an_answer_that_could_not_be_checked_is_kept_as_evidence(monkeypatch: pytest.MonkeyPatch) -> None:
    def breaks(*_: object) -> None:
        raise ValueError("bug")

    monkeypatch.setattr(read_pages, "ocr_content", breaks)
    records = await read(TellingEngine(), rendered(page()))

    assert [(row.status, row.num_output_tokens) for row in records.pages] == [("failed", 7)]
    assert [row.raw_text for row in records.failures] == [OCR]


async def test_a_bug_in_a_chunk_that_asks_for_charts_alone_is_about_these(monkeypatch: pytest.MonkeyPatch) -> None:
    def breaks(*_: object) -> None:
        raise ValueError("bug")

    monkeypatch.setattr(read_pages, "may_hide_charts", breaks)
    records = await read(TellingEngine(), rendered(page(1), tasks=["chart"]))

    assert records.pages == []
    assert [(row.kind, row.task, row.page_index) for row in records.failures] == [("internal_error", "chart", 1)]


async def test_all_records_fit_their_tables() -> None:
    engine = TellingEngine(ocr=[TRUNCATED])
    blank = page(1, is_blank=True)

    records = await read(engine, rendered(page(regions=[region()], text_layer=layer("North")), blank), images="regions")

    for table in CHUNK_TABLES:
        rows = [record.row() for record in getattr(records, table)]
        assert to_table(table, rows).num_rows == len(rows) > 0


async def test_unknown_flags_are_never_made() -> None:
    echo = json.dumps({"languages": [], "blocks": [{"paragraph": prompt_for("ocr").text.splitlines()[2]}]})
    records = await read(TellingEngine(ocr=[echo]), rendered(page()))

    assert set(records.pages[0].flags) <= set(FLAGS)


# --- asking again


@pytest.mark.parametrize(
    ("bad", "kind"),
    [("not at all", "bad_json"), ('{"rows": 1}', "bad_answer"), ('{"blocks": [{"title": "a"', "bad_json"), ("", "bad_json")],
)
async def test_a_bad_answer_is_asked_again_hotter(bad: str, kind: str) -> None:
    engine = TellingEngine(ocr=[bad, bad, OCR])

    records = await read(engine, rendered(page()))

    (row,) = records.pages
    assert (row.status, row.num_asks, row.num_prompt_tokens, row.num_output_tokens) == ("ok", 3, 300, 21)
    assert [request.temperature for request in engine.requests] == [0.0, 0.2, 0.5]
    assert [request.ask for request in engine.requests] == [0, 1, 2]
    assert records.failures == []


@pytest.mark.parametrize(("bad", "kind"), [("not at all", "bad_json"), ('{"rows": 1}', "bad_answer")])
async def test_an_answer_that_stays_bad_is_a_failure_with_its_raw_text(bad: str, kind: str) -> None:
    engine = TellingEngine(ocr=["first", bad])

    records = await read(engine, rendered(page()), settings=ReadSettings(max_asks=2))

    assert (records.pages[0].status, records.pages[0].num_asks, records.blocks) == ("failed", 2, [])
    (failure,) = records.failures
    assert (failure.stage, failure.kind, failure.raw_text) == ("validate", kind, bad)


async def test_raw_text_is_kept_so_that_a_file_can_hold_it_and_a_terminal_show_it() -> None:
    engine = TellingEngine(ocr=["no\tanswer \x1b[31m\x00\x9b \ud83d\nat all"])

    records = await read(engine, rendered(page()), settings=ReadSettings(max_asks=1))

    (failure,) = records.failures
    assert failure.raw_text == "no\tanswer ␛[31m␀\ufffd \ufffd\nat all"
    to_table("failures", [failure.row()])


async def test_a_truncated_answer_is_kept_in_part_and_is_a_failure() -> None:
    engine = TellingEngine(ocr=[TRUNCATED])

    records = await read(engine, rendered(page()))

    (row,) = records.pages
    assert (row.status, row.stop_reason, row.num_asks) == ("partial", "length", 1)  # a longer answer is not to be had
    assert row.text_plain is not None
    assert "Kept" in row.text_plain
    assert "partial" in row.flags
    (failure,) = records.failures
    assert (failure.kind, failure.stage, failure.raw_text) == ("truncated", "read", TRUNCATED.text)


async def test_a_truncated_answer_that_holds_nothing_is_truncated_and_failed() -> None:
    records = await read(TellingEngine(ocr=[Completion(text="<think>hm", stop_reason="length")]), rendered(page()))

    assert records.pages[0].status == "failed"
    assert [failure.kind for failure in records.failures] == ["truncated"]


async def test_the_length_limit_follows_a_trusted_text_layer_and_is_lifted_when_too_short() -> None:
    engine = TellingEngine(ocr=[TRUNCATED, OCR])
    text_layer = layer(*["letters"] * 12)

    records = await read(engine, rendered(page(text_layer=text_layer)))

    # 84 ASCII letters / 3 + 12 words = 40 tokens; 1.5 * 40 + 512
    assert [request.max_output_tokens for request in engine.requests] == [572, 8192]
    assert (records.pages[0].status, records.failures) == ("ok", [])


async def test_an_untrusted_text_layer_sets_no_limit() -> None:
    engine = TellingEngine()
    hidden = layer(*["letters"] * 12).model_copy(update={"num_hidden": 84})

    await read(engine, rendered(page(text_layer=hidden)))

    assert engine.requests[0].max_output_tokens == 8192


async def test_after_a_loop_an_engine_goes_on_from_before_it_then_with_a_penalty_then_hotter() -> None:
    engine = TellingEngine(ocr=[LOOPING, LOOPING, LOOPING, LOOPING, OCR])

    records = await read(engine, rendered(page()), settings=ReadSettings(max_asks=5), takes_prefix=True)

    before = '{"languages": ["en"], "blocks": [{"title": "Kept"}'
    asked = [(request.answer_prefix, request.repetition_penalty, request.temperature) for request in engine.requests]
    assert [item[1:] for item in asked] == [(1.0, 0.0), (1.0, 0.0), (1.05, 0.0), (1.1, 0.2), (1.1, 0.5)]
    assert asked[0][0] == ""
    assert [request.draft[:60] for request in engine.requests] == [
        "",
        *[LOOPING.text[:60]] * 4,
    ]  # the earlier answer, to draft from
    assert all(before.startswith(prefix) and prefix for prefix, _, _ in asked[1:])
    assert records.pages[0].status == "ok"


async def test_an_engine_that_takes_no_prefix_starts_with_the_penalty() -> None:
    engine = TellingEngine(ocr=[LOOPING, OCR])

    await read(engine, rendered(page()))

    assert [(request.answer_prefix, request.repetition_penalty) for request in engine.requests] == [("", 1.0), ("", 1.05)]


@pytest.mark.parametrize("stop_reason", ["length", "loop"])
async def test_a_loop_that_stays_is_repeated_and_keeps_what_came_before(stop_reason: Any) -> None:
    records = await read(TellingEngine(ocr=[replace(LOOPING, stop_reason=stop_reason)]), rendered(page()))

    (row,), (failure,) = records.pages, records.failures
    assert (row.status, row.stop_reason, row.num_asks) == ("partial", "loop", 4)
    assert row.text_plain is not None
    assert row.text_plain.count("over and over again") <= 2
    assert (failure.kind, failure.raw_text) == ("repeated", LOOPING.text)


async def test_the_best_answer_is_kept_not_the_last() -> None:
    longer = replace(LOOPING, text='{"blocks": [{"title": "Longer"}, {"title": "part"}' + ', {"title": "and again"}' * 100)

    records = await read(TellingEngine(ocr=[longer, LOOPING, "nothing"]), rendered(page()))

    assert records.pages[0].status == "partial"
    assert records.pages[0].text_plain is not None
    assert records.pages[0].text_plain.startswith("Longer")


async def test_a_repeated_prompt_is_flagged() -> None:
    echo = json.dumps({"languages": [], "blocks": [{"paragraph": prompt_for("ocr").text.splitlines()[-1]}]})

    records = await read(TellingEngine(ocr=[echo]), rendered(page()))

    assert "prompt_echo" in records.pages[0].flags


async def test_an_answer_without_text_is_flagged() -> None:
    records = await read(TellingEngine(ocr=['{"languages": [], "blocks": []}']), rendered(page()))

    assert "empty_answer" in records.pages[0].flags


# --- charts


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


# --- charts of scans


def scan_answer(*boxes: tuple[float, float, float, float]) -> str:
    return json.dumps({"languages": [], "blocks": [{"paragraph": "Text"}, *({"chart": "c", "box": box} for box in boxes)]})


SCAN_REGIONS = RegionSettings(min_side_pt=72, min_pixels=32 * 32, max_pixels=640 * 640)


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


MARKDOWN = ReadSettings(transport="markdown")


async def test_a_page_asked_as_markdown_lands_in_the_same_columns() -> None:
    engine = TellingEngine(ocr=["# Annual report\n\nSales rose by **4 %**.\n\n| a | b |\n|---|---|\n| 1 | 2 |"])

    records = await read(engine, rendered(page(2, text_layer=layer("Annual", "report"))), settings=MARKDOWN)

    (row,), (request,) = records.pages, engine.requests
    assert (request.prompt, request.answer_schema) == (prompt_for("ocr", "markdown"), None)
    assert (row.status, row.num_asks, row.flags) == ("ok", 1, [])
    assert row.text_markdown == "# Annual report\n\nSales rose by **4 %**.\n\n| a | b |\n| --- | --- |\n| 1 | 2 |"
    assert [(block.kind, block.text) for block in records.blocks[:2]] == [
        ("title", "Annual report"),
        ("paragraph", "Sales rose by **4 %**."),
    ]
    assert records.blocks[0].box_origin == "text_layer"
    assert records.blocks[2].html == "<table><tr><td>a</td><td>b</td></tr><tr><td>1</td><td>2</td></tr></table>"


@pytest.mark.parametrize("said", ["", " \n", "```\n```", "---", "<br>"])
async def test_an_answer_in_markdown_that_says_nothing_is_asked_again_and_then_a_failure(said: str) -> None:
    records = await read(TellingEngine(ocr=[said]), rendered(page()), settings=MARKDOWN)
    mended = await read(TellingEngine(ocr=[said, "# Annual report"]), rendered(page()), settings=MARKDOWN)

    (row,), (failure,) = records.pages, records.failures
    assert (row.status, row.num_asks, row.text_markdown, failure.kind) == ("failed", 4, None, "bad_answer")
    assert [(row.status, row.num_asks, row.text_markdown) for row in mended.pages] == [("ok", 2, "# Annual report")]
    assert mended.failures == []


async def test_an_empty_answer_at_its_length_limit_is_truncated() -> None:
    nothing = Completion(text="", stop_reason="length")

    for settings in (MARKDOWN, ReadSettings()):
        records = await read(TellingEngine(ocr=[nothing]), rendered(page()), settings=settings)

        (row,), (failure,) = records.pages, records.failures
        assert (row.status != "ok", failure.kind) == (True, "truncated")


async def test_markdown_that_was_cut_is_asked_again_and_then_kept_and_flagged() -> None:
    cut = Completion(text="# Kept\n\nand cut", stop_reason="length")

    records = await read(TellingEngine(ocr=[cut]), rendered(page(text_layer=layer("Kept"))), settings=MARKDOWN)

    (row,), (failure,) = records.pages, records.failures
    assert (row.status, row.text_plain, failure.kind) == ("partial", "Kept\n\nand cut", "truncated")
    assert row.flags == ["partial"]


async def test_markdown_that_goes_round_is_cut_before_the_second_round() -> None:
    looping = Completion(text="# Kept\n\n" + "over and over again, and\n\n" * 80, stop_reason="length")

    records = await read(TellingEngine(ocr=[looping]), rendered(page()), settings=MARKDOWN, takes_prefix=True)

    (row,), (failure,) = records.pages, records.failures
    assert (row.status, row.stop_reason, failure.kind) == ("partial", "loop", "repeated")
    assert row.text_plain == "Kept\n\nover and over again, and"


async def test_charts_are_asked_and_found_as_ever_where_text_is_asked_as_markdown() -> None:
    # given a scan: only an answer in JSON says where its chart is
    engine = TellingEngine(ocr=[scan_answer((0.5, 0.5, 1.0, 1.0))])

    records = await read(engine, rendered(page(is_scan=True)), settings=MARKDOWN, regions=SCAN_REGIONS)

    assert [(chart.region_index, chart.flags) for chart in records.charts] == [(0, ["places_asked_again"])]
    assert [(request.task, request.answer_schema is None) for request in engine.requests] == [
        ("ocr", True),
        ("ocr", False),
        ("chart", False),
    ]
    assert len(records.pages) == 1


async def test_an_engine_that_is_not_asked_by_prompt_knows_no_transport() -> None:
    records = await read(TellingEngine(), rendered(page()), settings=MARKDOWN, takes_prompts=False)
    assert records.pages[0].text_markdown == "# Annual report\n\nSales rose by **4 %**."


async def test_figures_of_a_page_with_structure_are_not_cut_again() -> None:
    engine = TellingEngine(ocr=[scan_answer((0.5, 0.5, 1.0, 1.0))])

    records = await read(engine, rendered(page(regions=[region()])), regions=SCAN_REGIONS)

    assert [chart.region_origin for chart in records.charts] == ["drawing"]


# --- together


async def test_pages_are_read_at_once_within_the_bound_and_land_in_order() -> None:
    engine = TellingEngine(delay_s=0.01)
    pages = [page(index, regions=[region()]) for index in range(6)]

    records = await read(engine, rendered(*pages), max_requests=5)

    assert engine.max_in_flight == 5
    assert [row.page_index for row in records.pages] == list(range(6))
    assert [row.page_index for row in records.charts] == list(range(6))


async def test_waiting_for_a_slot_is_no_reading_time() -> None:
    engine = TellingEngine(delay_s=0.05)

    started = time.monotonic()
    records = await read(engine, rendered(*(page(index) for index in range(6))), max_requests=1)

    # one after the other they took what it took in all; with the waiting it would be three and a half times as much
    assert sum(row.read_s for row in records.pages) <= time.monotonic() - started


class OneAtATime(TellingEngine):
    """Like `classic`: takes all that comes, and works on one request after the other. It tells its own seconds."""

    def __init__(self, work_s: float) -> None:
        super().__init__()
        self._work_s, self._free = work_s, asyncio.Lock()

    async def read(self, request: Request) -> Completion:
        async with self._free:
            started = time.monotonic()
            await asyncio.sleep(self._work_s)
            return replace(await super().read(request), engine_s=time.monotonic() - started)


async def test_waiting_in_the_engine_s_own_queue_is_no_reading_time() -> None:
    started = time.monotonic()
    records = await read(OneAtATime(work_s=0.02), rendered(*(page(index) for index in range(8))), max_requests=8)

    assert 8 * 0.02 <= sum(row.read_s for row in records.pages) <= time.monotonic() - started


async def test_an_engine_s_figure_of_zero_seconds_is_believed() -> None:
    never_begun = replace(failed(FailureKind.engine_timeout), engine_s=0.0)

    records = await read(TellingEngine(ocr=[never_begun], delay_s=0.02), rendered(page(0)))

    assert [row.read_s for row in records.pages] == [0.0]


async def test_chunks_share_one_bound() -> None:
    from workers.engines.engine import EngineInfo
    from workers.reading.read_pages import PageReader

    engine = TellingEngine(delay_s=0.01)
    recipes = {task: recipe(task) for task in get_args(Task)}
    reader = PageReader(engine, EngineInfo(name="telling"), recipes, ReadSettings(), 3, "run-1")

    await asyncio.gather(*(reader.read_chunk(rendered(page(index), page(index + 1))) for index in range(0, 8, 2)))

    assert (engine.max_in_flight, len(engine.requests)) == (3, 8)


async def test_literal_text_of_an_engine_is_escaped_and_a_models_markdown_is_not() -> None:
    said = json.dumps({"languages": [], "blocks": [{"paragraph": "2*3*4"}]})
    literal = await read(TellingEngine(ocr=[Completion(text=said, text_origin="ocr", is_literal=True)]), rendered(page()))
    markdown = await read(TellingEngine(ocr=[said]), rendered(page()))

    assert [(row.text_markdown, row.text_plain) for row in literal.pages] == [("2\\*3\\*4", "2*3*4")]
    assert [(row.text_markdown, row.text_plain) for row in markdown.pages] == [("2*3*4", "234")]
