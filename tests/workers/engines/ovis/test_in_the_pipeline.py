"""A whole run on a tiny Ovis with random weights: what it says means nothing, but all of it lands, and by the schema."""

import os
import shutil
import signal
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file

from pipeline.reporting.observer import Silent
from pipeline.runner import run
from schemas.receipt import Receipt
from schemas.settings import Settings
from tests.pipeline.made_input import make_pdf
from tests.pipeline.reader_processes import reader_pids
from tests.pipeline.tables import doubled_keys, read_all, read_rows
from tests.waiting import wait_until
from tests.workers.engines.ovis.sabotage import Sabotaged
from tests.workers.engines.ovis.tiny import save_weights
from workers.engines.engine import EngineStartError

pytestmark = [pytest.mark.ray, pytest.mark.slow, pytest.mark.usefixtures("ray_session")]


class Watching(Silent):
    """Keeps what a run tells."""

    def __init__(self) -> None:
        self.receipts: list[Receipt] = []
        self.phases: list[str] = []
        self.messages: list[str] = []

    def phase(self, name: str, detail: str = "") -> None:
        self.phases.append(f"{name} {detail}")

    def message(self, text: str) -> None:
        self.messages.append(text)

    def chunk_done(self, receipt: Receipt, num_documents_done: int) -> None:
        self.receipts.append(receipt)


def kill_the_reader(flag: Path) -> None:
    """Kills it once it has removed the flag."""
    wait_until(lambda: not flag.exists())
    for pid in reader_pids():
        os.kill(pid, signal.SIGKILL)


def sabotaged(given: Settings, flag: Path, *, hangs: bool = False) -> Settings:
    flag.touch()
    reader = Sabotaged(flag=flag, hangs=hangs, **dict(given.engine.of("ocr")))
    return given.model_copy(update={"engine": given.engine.model_copy(update={"ocr": reader, "chart": reader})})


@pytest.fixture(scope="module")
def drop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four documents of 14 pages, eight chunks, in all."""
    folder = tmp_path_factory.mktemp("in")
    for number in range(4):
        make_pdf(folder / f"{number}.pdf", 2 + number)
    return folder


@pytest.fixture(scope="module")
def undisturbed(checkpoint: Path, drop: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """All its rows. Log-probabilities depend in their last digits on who shared the batch."""
    out = tmp_path_factory.mktemp("undisturbed")
    assert run(str(drop), str(out), settings(checkpoint)).status == "finished"
    return {
        table: [{key: about(value) if key.endswith("logprob") else value for key, value in row.items()} for row in rows]
        for table, rows in rows_of(out).items()
    }


def about(value: Any) -> Any:
    return None if value is None else pytest.approx(value, abs=1e-3)


def rows_of(out: Path) -> dict[str, Any]:
    return {table: rows for table, rows in read_all(out).items() if table != "runs"}


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

    watching = Watching()

    summary = run(str(tmp_path / "in"), str(out), settings(checkpoint), observer=watching)

    assert summary.status == "finished"
    assert any("1 reader ready (on the CPU" in phase and "float32" in phase for phase in watching.phases)
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


def test_a_killed_reader_is_started_anew_and_nothing_is_lost_or_different(
    checkpoint: Path, drop: Path, undisturbed: dict[str, Any], tmp_path: Path
) -> None:
    # given a reader that is killed with several chunks in hand
    flag, out, watching = tmp_path / "flag", tmp_path / "out", Watching()
    hanging = sabotaged(settings(checkpoint), flag, hangs=True)
    with ThreadPoolExecutor(1) as beside:
        killed = beside.submit(kill_the_reader, flag)

        summary = run(str(drop), str(out), hanging, observer=watching)

        killed.result()
    assert (summary.status, sum(summary.num_pages.values())) == ("finished", 14)
    assert rows_of(out) == undisturbed
    assert doubled_keys(out) == []
    assert watching.messages == ["a reader process died and was started anew; what it had in hand is read again"]
    # what was staged before the kill is not read again
    names = [receipt.name for receipt in watching.receipts]
    assert len(names) == len(set(names)) == 8


def test_a_device_that_dies_ends_its_process_and_nothing_is_lost_or_different(
    checkpoint: Path, drop: Path, undisturbed: dict[str, Any], tmp_path: Path
) -> None:
    # given a CUDA error that sticks, once, out of the model's forward step
    flag, watching = tmp_path / "flag", Watching()

    summary = run(str(drop), str(tmp_path / "out"), sabotaged(settings(checkpoint), flag), observer=watching)

    assert not flag.exists()
    assert (summary.status, sum(summary.num_pages.values())) == ("finished", 14)
    assert rows_of(tmp_path / "out") == undisturbed
    assert watching.messages == ["a reader process died and was started anew; what it had in hand is read again"]
