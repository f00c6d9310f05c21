"""Text by one engine and charts by another: what the first reader leaves to the second, and that the tables come out the same."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from pipeline.lake.begin_markers import Begins
from pipeline.lake.staging import StagedChunk, decode
from pipeline.object_store.local_store import LocalStore
from pipeline.planning.engines import describe_engines
from pipeline.planning.recipes import make_recipes
from pipeline.stages import reading
from pipeline.stages.reading import ReadPages
from pipeline.stages.rows import HALF_READ, RENDERED
from pipeline.stages.setups import read_setups
from schemas.failure import Failure, FailureKind
from schemas.page import Box, Packed, RenderedChunk, pack, unpack
from schemas.receipt import Receipt, Spent
from schemas.settings import Settings
from tests.pipeline.tables import VOLATILE
from tests.workers.made_pages import layer, page, region, rendered
from workers.reading import read_pages

TEXT = {
    "rules": [
        {
            "regex": "page=2$",
            "task": "ocr",
            "answer": {"languages": ["en"], "blocks": [{"paragraph": "A scan."}, {"chart": "Sales", "box": [0.1, 0.1, 0.9, 0.9]}]},
        }
    ]
}
GONE = Failure(stage="render", kind=FailureKind.render_crashed, message="died", page_index=4)
PAGES = (
    page(0, text_layer=layer("plain", "text")),
    page(1, regions=[region(0), region(1, bbox_px=Box(10, 10, 90, 90))]),
    page(2, is_scan=True),
    page(3, is_blank=True),
    page(4, image=None, failure=GONE),
    page(5, is_scan=True, regions=[region(0, origin="standalone", image=None, bbox_px=Box(0, 0, 640, 448))]),
)


class Readers:
    """A run's readers, one after the other, over chunks made by hand."""

    def __init__(self, out: Path, engine: dict[str, Any], **settings: Any) -> None:
        self.store = LocalStore(str(out))
        chosen = Settings.model_validate({"engine": engine, "regions": {"min_side_pt": 10}} | settings)
        self.recipes = make_recipes(chosen, describe_engines(chosen.engine, chosen.read.tasks), chosen.read.tasks)
        self.stages = [ReadPages(setup) for setup in read_setups(chosen, self.recipes, "run", self.store)]
        self.between: list[pa.Table] = []

    def run(self, *chunks: RenderedChunk) -> list[Receipt]:
        rows = pa.table(
            {
                "chunks": [[each.chunk.model_dump_json() for each in chunks]],
                "spent": [[Spent().model_dump_json() for _ in chunks]],
                "pages": [[[pack(one).body for one in each.pages] for each in chunks]],
                "buffers": [[[pack(one).buffers for one in each.pages] for each in chunks]],
            },
            schema=RENDERED,
        )
        for stage in self.stages:
            rows = asyncio.run(stage(rows))
            self.between.append(rows)
        return [Receipt.model_validate_json(body) for body in rows.column("receipts").to_pylist()[0] if body is not None]

    def staged(self) -> list[StagedChunk]:
        return [decode(self.store.get(found.path)) for found in sorted(self.store.list("_pagefold/staging/"))]

    def rows(self) -> dict[str, list[dict[str, Any]]]:
        """All rows but for what depends on time or on the engine."""
        left_out = VOLATILE | {"recipe_id"}
        return {
            name: [{key: value for key, value in row.items() if key not in left_out} for row in table.to_pylist()]
            for staged in self.staged()
            for name, table in staged.tables.items()
        }


def scripted(script: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"name": "scripted", "scripted": {"script": json.dumps(script)}, **more}


def two(script: dict[str, Any] = TEXT, charts: dict[str, Any] | None = None) -> dict[str, Any]:
    """One engine for text and another one for charts."""
    return scripted(script, chart=scripted({"delay_s": 0.001} | (charts or {})))


@pytest.mark.slow
def test_two_engines_make_the_tables_that_one_makes(tmp_path: Path) -> None:
    one, both = Readers(tmp_path / "one", scripted(TEXT)), Readers(tmp_path / "two", two())
    assert (len(one.stages), len(both.stages)) == (1, 2)

    one.run(rendered(*PAGES))
    (receipt,) = both.run(rendered(*PAGES))

    assert both.rows() == one.rows()
    assert [row["num_chart_candidates"] for row in both.rows()["pages"]] == [0, 2, 1, 0, 0, 1]
    assert [(row["page_index"], row["region_origin"]) for row in both.rows()["charts"]] == [
        (1, "drawing"),
        (1, "drawing"),
        (2, "answer"),
        (5, "standalone"),
    ]
    (staged,) = both.staged()
    assert staged.recipe_ids == {task: recipe.recipe_id for task, recipe in sorted(both.recipes.items())}
    assert {row["recipe_id"] for row in staged.tables["charts"].to_pylist()} == {both.recipes["chart"].recipe_id}
    assert [reader.reads for reader in receipt.spent.readers] == ["ocr", "chart"]
    assert (receipt.num_charts, receipt.num_chart_prompt_tokens, receipt.num_prompt_tokens) == (4, 400, 800)


@pytest.mark.slow
def test_a_kill_between_the_readers_doubles_nothing(tmp_path: Path) -> None:
    one, both = Readers(tmp_path / "one", scripted(TEXT)), Readers(tmp_path / "two", two())
    plain, charts = rendered(page(0), source_index=1), rendered(*PAGES)
    one.run(charts, plain)
    last = both.stages.pop()
    both.run(plain, charts)
    assert [staged.chunk.source_index for staged in both.staged()] == [1]

    both.stages.append(last)
    both.run(charts)

    assert [staged.chunk.source_index for staged in both.staged()] == [0, 1]
    assert both.rows() == one.rows()


def test_only_pages_with_charts_go_on_and_no_more_pixels_than_these_take(tmp_path: Path) -> None:
    readers = Readers(tmp_path, two())
    readers.run(rendered(*PAGES))

    between = readers.between[0]
    assert between.schema.equals(HALF_READ)
    (row,) = between.to_pylist()
    assert row["left"] == [[1, 2, 5]]
    pages = [one for packed in map(Packed, row["pages"][0], row["buffers"][0]) for one in unpack(packed)]
    assert [bool(one.image and one.image.pixels) for one in pages] == [
        False,
        True,
        True,
    ]  # of a drawn page those of its regions go on
    assert [[bool(each.image and each.image.pixels) for each in one.regions] for one in pages] == [[True, True], [], [False]]


@pytest.mark.slow
def test_pictures_are_kept_by_the_last_reader_of_a_page(tmp_path: Path) -> None:
    one = Readers(tmp_path / "one", scripted(TEXT), output={"images": "regions"})
    both = Readers(tmp_path / "two", two(), output={"images": "regions"})

    one.run(rendered(*PAGES))
    both.run(rendered(*PAGES))

    assert both.rows() == one.rows()
    assert [row["page_index"] for row in both.rows()["images"]] == [1, 1, 2, 5]


@pytest.mark.slow
def test_words_are_kept_by_the_reader_of_a_pages_text_under_the_same_recipe(tmp_path: Path) -> None:
    without = Readers(tmp_path / "without", two(), read={"text_from": "layer_first"})
    kept = Readers(tmp_path / "kept", two(), read={"text_from": "layer_first"}, output={"words": True})
    assert kept.recipes == without.recipes

    kept.run(rendered(*PAGES, page(6, text_layer=layer("Sales", "of", "2025"), regions=[region(0)])))

    words = [(row["page_index"], row["word_index"], row["text"]) for row in kept.rows()["words"]]
    assert words == [(0, 0, "plain"), (0, 1, "text"), (6, 0, "Sales"), (6, 1, "of"), (6, 2, "2025")]


@pytest.mark.parametrize("engine", [scripted(TEXT), two()], ids=["one engine", "two"])
def test_a_trusted_layer_is_read_without_the_model(tmp_path: Path, engine: dict[str, Any]) -> None:
    readers = Readers(tmp_path, engine, read={"text_from": "layer_first"})
    (receipt,) = readers.run(rendered(*PAGES, page(6, text_layer=layer("Sales", "of", "2025"), regions=[region(0)])))

    found = [(row["page_index"], row["text_origin"], row["num_asks"]) for row in readers.rows()["pages"] if row["status"] == "ok"]
    assert found == [(0, "text_layer", 0), (1, "model", 1), (2, "model", 1), (5, "model", 1), (6, "text_layer", 0)]
    assert [row["page_index"] for row in readers.rows()["charts"]] == [1, 1, 2, 5, 6]
    (staged,) = readers.staged()
    assert {row["recipe_id"] for row in staged.tables["pages"].to_pylist()} == {readers.recipes["ocr"].recipe_id}
    assert [row["page_index"] for row in readers.rows()["blocks"]] == sorted(row["page_index"] for row in readers.rows()["blocks"])
    assert receipt.spent.readers[0].reads == "layers"


def test_a_chunk_whose_layers_say_all_never_reaches_the_model(tmp_path: Path) -> None:
    readers = Readers(tmp_path, scripted({}), read={"text_from": "layer_first"})
    (receipt,) = readers.run(rendered(page(0, text_layer=layer("plain", "text")), page(1, is_blank=True)))

    assert [reader.reads for reader in receipt.spent.readers] == ["layers"]
    assert (receipt.num_ok, receipt.num_blank, receipt.num_prompt_tokens) == (1, 1, 0)


def test_a_chunk_without_charts_is_staged_by_the_first_reader(tmp_path: Path) -> None:
    readers = Readers(tmp_path, two())
    readers.run(rendered(page(0)), rendered(page(0, regions=[region()]), source_index=1))

    (row,) = readers.between[0].to_pylist()
    assert [receipt is not None for receipt in row["receipts"]] == [True, False]
    assert len(readers.staged()) == 2


@pytest.mark.parametrize("task", ["ocr", "chart"])
def test_one_task_alone_has_one_reader(tmp_path: Path, task: str) -> None:
    readers = Readers(tmp_path, two(), read={"tasks": [task]})
    readers.run(rendered(*PAGES, tasks=["ocr", "chart"]))

    assert len(readers.stages) == 1
    assert bool(readers.rows()["pages"]) == (task == "ocr")


def test_charts_alone_find_their_places_by_their_own_engine_where_nobody_knows_them(tmp_path: Path) -> None:
    readers = Readers(tmp_path, two(charts=TEXT))
    readers.run(rendered(page(2, is_scan=True), page(3, is_scan=True), tasks=["chart"], places={3: []}))

    assert [(row["page_index"], row["flags"]) for row in readers.rows()["charts"]] == [(2, ["places_asked_again"])]
    assert readers.rows()["pages"] == []


def test_places_that_another_recipe_found_are_moved_to_the_size_of_the_page(tmp_path: Path) -> None:
    readers = Readers(tmp_path, two())
    places = {"places": {2: [Box(32, 22.4, 288, 201.6)]}, "place_sizes": {2: (320, 224)}}
    readers.run(rendered(page(2, is_scan=True), tasks=["chart"], **places))

    (chart,) = readers.rows()["charts"]
    assert (chart["left_px"], chart["right_px"], chart["flags"]) == (pytest.approx(64 - 25.6), pytest.approx(576 + 25.6), [])


def test_places_are_asked_of_the_second_engine_where_the_first_gives_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "gives_places", lambda *_: False)
    monkeypatch.setattr(read_pages, "gives_places", lambda *_: False)
    readers = Readers(tmp_path, two(script={}, charts=TEXT))
    readers.run(rendered(page(2, is_scan=True)))

    assert [row["flags"] for row in readers.rows()["charts"]] == [["places_asked_again"]]
    assert [row["num_chart_candidates"] for row in readers.rows()["pages"]] == [1]


def test_a_bug_of_the_second_reader_costs_charts_and_no_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    readers = Readers(tmp_path, two())

    async def breaks(*_: object) -> None:
        raise ValueError("bug")

    monkeypatch.setattr(readers.stages[1]._reader, "read_chunk", breaks)
    readers.run(rendered(*PAGES))

    rows = readers.rows()
    assert [row["status"] for row in rows["pages"]] == ["ok", "ok", "ok", "blank", "failed", "ok"]
    assert [(row["kind"], row["task"], row["page_index"]) for row in rows["failures"]] == [
        ("internal_error", "chart", 1),
        ("internal_error", "chart", 2),
        ("render_crashed", None, 4),
        ("internal_error", "chart", 5),
    ]


def test_a_page_that_kills_the_second_reader_costs_its_charts_alone(tmp_path: Path) -> None:
    readers = Readers(tmp_path, two())
    chunk = rendered(*PAGES)
    begins = Begins(readers.store, "run")
    for name in (f"{chunk.chunk.name}.chart", f"{chunk.chunk.name}.chart.page-1"):
        for _ in range(2):
            begins.begin("000001", 0, name)

    readers.run(chunk)

    rows = readers.rows()
    assert [(row["page_index"], row["status"]) for row in rows["pages"] if row["page_index"] < 3] == [
        (0, "ok"),
        (1, "ok"),
        (2, "ok"),
    ]
    assert [(row["page_index"], row["kind"], row["task"]) for row in rows["failures"]] == [
        (1, "crashed_worker", "chart"),
        (4, "render_crashed", None),
    ]
    assert [row["page_index"] for row in rows["charts"]] == [2, 5]


def test_what_the_second_reader_cannot_encode_is_staged_as_failed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    readers = Readers(tmp_path, two())
    plain = reading.encode_chunk

    def encode(*given: Any) -> bytes:
        if given[1].charts:
            raise ValueError("bug")
        return plain(*given)

    monkeypatch.setattr(reading, "encode_chunk", encode)
    readers.run(rendered(*PAGES))

    assert [row["status"] for row in readers.rows()["pages"]] == ["failed"] * 6
