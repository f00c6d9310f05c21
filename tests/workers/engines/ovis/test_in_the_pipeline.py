"""A whole run on a tiny Ovis with random weights: what it says means nothing, but all of it lands, and by the schema."""

import shutil
from pathlib import Path

import pytest
from safetensors.torch import load_file

from pipeline.runner import run
from schemas.settings import Settings
from tests.pipeline.made_input import make_pdf
from tests.pipeline.tables import doubled_keys, read_rows
from tests.workers.engines.ovis.tiny import save_weights
from workers.engines.engine import EngineStartError

pytestmark = [pytest.mark.ray, pytest.mark.slow, pytest.mark.usefixtures("ray_session")]


def settings(model: Path) -> Settings:
    return Settings.model_validate(
        {
            "engine": {
                "name": "ovis",
                "model": str(model),
                "ovis": {"device": "cpu", "num_threads": 1, "kv_cache_bytes": 2**25, "max_batch": 4},
            },
            "render": {"max_pixels": 640 * 640},
            "read": {"max_output_tokens": 120, "max_asks": 2},
            "plan": {"chunk_pages": 2},
            "ray": {"render_workers": 1, "probe_workers": 1},
        }
    )


def test_every_page_lands_with_its_model_and_a_second_run_finds_nothing_to_do(checkpoint: Path, tmp_path: Path) -> None:
    # given two documents of three pages in all
    (tmp_path / "in").mkdir()
    make_pdf(tmp_path / "in" / "two.pdf", 2)
    make_pdf(tmp_path / "in" / "one.pdf", 1)
    out = tmp_path / "out"

    summary = run(str(tmp_path / "in"), str(out), settings(checkpoint))

    assert summary.status == "finished"
    pages = read_rows(out, "pages")
    assert len(pages) == 3
    assert {row["engine"] for row in pages} == {"ovis"}
    assert {row["model"] for row in pages} == {str(checkpoint)}
    assert all(row["num_output_tokens"] > 0 and row["mean_logprob"] < 0 for row in pages if row["status"] != "failed")
    # random weights rarely end by themselves; what they said until then was valid, so it is kept or counted, and never bad JSON
    assert {row["kind"] for row in read_rows(out, "failures")} <= {"truncated", "repeated"}
    assert doubled_keys(out) == []

    again = run(str(tmp_path / "in"), str(out), settings(checkpoint))
    assert len(read_rows(out, "pages")) == 3
    assert again.status == "nothing_to_do"


def test_a_model_that_cannot_be_loaded_ends_the_run_with_one_sentence(checkpoint: Path, tmp_path: Path) -> None:
    # given a checkpoint that looks whole from outside, and lacks a tensor that only the actor misses
    folder = shutil.copytree(checkpoint, tmp_path / "model")
    weights = load_file(folder / "model.safetensors")
    del weights["vte.weight"]
    save_weights(folder, weights)
    (tmp_path / "in").mkdir()
    make_pdf(tmp_path / "in" / "one.pdf", 1)
    with pytest.raises(EngineStartError, match=r"1 missing: vte\.weight"):
        run(str(tmp_path / "in"), str(tmp_path / "out"), settings(folder))
