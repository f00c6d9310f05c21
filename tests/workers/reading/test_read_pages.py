"""Every page has its row, whatever happened; a bug costs what it is about."""

import json
from typing import Any

import pytest

from pipeline.lake.staging import CHUNK_TABLES
from schemas.failure import KINDS, Failure, FailureKind, Task
from schemas.flags import FLAGS
from schemas.tables import to_table
from tests.workers.made_pages import (
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
from tests.workers.reading.made_answers import TRUNCATED
from workers.engines.engine import Completion
from workers.reading import checked_answers, read_pages, requests
from workers.reading.prompts import prompt_for
from workers.reading.rows import ChunkRows


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
        (checked_answers, "chart_content", "validate"),
        (ChunkRows, "of_chart", "read"),
        (requests, "region_text_layer", "read"),
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

    monkeypatch.setattr(checked_answers, "ocr_content", breaks)
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

    drawn = rendered(page(regions=[region()], text_layer=layer("North")), blank)
    records = await read(engine, drawn, images="regions", words=True)

    for table in CHUNK_TABLES:
        rows = [record.row() for record in getattr(records, table)]
        assert to_table(table, rows).num_rows == len(rows) > 0


async def test_unknown_flags_are_never_made() -> None:
    echo = json.dumps({"languages": [], "blocks": [{"paragraph": prompt_for("ocr").text.splitlines()[2]}]})
    records = await read(TellingEngine(ocr=[echo]), rendered(page()))

    assert set(records.pages[0].flags) <= set(FLAGS)
