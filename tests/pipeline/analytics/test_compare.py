"""Two recipes on the same pages: how far they agree, `pagefold compare`, and which is the current one, `pagefold prefer`."""

import json
import shutil
from pathlib import Path
from typing import Any

import duckdb
import pytest
from typer.testing import CliRunner

from pipeline.analytics.compare import compare
from pipeline.analytics.dialects import preferred_recipes, present_tables, render_sql
from pipeline.analytics.duckdb_tables import run_query
from pipeline.analytics.questions import find_question
from pipeline.analytics.quick_views import ranked_view_texts
from pipeline.cli import app
from pipeline.lake.preferences import PREFERRED
from schemas.errors import OperatorError
from tests.pipeline.written_lake import row, write_lake

pytestmark = pytest.mark.slow

SMALL, LARGE, OF_CHARTS = "aaaa000011112222", "abbb000011112222", "cccc000011112222"
TEXTS = {
    SMALL: ["same words here", "The total is 1,204 euros", ""],
    LARGE: ["Same words, here!", "The total is 1,264 euros", "more"],
}


def of(table: str, recipe_id: str, page: int, plan: str, **values: Any) -> dict[str, Any]:
    key = {"source_id": "a", "document_id": "bytes", "uri": "s3://drop/a.pdf", "plan_id": plan, "engine": "ovis"}
    return row(table, **key | {"recipe_id": recipe_id, "page_index": page} | values)


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Three pages under two recipes, a table on the first, a chart on the second, and a stray page of one alone."""
    plans = {SMALL: "000001", LARGE: "000002", OF_CHARTS: "000001", "dddd000011112222": "000002"}
    rows: dict[str, list[dict[str, Any]]] = {"pages": [], "table_cells": [], "charts": [], "chart_points": []}
    for recipe_id, texts in TEXTS.items():
        for page, text in enumerate(texts):
            rows["pages"].append(of("pages", recipe_id, page, plans[recipe_id], status="ok", text_plain=text))
        for column, cell in enumerate(["Year", "2024", "7" if recipe_id == SMALL else "9"]):
            cells = {"table_index": 0, "row_index": 0, "column_index": column, "text": cell}
            rows["table_cells"].append(of("table_cells", recipe_id, 0, plans[recipe_id], **cells))
    rows["pages"].append(of("pages", SMALL, 9, "000001", status="ok", text_plain="alone"))
    rows["pages"].append(of("pages", LARGE, 9, "000002", status="failed", text_plain=None))
    for recipe_id, values in ((OF_CHARTS, (12.0, 30.0)), ("dddd000011112222", (12.0, 50.0))):
        rows["charts"].append(of("charts", recipe_id, 1, plans[recipe_id], region_index=0, status="ok"))
        for index, value in enumerate(values):
            point = {"region_index": 0, "point_index": index, "x_text": str(index), "value": value, "is_estimated": False}
            rows["chart_points"].append(of("chart_points", recipe_id, 1, plans[recipe_id], **point))
    key = {"source_id": "a", "document_id": "bytes", "uri": "s3://drop/a.pdf"}
    rows["documents"] = [row("documents", plan_id=plan, **key) for plan in ("000001", "000002")]
    return str(write_lake(tmp_path_factory.mktemp("out"), rows))


def test_pages_that_both_have_read_are_compared_by_words_and_cells(out: str) -> None:
    found = compare(out, "aa", "ab")

    assert (found.task, found.num_compared, found.num_same) == ("ocr", 3, 0)
    assert [(pair.page_index, pair.least < 1) for pair in found.worst] == [(2, True), (0, True), (1, True)]
    last, first, second = found.worst
    assert (last.words, last.cells) == (0.0, None)
    assert (first.words, first.cells) == (1.0, 0.5)  # two of the four cells that either has
    assert second.words == pytest.approx(0.95, abs=0.05)


def test_charts_are_compared_by_their_points(out: str) -> None:
    found = compare(out, OF_CHARTS, "dddd")

    assert (found.task, found.num_compared, found.points) == ("chart", 1, pytest.approx(1 / 3))
    assert [(pair.name, pair.page_index, pair.region_index) for pair in found.worst] == [("a.pdf", 1, 0)]


def test_a_recipe_agrees_with_itself(out: str) -> None:
    found = compare(out, SMALL, SMALL)
    assert (found.num_compared, found.num_same, found.words, found.worst) == (4, 4, 1.0, [])


@pytest.mark.parametrize(
    ("names", "sentence"),
    [(("a", "ab"), "more than one recipe"), (("zz", "ab"), "no recipe"), (("aa", "cc"), "nothing to compare")],
)
def test_a_recipe_that_is_not_one_is_refused_with_those_that_there_are(out: str, names: tuple[str, str], sentence: str) -> None:
    with pytest.raises(OperatorError, match=sentence):
        compare(out, *names)


def test_the_command_prints_shares_and_the_pages_that_differ_most(out: str) -> None:
    shown = CliRunner().invoke(app, ["compare", out, "aa", "ab", "--top", "1"]).output
    assert "3 pages were read under both; in 0 nothing differs." in shown
    assert [line.split() for line in shown.splitlines()[-1:]] == [["a.pdf", "3", "0.0%", "-"]]  # as `show --page` counts
    assert "2, chart 1" in CliRunner().invoke(app, ["compare", out, OF_CHARTS, "dddd"]).output

    found = json.loads(CliRunner().invoke(app, ["compare", out, "aa", "ab", "--json"]).output)
    assert (found["first"]["recipe_id"], found["num_compared"], len(found["worst"])) == (SMALL, 3, 3)


def test_the_ready_questions_say_what_the_command_says(out: str) -> None:
    """But for words that differ in some letters: the command counts the letters that they share."""
    asked = {"first": "aa", "second": "ab"}
    rows = run_query(out, find_question("compared_pages").sql("duckdb", asked)).to_pylist()
    worst = compare(out, "aa", "ab").worst
    assert [(row["page_index"], row["cells"]) for row in rows] == [(pair.page_index, pair.cells) for pair in worst]
    assert [row["words"] for row in rows] == [0.0, 1.0, pytest.approx(32 / 38, abs=1e-4)]  # of 38 letters all but 204, 264

    asked = {"first": OF_CHARTS, "second": "dddd"}
    (chart,) = run_query(out, find_question("compared_charts").sql("duckdb", asked)).to_pylist()
    assert chart["points"] == pytest.approx(compare(out, OF_CHARTS, "dddd").points, abs=1e-4)


# --- which of them is the current one

CURRENT = "SELECT page_index, recipe_id FROM current_pages ORDER BY page_index"
CURRENT_CHART = "SELECT recipe_id, value FROM current_charts JOIN current_chart_points USING (page_index, recipe_id) ORDER BY value"


@pytest.fixture
def ranked(out: str, tmp_path: Path) -> str:
    return shutil.copytree(out, tmp_path / "lake").as_posix()


def rows(out: str, sql: str) -> list[tuple[Any, ...]]:
    """By pagefold's own views, and by those that it prints for others, which have to agree."""
    quick = [tuple(row.values()) for row in run_query(out, sql).to_pylist()]
    with duckdb.connect(":memory:") as connection:
        tables = present_tables(out, "duckdb")
        connection.execute(render_sql(out, "duckdb", tables=tables, preferred=preferred_recipes(out)))
        assert connection.execute(sql).fetchall() == quick
    return quick


def test_the_newest_good_answer_is_current_until_recipes_are_ranked(ranked: str) -> None:
    assert rows(ranked, CURRENT) == [(0, LARGE), (1, LARGE), (2, LARGE), (9, SMALL)]
    assert [value for _, value in rows(ranked, CURRENT_CHART)] == [12.0, 50.0]

    shown = CliRunner().invoke(app, ["prefer", ranked, "aa", OF_CHARTS])

    assert shown.exit_code == 0, shown.output
    assert f"1. ocr {SMALL} (ovis, 4 answers)" in shown.output
    assert rows(ranked, CURRENT) == [(0, SMALL), (1, SMALL), (2, SMALL), (9, SMALL)]
    assert rows(ranked, CURRENT_CHART) == [(OF_CHARTS, 12.0), (OF_CHARTS, 30.0)]

    assert CliRunner().invoke(app, ["prefer", ranked, "--newest"]).exit_code == 0
    assert rows(ranked, CURRENT) == [(0, LARGE), (1, LARGE), (2, LARGE), (9, SMALL)]


def test_a_ranking_is_listed_by_rank(tmp_path: Path) -> None:
    recipes = [f"{number:016x}" for number in range(12)]
    pages = [of("pages", recipe, 0, "000001", status="ok") for recipe in recipes]
    lake = str(write_lake(tmp_path, {"pages": pages, "documents": [row("documents", source_id="a", plan_id="000001")]}))

    shown = CliRunner().invoke(app, ["prefer", lake, *recipes[:10:-1], *recipes[:10]]).output  # all but one, the last first

    assert [line.split()[0] for line in shown.splitlines()[1:]] == [*(f"{rank}." for rank in range(1, 12)), "ocr"]


def test_a_preferred_recipe_that_failed_takes_nothing_away(ranked: str) -> None:
    CliRunner().invoke(app, ["prefer", ranked, LARGE])
    assert rows(ranked, CURRENT)[-1] == (9, SMALL)


def test_a_chart_read_from_its_drawing_stays_before_a_preferred_model(ranked: str) -> None:
    texts = ranked_view_texts([OF_CHARTS])
    assert (
        "CASE WHEN charts.engine = 'vector' THEN 0 WHEN charts.recipe_id = 'cccc000011112222' THEN 0 ELSE 1 END"
        in texts["current_charts"]
    )


@pytest.mark.parametrize("body", [b"no JSON", b"{}", b'{"recipe_ids": ["x\' OR 1=1 --"]}'], ids=["damaged", "empty", "SQL"])
def test_a_ranking_that_is_none_ranks_nothing(body: bytes, ranked: str) -> None:
    Path(ranked, PREFERRED).parent.mkdir(exist_ok=True)
    Path(ranked, PREFERRED).write_bytes(body)
    assert rows(ranked, CURRENT) == [(0, LARGE), (1, LARGE), (2, LARGE), (9, SMALL)]


@pytest.mark.parametrize("arguments", [["aa", "--newest"], ["zz"]])
def test_a_wrong_ranking_is_refused_and_changes_nothing(arguments: list[str], ranked: str) -> None:
    assert CliRunner().invoke(app, ["prefer", ranked, *arguments]).exit_code != 0
    assert not Path(ranked, PREFERRED).exists()
