"""Text by one endpoint and charts by another, through Ray: stopped between, gone on with, and one of the two changed afterwards."""

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

pytestmark = [pytest.mark.ray, pytest.mark.usefixtures("ray_session")]

TEXT = '{"languages": ["en"], "blocks": [{"paragraph": "Served."}, {"chart": "Sales", "box": [0.1, 0.1, 0.9, 0.9]}]}'
CHART = '{"chart": "bar", "title": "Sales", "printed": "all", "series": ["2025"], "rows": [["North", "12"], ["South", "30"]]}'


class Ever(FakeOpenAI):
    """An endpoint with one model and one answer."""

    def __init__(self, model: str, answer: str) -> None:
        super().__init__(serves=model, models=Reply(body={"object": "list", "data": [{"id": model}]}), keeps_requests=True)
        self.answer = answer

    async def _completion(self, body: dict[str, Any]) -> Reply:
        self.replies.append(Reply(text=self.answer))
        return await super()._completion(body)


class Killer(Silent):
    """Ends the run from inside after the first chunk."""

    def chunk_done(self, receipt: Receipt, num_documents_done: int) -> None:
        raise KeyboardInterrupt


def settings(text: Ever, charts: Ever, chart_model: str = "large") -> Settings:
    return Settings.model_validate(
        {
            "engine": {
                "name": "server",
                "model": "small",
                "server": {"base_url": text.url},
                "chart": {"model": chart_model, "server": {"base_url": charts.url}},
            },
            "plan": {"chunk_pages": 2, "shard_sources": 2},
            "ray": {"render_workers": 1, "probe_workers": 1},
            "output": {"lease_ttl_s": 600},  # a busy machine loses a shorter one
        }
    )


def test_two_engines_read_one_lake(tmp_path: Path) -> None:
    folder, out = tmp_path / "in", tmp_path / "out"
    folder.mkdir()
    for name in ("report.pdf", "rotated_scan.pdf", "receipt_photo.jpg"):
        shutil.copy(str(files("pipeline").joinpath("examples", name)), folder / name)
    with running(Ever("small", TEXT)) as text, running(Ever("large", CHART)) as charts:  # type: ignore[arg-type]
        stopped = run(str(folder), str(out), settings(text, charts), observer=Killer())
        went_on = run(str(folder), str(out), settings(text, charts))

        assert (stopped.status, went_on.status, went_on.num_failures) == ("incomplete", "finished", 0)
        pages, found = read_rows(out, "pages"), read_rows(out, "charts")
        assert doubled_keys(out) == []
        assert Counter(row["model"] for row in pages) == {"small": len(pages)}
        assert {row["model"] for row in found} == {"large", None}  # some are read from their drawing
        assert {row["region_origin"] for row in found} > {"answer"}
        assert (*{body["model"] for body in text.requests}, *{body["model"] for body in charts.requests}) == ("small", "large")
        last = [row for row in read_rows(out, "runs") if row["status"] == "finished"]
        assert [(row["engine"], row["model"], row["chart_engine"], row["chart_model"]) for row in last] == [
            ("server", "small", "server", "large")
        ]

        num_texts, num_charts = len(text.requests), len(charts.requests)
        charts.serves = "larger"
        charts.models = Reply(body={"object": "list", "data": [{"id": "larger"}]})
        again = run(str(folder), str(out), settings(text, charts, "larger"))

        assert again.status == "finished"
        assert len(text.requests) == num_texts  # no page is asked for its text again, and none to find its charts
        assert len(charts.requests) - num_charts == sum(row["model"] == "larger" for row in read_rows(out, "charts"))
        assert Counter(row["model"] for row in read_rows(out, "charts"))["larger"] == sum(row["model"] == "large" for row in found)
        assert read_rows(out, "pages") == pages
        assert run(str(folder), str(out), settings(text, charts, "larger")).status == "nothing_to_do"
