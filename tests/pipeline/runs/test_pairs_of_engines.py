"""The pairs of engines that the docs describe, each read in one process: a report with charts, and a scan."""

import shutil
from collections import Counter
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

from pipeline.reporting.observer import Silent
from pipeline.runner import run
from schemas.receipt import Receipt
from schemas.settings import Settings
from tests.pipeline.tables import doubled_keys, read_rows
from tests.servers.fake_openai import FakeOpenAI, Reply, running

pytestmark = pytest.mark.slow

CHART = '{"chart": "bar", "title": "Sales", "printed": "all", "series": ["2025"], "rows": [["North", "12"], ["South", "30"]]}'
MARKDOWN = '# Served\n\n<img src="images/bbox_100_100_900_900.jpg" />'
LARGE = "AIDC-AI/Ovis2.5-9B"


class Ever(FakeOpenAI):
    """An endpoint with one model and one answer for each task."""

    def __init__(self, model: str, answer: str, places: str = "") -> None:
        super().__init__(serves=model, models=Reply(body={"object": "list", "data": [{"id": model}]}), keeps_requests=True)
        self.answer, self.places = answer, places or answer

    async def _completion(self, body: dict[str, Any]) -> Reply:
        asked = body["messages"][-1]["content"][-1]["text"]
        self.replies.append(Reply(text=self.answer if "chart in this image" in asked else self.places))
        return await super()._completion(body)


class Killer(Silent):
    """Ends the run from inside after the first chunk."""

    def chunk_done(self, receipt: Receipt, num_documents_done: int) -> None:
        raise KeyboardInterrupt


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "in"
    folder.mkdir()
    for name in ("report.pdf", "receipt_photo.jpg"):
        shutil.copy(str(files("pipeline").joinpath("examples", name)), folder / name)
    return folder


def read(folder: Path, engine: dict[str, Any], out: Path, observer: Silent | None = None, **more: Any) -> Any:
    given = {"engine": engine, "run": {"on": "local"}, "plan": {"chunk_pages": 2}, **more}
    return run(str(folder), str(out), Settings.model_validate(given), observer=observer or Silent())


def test_ovisocr2_reads_text_and_ovis_9b_charts(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    with running(Ever("ATH-MaaS/OvisOCR2", MARKDOWN)) as text, running(Ever(LARGE, CHART)) as charts:  # type: ignore[arg-type]
        engine = {
            "name": "server",
            "ocr": {"model": "ATH-MaaS/OvisOCR2", "server": {"base_url": text.url}},
            "chart": {"model": LARGE, "server": {"base_url": charts.url}},
        }
        stopped = read(folder, engine, out, Killer())
        went_on = read(folder, engine, out)

        assert (stopped.status, went_on.status) == ("incomplete", "finished")
        assert doubled_keys(out) == []
        assert Counter(row["text_plain"] for row in read_rows(out, "pages")) == {"Served": 5, "": 1}  # one is blank
        found = read_rows(out, "charts")
        assert {row["model"] for row in found} == {LARGE, None}  # those of the report are read from their drawing
        assert "answer" in {row["region_origin"] for row in found} or "standalone" in {row["region_origin"] for row in found}
        assert all("enable_thinking" in str(body["chat_template_kwargs"]) for body in [*text.requests, *charts.requests])
        assert not any("Read this page" in str(body) for body in text.requests)  # nobody asks it Pagefold's way
        assert read(folder, engine, out).status == "nothing_to_do"


def test_classic_reads_text_and_an_endpoint_charts(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    places = '{"languages": [], "blocks": [{"chart": "", "box": [0.1, 0.1, 0.9, 0.9]}]}'
    with running(Ever(LARGE, CHART, places)) as charts:  # type: ignore[arg-type]
        engine = {"name": "classic", "chart": {"name": "server", "model": LARGE, "server": {"base_url": charts.url}}}
        summary = read(folder, engine, out, read={"charts_from": "model"})

        assert (summary.status, summary.num_failures) == ("finished", 0)
        assert {row["engine"] for row in read_rows(out, "pages")} == {"classic"}
        assert {row["engine"] for row in read_rows(out, "charts")} >= {"server", "vector"}  # the drawing stands beside as a witness
        (last,) = [row for row in read_rows(out, "runs") if row["status"] == "finished"]
        assert (last["engine"], last["chart_engine"], last["chart_model"]) == ("classic", "server", LARGE)


def test_two_sizes_of_ovis_share_a_machine(folder: Path, tmp_path: Path) -> None:
    pytest.importorskip("torch", reason="the extra `ovis` is not installed")
    from tests.workers.engines.ovis.tiny import make_checkpoint

    small, large = (make_checkpoint(tmp_path / f"model{seed}", seed=seed) for seed in range(2))
    common = {"device": "cpu", "num_threads": 1, "kv_cache_bytes": 64 * 1024**2, "drafts": False}
    engine = {"name": "ovis", "model": str(small), "ovis": common, "chart": {"model": str(large)}}
    out = tmp_path / "out"
    asks = {"read": {"max_output_tokens": 16, "max_asks": 1, "charts_from": "model"}, "input": {"pages": "1"}}
    summary = read(folder, engine, out, **asks)

    assert summary.status == "finished"
    assert {row["model"] for row in read_rows(out, "pages")} == {str(small)}
    assert str(large) in {row["model"] for row in read_rows(out, "charts")}
    again = read(folder, engine | {"chart": {"model": str(small)}}, out, **asks)
    assert again.status == "finished"
    assert len(read_rows(out, "pages")) == 2  # charts are read again, and they alone
    assert {str(small), str(large)} <= {row["model"] for row in read_rows(out, "charts")}
