"""What Prometheus sees of a run: counts from receipts, gauges while it lasts, a file when it has ended, and a real scrape."""

import contextlib
import random
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from pipeline.lake.lease import LeaseHeld
from pipeline.reporting.metrics import Metrics, published
from pipeline.reporting.observer import Silent
from pipeline.runner import run
from schemas.errors import OperatorError
from schemas.lease import LeaseBody
from schemas.receipt import ReaderTime, Spent
from schemas.settings import EnginesSettings, MetricsSettings, Settings
from tests.pipeline.made_input import make_drop
from tests.pipeline.made_run import RUN, receipt, replay, summary


def value(metrics: Metrics, name: str, **labels: str) -> float | None:
    return metrics.registry.get_sample_value(f"pagefold_{name}", labels)


def of_readers(metrics: Metrics, name: str, reads: str = "ocr chart") -> float | None:
    return value(metrics, name, reads=reads)


def test_a_receipt_is_counted_by_outcome_kind_and_stage() -> None:
    metrics = Metrics()
    replay(metrics, receipt(num_gpus=0.5))

    assert [value(metrics, "pages_total", outcome=outcome) for outcome in ("ok", "blank", "partial", "failed")] == [3, 1, 0, 1]
    assert value(metrics, "failures_total", kind="bad_json") == 1
    seconds = {
        stage: value(metrics, "stage_seconds_total", stage=stage) for stage in ("probe", "render", "read", "stage", "compact")
    }
    assert seconds == {"probe": 0.125, "render": 0.5, "read": 4.0, "stage": 0.25, "compact": 1.5}
    assert (value(metrics, "tokens_total", kind="prompt"), value(metrics, "tokens_total", kind="output")) == (1000, 200)
    assert (value(metrics, "fetches_total", result="downloaded"), value(metrics, "fetches_total", result="cached")) == (1, 2)
    assert value(metrics, "fetched_bytes_total") == 4096
    assert (value(metrics, "documents_total"), value(metrics, "shards_total"), value(metrics, "charts_total")) == (2, 1, 2)
    assert (of_readers(metrics, "reader_seconds_total"), of_readers(metrics, "engine_busy_seconds_total")) == (10, 4)
    assert of_readers(metrics, "gpu_seconds_total") == 5


def test_a_reader_s_life_counts_once_and_late_receipts_take_nothing_back() -> None:
    metrics = Metrics(EnginesSettings(max_actors=2))
    replay(
        metrics,
        receipt(lived_s=10, busy_s=4),
        receipt(lived_s=8, busy_s=3),  # overtaken by the one before
        receipt(lived_s=12, busy_s=5),
        receipt(reader="h-2-b", lived_s=3, busy_s=1),
    )

    assert (of_readers(metrics, "reader_seconds_total"), of_readers(metrics, "engine_busy_seconds_total")) == (15, 6)
    assert (of_readers(metrics, "reader_starts_total"), of_readers(metrics, "reader_restarts_total")) == (2, 0)


def test_readers_beyond_the_most_at_once_took_the_place_of_others() -> None:
    metrics = Metrics(EnginesSettings(max_actors=2))
    for _ in range(2):  # each run has its own
        replay(metrics, *(receipt(reader=name) for name in ("a", "b", "a", "c", "d")))
        metrics.ended(summary())
    assert (of_readers(metrics, "reader_starts_total"), of_readers(metrics, "reader_restarts_total")) == (8, 4)


def test_readers_of_text_and_of_charts_are_counted_apart() -> None:
    metrics = Metrics(EnginesSettings.model_validate({"name": "ovis", "chart": {"max_actors": 2}}))
    text = ReaderTime(name="a", reads="ocr", lived_s=8, busy_s=2)
    charts = [ReaderTime(name=name, reads="chart", num_gpus=2, lived_s=5, busy_s=4) for name in ("b", "c")]
    replay(metrics, *(receipt(spent=Spent(readers=(text, chart))) for chart in charts))

    assert (of_readers(metrics, "reader_seconds_total", "ocr"), of_readers(metrics, "reader_seconds_total", "chart")) == (8, 10)
    assert (of_readers(metrics, "gpu_seconds_total", "ocr"), of_readers(metrics, "gpu_seconds_total", "chart")) == (0, 20)
    assert of_readers(metrics, "reader_restarts_total", "chart") == 0


def test_requests_at_once_are_told_while_the_run_lasts_where_they_adapt() -> None:
    metrics = Metrics()
    readers = [ReaderTime(name="a", num_requests=64), ReaderTime(name="a", num_requests=128), ReaderTime(name="b")]
    replay(metrics, *(receipt(spent=Spent(readers=(reader,))) for reader in readers))
    assert value(metrics, "requests_at_once", reads="ocr chart") == 128

    metrics.ended(summary())
    assert value(metrics, "requests_at_once", reads="ocr chart") is None


def test_gauges_say_what_is_so_now_and_fall_back_when_the_run_ends() -> None:
    metrics = Metrics()
    assert (value(metrics, "lease_held"), value(metrics, "lease_age_seconds")) == (0, 0)
    replay(metrics)

    assert (value(metrics, "lease_held"), value(metrics, "lease_age_seconds"), value(metrics, "lease_epoch")) == (1, 12.5, 7)
    assert (value(metrics, "stage_active", stage="read"), value(metrics, "stage_waiting", stage="render")) == (16, 5)
    assert (value(metrics, "documents_planned"), value(metrics, "documents_done")) == (3, 1)
    assert value(metrics, "last_progress_timestamp_seconds")
    (info,) = [sample for family in metrics.registry.collect() if family.name == "pagefold_run_info" for sample in family.samples]
    assert info.labels["run_id"] == RUN

    metrics.ended(summary(cost=1.25, currency="EUR"))

    assert (value(metrics, "lease_held"), value(metrics, "lease_age_seconds"), value(metrics, "stage_active", stage="read")) == (
        0,
        0,
        0,
    )
    assert (value(metrics, "runs_total", status="finished"), value(metrics, "cost_total", currency="EUR")) == (1, 1.25)
    assert value(metrics, "last_run_timestamp_seconds", status="finished")


@pytest.mark.parametrize(
    ("error", "status"),
    [(OperatorError("x"), "failed"), (LeaseHeld(LeaseBody(owner="h", run_id="r", epoch=1, ttl_s=60, nonce="n"), 3), "held")],
)
def test_a_run_that_an_error_ends_is_counted(error: Exception, status: str) -> None:
    metrics = Metrics()
    metrics.failed(error)
    assert value(metrics, "runs_total", status=status) == 1


def test_names_follow_prometheus_conventions() -> None:
    """Base units, and a unit or `total` at the end where there is one."""
    families = list(Metrics().registry.collect())
    assert len(families) > 20
    assert [family.name for family in families if not family.name.startswith("pagefold_") or not family.documentation] == []
    assert [family.name for family in families if family.name.endswith(("_s", "_ms", "_minutes", "_kb", "_percent"))] == []


def test_the_file_is_whole_after_each_run_and_promtool_s_parser_reads_it(tmp_path: Path) -> None:
    file = tmp_path / "pagefold.prom"
    with published(MetricsSettings(file=file), EnginesSettings()) as metrics:
        replay(metrics)
        assert not file.exists()
        metrics.ended(summary())

    samples = {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(file.read_text("utf-8"))
        for sample in family.samples
    }
    assert samples["pagefold_pages_total", "ok"] == 3
    assert samples["pagefold_runs_total", "finished"] == 1
    assert [path.name for path in tmp_path.iterdir()] == ["pagefold.prom"]


def test_counts_go_on_from_the_file_of_the_run_before(tmp_path: Path) -> None:
    settings = MetricsSettings(file=tmp_path / "pagefold.prom")
    for _ in range(3):
        with published(settings, EnginesSettings()) as metrics:
            replay(metrics)
            metrics.ended(summary(cost=0.5, currency="EUR"))

    assert value(metrics, "pages_total", outcome="ok") == 9
    assert value(metrics, "failures_total", kind="bad_json") == 3
    assert (value(metrics, "documents_total"), value(metrics, "cost_total", currency="EUR")) == (6, 1.5)
    assert value(metrics, "documents_planned") == 3  # a gauge is of the run at work


def test_a_full_disk_takes_nothing_from_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pipeline.reporting.metrics.write_to_textfile", full)
    with published(MetricsSettings(file=tmp_path / "pagefold.prom"), EnginesSettings()) as metrics:
        metrics.ended(summary())
    assert "No space left" in caplog.text


@pytest.mark.parametrize("text", ["no metrics\n", 'pagefold_pages_total{colour="red"} 3\n'])
def test_a_file_of_something_else_is_not_overwritten(tmp_path: Path, text: str) -> None:
    file = tmp_path / "pagefold.prom"
    file.write_text(text)
    with pytest.raises(OperatorError, match="remove it"), published(MetricsSettings(file=file), EnginesSettings()):
        pass
    assert file.read_text() == text


def test_a_place_that_cannot_be_published_to_is_the_operator_s(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(OperatorError, match=f"127.0.0.1:{port}"), published(MetricsSettings(port=port), EnginesSettings()):
            pass
    (tmp_path / "folder.prom").mkdir()
    for file in (tmp_path / "x.txt", tmp_path / "not" / "there.prom", tmp_path / "folder.prom"):
        with pytest.raises(OperatorError, match=r"\.prom"), published(MetricsSettings(file=file), EnginesSettings()):
            pass


@pytest.mark.slow
def test_without_the_setting_prometheus_s_client_is_not_even_imported() -> None:
    code = (
        "import io, sys\nfrom pipeline.reporting.watchers import watched\nfrom schemas.settings import Settings\n"
        "with watched(Settings(), io.StringIO(), quiet=True): pass\nsys.exit('prometheus_client' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=240).returncode == 0


class Scraper(Silent):
    """Asks the endpoint as Prometheus does, in the middle of the run."""

    def __init__(self, port: int) -> None:
        self.port, self.texts = port, [""]

    def shard_committed(self, commit: object) -> None:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/metrics", timeout=240) as response:
            self.texts.append(response.read().decode())


def free_port() -> int:
    """A port that no client on this machine is given, so it is still free when it is taken."""
    for port in random.sample(range(20_000, 32_000), 100):
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise AssertionError("a hundred ports are taken")


@pytest.mark.ray
@pytest.mark.usefixtures("ray_session")
def test_a_real_run_is_scraped_while_it_lasts_and_adds_up(tmp_path: Path) -> None:
    from pipeline.reporting.observer import Several

    make_drop(tmp_path / "in")
    settings = Settings.model_validate(
        {
            "engine": {"name": "scripted", "num_gpus": 0},
            "plan": {"chunk_pages": 2, "shard_sources": 2},
            "ray": {"render_workers": 1, "probe_workers": 1},
            "metrics": {"port": free_port()},
        }
    )
    scraper = Scraper(settings.metrics.port or 0)

    with published(settings.metrics, EnginesSettings()) as metrics:
        summary = run(str(tmp_path / "in"), str(tmp_path / "out"), settings, observer=Several(metrics, scraper))

    families = {family.name: family for family in text_string_to_metric_families(scraper.texts[-1])}
    assert families["pagefold_lease_held"].samples[0].value == 1
    assert families["pagefold_lease_age_seconds"].samples[0].value < 60
    assert families["pagefold_run_info"].samples[0].labels["run_id"] == summary.run_id
    assert value(metrics, "pages_total", outcome="ok") == summary.num_pages["ok"] == 15
    assert value(metrics, "documents_total") == summary.num_documents == 5
    assert value(metrics, "shards_total") == 3
    assert value(metrics, "failures_total", kind="empty") == 1
    seconds = {
        stage: value(metrics, "stage_seconds_total", stage=stage) for stage in ("probe", "render", "read", "stage", "compact")
    }
    assert all(second and second > 0 for second in seconds.values()), seconds
    assert value(metrics, "stage_seconds_total", stage="render") == pytest.approx(summary.render_s)
    assert 0 < (of_readers(metrics, "engine_busy_seconds_total") or 0) <= (of_readers(metrics, "reader_seconds_total") or 0)
    assert value(metrics, "runs_total", status="finished") == 1
