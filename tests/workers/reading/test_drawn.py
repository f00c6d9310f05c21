"""Charts from their drawing: in place of a model, beside it, or not at all."""

import pytest

from schemas.answers import ChartAnswer
from schemas.page import Region
from schemas.records import ChunkRecords
from schemas.settings import ChartsFrom, ReadSettings
from tests.workers.made_pages import TellingEngine, page, read, region, rendered

ROWS = [["Oak", "50"], ["Elm", "20"], ["Fir", "80"]]
DRAWN = ChartAnswer(chart="bar", printed="none", rows=ROWS).model_dump_json()
SAID = ChartAnswer(chart="bar", printed="none", rows=[["Oak", "50"], ["Elm", "44"], ["Fir", "80"]]).model_dump_json()


async def records(way: ChartsFrom, drawn: Region, engine: TellingEngine, **info: bool) -> ChunkRecords:
    settings = ReadSettings(charts_from=way)
    return await read(engine, rendered(page(regions=[drawn])), settings=settings, tasks=["chart"], **info)


async def test_a_drawing_that_was_read_saves_the_model() -> None:
    engine = TellingEngine(chart=[SAID])

    found = await records("vector_first", region(drawn_answer=DRAWN), engine)

    assert engine.requests == []
    assert [(chart.reading.engine, chart.status, chart.num_points) for chart in found.charts] == [("vector", "ok", 3)]
    assert [point.value for point in found.chart_points] == [50, 20, 80]


async def test_the_model_is_asked_where_the_drawing_was_refused() -> None:
    engine = TellingEngine(chart=[SAID])

    found = await records("vector_first", region(drawn_refusal="second_axis"), engine)

    assert [(chart.reading.engine, chart.vector_refusal) for chart in found.charts] == [("telling", "second_axis")]
    assert found.charts[0].vector_agreement is None


async def test_the_drawing_witnesses_a_model_and_stands_beside_it() -> None:
    found = await records("model", region(drawn_answer=DRAWN), TellingEngine(chart=[SAID]))

    model, vector = found.charts
    assert (model.reading.engine, model.vector_agreement, "vector_disagrees" in model.flags) == ("telling", 0.5, True)
    assert (vector.reading.engine, vector.vector_agreement) == ("vector", None)
    said = [point for point in found.chart_points if point.reading.engine == "telling"]
    assert [point.flags for point in said] == [[], ["vector_disagrees"], []]


@pytest.mark.parametrize(("way", "info"), [("vector", {}), ("model", {"sees_charts": False})])
async def test_a_candidate_that_nobody_reads_is_a_row_that_says_so(way: ChartsFrom, info: dict[str, bool]) -> None:
    engine = TellingEngine(chart=[SAID])

    found = await records(way, region(drawn_refusal="step_line"), engine, **info)

    assert engine.requests == []
    (chart,) = found.charts
    assert (chart.status, chart.vector_refusal, chart.bbox_px) == ("not_asked", "step_line", region().bbox_px)
    assert found.failures == []


async def test_an_answer_that_is_none_costs_its_chart() -> None:
    found = await records("vector_first", region(drawn_answer='{"chart": "poem"}'), TellingEngine())

    assert [chart.status for chart in found.charts] == ["failed"]
    assert len(found.failures) == 1
