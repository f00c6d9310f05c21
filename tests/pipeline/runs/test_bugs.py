"""Whole runs through Ray in which an engine raises: what lands beside it, who reads it again, and when the run ends."""

import json
from pathlib import Path
from typing import Any

import pytest

from pipeline.lake.opening import open_store
from pipeline.lake.staging import decode
from pipeline.planning import choosing as planning
from pipeline.runner import retry, run
from schemas.failure import FailureKind
from schemas.settings import Settings
from tests.pipeline.made_input import make_drop
from tests.pipeline.tables import doubled_keys, read_rows

pytestmark = [pytest.mark.ray, pytest.mark.usefixtures("ray_session")]

RAISED = {
    ("three.pdf", 1): "ValueError",
    **{("eleven pages + more%20.pdf", page): "MemoryError" for page in (0, 1)},
    **{("eleven pages + more%20.pdf", page): "OSError" for page in (4, 5)},
    **{("eleven pages + more%20.pdf", page): "rapidocr.utils.process_img.ResizeImgError" for page in (8, 9)},
}
"""At a page alone, and in every second chunk."""


def settings(script: Path, *rules: dict[str, object], **read: Any) -> Settings:
    script.write_text(json.dumps({"counters": str(script.with_suffix(".counters")), "rules": rules}))
    return Settings.model_validate(
        {
            "engine": {"name": "scripted", "scripted": {"script": script}},
            "plan": {"chunk_pages": 2, "shard_sources": 2},
            "read": read,
            "ray": {"render_workers": 1, "probe_workers": 1},
        }
    )


@pytest.fixture(scope="module")
def drop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("drop") / "in"
    make_drop(folder)
    return folder


@pytest.fixture(scope="module")
def clean(drop: Path, tmp_path_factory: pytest.TempPathFactory, ray_session: None) -> Path:
    folder = tmp_path_factory.mktemp("clean")
    assert run(str(drop), str(folder / "out"), settings(folder / "script.json")).status == "finished"
    return folder / "out"


def place(row: dict[str, Any]) -> tuple[str, int | None]:
    return row["uri"].rpartition("/")[2], row["page_index"]


def rows(out: Path, table: str) -> list[dict[str, Any]]:
    """Without the pages that are lost, and the recipe: another script is another one."""
    kept = [row for row in read_rows(out, table) if place(row) not in RAISED]
    return [{key: value for key, value in row.items() if key != "recipe_id"} for row in kept]


def test_pages_at_which_an_engine_raises_cost_no_other(
    drop: Path, clean: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    out = tmp_path / "out"
    rules = [{"label": f"*{name}#page={page}", "fault": "raise", "error": error} for (name, page), error in RAISED.items()]

    summary = run(str(drop), str(out), settings(tmp_path / "script.json", *rules))

    assert (summary.status, summary.num_pages["ok"], summary.num_pages["failed"]) == ("finished", 8, 7)
    for table in ("pages", "blocks", "charts", "chart_points", "failures"):
        assert rows(out, table) == rows(clean, table), table
    failed = {place(row): row["message"] for row in read_rows(out, "failures") if row["kind"] == "internal_error"}
    assert failed.keys() == RAISED.keys()
    assert all(failed[page].startswith(f"{error.rpartition('.')[2]}: scripted bug at") for page, error in RAISED.items())
    assert doubled_keys(out) == []
    logged = [record.getMessage() for record in caplog.records if "Traceback (most recent call last)" in record.getMessage()]
    assert len(logged) == len({text.partition(" at ")[0] for text in logged}) == 4  # by the driver, of what its workers met


def test_a_chunk_that_cannot_be_encoded_costs_no_other_and_bugs_are_read_again(
    drop: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    once = [
        {"regex": r"three\.pdf#page=1$", "fault": "raise", "times": 2},
        {"regex": r"eleven.*#page=3$", "fault": "unstorable", "times": 1},
    ]
    chosen = settings(tmp_path / "script.json", *once)

    first = run(str(drop), str(out), chosen)
    assert (first.num_pages["failed"], first.failures[FailureKind.internal_error]) == (3, 3)

    again = run(str(drop), str(out), chosen)
    assert again.status == "nothing_to_do"  # the same version

    monkeypatch.setattr(planning, "this_version", lambda: "99.0")
    newer = run(str(drop), str(out), chosen)
    assert (newer.num_pages["ok"], newer.num_pages["failed"]) == (2, 1)

    retried = retry(str(out), chosen, kinds=[FailureKind.internal_error])
    assert (retried.num_pages["ok"], retried.num_pages["failed"]) == (1, 0)
    assert doubled_keys(out) == []


def test_a_bug_at_every_page_ends_the_run_and_leaves_them_open(drop: Path, tmp_path: Path) -> None:
    out, script = tmp_path / "out", tmp_path / "script.json"
    # a chunk of each document meets the bug at once; the others are in flight when that ends the run, however late it does
    later = {"regex": r"(three.*page=2|eleven.*page=([2-9]|10))$", "fault": "raise", "delay_s": 600, "times": 99}
    everywhere = (later, {"label": "*", "fault": "raise"})

    ended = run(str(drop), str(out), settings(script, *everywhere, max_internal_errors=3))

    assert ended.status == "incomplete"
    assert ended.message is not None
    assert "RuntimeError: scripted bug at" in ended.message
    assert read_rows(out, "pages") == []
    store = open_store(str(out))
    paths = [stored.path for stored in store.list("_pagefold/staging/") if stored.path.endswith(".arrow")]
    staged = [decode(store.get(path)) for path in paths]
    assert [chunk.chunk.source.uri for chunk in staged if "internal_error" in chunk.tables["failures"]["kind"].to_pylist()] == []

    with (script.with_suffix(".counters") / "rule-0").open("ab") as counter:
        counter.write(bytes(99))
    taken = run(str(drop), str(out), settings(script, *everywhere))  # so few pages are just failures

    assert (taken.status, taken.plan_ids) == ("too_many_failed", ended.plan_ids)
    assert (taken.num_pages["failed"], taken.failures[FailureKind.internal_error]) == (15, 15)
